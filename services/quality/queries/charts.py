"""Reads of control charts, signals and capability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mes.errors import Invalid, NotFound
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.domain.capability import Capability, capability
from services.quality.domain.charts import Point, chunks, estimate
from services.quality.domain.plans import VARIABLE, VARIABLE_CHARTS, Characteristic
from services.quality.models import (
    CharacteristicRow,
    Chart,
    ChartLimits,
    ChartPoint,
    Equipment,
    InspectionLot,
    Measurement,
    Signal,
)
from services.quality.models.streams import LOOK_BACK, in_force, judged, points_of, subgroup_of, versions_of

_MOST_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class NamedChart:
    """A chart with what it is called. open_signals: not closed yet; limits: the newest."""

    chart: Chart
    spec: Characteristic
    equipment: Equipment | None
    open_signals: int
    limits: ChartLimits | None


@dataclass(frozen=True, slots=True)
class DrawnPoint:
    """A stored point, judged. version: of the limits that hold for it, None for trial limits or none."""

    row: ChartPoint
    point: Point
    version: int | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart to be drawn. source: plan, fixed, estimated, trial (from the points shown, nobody's yet) or None."""

    named: NamedChart
    points: Sequence[DrawnPoint]
    versions: Sequence[ChartLimits]
    source: str | None
    confirmed: bool


def _charts(site: UUID) -> Select[*tuple[Any, ...]]:
    still_open = (
        select(func.count())
        .where(Signal.chart_id == Chart.id, Signal.state != "Closed")
        .correlate(Chart)
        .scalar_subquery()
    )
    newest = (
        select(ChartLimits.id)
        .where(ChartLimits.chart_id == Chart.id)
        .order_by(ChartLimits.version.desc())
        .limit(1)
        .correlate(Chart)
        .scalar_subquery()
    )
    query: Select[*tuple[Any, ...]] = (
        select(Chart, CharacteristicRow, Equipment, still_open, ChartLimits)
        .join(CharacteristicRow, CharacteristicRow.id == Chart.characteristic_id)
        .outerjoin(Equipment, Equipment.id == Chart.equipment_id)
        .outerjoin(ChartLimits, ChartLimits.id == newest)
        .where(Chart.site_id == site)
    )
    return query


def _named(row: Any) -> NamedChart:
    chart, characteristic, equipment, signals, limits = row
    return NamedChart(chart, Characteristic.of(characteristic.spec), equipment, signals, limits)


async def charts(
    session: AsyncSession,
    site: UUID,
    *,
    characteristic: UUID | None,
    equipment: UUID | None,
    offset: int,
    limit: int,
) -> list[NamedChart]:
    """Charts, oldest first."""
    query = _charts(site)
    if characteristic:
        query = query.where(Chart.characteristic_id == characteristic)
    if equipment:
        query = query.where(Chart.equipment_id == equipment)
    rows = await session.execute(query.order_by(Chart.created_at, Chart.id).offset(offset).limit(limit))
    return [_named(row) for row in rows]


async def drawing(session: AsyncSession, site: UUID, chart_id: UUID, last: int) -> Drawing:
    """A chart with its last points. Raises NotFound."""
    row = (await session.execute(_charts(site).where(Chart.id == chart_id))).first()
    if row is None:
        raise NotFound("chart.unknown", chart=str(chart_id))
    named = _named(row)
    versions = await versions_of(session, named.chart)
    rows = await points_of(session, named.chart, last + LOOK_BACK)
    source = named.limits.source if named.limits else None
    used = list(versions)
    if not used and (trial := _trial(named.chart, rows)) is not None:
        used, source = [trial], "trial"
    points = judged(named.chart.kind, named.spec, rows, used)
    drawn = [
        DrawnPoint(each, point, _version(in_force(versions, each.no))) for each, point in zip(rows, points, strict=True)
    ]
    confirmed = bool(named.limits and named.limits.confirmed)
    return Drawing(named, drawn[-last:], versions, source, confirmed)


def _version(limits: ChartLimits | None) -> int | None:
    return limits.version if limits else None


def _trial(chart: Chart, rows: Sequence[ChartPoint]) -> ChartLimits | None:
    """Limits from the few points there are, for looking at only; never stored."""
    basis = estimate(chart.kind, [subgroup_of(each) for each in rows])
    if basis is None:
        return None
    return ChartLimits(chart_id=chart.id, version=0, from_no=0, source="trial", confirmed=False, spec=basis.as_json())


