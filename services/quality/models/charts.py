"""Control charts: streams of subgroups, versions of limits, signals."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from services.quality.models.base import Base


class Chart(Base):
    """One stream: a characteristic on one machine (or by hand). last_no: of its newest point."""

    __tablename__ = "chart"
    __table_args__ = (
        Index(
            "uq_chart", "site_id", "characteristic_id", "equipment_id", unique=True, postgresql_nulls_not_distinct=True
        ),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    characteristic_id: Mapped[UUID]
    equipment_id: Mapped[UUID | None]
    kind: Mapped[str]
    last_no: Mapped[int]
    created_at: Mapped[datetime]


class ChartLimits(Base):
    """A version of a chart's limits, in force from point `from_no` on. spec: `domain.charts.Basis.as_json`.

    source: plan | fixed | estimated. Unconfirmed limits never hold a job.
    """

    __tablename__ = "chart_limits"
    __table_args__ = (Index("uq_chart_limits", "site_id", "chart_id", "version", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    chart_id: Mapped[UUID]
    version: Mapped[int]
    from_no: Mapped[int]
    source: Mapped[str]
    confirmed: Mapped[bool]
    confirmed_by: Mapped[str]
    reason: Mapped[str]
    spec: Mapped[Json]
    at: Mapped[datetime]


class ChartPoint(Base):
    """A subgroup. values: of a variable; count: of an attribute (nonconforming or defects) in n pieces."""

    __tablename__ = "chart_point"
    __table_args__ = (
        Index("uq_chart_point", "site_id", "chart_id", "no", unique=True),
        Index("ix_chart_point_inspection_lot_id", "inspection_lot_id"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    chart_id: Mapped[UUID]
    no: Mapped[int]
    inspection_lot_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    n: Mapped[int]
    values: Mapped[Json]
    count: Mapped[int | None]
    occurred_at: Mapped[datetime]
    excluded: Mapped[bool]
    excluded_by: Mapped[str]
    excluded_reason: Mapped[str]


class Signal(Base):
    """A rule violated at a point. chart: location | spread; the point completes the pattern."""

    __tablename__ = "chart_signal"
    __table_args__ = (
        Index("uq_chart_signal", "site_id", "point_id", "chart", "rule", unique=True),
        Index("ix_chart_signal_state", "site_id", "state", "id"),
        Index("ix_chart_signal_chart_id", "chart_id"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    chart_id: Mapped[UUID]
    point_id: Mapped[UUID]
    characteristic_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    chart: Mapped[str]
    rule: Mapped[int]
    value: Mapped[float]
    hold: Mapped[bool]
    state: Mapped[str]
    nonconformance_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime]
    cause: Mapped[str]
    history: Mapped[Json]
    version: Mapped[int] = mapped_column(default=1)
