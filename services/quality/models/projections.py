"""What the order service tells, kept as far as inspection needs it."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.quality.models.base import Base


class InspectionPlan(Base):
    """A plan. stages: see `domain.plans.Stage.as_json`, with their characteristics."""

    __tablename__ = "inspection_plan"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    stages: Mapped[Json]
    outdated: Mapped[bool]


class CharacteristicRow(Base):
    """A characteristic of a plan's stage as it was defined last. spec: `domain.plans.Characteristic.as_json`."""

    __tablename__ = "characteristic"
    __table_args__ = (Index("ix_characteristic_inspection_plan_id", "inspection_plan_id"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    inspection_plan_id: Mapped[UUID]
    stage: Mapped[str]
    spec: Mapped[Json]


class Material(Base):
    """A material's names."""

    __tablename__ = "material"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Calendar(Base):
    """A calendar. definition: the event that defined it, as bytes."""

    __tablename__ = "calendar"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    definition: Mapped[bytes]


class WorkCentre(Base):
    """A work centre and the calendar of its machines."""

    __tablename__ = "work_centre"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    calendar_id: Mapped[UUID | None]


class Equipment(Base):
    """A machine's names, and where its calendar comes from: its own, else its work centre's."""

    __tablename__ = "equipment"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    work_centre_id: Mapped[UUID | None]
    calendar_id: Mapped[UUID | None]


class Job(Base):
    """Where a job stands. good: pieces so far; made: with scrap and what is in rework."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_order_id", "order_id"),
        Index("ix_job_plan_state", "inspection_plan_id", "state"),
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
    qty: Mapped[Decimal]
    good: Mapped[Decimal]
    made: Mapped[Decimal]
    remaining: Mapped[Decimal]
    uom: Mapped[str]
    inspection_plan_id: Mapped[UUID | None]
    first_article: Mapped[bool]
    material_id: Mapped[UUID | None]
    equipment_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(BigInteger)
