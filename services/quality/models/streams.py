"""The stored points and limits of a chart as the calculations take them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.domain.charts import Basis, Point, Subgroup, chosen_rules, evaluate
from services.quality.domain.plans import Characteristic
from services.quality.models.charts import Chart, ChartLimits, ChartPoint

# Points before a new one that the longest pattern can reach back to, with room for excluded ones.
LOOK_BACK = 60


def subgroup_of(row: ChartPoint) -> Subgroup:
    """A stored point as the calculations take it."""
    return Subgroup(tuple(row.values or ()), row.count, row.n, row.excluded)


def basis_of(row: ChartLimits) -> Basis:
    """Stored limits as the calculations take them."""
    return Basis(**row.spec)


def in_force(versions: Sequence[ChartLimits], no: int) -> ChartLimits | None:
    """The newest version of the limits that holds at a point."""
    return max((each for each in versions if each.from_no <= no), key=lambda each: each.version, default=None)


def judged(kind: str, spec: Characteristic, rows: Sequence[ChartPoint], versions: Sequence[ChartLimits]) -> list[Point]:
    """Points with the lines that hold for each and the rules that it violates."""
    found = [in_force(versions, row.no) for row in rows]
    bases = [basis_of(each) if each else None for each in found]
    return evaluate(kind, [subgroup_of(row) for row in rows], bases, rules=chosen_rules(kind, spec.rules_signal))


async def versions_of(session: AsyncSession, chart: Chart) -> Sequence[ChartLimits]:
    """All versions of a chart's limits, oldest first."""
    rows = await session.scalars(
        select(ChartLimits).where(ChartLimits.chart_id == chart.id).order_by(ChartLimits.version)
    )
    return rows.all()


async def points_of(session: AsyncSession, chart: Chart, last: int, upto: int | None = None) -> list[ChartPoint]:
    """The last points of a chart (up to a number), oldest first."""
    query = select(ChartPoint).where(ChartPoint.site_id == chart.site_id, ChartPoint.chart_id == chart.id)
    if upto is not None:
        query = query.where(ChartPoint.no <= upto)
    rows = await session.scalars(query.order_by(ChartPoint.no.desc()).limit(last))
    return list(reversed(rows.all()))
