"""Calendars from their definitions: production dates, night shifts, exceptions, changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from mes.events.v1.order_pb2 import CalendarDefined, CalendarException, ShiftBreak, ShiftPattern
from mes.shifts import calendar_of

WEEK = [1, 2, 3, 4, 5]


def _calendar(zone: str = "Asia/Shanghai", **more: object) -> CalendarDefined:
    day = ShiftPattern(shift="D", weekdays=WEEK, start="08:00", end="20:00")
    day.breaks.append(ShiftBreak(start="12:00", end="13:00"))
    night = ShiftPattern(shift="N", weekdays=WEEK, start="22:00", end="06:00")
    return CalendarDefined(time_zone=zone, shifts=[day, night], **more)  # type: ignore[arg-type]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_night_belongs_to_the_day_on_which_it_starts() -> None:
    # 2026-03-03 05:30 in Foshan: the night shift of Monday the 2nd.
    shift = calendar_of(_calendar()).at(_utc("2026-03-02T21:30"))
    assert shift is not None
    assert (shift.shift, shift.production_date) == ("N", date(2026, 3, 2))


def test_between_shifts_and_on_a_free_day_there_is_none() -> None:
    calendar = calendar_of(_calendar())
    assert calendar.at(_utc("2026-03-02T13:00")) is None
    assert calendar.at(_utc("2026-03-07T02:00")) is None


def test_an_exception_closes_a_day_or_opens_it_for_some_shifts() -> None:
    closed = CalendarException(date="2026-03-02", working=False)
    opened = CalendarException(date="2026-03-07", working=True, shifts=["D"])
    calendar = calendar_of(_calendar(exceptions=[closed, opened]))
    assert calendar.at(_utc("2026-03-02T02:00")) is None
    shift = calendar.at(_utc("2026-03-07T02:00"))
    assert shift is not None
    assert shift.shift == "D"
    assert calendar.at(_utc("2026-03-07T15:00")) is None


def test_breaks_are_no_planned_time() -> None:
    spans = calendar_of(_calendar()).planned(_utc("2026-03-02T00:00"), _utc("2026-03-02T12:00"))
    assert [(each.start.hour, each.end.hour) for each in spans] == [(0, 4), (5, 12)]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-27", 8), ("2026-03-28", 8), ("2026-10-23", 8)])
def test_ordinary_nights_have_eight_hours(day: str, hours: int) -> None:
    definition = _calendar("Europe/Berlin")
    definition.shifts[1].weekdays[:] = [1, 2, 3, 4, 5, 6, 7]
    shift = calendar_of(definition).at(_utc(f"{day}T23:00"))
    assert shift is not None
    # The clocks go forward in the night of the 28th to the 29th of March 2026.
    assert (shift.end - shift.start).total_seconds() == (hours - (day == "2026-03-28")) * 3600
