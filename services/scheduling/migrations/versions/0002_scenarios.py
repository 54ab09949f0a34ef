"""Scenarios, planners' decisions, limits within which a plan is accepted by itself, and how a run goes.

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
    stability = sa.Column("stability", sa.Float(), server_default="0.5", nullable=False)
    op.add_column("planning_settings", stability)
    op.add_column("planning_settings", sa.Column("accept_moved", sa.Integer(), nullable=True))
    op.add_column("planning_settings", sa.Column("accept_harmed", sa.Integer(), nullable=True))
    op.add_column("schedule_run", sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("schedule_run", sa.Column("stop", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("schedule_run", sa.Column("engine", sa.Text(), server_default="", nullable=False))
    _planning_decision()
    _scenario()


def _planning_decision() -> None:
    op.create_table(
        "planning_decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("promised_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scenario_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planning_decision")),
    )
    op.create_index("ix_planning_decision_site_id_state", "planning_decision", ["site_id", "state"])


def _scenario() -> None:
    op.create_table(
        "scenario",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("base_version_id", sa.Uuid(), nullable=True),
        sa.Column("input_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scenario")),
    )
    op.create_index("uq_scenario_site_id_no", "scenario", ["site_id", "no"], unique=True)


def downgrade() -> None:
    op.drop_table("scenario")
    op.drop_table("planning_decision")
    for name in ("engine", "stop", "progress"):
        op.drop_column("schedule_run", name)
    op.drop_column("planning_settings", "accept_harmed")
    op.drop_column("planning_settings", "accept_moved")
    op.drop_column("planning_settings", "stability")
