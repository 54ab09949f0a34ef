"""Working time: shifts, nights, breaks, exceptions and changes of the clocks, as windows of seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from mes.shifts import Calendar, Shift

from services.scheduling.domain.calendars import after, share, windows_of

H = 3600
ALL = frozenset(range(1, 8))
WORKDAYS = frozenset(range(1, 6))
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def test_a_day_shift_with_a_break_in_its_own_zone() -> None:
    day = Shift("D", WORKDAYS, time(8), time(17), ((time(12), time(13)),))
    found = windows_of(Calendar(ZoneInfo("Asia/Shanghai"), [day]), MONDAY, 0, 24 * H)
    # 08:00-12:00 and 13:00-17:00 in Shanghai are 00:00-04:00 and 05:00-09:00 UTC.
    assert found == [(0, 4 * H), (5 * H, 9 * H)]


def test_a_night_shift_belongs_to_the_day_it_starts_and_its_break_may_lie_after_midnight() -> None:
    night = Shift("N", frozenset({5}), time(22), time(6), ((time(1, 30), time(2)),))
    friday = MONDAY + timedelta(days=4)
    found = windows_of(Calendar(ZoneInfo("UTC"), [night]), friday, 0, 48 * H)
    assert found == [(22 * H, 25 * H + 1800), (26 * H, 30 * H)]
    # Looked at from Saturday, the shift that began on Friday is still there.
    assert windows_of(Calendar(ZoneInfo("UTC"), [night]), friday + timedelta(days=1), 0, 24 * H) == [
        (0, H + 1800),
        (2 * H, 6 * H),
    ]


def test_shifts_that_touch_are_one_window() -> None:
    shifts = [
        Shift("D", ALL, time(6), time(14)),
        Shift("L", ALL, time(14), time(22)),
        Shift("N", ALL, time(22), time(6)),
    ]
    assert windows_of(Calendar(ZoneInfo("Asia/Shanghai"), shifts), MONDAY, 0, 72 * H) == [(0, 72 * H)]


def test_exceptions_close_a_day_or_open_one() -> None:
    shifts = [Shift("D", WORKDAYS, time(8), time(16)), Shift("L", WORKDAYS, time(16), time(0))]
    exceptions = {
        date(2026, 11, 24): frozenset[str](),
        date(2026, 11, 28): frozenset({"D"}),
        date(2026, 11, 29): frozenset({"D", "L"}),
    }
    calendar = Calendar(ZoneInfo("UTC"), shifts, exceptions)
    days = {day: windows_of(calendar, MONDAY + timedelta(days=day), 0, 24 * H) for day in range(7)}
    whole = [(8 * H, 24 * H)]
    assert days == {0: whole, 1: [], 2: whole, 3: whole, 4: whole, 5: [(8 * H, 16 * H)], 6: whole}


def test_a_night_over_the_change_of_clocks_is_an_hour_shorter_or_longer() -> None:
    # Berlin: clocks went forward on 29 March 2026 and back on 25 October 2026, both in the night to Sunday.
    night = Shift("N", ALL, time(22), time(6))
    berlin = Calendar(ZoneInfo("Europe/Berlin"), [night])
    lengths = {}
    for name, saturday in (
        ("forward", datetime(2026, 3, 28, 12, tzinfo=UTC)),
        ("back", datetime(2026, 10, 24, 12, tzinfo=UTC)),
    ):
        (window,) = windows_of(berlin, saturday, 0, 20 * H) or []
        lengths[name] = (window[1] - window[0]) / H
    assert lengths == {"forward": 7, "back": 9}


def test_no_shifts_means_always() -> None:
    assert windows_of(Calendar(ZoneInfo("UTC")), MONDAY, 0, H) is None


def test_parts_of_a_second_at_the_borders_are_no_working_time() -> None:
    day = Shift("D", ALL, time(8), time(9))
    found = windows_of(Calendar(ZoneInfo("UTC"), [day]), MONDAY + timedelta(seconds=0.5), 0, 24 * H)
    assert found == [(8 * H, 9 * H - 1)]


def test_share_of_working_time() -> None:
    assert share([(0, 8 * H)], 24 * H) == 1 / 3
    assert share(None, 24 * H) == 1
    assert share([], 24 * H) == 0.001


spans = st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 20)), max_size=8)


@given(spans, st.integers(-60, 60), st.integers(0, 60))
def test_work_takes_exactly_its_seconds_of_working_time(parts: list[tuple[int, int]], start: int, work: int) -> None:
    taken = {s for a, n in parts for s in range(a, a + n)}
    windows = [(s, s + 1) for s in sorted(taken)]
    end = after(windows, start, work)
    last = windows[-1][1] if windows else start
    working = [s for s in range(start, end) if s >= last or any(a <= s < b for a, b in windows)]
    assert len(working) == work
    assert work == 0 or end - 1 == working[-1]


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(0, 23), st.integers(1, 23))
def test_windows_are_the_minutes_that_the_wall_clock_says(day: date, hour: int, length: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin, end = time(hour), time((hour + length) % 24)
    calendar = Calendar(zone, [Shift("S", ALL, begin, end)])
    origin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    windows = windows_of(calendar, origin, 0, 24 * H) or []
    for minute in range(0, 24 * 60, 17):
        local = (origin + timedelta(minutes=minute)).astimezone(zone).time()
        expected = begin <= local < end if begin < end else (local >= begin or local < end)
        assert any(a <= minute * 60 < b for a, b in windows) == expected
