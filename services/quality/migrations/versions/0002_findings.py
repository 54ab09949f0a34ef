"""What was found as messages of the catalogues.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What the rules of charts found before stays in `defect`, in the words in which it was written.
    findings = sa.Column(
        "findings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
    )
    op.add_column("nonconformance", findings)
