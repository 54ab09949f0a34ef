"""Calendar, runs and what people laid over the machine's own timeline."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from mes.shifts import Calendar, Shift, Span

from services.equipment.domain.compose import (
    Layers,
    Overlay,
    OverlayKind,
    Run,
    Sourced,
    compose,
    cut,
    from_runs,
    occupation,
    stop_end,
)
from services.equipment.domain.states import Category
from services.equipment.domain.timeline import Interval

T0 = datetime(2026, 11, 23, tzinfo=UTC)
ORDER, JOB = UUID(int=1), UUID(int=2)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def base(*parts: tuple[float, float, Category]) -> list[Sourced]:
    return [Sourced(f"i{n}", Interval(at(a), at(b), c, c.lower()), "signal") for n, (a, b, c) in enumerate(parts)]


def overlay(kind: OverlayKind, start: float, end: float | None, n: int = 1, **more: object) -> Overlay:
    return Overlay(UUID(int=100 + n), kind, at(start), at(end) if end else None, "w1", at(50 + n), **more)  # type: ignore[arg-type]


_spans = st.tuples(st.integers(0, 47), st.integers(1, 12)).map(lambda p: (p[0] / 2, (p[0] + p[1]) / 2))
_overlays = st.lists(
    st.tuples(_spans, st.sampled_from(OverlayKind), st.sampled_from([None, *Category])),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(_overlays, st.randoms())
def test_pieces_cover_the_window_and_no_order_of_arrival_matters(given_overlays: list[tuple], random: object) -> None:  # type: ignore[type-arg]
    laid = [
        overlay(kind, start, end, n, category=category)
        for n, ((start, end), kind, category) in enumerate(given_overlays)
    ]
    under = base((1, 5, Category.PRODUCING), (5, 9, Category.UNPLANNED_DOWN), (9, 20, Category.STANDBY))
    planned = [Span(at(0), at(8)), Span(at(10), at(18))]
    found = compose(at(0), at(24), Layers(under, laid, planned))
    random.shuffle(laid)  # type: ignore[attr-defined]
    assert compose(at(0), at(24), Layers(under, laid, planned)) == found
    assert found[0].start == at(0)
    assert found[-1].end == at(24)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))


def test_before_any_data_is_unknown_and_unplanned_idling_is_not_scheduled() -> None:
    found = compose(at(0), at(12), Layers(base((2, 12, Category.STANDBY)), (), [Span(at(0), at(8))]))
    assert [(each.start, each.category) for each in found] == [
        (at(0), Category.UNKNOWN),
        (at(2), Category.STANDBY),
        (at(8), Category.NON_SCHEDULED),
    ]


def test_production_outside_planned_time_stays_and_is_flagged() -> None:
    found = compose(at(6), at(10), Layers(base((6, 10, Category.PRODUCING)), (), [Span(at(0), at(8))]))
    assert [(each.category, each.outside_planned) for each in found] == [
        (Category.PRODUCING, False),
        (Category.PRODUCING, True),
    ]


def test_a_later_word_lies_on_top_and_the_first_stays_in_the_log() -> None:
    under = base((0, 8, Category.STANDBY))
    first = overlay(OverlayKind.REASON, 0, 8, 1, reason="D-WAIT")
    second = overlay(OverlayKind.RECLASSIFY, 2, 4, 2, category=Category.PLANNED_DOWN, reason="D-PM")
    found = compose(at(0), at(8), Layers(under, [second, first]))
    assert [(each.start, each.category, each.reason) for each in found] == [
        (at(0), Category.STANDBY, "D-WAIT"),
        (at(2), Category.PLANNED_DOWN, "D-PM"),
        (at(4), Category.STANDBY, "D-WAIT"),
    ]
    assert {each.raw for each in found} == {Category.STANDBY}


def test_split_and_merge() -> None:
    under = base((0, 8, Category.STANDBY))
    split = overlay(OverlayKind.SPLIT, 3, None)
    assert [each.start for each in compose(at(0), at(8), Layers(under, [split]))] == [at(0), at(3)]
    blip = base((0, 3, Category.UNPLANNED_DOWN), (3, 3.1, Category.PRODUCING), (3.1, 8, Category.UNPLANNED_DOWN))
    merge = overlay(OverlayKind.MERGE, 0, 8, category=Category.UNPLANNED_DOWN, reason="D-MECH")
    found = compose(at(0), at(8), Layers(blip, [merge]))
    assert [(each.start, each.end, each.category) for each in found] == [(at(0), at(8), Category.UNPLANNED_DOWN)]
    assert found[0].ids[:2] == ("i0", "100") or "i1" in found[0].ids


def test_an_open_stop_ends_at_sustained_production() -> None:
    blip = [each.interval for each in base((2, 2.01, Category.PRODUCING), (5, 6, Category.PRODUCING))]
    assert stop_end(at(1), blip) == at(5)
    assert stop_end(at(5), blip) is None
    assert stop_end(at(1), blip[:1]) is None


def test_runs_give_a_machine_without_signals_its_state() -> None:
    runs = [
        Run(UUID(int=10), "setup", at(1), at(2), frozenset({ORDER}), frozenset({JOB}), "stop_setup"),
        Run(UUID(int=11), "production", at(2), at(4), frozenset({ORDER}), frozenset({JOB}), "pause"),
        Run(UUID(int=12), "production", at(5), None, frozenset({ORDER}), frozenset({JOB})),
    ]
    found = compose(at(0), at(6), Layers(from_runs(runs, at(0.5), at(6)), occupied=occupation(runs, (), at(6))))
    assert [(each.start, each.category) for each in found] == [
        (at(0), Category.UNKNOWN),
        (at(0.5), Category.STANDBY),
        (at(1), Category.SETUP),
        (at(2), Category.PRODUCING),
        (at(4), Category.STANDBY),
        (at(5), Category.PRODUCING),
    ]
    # A pause between two runs of one job is inside the order.
    assert [bool(each.orders) for each in found] == [False, False, True, True, True, True]


def test_a_night_shift_belongs_to_its_start_and_a_stop_is_cut_at_every_border() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    week = frozenset(range(1, 8))
    day = Shift("D", week, time(8), time(20), ((time(12), time(13)),))
    night = Shift("N", week, time(20), time(8), ((time(0), time(1)),))
    calendar = Calendar(zone, (day, night), {date(2026, 11, 24): frozenset({"D"})})
    start = datetime(2026, 11, 23, 19, tzinfo=zone)
    stop = base((0, 40, Category.UNPLANNED_DOWN))
    whole = compose(start.astimezone(UTC), (start + timedelta(hours=14)).astimezone(UTC), Layers(stop))
    parts = cut(whole, calendar.instances(whole[0].start, whole[-1].end))
    assert [(each.shift, each.production_date, each.end - each.start) for each in parts] == [
        ("D", "2026-11-23", timedelta(hours=1)),
        ("N", "2026-11-23", timedelta(hours=12)),
        ("D", "2026-11-24", timedelta(hours=1)),
    ]
    assert sum((each.end - each.start for each in parts), timedelta()) == whole[0].end - whole[0].start
    planned = calendar.planned(parts[1].start, parts[1].end)
    assert sum((each.end - each.start for each in planned), timedelta()) == timedelta(hours=11)
    assert not calendar.instances(datetime(2026, 11, 24, 21, tzinfo=zone), datetime(2026, 11, 25, 7, tzinfo=zone))