async def signals(
    session: AsyncSession,
    site: UUID,
    *,
    states: Sequence[str],
    chart: UUID | None,
    job: UUID | None,
    order: UUID | None,
    offset: int,
    limit: int,
) -> list[tuple[Signal, Characteristic, int]]:
    """Signals with their characteristic and the number of their point, newest first."""
    query = (
        select(Signal, CharacteristicRow.spec, ChartPoint.no)
        .join(CharacteristicRow, CharacteristicRow.id == Signal.characteristic_id)
        .join(ChartPoint, ChartPoint.id == Signal.point_id)
        .where(Signal.site_id == site)
    )
    if states:
        query = query.where(Signal.state.in_(states))
    for column, wanted in ((Signal.chart_id, chart), (Signal.job_id, job), (Signal.order_id, order)):
        if wanted:
            query = query.where(column == wanted)
    rows = await session.execute(query.order_by(Signal.id.desc()).offset(offset).limit(limit))
    return [(signal, Characteristic.of(spec), no) for signal, spec, no in rows]


async def signal(session: AsyncSession, site: UUID, signal_id: UUID) -> tuple[Signal, Characteristic, int]:
    """One signal. Raises NotFound."""
    row = (
        await session.execute(
            select(Signal, CharacteristicRow.spec, ChartPoint.no)
            .join(CharacteristicRow, CharacteristicRow.id == Signal.characteristic_id)
            .join(ChartPoint, ChartPoint.id == Signal.point_id)
            .where(Signal.site_id == site, Signal.id == signal_id)
        )
    ).first()
    if row is None:
        raise NotFound("chart_signal.unknown", signal=str(signal_id))
    return row[0], Characteristic.of(row[1]), row[2]


async def characteristic_of(session: AsyncSession, site: UUID, characteristic_id: UUID) -> Characteristic:
    """A characteristic as it is defined now. Raises NotFound."""
    row = await session.get(CharacteristicRow, characteristic_id)
    if row is None or row.site_id != site:
        raise NotFound("characteristic.unknown", characteristic=str(characteristic_id))
    return Characteristic.of(row.spec)


async def capability_of(
    session: AsyncSession,
    site: UUID,
    spec: Characteristic,
    *,
    equipment: UUID | None,
    start: datetime | None,
    end: datetime | None,
) -> Capability:
    """Indices of what was measured, in the chart's subgroups, else sample by sample. Raises Invalid for an attribute.

    Left out are late measurements and samples whose point was excluded from the chart.
    """
    if spec.kind != VARIABLE:
        raise Invalid("capability.attribute", field="characteristic", no=spec.no)
    excluded = (
        select(ChartPoint.inspection_lot_id)
        .join(Chart, Chart.id == ChartPoint.chart_id)
        .where(Chart.characteristic_id == UUID(spec.characteristic_id), ChartPoint.excluded)
    )
    query = (
        select(InspectionLot.equipment_id, InspectionLot.id, Measurement.round, Measurement.value)
        .join(InspectionLot, InspectionLot.id == Measurement.inspection_lot_id)
        .where(
            Measurement.site_id == site,
            Measurement.characteristic_id == UUID(spec.characteristic_id),
            Measurement.value.is_not(None),
            Measurement.late.is_(False),
            Measurement.inspection_lot_id.not_in(excluded),
        )
    )
    if equipment:
        query = query.where(InspectionLot.equipment_id == equipment)
    if start:
        query = query.where(Measurement.occurred_at >= start)
    if end:
        query = query.where(Measurement.occurred_at < end)
    rows = await session.execute(query.order_by(Measurement.id.desc()).limit(_MOST_VALUES))
    samples: dict[tuple[str, UUID, int], list[float]] = {}
    for machine, lot, number, value in reversed(rows.all()):
        samples.setdefault((str(machine), lot, number), []).append(value or 0.0)
    # Machine by machine, so that ranges of single values do not go from one to another.
    ordered = [samples[key] for key in sorted(samples, key=lambda key: key[0])]
    if spec.chart not in VARIABLE_CHARTS:
        return capability(ordered, spec.lsl, spec.usl)
    subgroups = [part for sample in ordered for part in chunks(sample, spec.subgroup_size)]
    return capability(subgroups, spec.lsl, spec.usl, method=spec.chart)
