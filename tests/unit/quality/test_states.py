"""State machines: lots, nonconformances, signals; switching of severity; when a lot is due and how it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from mes.errors import Conflict

from services.quality.domain.inspection import Entry, Sampling, Step, Watch, evaluate, is_due, sample_for
from services.quality.domain.plans import Characteristic, Stage
from services.quality.domain.sampling import AQLS, LEVELS
from services.quality.domain.states import LOT, NONCONFORMANCE, SIGNAL, Moves, legal, move
from services.quality.domain.switching import Switching, after_lot, approve_reduced, resume

# Which state may follow which, written a second time and from the other end.
FOLLOWS = {
    "lot": {
        "Pending": {"InProgress", "Passed", "Failed", "Cancelled"},
        "InProgress": {"Passed", "Failed", "Cancelled"},
        "Failed": {"ReInspection", "Partial"},
        "ReInspection": {"Passed", "Failed", "Partial", "Cancelled"},
        "Passed": {"Reversed"},
        "Partial": {"Reversed"},
        # ours: a result taken back has to be found again
        "Reversed": {"ReInspection"},
        "Cancelled": set(),
    },
    "nonconformance": {
        "Registered": {"Contained", "UnderReview", "Dispositioned", "Cancelled"},
        "Contained": {"UnderReview", "Dispositioned", "Cancelled"},
        "UnderReview": {"Dispositioned", "Cancelled"},
        "Dispositioned": {"Executing"},
        "Executing": {"Verified", "UnderReview"},
        "Verified": {"Closed", "UnderReview"},
        "Closed": {"UnderReview"},
        "Cancelled": set(),
    },
    "signal": {
        "New": {"Acknowledged"},
        "Acknowledged": {"CauseAssigned"},
        "CauseAssigned": {"Closed"},
        "Closed": set(),
    },
}
MACHINES: dict[str, tuple[Moves, str]] = {
    "lot": (LOT, "Pending"),
    "nonconformance": (NONCONFORMANCE, "Registered"),
    "signal": (SIGNAL, "New"),
}
VERBS = sorted({verb for moves, _ in MACHINES.values() for row in moves.values() for verb in row})


class Walk(RuleBasedStateMachine):
    """Any verb at any time: either it is legal and leads where the standard says, or nothing changes."""

    def __init__(self) -> None:
        super().__init__()
        self.at = {name: start for name, (_, start) in MACHINES.items()}

    @rule(name=st.sampled_from(sorted(MACHINES)), verb=st.sampled_from(VERBS))
    def try_verb(self, name: str, verb: str) -> None:
        moves, before = MACHINES[name][0], self.at[name]
        try:
            after = move(moves, before, verb, "test.illegal")
        except Conflict as refused:
            assert verb not in legal(moves, before)
            assert refused.params["state"] == before and refused.params["legal"] == legal(moves, before)
            return
        assert after in FOLLOWS[name][before]
        self.at[name] = after

    @invariant()
    def every_state_is_known(self) -> None:
        assert all(self.at[name] in FOLLOWS[name] for name in self.at)


TestWalk = Walk.TestCase


@pytest.mark.parametrize("name", MACHINES)
def test_the_tables_are_complete(name: str) -> None:
    moves = MACHINES[name][0]
    assert {state: set(row.values()) for state, row in moves.items()} == FOLLOWS[name]


# ---- switching: GB/T 2828.1-2012, 9.3 -------------------------------------------------------------------------------


def lots(state: Switching, results: str, accept: int = 2, tighter: bool = True) -> Switching:
    for each in results:
        state = after_lot(state, accepted=each == "+", accept=accept, accepted_one_step_tighter=tighter)
    return state


def test_two_of_five_not_accepted_tighten() -> None:
    assert lots(Switching(), "-").severity == "normal"
    assert lots(Switching(), "-+++-").severity == "tightened"
    assert lots(Switching(), "-++++-").severity == "normal"


def test_five_in_a_row_accepted_bring_normal_back() -> None:
    tight = lots(Switching(), "--")
    assert lots(tight, "++++").severity == "tightened"
    assert lots(tight, "++++-+++++").severity == "normal"


def test_five_not_accepted_on_tightened_discontinue() -> None:
    tight = lots(Switching(), "--")
    assert lots(tight, "-+-+-+-").severity == "tightened"
    stopped = lots(tight, "-+-+-+-+-")
    assert stopped.severity == "discontinued"
    assert lots(stopped, "+++++").severity == "discontinued"
    assert resume(stopped) == Switching("tightened")


def test_the_score_and_reduced_inspection() -> None:
    """Ac >= 2: 3 for a lot that the next tighter AQL had accepted too; Ac 0 or 1: 2 for an accepted lot; else 0."""
    assert lots(Switching(), "+" * 9).score == 27
    assert lots(Switching(), "++", tighter=False).score == 0
    assert lots(Switching(), "+++-+", accept=1).score == 2
    ready = lots(Switching(), "+" * 10)
    assert (ready.score, ready.may_reduce, ready.severity) == (30, True, "normal")
    assert lots(ready, "+").severity == "normal", "the authority has not asked for it"
    reduced = approve_reduced(ready, True)
    assert reduced.severity == "reduced"
    assert lots(reduced, "+++").severity == "reduced"
    assert lots(reduced, "-").severity == "normal"
    assert approve_reduced(reduced, False) == Switching()
    approved = approve_reduced(Switching(), True)
    assert lots(approved, "+" * 15, accept=0).severity == "reduced"


@given(st.text("+-", max_size=60), st.integers(0, 5), st.booleans())
def test_switching_never_leaves_its_states(results: str, accept: int, tighter: bool) -> None:
    state = Switching(reduced_approved=True)
    for each in results:
        before = state
        state = lots(state, each, accept, tighter)
        assert state.severity in {"normal", "tightened", "reduced", "discontinued"}
        assert {before.severity, state.severity} != {"tightened", "reduced"}
        assert len(state.recent) <= 5 and state.not_accepted <= 5 and state.score <= 32


# ---- lots -----------------------------------------------------------------------------------------------------------

HOLE = Characteristic("h", "HOLE", lsl=9.9, usl=10.1)
LOOK = Characteristic("l", "LOOK", kind="attribute")


def test_limits_belong_to_the_tolerance() -> None:
    assert HOLE.conforms(9.9, None) and HOLE.conforms(10.1, None)
    assert not HOLE.conforms(10.1000001, None) and not HOLE.conforms(None, None)
    assert Characteristic("b", "BURR", usl=0.05).conforms(-3.0, None)
    assert LOOK.conforms(None, 0) and not LOOK.conforms(None, 1)


def test_a_piece_with_two_faults_is_one_nonconforming_piece() -> None:
    entries = [Entry("h", 10.0), Entry("h", 10.2), Entry("l", None, 0), Entry("l", None, 3)]
    found = evaluate([HOLE, LOOK], Sampling(2, 0), entries)
    assert (found.complete, found.nonconforming, found.passed) == (True, 1, False)
    assert list(found.failed_characteristics) == ["HOLE", "LOOK"]
    assert evaluate([HOLE, LOOK], Sampling(2, 1), entries).passed
    # above AQL 10 the standard counts nonconformities
    assert evaluate([HOLE, LOOK], Sampling(2, 0), entries, "15").nonconforming == 4


def test_counts_of_many_pieces_at_once() -> None:
    found = evaluate([LOOK], Sampling(50, 1), [Entry("l", None, 1, 30)])
    assert (found.complete, dict(found.missing)) == (False, {"LOOK": 20})
    found = evaluate([LOOK], Sampling(50, 1), [Entry("l", None, 1, 30), Entry("l", None, 5, 20)])
    assert (found.nonconforming, found.passed) == (6, False)


@given(st.integers(1, 10**6), st.sampled_from(AQLS), st.sampled_from(LEVELS))
def test_a_sample_is_never_larger_than_its_lot(qty: int, aql: str, level: str) -> None:
    stage = Stage(0, "FQC", "per_lot", sampling="aql", aql=aql, inspection_level=level)
    for severity in ("normal", "tightened", "reduced", "discontinued"):
        found = sample_for(stage, Decimal(qty), severity)
        assert 1 <= found.n <= qty and found.reject == found.accept + 1
    assert sample_for(stage, Decimal(qty), "discontinued").n == qty


def test_samples_without_a_standard() -> None:
    unknown = Stage(0, "FQC", "per_lot", sampling="aql", aql="3", sample_size=5)
    assert sample_for(unknown, Decimal(100)) == Sampling(5, 0)
    assert Stage(0, "FQC", "per_lot", sampling="aql", aql="1").by_aql
    assert sample_for(Stage(0, "FQC", "per_lot", sampling="all"), Decimal("12.4")).n == 13
    assert sample_for(Stage(0, "FQC", "per_lot", sample_size=20), Decimal(8)).n == 8
    assert sample_for(Stage(0, "IPQC", "every_n", sample_size=20), Decimal(8)).n == 20


NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
STEP = Step("Running", "Running", "internal", True, "m", Decimal(0), Decimal(0), Decimal(100))


def due(trigger: str, step: Step, watch: Watch, *, stage: str = "IPQC", every: int = 0, shift: str = "") -> bool:
    return is_due(Stage(0, stage, trigger, every, characteristics=(HOLE,)), step, watch, NOW, shift)


def test_first_articles() -> None:
    setup = replace(STEP, state="Setup", from_state="Ready")
    assert due("first_off", setup, Watch(), stage="FAI")
    assert not due("first_off", replace(setup, first_article=False), Watch(), stage="FAI")
    inspected = Watch(equipment="m")
    assert due("first_off", setup, inspected, stage="FAI"), "every set-up"
    assert not due("first_off", replace(setup, from_state="Held"), inspected, stage="FAI")
    assert not due("first_off", replace(STEP, from_state="Setup"), inspected, stage="FAI")
    assert due("first_off", replace(STEP, equipment="other"), inspected, stage="FAI"), "another machine"


def test_counted_and_timed_inspections() -> None:
    assert not due("every_n", replace(STEP, made=Decimal(99)), Watch(), every=100)
    assert due("every_n", replace(STEP, made=Decimal(100)), Watch(), every=100)
    assert not due("every_n", replace(STEP, made=Decimal(150)), Watch(made=Decimal(100)), every=100)
    assert not due("every_minutes", STEP, Watch(), every=30)
    assert due("every_minutes", STEP, Watch(at=NOW - timedelta(minutes=30)), every=30)
    assert not due("every_minutes", replace(STEP, state="Paused"), Watch(at=NOW - timedelta(minutes=30)), every=30)


def test_shifts() -> None:
    assert due("shift_start", STEP, Watch(), shift="")
    assert not due("shift_start", STEP, Watch(shift=""), shift="2026-11-23 D"), "the shift becomes known"
    assert not due("shift_start", STEP, Watch(shift="2026-11-23 D"), shift="2026-11-23 D")
    assert due("shift_start", STEP, Watch(shift="2026-11-23 D"), shift="2026-11-23 N")
    assert not due("shift_start", STEP, Watch(shift="2026-11-23 D"), shift="")


def test_finished_quantities() -> None:
    full = replace(STEP, good=Decimal(95), remaining=Decimal(0))
    assert due("per_lot", full, Watch())
    assert not due("per_lot", full, Watch(good=Decimal(95)))
    assert due("per_lot", replace(full, state="Done", remaining=Decimal(5)), Watch())
    assert not due("per_lot", replace(full, kind="outside"), Watch())
    assert not due("per_lot", replace(full, state="Cancelled"), Watch())
    assert not is_due(Stage(0, "FQC", "per_lot"), full, Watch(), NOW), "nothing to look at"
