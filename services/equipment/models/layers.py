"""From rows to what the domain composes a timeline of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from mes.shifts import Calendar, Shift
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.domain import checkpoint
from services.equipment.domain.compose import (
    Layers,
    Occupied,
    Overlay,
    OverlayKind,
    Piece,
    Run,
    Sourced,
    compose,
    from_runs,
    occupation,
)
from services.equipment.domain.counters import CounterRule, CounterStep, Turn
from services.equipment.domain.states import Category, MappingVersion, dictionary
from services.equipment.domain.timeline import DEFAULT_TIMEOUT, FoldState, Interval, Rules, tail
from services.equipment.models import (
    CalendarRow,
    CounterStepRow,
    Equipment,
    JobRow,
    MappingRow,
    OverlayRow,
    RunRow,
    StateInterval,
    WorkCentre,
)

INSTANT = timedelta(microseconds=1)


def interval_id(equipment_id: UUID, start: datetime) -> UUID:
    """Id of the interval that starts then: the same whenever and however often it is folded."""
    return uuid5(equipment_id, start.isoformat())


async def rules_of(session: AsyncSession, equipment: Equipment) -> Rules:
    """How the machine's signals are read."""
    found = await session.scalars(
        select(MappingRow).where(MappingRow.site_id == equipment.site_id, MappingRow.name == equipment.mapping)
    )
    custom = [
        MappingVersion(row.name, row.version, row.valid_from, {word: Category(to) for word, to in row.words.items()})
        for row in found
    ]
    timeout = timedelta(seconds=equipment.signal_timeout_s) if equipment.signal_timeout_s else DEFAULT_TIMEOUT
    return Rules(dictionary(equipment.mapping, custom), timeout, CounterRule(equipment.counter_modulus))


def calendar_of_spec(spec: dict[str, Any]) -> Calendar:
    """A calendar from its stored definition."""
    shifts = [
        Shift(
            each["shift"],
            frozenset(each["weekdays"]),
            time.fromisoformat(each["start"]),
            time.fromisoformat(each["end"]),
            tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in each["breaks"]),
        )
        for each in spec["shifts"]
    ]
    every = frozenset(shift.code for shift in shifts)
    exceptions = {
        date.fromisoformat(each["date"]): (frozenset(each["shifts"]) or every) if each["working"] else frozenset[str]()
        for each in spec["exceptions"]
    }
    return Calendar(ZoneInfo(spec["time_zone"]), shifts, exceptions)


async def calendar_of(session: AsyncSession, equipment: Equipment) -> Calendar | None:
    """The machine's calendar, or its work centre's; None where there is none or it has no shifts."""
    calendar_id = equipment.calendar_id
    if calendar_id is None and equipment.work_centre_id is not None:
        centre = await session.get(WorkCentre, equipment.work_centre_id)
        calendar_id = centre.calendar_id if centre else None
    row = await session.get(CalendarRow, calendar_id) if calendar_id else None
    calendar = calendar_of_spec(row.spec) if row else None
    return calendar if calendar and calendar.shifts else None


def has_signals(equipment: Equipment, state: FoldState) -> bool:
    """Whether its state comes from signals; otherwise it comes from its runs."""
    return equipment.is_networked or state.signals > 0


def run_of(row: RunRow) -> Run:
    """The run as the domain knows it."""
    return Run(row.id, row.kind, row.started_at, row.ended_at, frozenset(row.orders), frozenset(row.jobs), row.cause)


