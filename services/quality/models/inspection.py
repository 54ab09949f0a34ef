"""Inspection lots, their measurements, and what decides when and how sharply the next one is inspected."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from services.quality.models.base import Base

OPEN = "state IN ('Pending', 'InProgress', 'ReInspection')"


class InspectionLot(Base):
    """An inspection lot.

    stage_no: place of its stage in the plan; characteristics: snapshot of what is inspected; good_from: the job's good
    pieces at the lot before, so that the pieces since then are what this lot speaks for; round: 1, then one more for
    every re-inspection; history: who moved it, when and why.
    """

    __tablename__ = "inspection_lot"
    __table_args__ = (
        Index("ix_inspection_lot_open", "site_id", "opened_at", "id", postgresql_where=text(OPEN)),
        Index("ix_inspection_lot_job", "job_id", "stage_no"),
        Index("ix_inspection_lot_order_id", "order_id"),
        Index("ix_inspection_lot_opened", "site_id", "opened_at", "id"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    inspection_plan_id: Mapped[UUID]
    stage_no: Mapped[int]
    stage: Mapped[str]
    cause: Mapped[str]
    state: Mapped[str]
    lot_qty: Mapped[Decimal]
    good_from: Mapped[Decimal]
    sampling: Mapped[str]
    aql: Mapped[str]
    sample_size: Mapped[int]
    accept: Mapped[int]
    code_letter: Mapped[str]
    severity: Mapped[str]
    gate: Mapped[bool]
    equipment_id: Mapped[UUID | None]
    material_id: Mapped[UUID | None]
    characteristics: Mapped[Json]
    round: Mapped[int]
    nonconforming: Mapped[int | None]
    opened_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    inspector: Mapped[str]
    history: Mapped[Json]
    version: Mapped[int] = mapped_column(default=1)


class Measurement(Base):
    """A fact of an inspection: a value, or the defects in `qty` pieces.

    key: the sender's own id of it, if there is one; late: it came when its round was decided.
    """

    __tablename__ = "measurement"
    __table_args__ = (
        Index("uq_measurement_key", "site_id", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
        Index("ix_measurement_inspection_lot_id", "inspection_lot_id", "id"),
        Index("ix_measurement_characteristic", "characteristic_id", "occurred_at"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    key: Mapped[UUID | None]
    inspection_lot_id: Mapped[UUID]
    characteristic_id: Mapped[UUID]
    round: Mapped[int]
    value: Mapped[float | None]
    defects: Mapped[int | None]
    qty: Mapped[int]
    conforming: Mapped[bool]
    late: Mapped[bool]
    gauge: Mapped[str]
    measured_by: Mapped[str]
    recorded_by: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class StageWatch(Base):
    """Where a stage of a job stands since its last lot: see `domain.inspection.Watch`."""

    __tablename__ = "stage_watch"
    __table_args__ = (Index("uq_stage_watch", "site_id", "job_id", "stage_no", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    job_id: Mapped[UUID]
    stage_no: Mapped[int]
    good: Mapped[Decimal]
    made: Mapped[Decimal]
    at: Mapped[datetime | None]
    shift: Mapped[str | None]
    equipment_id: Mapped[UUID | None]


class SamplingState(Base):
    """Severity of the sampling of one product at one stage: see `domain.switching.Switching`."""

    __tablename__ = "sampling_state"
    __table_args__ = (
        Index(
            "uq_sampling_state", "site_id", "inspection_plan_id", "stage_no", "material_id", unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )  # fmt: skip

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    inspection_plan_id: Mapped[UUID]
    stage_no: Mapped[int]
    material_id: Mapped[UUID | None]
    state: Mapped[Json]
    edition: Mapped[str]
    changed_at: Mapped[datetime]
