"""From rows to what the domain composes a timeline of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from mes.shifts import Calendar, Shift
from sqlalchemy import or_, select, tuple_
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


async def rules_for(session: AsyncSession, machines: Sequence[Equipment]) -> dict[UUID, Rules]:
    """How each machine's signals are read."""
    names = {(each.site_id, each.mapping) for each in machines}
    found = await session.scalars(select(MappingRow).where(tuple_(MappingRow.site_id, MappingRow.name).in_(names)))
    custom: dict[tuple[UUID, str], list[MappingVersion]] = defaultdict(list)
    for row in found:
        words = {word: Category(to) for word, to in row.words.items()}
        custom[row.site_id, row.name].append(MappingVersion(row.name, row.version, row.valid_from, words))
    words_of = {each: dictionary(each[1], custom[each]) for each in names}
    return {
        each.id: Rules(
            words_of[each.site_id, each.mapping],
            timedelta(seconds=each.signal_timeout_s) if each.signal_timeout_s else DEFAULT_TIMEOUT,
            CounterRule(each.counter_modulus),
        )
        for each in machines
    }


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


async def calendars_for(session: AsyncSession, machines: Sequence[Equipment]) -> dict[UUID, Calendar | None]:
    """Each machine's calendar, or its work centre's; None where there is none or it has no shifts."""
    centres = {each.work_centre_id for each in machines if each.calendar_id is None and each.work_centre_id}
    of_centre: dict[UUID | None, UUID | None] = {}
    if centres:
        rows = await session.execute(select(WorkCentre.id, WorkCentre.calendar_id).where(WorkCentre.id.in_(centres)))
        of_centre = {row.id: row.calendar_id for row in rows}
    chosen = {each.id: each.calendar_id or of_centre.get(each.work_centre_id) for each in machines}
    calendars: dict[UUID | None, Calendar] = {}
    if wanted := {each for each in chosen.values() if each}:
        rows = await session.execute(select(CalendarRow.id, CalendarRow.spec).where(CalendarRow.id.in_(wanted)))
        made = {row.id: calendar_of_spec(row.spec) for row in rows}
        calendars = {calendar_id: each for calendar_id, each in made.items() if each.shifts}
    return {machine: calendars.get(calendar_id) for machine, calendar_id in chosen.items()}


async def calendar_of(session: AsyncSession, equipment: Equipment) -> Calendar | None:
    """The machine's calendar, see `calendars_for`."""
    return (await calendars_for(session, [equipment]))[equipment.id]


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


async def signals_for(
    session: AsyncSession, machines: Sequence[Equipment], start: datetime, end: datetime
) -> dict[UUID, list[Sourced]]:
    """What each machine's signals say in [start, end)."""
    rows = await session.execute(
        select(
            StateInterval.equipment_id, StateInterval.start_at, StateInterval.end_at, StateInterval.category,
            StateInterval.native, StateInterval.mapping, StateInterval.clamped,
        )
        .where(
            StateInterval.equipment_id.in_([each.id for each in machines]),
            StateInterval.end_at > start,
            StateInterval.start_at < end,
        )
        .order_by(StateInterval.equipment_id, StateInterval.no)
    )  # fmt: skip
    closed: dict[UUID, list[Interval]] = defaultdict(list)
    for machine, since, until, category, native, mapping, clamped in rows:
        closed[machine].append(Interval(since, until, Category(category), native, mapping, clamped))
    rules = await rules_for(session, machines)
    return {
        each.id: [
            Sourced(
                str(interval_id(each.id, interval.start)),
                interval,
                "timeout" if interval.category is Category.UNKNOWN and not interval.native else "signal",
            )
            for interval in (*closed[each.id], *tail(checkpoint.load(each.fold), end, rules[each.id]))
        ]
        for each in machines
    }


async def base_for(
    session: AsyncSession, machines: Sequence[Equipment], start: datetime, end: datetime
) -> dict[UUID, list[Sourced]]:
    """What each machine itself, or for want of signals its runs, say in [start, end)."""
    speaking = [each for each in machines if has_signals(each, checkpoint.load(each.fold))]
    found = await signals_for(session, speaking, start, end) if speaking else {}
    for each in machines:
        if each.id not in found:
            runs = await runs_of(session, each, start, end)
            lasting = [run for run in runs if run.end is None or run.end > start]
            found[each.id] = from_runs(lasting, max(each.known_since, start), end)
    return found


async def base_of(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> list[Sourced]:
    """What the machine says in [start, end), see `base_for`."""
    return (await base_for(session, [equipment], start, end))[equipment.id]


def overlay_of(row: OverlayRow) -> Overlay:
    """The overlay as the domain knows it."""
    return Overlay(
        row.id, OverlayKind(row.kind), row.start_at, row.end_at, row.by, row.at,
        Category(row.category) if row.category else None, row.reason, row.auto_closed,
    )  # fmt: skip


async def overlays_for(
    session: AsyncSession, machines: Sequence[Equipment], start: datetime, end: datetime
) -> dict[UUID, list[Overlay]]:
    """What people laid over [start, end) of each machine."""
    rows = await session.scalars(
        select(OverlayRow).where(
            OverlayRow.equipment_id.in_([each.id for each in machines]),
            OverlayRow.start_at < end,
            or_(OverlayRow.end_at.is_(None), OverlayRow.end_at >= start),
        )
    )
    found: dict[UUID, list[Overlay]] = {each.id: [] for each in machines}
    for row in rows:
        found[row.equipment_id].append(overlay_of(row))
    return found


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
        (await overlays_for(session, [equipment], start, end))[equipment.id],
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


async def current_pieces(
    session: AsyncSession, machines: Sequence[Equipment], now: datetime, lookback: timedelta
) -> dict[UUID, tuple[Piece, datetime | None]]:
    """What each machine is at now, and since when in this category: None when that is before the lookback."""
    start, end = now - lookback, now + INSTANT
    calendars = await calendars_for(session, machines)
    base = await base_for(session, machines, start, end)
    overlays = await overlays_for(session, machines, start, end)
    # Machines share calendars.
    shared = {id(each): each for each in calendars.values() if each}
    planned = {name: each.planned(start, end) for name, each in shared.items()}
    found: dict[UUID, tuple[Piece, datetime | None]] = {}
    for machine, calendar in calendars.items():
        layers = Layers(base[machine], overlays[machine], planned[id(calendar)] if calendar else None)
        pieces: Sequence[Piece] = compose(start, end, layers)
        since = pieces[-1].start
        for each in reversed(pieces):
            if each.category is not pieces[-1].category:
                break
            since = each.start
        found[machine] = pieces[-1], since if since > start else None
    return found


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
