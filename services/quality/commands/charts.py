"""Control charts: subgroups added, limits estimated and confirmed, signals raised.

A stream is a characteristic on one machine: every product whose plan has the characteristic is made to the same target
there, so they are one process. Whoever wants them apart gives them plans of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mes import outbox
from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from mes.events.v1 import quality_pb2
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands.events import stamp
from services.quality.commands.lots import note
from services.quality.domain.charts import (
    KINDS,
    PHASE_ONE,
    Basis,
    Point,
    Subgroup,
    chunks,
    confirmed_basis,
    estimate,
)
from services.quality.domain.plans import ATTRIBUTE_CHARTS, Characteristic
from services.quality.domain.rules import RULE_SET
from services.quality.models import Chart, ChartLimits, ChartPoint, InspectionLot, Measurement, Signal
from services.quality.models.streams import LOOK_BACK, in_force, judged, points_of, subgroup_of, versions_of

SYMBOLS = {"xbar": "X̄", "r": "R", "s": "s", "i": "I", "mr": "MR"}
NAMES = {"xbar_r": ("xbar", "r"), "xbar_s": ("xbar", "s"), "i_mr": ("i", "mr")}
_BY_DEFAULT = (1,)


async def add_points(
    session: AsyncSession,
    ctx: Context,
    lot: InspectionLot,
    characteristics: Sequence[Characteristic],
    measurements: Sequence[Measurement],
    at: datetime,
) -> list[Signal]:
    """Put a complete sample on the charts of its characteristics; the signals that it raises."""
    signals: list[Signal] = []
    for spec in characteristics:
        own = [each for each in measurements if str(each.characteristic_id) == spec.characteristic_id]
        if spec.chart in KINDS and own:
            signals += await _extend(session, ctx, lot, spec, _split(spec, own), at)
    return signals


def _split(spec: Characteristic, rows: Sequence[Measurement]) -> list[Subgroup]:
    """Subgroups of a sample; what is left over of a variable's is a smaller one, if it still has a spread."""
    if spec.chart in ATTRIBUTE_CHARTS:
        whole = sum(row.qty for row in rows)
        # A measured value outside its tolerance counts as one.
        counted = [int(not row.conforming) if row.defects is None else row.defects for row in rows]
        if spec.chart in {"p", "np"}:
            counted = [min(count, row.qty) for count, row in zip(counted, rows, strict=True)]
        return [Subgroup(count=sum(counted), n=whole)]
    size = 1 if spec.chart == "i_mr" else max(2, spec.subgroup_size)
    values = [row.value for row in rows if row.value is not None]
    return [Subgroup(part, n=len(part)) for part in chunks(values, size) if len(part) > 1 or size == 1]


async def _extend(
    session: AsyncSession,
    ctx: Context,
    lot: InspectionLot,
    spec: Characteristic,
    subgroups: Sequence[Subgroup],
    at: datetime,
) -> list[Signal]:
    chart = await _stream(session, ctx, lot, spec)
    fresh = []
    for each in subgroups:
        chart.last_no += 1
        fresh.append(
            ChartPoint(
                id=ctx.new_id(), site_id=ctx.site_id, chart_id=chart.id, no=chart.last_no, inspection_lot_id=lot.id,
                order_id=lot.order_id, job_id=lot.job_id, n=int(each.n), values=list(each.values), count=each.count,
                occurred_at=at, excluded=False, excluded_by="", excluded_reason="",
            )
        )  # fmt: skip
    session.add_all(fresh)
    await session.flush()
    versions = await versions_of(session, chart)
    if not versions and chart.last_no >= PHASE_ONE:
        versions = await _estimate(session, ctx, chart)
    rows = await points_of(session, chart, LOOK_BACK + len(fresh))
    points = judged(chart.kind, spec, rows, versions)
    raised = []
    for place in range(len(rows) - len(fresh), len(rows)):
        raised += _raise(session, ctx, chart, spec, rows, points, versions, place)
    await session.flush()
    return raised