async def runs_of(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> list[Run]:
    """Runs on the machine that overlap [start, end), and the last one before."""
    rows = await session.scalars(
        select(RunRow).where(
            RunRow.equipment_id == equipment.id,
            RunRow.started_at < end,
            or_(RunRow.ended_at.is_(None), RunRow.ended_at > start - timedelta(days=7)),
        )
    )
    return [run_of(row) for row in rows]


async def signal_base(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> list[Sourced]:
    """What the machine's signals say in [start, end)."""
    rows = await session.scalars(
        select(StateInterval)
        .where(StateInterval.equipment_id == equipment.id, StateInterval.end_at > start, StateInterval.start_at < end)
        .order_by(StateInterval.no)
    )
    intervals = [
        Interval(row.start_at, row.end_at, Category(row.category), row.native, row.mapping, row.clamped) for row in rows
    ]
    intervals += tail(checkpoint.load(equipment.fold), end, await rules_of(session, equipment))
    return [
        Sourced(
            str(interval_id(equipment.id, each.start)),
            each,
            "timeout" if each.category is Category.UNKNOWN and not each.native else "signal",
        )
        for each in intervals
    ]


async def base_of(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> list[Sourced]:
    """What the machine itself, or for want of signals its runs, say in [start, end)."""
    if has_signals(equipment, checkpoint.load(equipment.fold)):
        return await signal_base(session, equipment, start, end)
    runs = await runs_of(session, equipment, start, end)
    lasting = [each for each in runs if each.end is None or each.end > start]
    return from_runs(lasting, max(equipment.known_since, start), end)


def overlay_of(row: OverlayRow) -> Overlay:
    """The overlay as the domain knows it."""
    return Overlay(
        row.id, OverlayKind(row.kind), row.start_at, row.end_at, row.by, row.at,
        Category(row.category) if row.category else None, row.reason, row.auto_closed,
    )  # fmt: skip


async def overlays_of(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> list[Overlay]:
    """What people laid over [start, end)."""
    rows = await session.scalars(
        select(OverlayRow).where(
            OverlayRow.equipment_id == equipment.id,
            OverlayRow.start_at < end,
            or_(OverlayRow.end_at.is_(None), OverlayRow.end_at >= start),
        )
    )
    return [overlay_of(row) for row in rows]


async def occupied_of(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> list[Occupied]:
    """When the machine was inside which order."""
    waiting = await session.scalars(
        select(JobRow.id).where(JobRow.equipment_id == equipment.id, JobRow.state.in_(("Paused", "Held", "Setup")))
    )
    return occupation(await runs_of(session, equipment, start, end), list(waiting), end)


async def layers_of(
    session: AsyncSession, equipment: Equipment, start: datetime, end: datetime, calendar: Calendar | None
) -> Layers:
    """Everything that the timeline in [start, end) is composed of."""
    return Layers(
        await base_of(session, equipment, start, end),
        await overlays_of(session, equipment, start, end),
        calendar.planned(start, end) if calendar else None,
        await occupied_of(session, equipment, start, end),
    )


async def pieces_of(
    session: AsyncSession, equipment: Equipment, start: datetime, end: datetime, calendar: Calendar | None = None
) -> list[Piece]:
    """The composed timeline in [start, end); `end` is not in the future."""
    if start >= end:
        return []
    calendar = calendar or await calendar_of(session, equipment)
    return compose(start, end, await layers_of(session, equipment, start, end, calendar))


async def current_piece(
    session: AsyncSession, equipment: Equipment, now: datetime, lookback: timedelta
) -> tuple[Piece, datetime | None]:
    """What the machine is at now, and since when in this category: None when that is before the lookback."""
    start, end = now - lookback, now + INSTANT
    calendar = await calendar_of(session, equipment)
    layers = Layers(
        await base_of(session, equipment, start, end),
        await overlays_of(session, equipment, start, end),
        calendar.planned(start, end) if calendar else None,
    )
    pieces: Sequence[Piece] = compose(start, end, layers)
    since = pieces[-1].start
    for each in reversed(pieces):
        if each.category is not pieces[-1].category:
            break
        since = each.start
    return pieces[-1], since if since > start else None


async def steps_of(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> list[CounterStep]:
    """Counter steps that overlap [start, end)."""
    rows = await session.scalars(
        select(CounterStepRow).where(
            CounterStepRow.equipment_id == equipment.id, CounterStepRow.to_at > start, CounterStepRow.from_at < end
        )
    )
    return [
        CounterStep(row.counter, row.from_value, row.to_value, row.from_at, row.to_at, row.counts, Turn(row.turn))
        for row in rows
    ]
