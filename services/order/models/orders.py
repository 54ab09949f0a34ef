"""Orders, their jobs, holds on either, and what went outside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.order.models.base import Base

ZERO = Decimal(0)


class ProductionOrder(Base):
    """A production order. Its version is what ETag shows; every change raises it."""

    __tablename__ = "production_order"
    __table_args__ = (
        Index("uq_production_order_site_id_no", "site_id", "no", unique=True),
        Index("ix_production_order_site_id_state", "site_id", "state"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    material_id: Mapped[UUID]
    qty: Mapped[Decimal]
    uom: Mapped[str]
    state: Mapped[str] = mapped_column(default="Draft")
    state_before_hold: Mapped[str] = mapped_column(default="")
    priority: Mapped[int] = mapped_column(default=5)
    release_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    deadline_type: Mapped[str] = mapped_column(default="Soft")
    source: Mapped[str] = mapped_column(default="")
    customer: Mapped[str] = mapped_column(default="")
    parent_id: Mapped[UUID | None]
    split_from: Mapped[UUID | None]
    rework_of: Mapped[UUID | None]
    routing_revision_id: Mapped[UUID | None]
    component_order_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), default=list)
    good_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    scrap_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    # What the last published plan promises; None while unplanned.
    projected_end: Mapped[datetime | None]
    lateness_s: Mapped[int | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    released_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    short: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)


class Job(Base):
    """An operation of an order: the snapshot of its routing operation, its quantities, plan and place.

    Quantities are in the material's report unit: qty to do, over (beyond it, within tolerance), good, scrap,
    rework (in rework now), written_off; what remains follows from them (`services.order.domain.ledger`).
    alternatives: [{equipment_id, setup_s, run_s_per_unit, preference}], work centres resolved to machines.
    fai: state of the first-article gate: "" (none wanted or not yet), "open", "passed", "failed".
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("uq_job_site_id_code", "site_id", "code", unique=True),
        Index("ix_job_order_id", "order_id"),
        # The queue of each machine, and what is at work: the dispatch list reads nothing else.
        Index(
            "ix_job_queue",
            *("site_id", "planned_equipment_id", "state", "plan_rank", "planned_start", "seq", "id"),
            postgresql_where=text("state IN ('Ready', 'Waiting') AND kind <> 'outside'"),
        ),
        Index(
            "ix_job_begun",
            "site_id",
            postgresql_where=text("state IN ('Setup', 'Running', 'Paused', 'Held') AND kind <> 'outside'"),
        ),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    code: Mapped[str]
    seq: Mapped[int]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="Waiting")
    state_before_hold: Mapped[str] = mapped_column(default="")
    predecessor_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), default=list)
    component_order_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), default=list)
    material_id: Mapped[UUID]
    routing_operation_id: Mapped[UUID | None]
    alternatives: Mapped[Json]
    setup_family: Mapped[str] = mapped_column(default="")
    queue_s: Mapped[int] = mapped_column(default=0)
    move_s: Mapped[int] = mapped_column(default=0)
    overlap_qty: Mapped[Decimal | None]
    interruptible: Mapped[bool] = mapped_column(default=True)
    optional: Mapped[bool] = mapped_column(default=False)
    skill: Mapped[str] = mapped_column(default="")
    inspection_plan_id: Mapped[UUID | None]
    first_article: Mapped[bool] = mapped_column(default=False)
    is_key_process: Mapped[bool] = mapped_column(default=False)
    nc_level: Mapped[int] = mapped_column(default=0)
    supplier: Mapped[str] = mapped_column(default="")
    lead_days: Mapped[int] = mapped_column(default=0)
    pieces_per_count: Mapped[Decimal] = mapped_column(default=Decimal(1))
    over_tolerance: Mapped[Decimal] = mapped_column(default=ZERO)
    uom: Mapped[str]
    uom_digits: Mapped[int] = mapped_column(default=0)
    qty: Mapped[Decimal]
    good_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    scrap_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    rework_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    written_off_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    # Of what is written off, what somebody gave up (ended short, skipped); the rest never arrived.
    short_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    over_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    allowed_to_start: Mapped[bool] = mapped_column(default=True)
    material_ready_at: Mapped[datetime | None]
    material_ready_qty: Mapped[Decimal | None]
    planned_equipment_id: Mapped[UUID | None]
    planned_setup_start: Mapped[datetime | None]
    planned_start: Mapped[datetime | None]
    planned_end: Mapped[datetime | None]
    plan_rank: Mapped[int | None]
    plan_cause: Mapped[str] = mapped_column(default="")
    plan_cause_ref: Mapped[UUID | None]
    plan_slack_s: Mapped[int | None]
    pinned: Mapped[bool] = mapped_column(default=False)
    equipment_id: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expected_back_at: Mapped[datetime | None]
    sent_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    returned_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    rework_of: Mapped[UUID | None]
    rework_loop: Mapped[int] = mapped_column(default=0)
    fai: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)

    @property
    def remaining_qty(self) -> Decimal:
        """What is still to be made, by the ledger."""
        used = self.good_qty + self.scrap_qty + self.rework_qty
        return self.qty + self.over_qty - used - self.written_off_qty


class Hold(Base):
    """A hold on an order, or on one job of it; open while `released_at` is None.

    findings: what a nonconformance adds to the reason, [{code, params}], messages of the catalogues.
    """

    __tablename__ = "hold"
    __table_args__ = (
        Index("ix_hold_order_id", "order_id"),
        Index("ix_hold_nonconformance_id", "nonconformance_id"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID | None]
    reason_type: Mapped[str]
    reason: Mapped[str]
    nonconformance_id: Mapped[UUID | None]
    findings: Mapped[Json] = mapped_column(default=list, server_default=text("'[]'"))
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str] = mapped_column(default="")
    release_note: Mapped[str] = mapped_column(default="")


class OutsideMove(Base):
    """Pieces of an outside operation that went to the supplier or came back."""

    __tablename__ = "outside_move"
    __table_args__ = (Index("ix_outside_move_job_id", "job_id"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    direction: Mapped[str]
    supplier: Mapped[str]
    qty: Mapped[Decimal]
    kg: Mapped[Decimal | None]
    shortage_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
