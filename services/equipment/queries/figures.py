"""OEE and the other key figures, with the ids of the intervals and reports that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from mes.errors import NotFound
from mes.shifts import Calendar
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.domain import oee
from services.equipment.domain.compose import Piece, cut
from services.equipment.domain.oee import Kpis, Output, Report, Times, kpis
from services.equipment.models import COUNTED, Equipment, ReportRow, RunRow
from services.equipment.models.layers import calendar_of, pieces_of, steps_of


@dataclass(frozen=True, slots=True)
class Scope:
    """What figures are wanted of. shift and production_date choose shift instances inside [start, end)."""

    start: datetime
    end: datetime
    order: UUID | None = None
    shift: str = ""
    production_date: date | None = None

    @property
    def by_shift(self) -> bool:
        return bool(self.shift or self.production_date)


@dataclass(frozen=True, slots=True)
class Line:
    """One machine's part: sums, figures, and what they come from."""

    equipment: Equipment
    times: Times
    made: Output
    figures: Kpis
    pieces: Sequence[Piece]
    reports: Sequence[Report]


@dataclass(frozen=True, slots=True)
class Result:
    """Sums over all machines, figures as ratios of these sums, and each machine's line."""

    times: Times
    made: Output
    figures: Kpis
    lines: Sequence[Line]


async def window_of_order(session: AsyncSession, site: UUID, order: UUID, now: datetime) -> tuple[datetime, datetime]:
    """From the first run of an order to the end of its last, or to now while one is open. Raises NotFound."""
    query = (
        select(
            func.min(RunRow.started_at), func.max(func.coalesce(RunRow.ended_at, now)), func.max(ReportRow.occurred_at)
        )
        .select_from(RunRow)
        .outerjoin(ReportRow, ReportRow.order_id == order)
    )
    first, last, reported = (
        await session.execute(query.where(RunRow.site_id == site, RunRow.orders.contains([order])))
    ).one()
    if first is None:
        raise NotFound("order.not_run", order=str(order))
    return first, min(now, max(last, reported or last))


async def machines_of_order(session: AsyncSession, site: UUID, order: UUID) -> set[UUID]:
    """Machines on which an order ran or was reported."""
    runs = await session.scalars(
        select(RunRow.equipment_id).where(RunRow.site_id == site, RunRow.orders.contains([order]))
    )
    reports = await session.scalars(
        select(ReportRow.equipment_id).where(ReportRow.site_id == site, ReportRow.order_id == order)
    )
    return set(runs) | set(reports)


async def figures(session: AsyncSession, machines: Sequence[Equipment], scope: Scope) -> Result:
    """Figures of the machines in the scope."""
    lines = [await _line(session, each, scope) for each in machines]
    times = sum((each.times for each in lines), Times())
    made = sum((each.made for each in lines), Output())
    return Result(times, made, kpis(times, made), lines)


async def _line(session: AsyncSession, equipment: Equipment, scope: Scope) -> Line:
    calendar = await calendar_of(session, equipment)
    pieces = await pieces_of(session, equipment, scope.start, scope.end, calendar)
    if scope.by_shift:
        pieces = [each for each in _by_shift(pieces, calendar, scope) if _wanted(each, scope)]
    if scope.order is not None:
        pieces = [each for each in pieces if scope.order in each.orders]
    steps = await steps_of(session, equipment, scope.start, scope.end)
    times = oee.measure(pieces, scope.order, steps)
    reports = await _reports(session, equipment, scope, pieces)
    made = oee.output(reports)
    return Line(equipment, times, made, kpis(times, made), pieces, reports)


def _by_shift(pieces: Sequence[Piece], calendar: Calendar | None, scope: Scope) -> list[Piece]:
    return cut(pieces, calendar.instances(scope.start, scope.end) if calendar else [])


def _wanted(piece: Piece, scope: Scope) -> bool:
    day = scope.production_date.isoformat() if scope.production_date else piece.production_date
    return bool(piece.shift) and piece.shift == (scope.shift or piece.shift) and piece.production_date == day


async def _reports(session: AsyncSession, equipment: Equipment, scope: Scope, pieces: Sequence[Piece]) -> list[Report]:
    """Accepted reports of the scope: of a shift by the date and shift that they carry, else by their time."""
    query = select(ReportRow).where(ReportRow.equipment_id == equipment.id, ReportRow.state.in_(COUNTED))
    if scope.order is not None:
        query = query.where(ReportRow.order_id == scope.order)
    if scope.by_shift:
        days = {each.production_date for each in pieces}
        query = query.where(ReportRow.production_date.in_(sorted(days)))
        query = query.where(ReportRow.shift == scope.shift) if scope.shift else query
    elif scope.order is not None:
        query = query.where(ReportRow.occurred_at >= scope.start, ReportRow.occurred_at <= scope.end)
    else:
        query = query.where(ReportRow.occurred_at >= scope.start, ReportRow.occurred_at < scope.end)
    rows = await session.scalars(query.order_by(ReportRow.occurred_at, ReportRow.id))
    return [Report(row.id, row.good, row.scrap, row.rework, row.run_s_per_unit, row.occurred_at) for row in rows]
