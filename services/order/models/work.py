"""Work that is or was done: runs, what they serve, and reports."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import Date, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from services.order.models.base import Base
from services.order.models.orders import ZERO


class Run(Base):
    """A stretch of work: at one machine or none, by workers [{worker, share}], for one or more jobs (its lines)."""

    __tablename__ = "run"
    __table_args__ = (Index("ix_run_open", "site_id", "equipment_id", postgresql_where=text("ended_at IS NULL")),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID | None]
    kind: Mapped[str]
    workers: Mapped[Json]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    cause: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")


class RunLine(Base):
    """A job that a run serves; qty: share of the load (an oven's pieces), None where it is not stated."""

    __tablename__ = "run_line"
    __table_args__ = (Index("ix_run_line_job_id", "job_id"),)

    run_id: Mapped[PrimaryId]
    job_id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    qty: Mapped[Decimal | None]


class Report(Base):
    """What was made, as it was said: never changed but for its state; corrected by a counter-entry.

    Quantities are signed (a counter-entry is negative) and in `uom`, the job's unit; `entered` keeps what was typed
    when that was another unit: {good, scrap, rework, uom, lot, factor}. kind: production | setup (trial pieces) |
    scrap (found later) | correction.
    """

    __tablename__ = "report"
    __table_args__ = (
        Index("ix_report_job_id", "job_id"),
        Index("ix_report_order_id", "order_id"),
        Index("ix_report_pending", "site_id", "recorded_at", postgresql_where=text("state = 'Pending'")),
        Index("ix_report_production_date", "site_id", "production_date", "shift"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    run_id: Mapped[UUID | None]
    equipment_id: Mapped[UUID | None]
    kind: Mapped[str]
    state: Mapped[str]
    good_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    scrap_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    rework_qty: Mapped[Decimal] = mapped_column(default=ZERO)
    uom: Mapped[str]
    entered: Mapped[Json | None]
    scrap_reason: Mapped[str] = mapped_column(default="")
    scrap_class: Mapped[str] = mapped_column(default="")
    # Where scrap was found and what caused it, when that is another operation or person.
    caused_by_job_id: Mapped[UUID | None]
    caused_by_worker: Mapped[str] = mapped_column(default="")
    production_date: Mapped[date | None] = mapped_column(Date)
    shift: Mapped[str] = mapped_column(default="")
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    reported_by: Mapped[str]
    terminal: Mapped[str] = mapped_column(default="")
    workers: Mapped[Json]
    source: Mapped[str] = mapped_column(default="operator")
    corrects_report_id: Mapped[UUID | None]
    pending_reason: Mapped[str] = mapped_column(default="")
    pending_params: Mapped[Json | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(default="")
    decision_note: Mapped[str] = mapped_column(default="")
    counter_from: Mapped[Decimal | None]
    counter_to: Mapped[Decimal | None]
    run_s_per_unit: Mapped[Decimal | None]
    final: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
