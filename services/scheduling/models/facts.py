"""Projections: what the order and equipment services told, as far as planning needs it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import BigInteger, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.scheduling.models.tables import Base


class Equipment(Base):
    """A machine as it is defined. calendar_id: its own; without one the work centre's holds."""

    __tablename__ = "equipment"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    work_centre_id: Mapped[UUID | None]
    calendar_id: Mapped[UUID | None]
    efficiency: Mapped[Decimal]
    initial_family: Mapped[str]
    outdated: Mapped[bool]


class EquipmentState(Base):
    """The state of a machine now; it may be told before the machine is."""

    __tablename__ = "equipment_state"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    category: Mapped[str]
    reason: Mapped[str]
    since: Mapped[datetime]
    expected_until: Mapped[datetime | None]


class WorkCentre(Base):
    """A work centre and the calendar of its machines."""

    __tablename__ = "work_centre"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    calendar_id: Mapped[UUID | None]
    outdated: Mapped[bool]


class CalendarRow(Base):
    """A calendar as it was defined: a serialised `CalendarDefined`."""

    __tablename__ = "calendar"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    definition: Mapped[bytes]


class SetupMatrix(Base):
    """The setup matrix of the site, whole; its id is the site's."""

    __tablename__ = "setup_matrix"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    entries: Mapped[Json]


class Order(Base):
    """An order as far as it decides what its jobs are worth and when they may begin."""

    __tablename__ = "production_order"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    state: Mapped[str]
    priority: Mapped[int]
    release_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    deadline_type: Mapped[str]
    component_order_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    version: Mapped[int] = mapped_column(BigInteger)


class Job(Base):
    """A job, whole. progress_at: when `remaining_qty` was true, or its setup began; what remains runs from there."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_site_id_order_id", "site_id", "order_id"),
        Index("ix_job_open", "site_id", postgresql_where=text("is_open")),
        Index("ix_job_last_on_machine", "site_id", "equipment_id", "finished_at"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    order_no: Mapped[str]
    code: Mapped[str]
    seq: Mapped[int]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    is_open: Mapped[bool]
    predecessor_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    component_order_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    alternatives: Mapped[Json]
    family: Mapped[str]
    queue_s: Mapped[int] = mapped_column(BigInteger)
    move_s: Mapped[int] = mapped_column(BigInteger)
    overlap_qty: Mapped[Decimal | None]
    qty: Mapped[Decimal]
    good_qty: Mapped[Decimal]
    remaining_qty: Mapped[Decimal]
    interruptible: Mapped[bool]
    lead_days: Mapped[int]
    material_ready_at: Mapped[datetime | None]
    expected_back_at: Mapped[datetime | None]
    pinned: Mapped[bool]
    planned_equipment_id: Mapped[UUID | None]
    planned_start: Mapped[datetime | None]
    equipment_id: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(BigInteger)
