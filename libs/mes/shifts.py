"""Calendars: shift instances with their production date, and the planned time inside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mes.events.v1.order_pb2 import CalendarDefined

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of the weekly pattern in local time; an end not after its start lies on the next day."""

    code: str
    weekdays: frozenset[int]
    start: time
    end: time
    breaks: tuple[tuple[time, time], ...] = ()


@dataclass(frozen=True, slots=True)
class ShiftInstance:
    """A shift on the production date on which it starts. planned: its time without the breaks."""

    shift: str
    production_date: date
    start: datetime
    end: datetime
    planned: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """exceptions: production date -> codes of the shifts that work on it (none: closed). No shifts: always planned."""

    zone: ZoneInfo
    shifts: Sequence[Shift] = ()
    exceptions: Mapping[date, frozenset[str]] = field(default_factory=dict)

    def instances(self, start: datetime, end: datetime) -> list[ShiftInstance]:
        """Shift instances that overlap [start, end), by start."""
        day, last = start.astimezone(self.zone).date() - 2 * DAY, end.astimezone(self.zone).date() + DAY
        found: list[ShiftInstance] = []
        while day <= last:
            found += [self._instance(shift, day) for shift in self.shifts if self._works(shift, day)]
            day += DAY
        return sorted((each for each in found if each.start < end and each.end > start), key=lambda each: each.start)

    def planned(self, start: datetime, end: datetime) -> list[Span]:
        """Planned time inside [start, end), in order and not overlapping."""
        if not self.shifts:
            return [Span(start, end)] if start < end else []
        spans = (span for instance in self.instances(start, end) for span in instance.planned)
        return union(Span(max(each.start, start), min(each.end, end)) for each in spans)

    def _works(self, shift: Shift, day: date) -> bool:
        if day in self.exceptions:
            return shift.code in self.exceptions[day]
        return day.isoweekday() in shift.weekdays

    def _instance(self, shift: Shift, day: date) -> ShiftInstance:
        def at(clock: time) -> datetime:
            # Arithmetic in local time first, so that a change of the clocks in between moves the moment, not the hour.
            moment = datetime.combine(day, clock)
            return (moment + DAY if clock < shift.start else moment).replace(tzinfo=self.zone).astimezone(_UTC)

        start = at(shift.start)
        if shift.end > shift.start:
            end = at(shift.end)
        else:
            end = (datetime.combine(day, shift.end) + DAY).replace(tzinfo=self.zone).astimezone(_UTC)
        breaks = sorted((at(a), at(b)) for a, b in shift.breaks)
        return ShiftInstance(shift.code, day, start, end, tuple(_without(start, end, breaks)))

    def at(self, moment: datetime) -> ShiftInstance | None:
        """The shift instance that `moment` lies in; the later one where two overlap, None outside all."""
        found = self.instances(moment, moment + timedelta(microseconds=1))
        return found[-1] if found else None


def calendar_of(definition: CalendarDefined) -> Calendar:
    """A calendar from its definition. Raises ValueError for a clock time or date that is none."""
    shifts = [
        Shift(
            each.shift,
            frozenset(each.weekdays),
            time.fromisoformat(each.start),
            time.fromisoformat(each.end),
            tuple((time.fromisoformat(pause.start), time.fromisoformat(pause.end)) for pause in each.breaks),
        )
        for each in definition.shifts
    ]
    every = frozenset(shift.code for shift in shifts)
    exceptions = {
        date.fromisoformat(each.date): (frozenset(each.shifts) or every) if each.working else frozenset[str]()
        for each in definition.exceptions
    }
    return Calendar(ZoneInfo(definition.time_zone or "UTC"), shifts, exceptions)


_UTC = ZoneInfo("UTC")


def _without(start: datetime, end: datetime, breaks: Sequence[tuple[datetime, datetime]]) -> Iterator[Span]:
    for pause_start, pause_end in breaks:
        if start < pause_start:
            yield Span(start, min(pause_start, end))
        start = max(start, pause_end)
    if start < end:
        yield Span(start, end)


def union(spans: Iterator[Span] | Sequence[Span]) -> list[Span]:
    """The spans joined where they touch or overlap, in order; empty ones fall away."""
    joined: list[Span] = []
    for each in sorted((one for one in spans if one.start < one.end), key=lambda one: one.start):
        if joined and each.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    return joined
