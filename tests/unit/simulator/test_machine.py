"""The machine model: it makes what it was told, in working time only, the same way for the same seed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.domain import Happening, Kind, Machine, Phase, Profile, Work
from services.simulator.working_time import Shift, WorkingTime

START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
ALWAYS = WorkingTime(ZoneInfo("UTC"))
DAYS = WorkingTime(
    ZoneInfo("UTC"),
    (Shift("D", frozenset(range(1, 8)), time(8), time(16), ((time(12), time(12, 30)),)),),
    {date(2026, 3, 4): frozenset()},
)
FRAIL = Profile(mtbf_s=3000, repair_s=600, cycle_noise=0.1, modulus=50)


def machine(profile: Profile = FRAIL, working: WorkingTime = DAYS, seed: int = 1) -> Machine:
    return Machine("P-01", Random(seed), working, START, profile)


def run_to_the_end(tested: Machine, steps: list[float]) -> list[Happening]:
    """Move on by the given steps, again and again, until the work is done."""
    happened: list[Happening] = []
    for number in range(20_000):
        if tested.work is None:
            return happened
        happened += tested.advance(tested.at + timedelta(seconds=steps[number % len(steps)]))
    raise AssertionError("the work never ended")


steps = st.lists(st.floats(min_value=30, max_value=20_000), min_size=1, max_size=6)
pieces = st.integers(min_value=1, max_value=400)


@given(pieces, steps, st.integers(0, 999))
def test_all_pieces_are_counted_once_whatever_the_steps(quantity: int, by: list[float], seed: int) -> None:
    tested = machine(seed=seed)
    tested.begin_run(START, Work("job", quantity, 20.0))
    happened = run_to_the_end(tested, by)
    assert [each.kind for each in happened].count(Kind.FINISHED) == 1
    assert tested.counter == quantity


@given(pieces, steps, st.integers(0, 999))
def test_how_often_one_looks_does_not_change_what_happens(quantity: int, by: list[float], seed: int) -> None:
    one, two = machine(seed=seed), machine(seed=seed)
    histories = []
    for tested, pattern in ((one, by), (two, [86_400.0])):
        tested.begin_run(START, Work("job", quantity, 20.0))
        happened = run_to_the_end(tested, pattern)
        turning = [each for each in happened if each.kind in {Kind.DOWN, Kind.UP, Kind.FINISHED}]
        histories.append([(each.kind, each.reason, round(each.at.timestamp(), 1)) for each in turning])
    assert histories[0] == histories[1]


@given(pieces, steps, st.integers(0, 999))
def test_happenings_come_in_order_of_time(quantity: int, by: list[float], seed: int) -> None:
    tested = machine(seed=seed)
    happened = tested.begin_run(START, Work("job", quantity, 20.0)) + run_to_the_end(tested, by)
    times = [each.at for each in happened]
    assert times == sorted(times)


def test_it_produces_in_working_time_only() -> None:
    tested = machine(Profile())
    tested.begin_run(START, Work("job", 10_000, 3600.0))
    tested.advance(START + timedelta(days=3))
    assert tested.counter == 15  # two days of 7.5 hours, and the day that is closed


def test_breaks_show_as_not_scheduled() -> None:
    tested = machine(Profile())
    happened = tested.begin_run(START, Work("job", 100, 3600.0)) + tested.advance(START + timedelta(hours=14))
    states = [each.category for each in happened if each.kind is Kind.STATE]
    assert states == ["NON_SCHEDULED", "PRODUCING", "NON_SCHEDULED", "PRODUCING"]


def test_several_pieces_a_count_need_fewer_counts() -> None:
    tested = machine(Profile(), ALWAYS)
    tested.begin_run(START, Work("job", 10, 1.0, pieces_per_count=4))
    tested.advance(START + timedelta(seconds=9))
    assert (tested.counter, tested.work is not None and tested.work.made) == (2, 8)
    tested.advance(START + timedelta(seconds=60))
    assert tested.counter == 3


def test_the_shown_counter_rolls_over() -> None:
    tested = machine(Profile(modulus=50), ALWAYS)
    tested.begin_run(START, Work("job", 120, 1.0))
    tested.advance(START + timedelta(hours=1))
    assert (tested.counter, tested.shown_counter) == (120, 20)


def test_setup_takes_working_time_and_then_it_is_free() -> None:
    tested = machine(Profile())
    tested.begin_setup(START + timedelta(hours=11, minutes=50), 1200)
    happened = tested.advance(START + timedelta(hours=13))
    done = [each.at for each in happened if each.kind is Kind.SETUP_DONE]
    assert done == [START + timedelta(hours=12, minutes=40)]
    assert tested.phase is Phase.IDLE


def test_a_broken_machine_goes_on_after_the_repair() -> None:
    tested = machine(Profile(mtbf_s=600, repair_s=600), ALWAYS)
    tested.begin_run(START, Work("job", 1000, 10.0))
    while tested.phase is not Phase.DOWN:
        tested.advance(tested.next_event() or START)
    repaired = tested.repaired_at
    assert repaired is not None
    tested.advance(repaired)
    assert tested.category() == "PRODUCING"


def test_stopping_a_broken_machine_does_not_mend_it() -> None:
    tested = machine(Profile(mtbf_s=600, repair_s=600), ALWAYS)
    tested.begin_run(START, Work("job", 1000, 10.0))
    while tested.phase is not Phase.DOWN:
        tested.advance(tested.next_event() or START)
    tested.stop(tested.at)
    assert tested.category() == "UNPLANNED_DOWN"
    tested.advance(tested.repaired_at or START)
    assert tested.category() == "STANDBY"


def test_wear_drifts_and_a_correction_centres() -> None:
    tested = machine(Profile(wear_per_1000=3.0), ALWAYS)
    tested.begin_run(START, Work("job", 1000, 1.0))
    tested.advance(START + timedelta(hours=1))
    worn = [tested.measure(10.0, 0.1) for _ in range(200)]
    tested.correct()
    centred = [tested.measure(10.0, 0.1) for _ in range(200)]
    assert abs(sum(worn) / 200 - 10.3) < 0.03
    assert abs(sum(centred) / 200 - 10.0) < 0.03


@given(st.integers(0, 2000), st.floats(0, 0.2), st.integers(0, 999))
def test_scrap_is_a_part_of_the_pieces(quantity: int, rate: float, seed: int) -> None:
    assert 0 <= machine(Profile(scrap_rate=rate), seed=seed).scrap_among(quantity) <= quantity
