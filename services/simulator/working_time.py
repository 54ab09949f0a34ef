"""When a workshop works: shifts of a weekly pattern with breaks and exceptions, as half-open intervals of UTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_FAR = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of the weekly pattern. Times are local; an end not after its start is on the next day."""

    code: str
    weekdays: frozenset[int]
    start: time
    end: time
    breaks: tuple[tuple[time, time], ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Working time [start, end) of one production day and shift."""

    start: datetime
    end: datetime
    shift: str
    day: date


@dataclass
class WorkingTime:
    """Working time of one calendar. Without shifts it is always working time.

    exceptions: production date -> codes of the shifts that work on it (none: closed).
    """

    zone: ZoneInfo
    shifts: Sequence[Shift] = ()
    exceptions: dict[date, frozenset[str]] = field(default_factory=dict)
    _days: dict[date, list[Span]] = field(default_factory=dict, repr=False)

    def _spans_of(self, day: date) -> list[Span]:
        if day not in self._days:
            spans = [span for shift in self.shifts if self._works(shift, day) for span in self._cut(shift, day)]
            self._days[day] = sorted(spans, key=lambda span: span.start)
        return self._days[day]

    def _works(self, shift: Shift, day: date) -> bool:
        if day in self.exceptions:
            return shift.code in self.exceptions[day]
        return day.isoweekday() in shift.weekdays

    def _cut(self, shift: Shift, day: date) -> Iterator[Span]:
        """The shift of one day without its breaks."""

        def at(clock: time) -> datetime:
            moment = datetime.combine(day, clock, self.zone)
            return moment + DAY if clock < shift.start else moment

        start, end = at(shift.start), at(shift.end)
        end = end if end > start else end + DAY
        for pause_start, pause_end in sorted((at(a), at(b)) for a, b in shift.breaks):
            if start < pause_start:
                yield Span(start, pause_start, shift.code, day)
            start = max(start, pause_end)
        if start < end:
            yield Span(start, end, shift.code, day)

    def spans(self, start: datetime) -> Iterator[Span]:
        """Working spans that end after `start`, earliest first, for the next 60 days."""
        day = start.astimezone(self.zone).date() - DAY
        last = day + _FAR
        while day < last:
            yield from (span for span in self._spans_of(day) if span.end > start)
            day += DAY

    def is_working(self, moment: datetime) -> bool:
        """Whether `moment` lies in working time."""
        if not self.shifts:
            return True
        span = next(self.spans(moment), None)
        return span is not None and span.start <= moment

    def current(self, moment: datetime) -> Span | None:
        """The span that contains `moment`."""
        span = next(self.spans(moment), None) if self.shifts else None
        return span if span is not None and span.start <= moment else None

    def next_border(self, moment: datetime) -> datetime | None:
        """The first start or end of working time after `moment`; None where it never stops."""
        for span in self.spans(moment) if self.shifts else ():
            if span.start > moment:
                return span.start
            if span.end > moment:
                return span.end
        return None

    def seconds(self, start: datetime, end: datetime) -> float:
        """Working seconds in [start, end)."""
        if not self.shifts:
            return max(0.0, (end - start).total_seconds())
        total = 0.0
        for span in self.spans(start):
            if span.start >= end:
                break
            total += (min(span.end, end) - max(span.start, start)).total_seconds()
        return total

    def after(self, start: datetime, seconds: float) -> datetime:
        """When so many working seconds have passed since `start`."""
        if not self.shifts:
            return start + timedelta(seconds=seconds)
        left = seconds
        for span in self.spans(start):
            begin = max(span.start, start)
            length = (span.end - begin).total_seconds()
            if left <= length:
                return begin + timedelta(seconds=left)
            left -= length
        return start + _FAR
