"""Working time: shifts over midnight, breaks, exceptions, and the arithmetic on them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.working_time import Shift, WorkingTime

ZONE = ZoneInfo("Asia/Shanghai")
WEEK = frozenset({1, 2, 3, 4, 5})
DAY = Shift("D", WEEK, time(7, 30), time(16), ((time(9, 30), time(9, 40)), (time(11, 30), time(12))))
NIGHT = Shift("N", WEEK, time(16), time(0, 30), ((time(19, 30), time(20)),))
TWO_SHIFTS = WorkingTime(ZONE, (DAY, NIGHT), {date(2026, 3, 7): frozenset({"D"}), date(2026, 3, 18): frozenset()})
MONDAY = datetime(2026, 3, 2, 7, 30, tzinfo=ZONE)

moments = st.datetimes(datetime(2026, 3, 2), datetime(2026, 3, 20), timezones=st.just(UTC))  # noqa: DTZ001 - as asked
lengths = st.floats(min_value=1, max_value=200_000)


def test_a_day_of_two_shifts_has_its_breaks_taken_out() -> None:
    # 8.5 h less 40 min, and 8.5 h less 30 min
    assert TWO_SHIFTS.seconds(MONDAY, MONDAY + timedelta(days=1)) == (510 - 40 + 510 - 30) * 60


def test_the_night_shift_belongs_to_the_day_it_starts() -> None:
    span = TWO_SHIFTS.current(datetime(2026, 3, 3, 0, 10, tzinfo=ZONE))
    assert span is not None
    assert (span.shift, span.day) == ("N", date(2026, 3, 2))


def test_exceptions_open_a_saturday_and_close_a_day() -> None:
    assert TWO_SHIFTS.is_working(datetime(2026, 3, 7, 10, tzinfo=ZONE))
    assert not TWO_SHIFTS.is_working(datetime(2026, 3, 7, 18, tzinfo=ZONE))
    assert not TWO_SHIFTS.is_working(datetime(2026, 3, 18, 10, tzinfo=ZONE))


def test_borders_are_half_open() -> None:
    pause = datetime(2026, 3, 2, 11, 30, tzinfo=ZONE)
    assert not TWO_SHIFTS.is_working(pause)
    assert TWO_SHIFTS.is_working(pause + timedelta(minutes=30))
    assert TWO_SHIFTS.next_border(pause) == pause + timedelta(minutes=30)
    assert TWO_SHIFTS.next_border(MONDAY) == datetime(2026, 3, 2, 9, 30, tzinfo=ZONE)


def test_without_shifts_it_is_always_working_time() -> None:
    always = WorkingTime(ZONE)
    assert always.is_working(MONDAY)
    assert always.next_border(MONDAY) is None
    assert always.after(MONDAY, 90) == MONDAY + timedelta(seconds=90)


@given(moments, lengths)
def test_after_is_the_inverse_of_seconds(start: datetime, length: float) -> None:
    end = TWO_SHIFTS.after(start, length)
    assert abs(TWO_SHIFTS.seconds(start, end) - length) < 1e-3


@given(moments, moments, moments)
def test_seconds_add_up(one: datetime, two: datetime, three: datetime) -> None:
    a, b, c = sorted((one, two, three))
    assert abs(TWO_SHIFTS.seconds(a, b) + TWO_SHIFTS.seconds(b, c) - TWO_SHIFTS.seconds(a, c)) < 1e-3


@given(moments)
def test_work_changes_at_the_next_border_and_not_before(moment: datetime) -> None:
    border = TWO_SHIFTS.next_border(moment)
    assert border is not None and border > moment
    middle = moment + (border - moment) / 2
    assert TWO_SHIFTS.is_working(middle) == TWO_SHIFTS.is_working(moment)
