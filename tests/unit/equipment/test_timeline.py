"""The fold over signals: any order and duplication of arrival, and any stop on the way, give the same timeline."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.equipment.domain.checkpoint import dump, load
from services.equipment.domain.counters import CounterRule, Turn, pieces, turn
from services.equipment.domain.signals import Signal, SignalKind, ordered
from services.equipment.domain.states import BUILT_IN, Category, MappingVersion, dictionary
from services.equipment.domain.timeline import EMPTY, FoldState, Rules, accepts, fold, full, tail

T0 = datetime(2026, 11, 23, 8, tzinfo=UTC)
RULES = Rules(dictionary("tower_light"), timedelta(minutes=5), CounterRule(Decimal(1000)))


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def state(seq: int | None, seconds: float, value: str, session: str = "a") -> Signal:
    return Signal("plc", session, seq, at(seconds), SignalKind.STATE, value)


def count(seq: int | None, seconds: float, value: int) -> Signal:
    return Signal("plc", "a", seq, at(seconds), SignalKind.COUNTER, str(value))


_contents = st.one_of(
    st.tuples(st.just(SignalKind.STATE), st.sampled_from(["green", "red", "yellow", "?"])),
    st.tuples(st.just(SignalKind.COUNTER), st.integers(0, 999).map(str)),
    st.tuples(st.just(SignalKind.HEARTBEAT), st.just("")),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Signal]:
    """Logs of two sources, numbered or not, whose clocks jump, stand still and step back."""
    made: dict[tuple[object, ...], Signal] = {}
    for _ in range(draw(st.integers(0, 25))):
        kind, value = draw(_contents)
        seq = draw(st.one_of(st.none(), st.integers(0, 12)))
        source, session = draw(st.sampled_from(["plc", "lamp"])), draw(st.sampled_from(["a", "b"]))
        signal = Signal(source, session, seq, at(draw(st.integers(0, 1500))), kind, value)
        made.setdefault((signal.stream, signal.position), signal)
    return list(made.values())


@settings(max_examples=150, deadline=None)
@given(logs(), st.data())
def test_any_permutation_and_duplication_gives_the_same_intervals(log: list[Signal], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(log), max_size=10)) if log else []
    shuffled = data.draw(st.permutations(log + again))
    assert full(shuffled, RULES, at(4000)) == full(log, RULES, at(4000))
    assert fold(EMPTY, shuffled, RULES) == fold(EMPTY, log, RULES)


@settings(max_examples=150, deadline=None)
@given(logs(), st.data())
def test_folding_on_from_the_newest_valid_checkpoint_equals_folding_everything(
    log: list[Signal], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(log))
    kept: list[FoldState] = [EMPTY]
    intervals, steps, here = [], [], 0
    while here < len(shuffled):
        size = data.draw(st.integers(1, 6))
        batch, here = shuffled[here : here + size], here + size
        while not accepts(kept[-1], batch):
            kept.pop()
        base = kept[-1]
        behind = [each for each in shuffled[:here] if not _holds(base, each)]
        done = fold(base, behind, RULES)
        intervals = intervals[: base.closed] + done.intervals
        steps = steps[: base.steps] + done.steps
        kept.append(load(dump(done.state)))
    whole = fold(EMPTY, log, RULES)
    assert (intervals, steps) == (whole.intervals, whole.steps)
    assert kept[-1] == whole.state


def _holds(base: FoldState, signal: Signal) -> bool:
    mark = base.marks.get(signal.stream)
    return mark is not None and signal.position <= mark.position


@settings(max_examples=100, deadline=None)
@given(logs())
def test_intervals_touch_and_never_overlap(log: list[Signal]) -> None:
    found = full(log, RULES, at(4000))
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    assert all(each.start < each.end for each in found)
    if found:
        assert found[-1].end == at(4000)


def test_silence_is_unknown_until_the_next_signal() -> None:
    log = [state(1, 0, "green"), Signal("plc", "a", 2, at(1000), SignalKind.HEARTBEAT), state(3, 1100, "red")]
    assert [(each.start, each.category) for each in full(log, RULES, at(1200))] == [
        (at(0), Category.PRODUCING),
        (at(300), Category.UNKNOWN),
        (at(1000), Category.PRODUCING),
        (at(1100), Category.UNPLANNED_DOWN),
    ]


def test_a_silent_machine_becomes_unknown_at_the_timeout() -> None:
    done = fold(EMPTY, [state(1, 0, "green")], RULES)
    assert [each.category for each in tail(done.state, at(300), RULES)] == [Category.PRODUCING]
    assert [each.category for each in tail(done.state, at(301), RULES)] == [Category.PRODUCING, Category.UNKNOWN]


def test_the_sequence_rules_over_a_clock_that_steps_back() -> None:
    placed = ordered([state(1, 100, "green"), state(2, 40, "red"), state(3, 160, "yellow")])
    assert [(each.signal.value, each.at, each.clamped) for each in placed] == [
        ("green", at(100), False),
        ("red", at(100), True),
        ("yellow", at(160), False),
    ]
    found = full([state(1, 100, "green"), state(2, 40, "red")], RULES, at(200))
    assert [(each.category, each.clamped) for each in found] == [(Category.UNPLANNED_DOWN, True)]


def test_a_late_count_is_no_reset() -> None:
    for arrival in ([100, 102, 101], [102, 100, 101]):
        log = [count(None, value, value) for value in arrival]
        assert sum(step.counts for step in fold(EMPTY, log, RULES).steps) == 2
        numbered = [count(value, 0, value) for value in arrival]
        done = fold(EMPTY, numbered, RULES)
        assert [step.turn for step in done.steps] == [Turn.AHEAD, Turn.AHEAD]
        assert pieces(done.steps, Decimal(4)) == 8


def test_counters_roll_over_reset_and_lag() -> None:
    rule = CounterRule(Decimal(1000))
    assert turn(Decimal(990), Decimal(15), rule) == (Turn.ROLLOVER, Decimal(25))
    assert turn(Decimal(400), Decimal(5), CounterRule()) == (Turn.RESET, Decimal(5))
    assert turn(Decimal(102), Decimal(101), rule) == (Turn.BACK, Decimal(0))
    assert turn(Decimal(102), Decimal(101), CounterRule()) == (Turn.BACK, Decimal(0))


def test_a_new_mapping_leaves_history_alone() -> None:
    own = MappingVersion("tower_light", 2, at(100), {"YELLOW": Category.SETUP})
    rules = Rules(dictionary("tower_light", [own]), timedelta(hours=1))
    log = [state(1, 0, "yellow"), state(2, 50, "green"), state(3, 120, "yellow")]
    assert [(each.category, each.mapping) for each in full(log, rules, at(200))] == [
        (Category.STANDBY, 1),
        (Category.PRODUCING, 1),
        (Category.SETUP, 2),
    ]


def test_every_built_in_word_and_the_unknown_one() -> None:
    # ANSI/ISA-TR88.00.02 has 17 states; MTConnect part 2 lists EXECUTION's values.
    assert len(BUILT_IN["packml"].words) == 17
    assert dictionary("packml").read("Execute", T0) == (Category.PRODUCING, 1)
    assert dictionary("mtconnect").read("INTERRUPTED", T0)[0] is Category.UNPLANNED_DOWN
    assert dictionary("tower_light").read("purple", T0)[0] is Category.UNKNOWN
    assert dictionary("nobody's").read("green", T0) == (Category.UNKNOWN, 0)
