"""What other services told: states of machines, gates of inspections, chunks of a plan, and the history of orders."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mes.db import PrimaryId
from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from services.order.models.base import Base


class EquipmentState(Base):
    """The last state that the equipment service told. as_of: when; it tells changes only, so this is not when the
    machine was last heard of (equipment's API says that: `last_signal_at`)."""

    __tablename__ = "equipment_state"

    equipment_id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    category: Mapped[str]
    reason: Mapped[str]
    since: Mapped[datetime]
    expected_until: Mapped[datetime | None]
    as_of: Mapped[datetime]


class InspectionGate(Base):
    """An inspection lot of a job; while a gate is not Passed, the step behind it waits."""

    __tablename__ = "inspection_gate"
    __table_args__ = (Index("ix_inspection_gate_job_id", "job_id"),)

    lot_id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    stage: Mapped[str]
    state: Mapped[str]
    gate: Mapped[bool]
    as_of: Mapped[datetime]


class Nonconformance(Base):
    """A nonconformance of an order; open until it was decided what becomes of its pieces (or that it was none)."""

    __tablename__ = "nonconformance"
    __table_args__ = (Index("ix_nonconformance_open", "order_id", postgresql_where=text("open")),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    no: Mapped[str]
    open: Mapped[bool]
    as_of: Mapped[datetime]


class PlanChunk(Base):
    """A chunk of a published plan that waits for the rest; removed when the plan is applied."""

    __tablename__ = "plan_chunk"

    version_id: Mapped[PrimaryId]
    chunk: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[UUID]
    version_no: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class PlanVersion(Base):
    """The version of the plan that a site's jobs show."""

    __tablename__ = "plan_version"

    site_id: Mapped[PrimaryId]
    version_id: Mapped[UUID]
    version_no: Mapped[int] = mapped_column(BigInteger)
    solver: Mapped[str]
    published_at: Mapped[datetime | None]
    applied_at: Mapped[datetime]


class HistoryEntry(Base):
    """An event about an order, from any topic; `payload` is the message (of `type`) as it came, decoded on reading."""

    __tablename__ = "history_entry"
    __table_args__ = (Index("ix_history_entry_order_id", "order_id", "at"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID | None]
    source: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str]
    verb: Mapped[str] = mapped_column(default="")
    actor: Mapped[str]
    at: Mapped[datetime]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
