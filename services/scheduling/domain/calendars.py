"""Working time: weekly shifts with breaks and exceptions in a local zone, laid out as windows of whole seconds."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
Window = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of the weekly pattern in local time; an end not after its start lies on the next day."""

    code: str
    weekdays: frozenset[int]
    start: time
    end: time
    breaks: tuple[tuple[time, time], ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """exceptions: production date -> codes of the shifts that work on it (none: closed). No shifts: always working."""

    zone: ZoneInfo
    shifts: Sequence[Shift] = ()
    exceptions: Mapping[date, frozenset[str]] = field(default_factory=dict)

    def windows(self, origin: datetime, start: int, end: int) -> list[Window] | None:
        """Working time in [start, end), in seconds from `origin`, sorted and disjoint; None: always.

        Parts of a second at the borders are not working time.
        """
        if not self.shifts:
            return None
        first = (origin + timedelta(seconds=start)).astimezone(self.zone).date() - DAY
        last = (origin + timedelta(seconds=end)).astimezone(self.zone).date()
        spans = (span for day in _days(first, last) for shift in self._worked(day) for span in self._spans(shift, day))
        seconds = ((_ceil(a - origin), _floor(b - origin)) for a, b in spans)
        return joined((max(a, start), min(b, end)) for a, b in seconds)

    def _worked(self, day: date) -> Iterator[Shift]:
        special = self.exceptions.get(day)
        for shift in self.shifts:
            if shift.code in special if special is not None else day.isoweekday() in shift.weekdays:
                yield shift

    def _spans(self, shift: Shift, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The shift that starts on this day, without its breaks."""

        def at(clock: time, next_day: bool) -> datetime:
            # Local arithmetic first: a change of the clocks in between moves the moment, not the hour on the wall.
            moment = datetime.combine(day, clock)
            return (moment + DAY if next_day else moment).replace(tzinfo=self.zone).astimezone(UTC)

        begin, end = at(shift.start, False), at(shift.end, shift.end <= shift.start)
        breaks = [(at(a, a < shift.start), at(b, b < shift.start)) for a, b in shift.breaks]
        for pause_start, pause_end in sorted(breaks):
            if begin < pause_start:
                yield begin, min(pause_start, end)
            begin = max(begin, pause_end)
        if begin < end:
            yield begin, end


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


def _ceil(span: timedelta) -> int:
    return math.ceil(span / timedelta(seconds=1))


def _floor(span: timedelta) -> int:
    return math.floor(span / timedelta(seconds=1))


def joined(windows: Iterator[Window] | Sequence[Window]) -> list[Window]:
    """The windows in order, joined where they touch or overlap; empty ones fall away."""
    made: list[Window] = []
    for start, end in sorted(each for each in windows if each[0] < each[1]):
        if made and start <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], end))
        else:
            made.append((start, end))
    return made


def after(windows: Sequence[Window] | None, start: int, seconds: int) -> int:
    """When so many seconds of working time have passed since `start`; beyond the last window all time is working."""
    if windows is None or not windows or seconds <= 0:
        return start + max(seconds, 0)
    place = bisect_right(windows, (start, math.inf)) - 1
    for opens, end in windows[max(place, 0) :]:
        begin = max(opens, start)
        if begin + seconds <= end:
            return begin + seconds
        seconds -= max(end - begin, 0)
    return max(start, windows[-1][1]) + seconds


def share(windows: Sequence[Window] | None, end: int) -> float:
    """The share of [0, end) that is working time, at least a thousandth."""
    if windows is None or end <= 0:
        return 1.0
    return max(sum(b - max(a, 0) for a, b in windows if b > 0) / end, 0.001)


def calendar_of(spec: Mapping[str, Any]) -> Calendar:
    """A calendar from its stored form: zone, shifts with weekdays, "HH:MM" times and breaks; exceptions by date.

    An exception that works without naming shifts works all of them. An unknown zone reads as UTC.
    """
    shifts = tuple(
        Shift(
            each["shift"], frozenset(each["weekdays"]), _time(each["start"]), _time(each["end"]),
            tuple((_time(a), _time(b)) for a, b in each["breaks"]),
        )
        for each in spec["shifts"]
    )  # fmt: skip
    every = frozenset(shift.code for shift in shifts)
    exceptions = {
        date.fromisoformat(each["date"]): (frozenset(each["shifts"]) or every) if each["working"] else frozenset[str]()
        for each in spec["exceptions"]
    }
    return Calendar(_zone(spec["time_zone"]), shifts, exceptions)


def _time(text: str) -> time:
    # "24:00" is how people write the end of a day.
    return time() if text.startswith("24") else time.fromisoformat(text.zfill(5))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