async def _stream(session: AsyncSession, ctx: Context, lot: InspectionLot, spec: Characteristic) -> Chart:
    """The chart of a characteristic on the lot's machine, locked; made with its first point."""
    characteristic_id = UUID(spec.characteristic_id)
    values = {
        "id": ctx.new_id(), "site_id": ctx.site_id, "characteristic_id": characteristic_id,
        "equipment_id": lot.equipment_id, "kind": spec.chart, "last_no": 0, "created_at": ctx.now,
    }  # fmt: skip
    made = await session.scalar(insert(Chart).values(values).on_conflict_do_nothing().returning(Chart.id))
    machine = Chart.equipment_id == lot.equipment_id if lot.equipment_id else Chart.equipment_id.is_(None)
    chart = (
        await session.scalars(
            select(Chart)
            .where(Chart.site_id == ctx.site_id, Chart.characteristic_id == characteristic_id, machine)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one()
    if made is not None and (basis := confirmed_basis(spec)) is not None:
        await add_version(session, ctx, chart, basis, source="plan", confirmed=True, from_no=1)
    return chart


async def add_version(
    session: AsyncSession,
    ctx: Context,
    chart: Chart,
    basis: Basis,
    *,
    source: str,
    confirmed: bool,
    from_no: int,
    reason: str = "",
) -> ChartLimits:
    """A new version of a chart's limits."""
    last = await session.scalar(select(func.max(ChartLimits.version)).where(ChartLimits.chart_id == chart.id))
    row = ChartLimits(
        id=ctx.new_id(), site_id=ctx.site_id, chart_id=chart.id, version=(last or 0) + 1, from_no=from_no,
        source=source, confirmed=confirmed, confirmed_by=ctx.actor if confirmed else "", reason=reason,
        spec=basis.as_json(), at=ctx.now,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return row


async def _estimate(session: AsyncSession, ctx: Context, chart: Chart) -> Sequence[ChartLimits]:
    """Limits from the first subgroups, once there are enough; they hold no job until a person confirms them."""
    rows = [each for each in await points_of(session, chart, 1000) if not each.excluded]
    basis = estimate(chart.kind, [subgroup_of(each) for each in rows]) if len(rows) >= PHASE_ONE else None
    if basis is not None:
        await add_version(session, ctx, chart, basis, source="estimated", confirmed=False, from_no=1)
    return await versions_of(session, chart)


def _raise(
    session: AsyncSession,
    ctx: Context,
    chart: Chart,
    spec: Characteristic,
    rows: Sequence[ChartPoint],
    points: Sequence[Point],
    versions: Sequence[ChartLimits],
    place: int,
) -> list[Signal]:
    """Signals of one point. A pattern that only goes on from the point before is no new one."""
    limits = in_force(versions, rows[place].no)
    before = next((points[at] for at in range(place - 1, -1, -1) if not rows[at].excluded), None)
    names = NAMES.get(chart.kind, (chart.kind, ""))
    raised = []
    for name, now, then in (
        (names[0], points[place].location, before.location if before else None),
        (names[1], points[place].spread, before.spread if before else None),
    ):
        for rule in now.rules if now else ():
            if rule > 1 and then is not None and rule in then.rules:
                continue
            hold = bool(limits and limits.confirmed and rule in (spec.rules_hold or _BY_DEFAULT))
            value = now.value if now and now.value is not None else 0.0
            raised.append(_signal(session, ctx, chart, rows[place], name, rule, value, hold))
    return raised


def _signal(
    session: AsyncSession,
    ctx: Context,
    chart: Chart,
    point: ChartPoint,
    name: str,
    rule: int,
    value: float,
    hold: bool,
) -> Signal:
    row = Signal(
        id=ctx.new_id(), site_id=ctx.site_id, chart_id=chart.id, point_id=point.id,
        characteristic_id=chart.characteristic_id, order_id=point.order_id, job_id=point.job_id, chart=name,
        rule=rule, value=value, hold=hold, state="New", nonconformance_id=None, occurred_at=point.occurred_at,
        cause="", history=[],
    )  # fmt: skip
    note(ctx, row, "raise", "", f"{name} {rule}")
    session.add(row)
    event = quality_pb2.ControlChartSignal(
        signal_id=str(row.id), chart_id=str(chart.id), characteristic_id=str(chart.characteristic_id),
        order_id=str(point.order_id), job_id=str(point.job_id), rule=rule, rule_set=RULE_SET, chart=name, hold=hold,
        value=value, occurred_at=stamp(point.occurred_at),
    )  # fmt: skip
    outbox.publish(session, ctx, event, key=point.order_id)
    return row


# ---- what people do -------------------------------------------------------------------------------------------------


async def locked(session: AsyncSession, ctx: Context, chart_id: UUID) -> Chart:
    """A chart, locked. Raises NotFound."""
    chart = await session.get(Chart, chart_id, with_for_update=True, populate_existing=True)
    if chart is None or chart.site_id != ctx.site_id:
        raise NotFound("chart.unknown", chart=str(chart_id))
    return chart


async def confirm_limits(
    session: AsyncSession,
    ctx: Context,
    chart_id: UUID,
    *,
    fixed: Basis | None,
    first: int = 1,
    last: int | None = None,
    reason: str = "",
) -> ChartLimits:
    """A person confirms limits: those given, else recomputed from the points first .. last that are not excluded.

    The first confirmed limits hold for the whole chart, later ones from the next point on. Raises Invalid.
    """
    chart = await locked(session, ctx, chart_id)
    basis = fixed
    if basis is None:
        rows = await points_of(session, chart, 10_000, last)
        basis = estimate(chart.kind, [subgroup_of(each) for each in rows if each.no >= first])
        if basis is None:
            raise Invalid("chart.too_few", field="first_no", first=first, last=last or chart.last_no)
    confirmed_before = any(each.confirmed for each in await versions_of(session, chart))
    return await add_version(
        session, ctx, chart, basis, source="fixed" if fixed else "estimated", confirmed=True,
        from_no=chart.last_no + 1 if confirmed_before else 1, reason=reason,
    )  # fmt: skip


async def exclude(
    session: AsyncSession, ctx: Context, chart_id: UUID, no: int, *, excluded: bool, reason: str
) -> ChartPoint:
    """Leave a point out of limits and rules, or take it back in; it stays on the chart. Raises NotFound, Conflict.

    Estimated limits that nobody has confirmed yet are estimated again.
    """
    chart = await locked(session, ctx, chart_id)
    row = await session.scalar(
        select(ChartPoint).where(
            ChartPoint.site_id == ctx.site_id, ChartPoint.chart_id == chart.id, ChartPoint.no == no
        )
    )
    if row is None:
        raise NotFound("chart.no_point", chart=str(chart_id), no=no)
    if row.excluded == excluded:
        state, verb = ("excluded", "include") if excluded else ("included", "exclude")
        raise Conflict("chart.point_is_so", no=no, state=state, legal=[verb])
    row.excluded, row.excluded_by, row.excluded_reason = excluded, ctx.actor, reason
    await session.flush()
    versions = await versions_of(session, chart)
    if versions and not any(each.confirmed for each in versions):
        await _estimate(session, ctx, chart)
    return row


async def plan_changed(session: AsyncSession, ctx: Context, spec: Characteristic, before: Characteristic) -> None:
    """A plan brings other confirmed limits: they hold from the next point on, on every machine."""
    basis = confirmed_basis(spec)
    if basis is None or basis == confirmed_basis(before):
        return
    charts = await session.scalars(
        select(Chart)
        .where(Chart.site_id == ctx.site_id, Chart.characteristic_id == UUID(spec.characteristic_id))
        .order_by(Chart.id)
        .with_for_update()
    )
    for chart in charts.all():
        if chart.kind == basis.kind:
            await add_version(session, ctx, chart, basis, source="plan", confirmed=True, from_no=chart.last_no + 1)
