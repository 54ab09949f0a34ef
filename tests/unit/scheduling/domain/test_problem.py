"""From facts to a problem: what becomes of states, holds, machines that are down, calendars and dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from mes.shifts import Calendar, Shift

from services.scheduling.domain.exclusion import Reason
from services.scheduling.domain.facts import (
    JobFacts,
    MachineFacts,
    MatrixRow,
    OrderFacts,
    OverFacts,
    Placed,
    Policy,
    Shop,
    Way,
)
from services.scheduling.queries.problem import Built, build
from services.scheduling.solver.checker import check
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.problem import Fixing, Operation, Predecessor

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
POLICY = Policy(frozen_window_s=1800, repair_estimate_s=7200)
A, B = MachineFacts("a"), MachineFacts("b")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def job(name: str, *before: str, on: tuple[str, ...] = ("a",), run: str = "600", **more: Any) -> JobFacts:
    more = {"order": "o1", **more}
    return JobFacts(name, predecessors=before, ways=[Way(one, Decimal(run), 60) for one in on], **more)


def shop(*jobs: JobFacts, machines: tuple[MachineFacts, ...] = (A, B), **more: Any) -> Shop:
    orders = {one: OrderFacts(one) for one in {each.order for each in jobs}}
    return Shop(
        machines={each.id: each for each in machines},
        orders={**orders, **more.pop("orders", {})},
        jobs={each.id: each for each in jobs},
        **more,
    )


def made(facts: Shop, now: datetime = NOW) -> Built:
    """The problem, after a look that an engine gets along with it."""
    built = build(facts, now, POLICY)
    assert check(built.problem, rules_plan(built.problem)) == []
    return built


def operation(built: Built, name: str) -> Operation:
    return next(each for each in built.problem.operations if each.id == name)


def test_durations_are_remaining_quantity_by_pace_and_efficiency_rounded_up() -> None:
    slow = MachineFacts("b", efficiency=Decimal("0.85"))
    facts = shop(job("j", on=("a", "b"), run="2.5", remaining=Decimal("101")), machines=(A, slow))
    # 101 x 2.5 = 252.5 -> 253; / 0.85 = 297.06 -> 298.
    assert [each.seconds for each in operation(made(facts), "j").alternatives] == [253, 298]
    nothing = shop(job("j", run="0"))
    assert operation(made(nothing), "j").alternatives[0].seconds == 1


def test_time_begins_at_the_first_whole_second_and_is_seconds_from_there() -> None:
    orders = {"o1": OrderFacts("o1", due_at=at(3600), priority=2, deadline_type="Hard", release_at=at(90.5))}
    built = made(shop(job("j"), orders=orders), at(0.25))
    assert built.problem.origin == at(1)
    (order,) = built.problem.orders
    assert (order.due, order.weight, order.hard, order.release) == (3599, 8, True, 90)
    assert operation(built, "j").release == 90


@pytest.mark.parametrize(("priority", "weight"), [(1, 16), (2, 8), (3, 4), (4, 2), (5, 1), (9, 1)])
def test_priority_1_is_the_most_urgent(priority: int, weight: int) -> None:
    built = made(shop(job("j"), orders={"o1": OrderFacts("o1", priority=priority)}))
    assert built.problem.orders[0].weight == weight


def test_queue_and_move_time_lie_between_jobs_also_behind_one_that_is_over() -> None:
    first, second = job("j1", move_s=120), job("j2", "j1", queue_s=30)
    assert operation(made(shop(first, second)), "j2").predecessors == [Predecessor("j1", 150)]
    over = {"j1": OverFacts(at(-100), 120)}
    assert operation(made(shop(second, over=over)), "j2").release == 50


def test_overlap_starts_after_the_first_transfer_batch_and_ends_after_the_last() -> None:
    first = job("j1", run="10", remaining=Decimal(100), overlap_qty=Decimal(20), move_s=60)
    second = job("j2", "j1", on=("b",), run="3", remaining=Decimal(100))
    assert operation(made(shop(first, second)), "j2").predecessors == [Predecessor("j1", 60, 200, 120)]
    begun = replace(first, good=Decimal(30), remaining=Decimal(70))
    assert operation(made(shop(begun, second)), "j2").predecessors == [Predecessor("j1", 60, 0, 120)]


def test_component_orders_come_before_the_first_jobs_of_the_order_that_needs_them() -> None:
    parts = (job("p1", order="part"), job("p2", "p1", order="part"))
    whole = (job("w1", order="whole"), job("w2", "w1", order="whole"))
    orders = {"whole": OrderFacts("whole", components=["part"])}
    built = made(shop(*parts, *whole, orders=orders))
    assert [each.operation for each in operation(built, "w1").predecessors] == ["p2"]
    assert [each.operation for each in operation(built, "w2").predecessors] == ["w1"]
    one = made(shop(*parts, job("w1", order="whole"), job("w2", "w1", order="whole", components=["part"])))
    assert [each.operation for each in operation(one, "w2").predecessors] == ["w1", "p2"]
    drafted = build(shop(*whole, orders={**orders, "part": OrderFacts("part", "Draft")}), NOW, POLICY)
    assert drafted.unplanned["w1"] == Reason("component_not_planned", {"order": "part"})
    assert drafted.unplanned["w2"] == Reason("follows_unplanned", {"job": "w1"})
    delivered = made(shop(*whole, orders={**orders, "part": OrderFacts("part", "Completed")}))
    assert not delivered.unplanned


def test_held_jobs_are_left_out_with_their_followers_and_named() -> None:
    jobs = (job("j1", state="Held"), job("j2", "j1"), job("j3", order="o2"), job("j4", order="o3"))
    orders = {"o3": OrderFacts("o3", "Held")}
    built = made(shop(*jobs, orders=orders))
    assert {name: each.code for name, each in built.unplanned.items()} == {
        "j1": "held",
        "j2": "follows_unplanned",
        "j4": "order_held",
    }
    assert [each.id for each in built.problem.operations] == ["j3"]


def test_a_job_without_a_machine_that_is_there_is_left_out() -> None:
    gone = replace(B, outdated=True)
    built = made(shop(job("j1", on=("b",)), job("j2", on=("a", "b")), machines=(A, gone)))
    assert built.unplanned["j1"].code == "no_machine"
    assert [each.machine for each in operation(built, "j2").alternatives] == ["a"]


def test_running_work_stands_and_ends_when_what_remains_is_done() -> None:
    running = job("j1", "j0", state="Running", machine="a", started_at=at(-1000), progress_at=at(-100))
    found = operation(made(shop(running)), "j1")
    assert (found.fixing, found.machine, found.start, found.end) == (Fixing.RUNNING, "a", -1000, 500)
    assert not found.predecessors
    late = replace(running, progress_at=at(-700))
    # It should have ended 100 s ago: a twentieth of its time is added, a minute at least.
    assert operation(made(shop(late)), "j1").end == 60


def test_running_work_pauses_outside_working_time() -> None:
    calendar = Calendar(ZoneInfo("UTC"), [Shift("D", frozenset(range(1, 8)), time(6), time(8, 5))])
    machine = replace(A, calendar="c")
    running = job("j", state="Running", machine="a", started_at=at(-100), progress_at=at(-100))
    found = operation(made(shop(running, machines=(machine,), calendars={"c": calendar})), "j")
    # 100 s until 08:00 and 300 s until 08:05 are done today, 200 s tomorrow from 06:00 on.
    assert found.end == 22 * 3600 + 200


def test_setup_is_followed_by_the_whole_run() -> None:
    setting = job("j", state="Setup", machine="a", progress_at=at(-20))
    found = operation(made(shop(setting)), "j")
    assert (found.setup_start, found.start, found.end) == (-20, 40, 640)


def test_a_machine_that_is_down_is_there_again_when_expected() -> None:
    def available(**state: Any) -> int:
        built = made(shop(job("j"), machines=(replace(A, **state),)))
        return built.problem.machines[0].available_from

    assert available(category="UNPLANNED_DOWN", since=at(-600)) == 6600
    assert available(category="UNPLANNED_DOWN", since=at(-600), expected_until=at(900)) == 900
    # Longer than estimated already: another quarter of the estimate.
    assert available(category="UNPLANNED_DOWN", since=at(-90000)) == 1800
    assert available(category="PLANNED_DOWN", since=at(-600), expected_until=at(500)) == 500
    assert available(category="PLANNED_DOWN", since=at(-600)) == 0
    assert available(category="UNKNOWN", since=at(-600)) == 0


def test_the_rest_of_a_paused_job_on_a_dead_machine_may_go_elsewhere_a_running_one_may_not() -> None:
    dead = replace(A, category="UNPLANNED_DOWN", since=at(-60))
    paused = job("j", state="Paused", machine="a", on=("a", "b"), remaining=Decimal("0.5"), progress_at=at(-60))
    found = operation(made(shop(paused, machines=(dead, B))), "j")
    assert (found.fixing, found.alternatives[1].seconds, found.alternatives[1].setup_s) == (Fixing.FREE, 300, 60)
    running = operation(made(shop(replace(paused, state="Running"), machines=(dead, B))), "j")
    assert (running.fixing, running.machine, running.end) == (Fixing.RUNNING, "a", 7140 + 300)
    only_there = replace(paused, ways=paused.ways[:1])
    assert operation(made(shop(only_there, machines=(dead, B))), "j").fixing == Fixing.RUNNING
    assert operation(made(shop(paused)), "j").fixing == Fixing.RUNNING


def test_outside_operations_take_calendar_days_and_end_when_expected_back() -> None:
    waiting = job("j", on=(), outside=True, lead_days=3)
    found = operation(made(shop(waiting)), "j")
    assert (found.alternatives, found.outside_s, found.fixing) == ([], 3 * 86400, Fixing.FREE)
    sent = replace(waiting, state="Sent", started_at=at(-86400), expected_back_at=at(86400))
    found = operation(made(shop(sent)), "j")
    assert (found.fixing, found.machine, found.start, found.end) == (Fixing.RUNNING, "", -86400, 86400)


def test_pins_hold_machine_and_earliest_start() -> None:
    pinned = job("j", on=("a", "b"), pinned=True, pinned_machine="b", pinned_start=at(5000))
    found = operation(made(shop(pinned)), "j")
    assert (found.fixing, found.machine, found.start) == (Fixing.PINNED, "b", 5000)
    elsewhere = replace(pinned, pinned_machine="x")
    assert operation(made(shop(elsewhere)), "j").fixing == Fixing.FREE


def placed(name: str, machine: str, setup: int, start: int, end: int, rank: int) -> Placed:
    return Placed(name, "o1", machine, at(setup), at(start), at(end), rank)


def frozen_in(facts: Shop) -> set[str]:
    return {each.id for each in made(facts).problem.operations if each.fixing is Fixing.FROZEN}


def test_what_is_about_to_begin_as_planned_is_frozen() -> None:
    jobs = (job("j1"), job("j2"), job("j3"), job("j4", on=("b",)))
    current = {
        each.job: each
        for each in (
            placed("j1", "a", 0, 60, 660, 1), placed("j2", "a", 660, 720, 1320, 2),
            placed("j3", "a", 1900, 1960, 2560, 3),
            placed("j4", "b", -30, 30, 630, 1),
        )
    }  # fmt: skip
    # j3 lies beyond the window, j4 should have begun already.
    assert frozen_in(shop(*jobs, current=current)) == {"j1", "j2"}
    dead = replace(A, category="UNPLANNED_DOWN", since=NOW)
    assert frozen_in(shop(*jobs, current=current, machines=(dead, B))) == set()
    # The job before it left the plan, so the setup may be another one.
    assert frozen_in(shop(*jobs[1:], current=current)) == set()
    late = replace(jobs[0], state="Running", machine="a", started_at=at(-100), progress_at=at(200))
    assert frozen_in(shop(late, *jobs[1:], current=current)) == set()
    more = replace(jobs[0], remaining=Decimal(2))
    assert frozen_in(shop(more, *jobs[1:], current=current)) == set()


def test_setup_matrices_go_by_work_centre() -> None:
    rows = [MatrixRow("", "*", "x", 100), MatrixRow("press", "y", "x", 30)]
    machines = (MachineFacts("a", work_centre="press", family="y"), MachineFacts("b", work_centre="turn"))
    problem = made(shop(job("j", on=("a", "b"), family="x"), machines=machines, matrix=rows)).problem
    assert [(each.setup_class, each.initial_family) for each in problem.machines] == [("press", "y"), ("*", "")]
    assert [row.seconds for row in problem.setups["press"]] == [30, 100]
    assert [row.seconds for row in problem.setups["*"]] == [100]


def test_calendars_are_laid_out_until_the_work_ends() -> None:
    calendar = Calendar(ZoneInfo("UTC"), [Shift("D", frozenset({1}), time(8), time(9))])
    machine = replace(A, calendar="c")
    # 30 hours of work on a machine that works one hour a week.
    facts = shop(job("j", run=str(30 * 3600)), machines=(machine,), calendars={"c": calendar})
    built = made(facts)
    assert built.problem.horizon > 30 * 7 * 86400
    assert not rules_plan(built.problem).beyond_horizon
    assert made(shop(job("j"))).problem.horizon == 28 * 86400


def test_equal_facts_give_equal_problems() -> None:
    facts = shop(job("j1"), job("j2", "j1"))
    assert build(facts, NOW, POLICY).digest() == build(facts, NOW, POLICY).digest()
    assert build(facts, at(1), POLICY).digest() != build(facts, NOW, POLICY).digest()
