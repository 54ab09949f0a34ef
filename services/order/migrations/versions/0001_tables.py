"""The tables of the order service, and those that every service has.

Revision: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _aggregate_sequence() -> None:
    op.create_table(
        "aggregate_sequence",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_aggregate_sequence")),
    )


def _column_mapping() -> None:
    op.create_table(
        "column_mapping",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_column_mapping")),
    )
    op.create_index("uq_column_mapping_site_id_name", "column_mapping", ["site_id", "name"], unique=True)


def _definition() -> None:
    op.create_table(
        "definition",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("no", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outdated", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_definition")),
    )
    op.create_index("uq_definition_site_id_kind_no", "definition", ["site_id", "kind", "no"], unique=True)


def _equipment_state() -> None:
    op.create_table(
        "equipment_state",
        sa.Column("equipment_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expected_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("equipment_id", name=op.f("pk_equipment_state")),
    )


def _guard_setting() -> None:
    op.create_table(
        "guard_setting",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("guard", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guard_setting")),
    )
    op.create_index("uq_guard_setting_site_id_guard", "guard_setting", ["site_id", "guard"], unique=True)


def _history_entry() -> None:
    op.create_table(
        "history_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history_entry")),
    )
    op.create_index("ix_history_entry_order_id", "history_entry", ["order_id", "at"], unique=False)


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("reason_type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("nonconformance_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Text(), nullable=False),
        sa.Column("release_note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index("ix_hold_nonconformance_id", "hold", ["nonconformance_id"], unique=False)
    op.create_index("ix_hold_order_id", "hold", ["order_id"], unique=False)


def _idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("principal", "method", "path", "key", name=op.f("pk_idempotency_key")),
    )


def _import_run() -> None:
    op.create_table(
        "import_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_hash", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("skipped_rows", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "processed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("source", "event_id", name=op.f("pk_inbox")),
    )


def _inspection_gate() -> None:
    op.create_table(
        "inspection_gate",
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("gate", sa.Boolean(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lot_id", name=op.f("pk_inspection_gate")),
    )
    op.create_index("ix_inspection_gate_job_id", "inspection_gate", ["job_id"], unique=False)


def _job_first() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_before_hold", sa.Text(), nullable=False),
        sa.Column("predecessor_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("component_order_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("material_id", sa.Uuid(), nullable=False),
        sa.Column("routing_operation_id", sa.Uuid(), nullable=True),
        sa.Column("alternatives", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("setup_family", sa.Text(), nullable=False),
        sa.Column("queue_s", sa.Integer(), nullable=False),
        sa.Column("move_s", sa.Integer(), nullable=False),
        sa.Column("overlap_qty", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("interruptible", sa.Boolean(), nullable=False),
        sa.Column("optional", sa.Boolean(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("inspection_plan_id", sa.Uuid(), nullable=True),
        sa.Column("first_article", sa.Boolean(), nullable=False),
        sa.Column("is_key_process", sa.Boolean(), nullable=False),
        sa.Column("nc_level", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.Column("pieces_per_count", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("over_tolerance", sa.Numeric(precision=18, scale=6), nullable=False),
    ]


def _job() -> None:
    op.create_table(
        "job",
        *_job_first(),
        sa.Column("uom", sa.Text(), nullable=False),
        sa.Column("uom_digits", sa.Integer(), nullable=False),
        sa.Column("qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("good_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("scrap_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("rework_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("written_off_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("short_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("over_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("allowed_to_start", sa.Boolean(), nullable=False),
        sa.Column("material_ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("material_ready_qty", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("planned_equipment_id", sa.Uuid(), nullable=True),
        sa.Column("planned_setup_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planned_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planned_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("plan_rank", sa.Integer(), nullable=True),
        sa.Column("plan_cause", sa.Text(), nullable=False),
        sa.Column("plan_cause_ref", sa.Uuid(), nullable=True),
        sa.Column("plan_slack_s", sa.Integer(), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("equipment_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expected_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("returned_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("rework_of", sa.Uuid(), nullable=True),
        sa.Column("rework_loop", sa.Integer(), nullable=False),
        sa.Column("fai", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(
        "ix_job_queue",
        "job",
        ["site_id", "planned_equipment_id", "state", "plan_rank", "planned_start", "seq", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('Ready', 'Waiting') AND kind <> 'outside'"),
    )
    begun = sa.text("state IN ('Setup', 'Running', 'Paused', 'Held') AND kind <> 'outside'")
    op.create_index("ix_job_begun", "job", ["site_id"], unique=False, postgresql_where=begun)
    op.create_index("ix_job_order_id", "job", ["order_id"], unique=False)
    op.create_index("uq_job_site_id_code", "job", ["site_id", "code"], unique=True)


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_unsent", "outbox", ["position"], unique=False, postgresql_where=sa.text("sent_at IS NULL")
    )


def _outside_move() -> None:
    op.create_table(
        "outside_move",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("kg", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("shortage_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_move")),
    )
    op.create_index("ix_outside_move_job_id", "outside_move", ["job_id"], unique=False)


def _parked_event() -> None:
    op.create_table(
        "parked_event",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("record_offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_parked_event")),
    )
    op.create_index("ix_parked_event_topic_key", "parked_event", ["topic", "key"], unique=False)


def _plan_chunk() -> None:
    op.create_table(
        "plan_chunk",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("version_no", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "chunk", name=op.f("pk_plan_chunk")),
    )


def _plan_version() -> None:
    op.create_table(
        "plan_version",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("version_no", sa.BigInteger(), nullable=False),
        sa.Column("solver", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_plan_version")),
    )


def _production_order() -> None:
    op.create_table(
        "production_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.Text(), nullable=False),
        sa.Column("material_id", sa.Uuid(), nullable=False),
        sa.Column("qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("uom", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_before_hold", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("split_from", sa.Uuid(), nullable=True),
        sa.Column("rework_of", sa.Uuid(), nullable=True),
        sa.Column("routing_revision_id", sa.Uuid(), nullable=True),
        sa.Column("component_order_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("good_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("scrap_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("projected_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lateness_s", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("short", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_production_order")),
    )
    op.create_index("ix_production_order_site_id_state", "production_order", ["site_id", "state"], unique=False)
    op.create_index("uq_production_order_site_id_no", "production_order", ["site_id", "no"], unique=True)


def _report() -> None:
    op.create_table(
        "report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("equipment_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("good_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("scrap_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("rework_qty", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("uom", sa.Text(), nullable=False),
        sa.Column("entered", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("scrap_reason", sa.Text(), nullable=False),
        sa.Column("scrap_class", sa.Text(), nullable=False),
        sa.Column("caused_by_job_id", sa.Uuid(), nullable=True),
        sa.Column("caused_by_worker", sa.Text(), nullable=False),
        sa.Column("production_date", sa.Date(), nullable=True),
        sa.Column("shift", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_by", sa.Text(), nullable=False),
        sa.Column("terminal", sa.Text(), nullable=False),
        sa.Column("workers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("corrects_report_id", sa.Uuid(), nullable=True),
        sa.Column("pending_reason", sa.Text(), nullable=False),
        sa.Column("pending_params", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decision_note", sa.Text(), nullable=False),
        sa.Column("counter_from", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("counter_to", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("run_s_per_unit", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
    )
    op.create_index("ix_report_job_id", "report", ["job_id"], unique=False)
    op.create_index("ix_report_order_id", "report", ["order_id"], unique=False)
    op.create_index(
        "ix_report_pending",
        "report",
        ["site_id", "recorded_at"],
        unique=False,
        postgresql_where=sa.text("state = 'Pending'"),
    )
    op.create_index("ix_report_production_date", "report", ["site_id", "production_date", "shift"], unique=False)


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("equipment_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("workers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(
        "ix_run_open", "run", ["site_id", "equipment_id"], unique=False, postgresql_where=sa.text("ended_at IS NULL")
    )


def _run_line() -> None:
    op.create_table(
        "run_line",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("qty", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "job_id", name=op.f("pk_run_line")),
    )
    op.create_index("ix_run_line_job_id", "run_line", ["job_id"], unique=False)


_TABLES = (
    _aggregate_sequence, _column_mapping, _definition, _equipment_state, _guard_setting, _history_entry, _hold,
    _idempotency_key, _import_run, _inbox, _inspection_gate, _job, _outbox, _outside_move, _parked_event, _plan_chunk,
    _plan_version, _production_order, _report, _run, _run_line,
)  # fmt: skip


def upgrade() -> None:
    for make in _TABLES:
        make()


def downgrade() -> None:
    for make in reversed(_TABLES):
        op.drop_table(make.__name__.removeprefix("_"))
