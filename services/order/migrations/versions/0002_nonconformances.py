"""Nonconformances of orders, also those that hold nothing; what holds say as messages of the catalogues.

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
    op.create_table(
        "nonconformance",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.Text(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nonconformance")),
    )
    op.create_index(
        "ix_nonconformance_open", "nonconformance", ["order_id"], unique=False, postgresql_where=sa.text("open")
    )
    findings = sa.Column(
        "findings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
    )
    op.add_column("hold", findings)
    # What is known of those that came before: they hold something. The reason of the hold begins with their number.
    op.execute(
        """
        INSERT INTO nonconformance (id, site_id, order_id, no, open, as_of)
        SELECT DISTINCT ON (nonconformance_id) nonconformance_id, site_id, order_id, split_part(reason, ' ', 1), true,
            opened_at
        FROM hold WHERE nonconformance_id IS NOT NULL AND released_at IS NULL
        ORDER BY nonconformance_id, opened_at
        """
    )
