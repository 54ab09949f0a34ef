"""What plans must keep, as worked examples: each notion of the model alone, with the answer known."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import Schedule
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.flat import flat_of
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import (
    ANY,
    Alternative,
    Fixing,
    Infeasible,
    Machine,
    Operation,
    Order,
    Planned,
    Predecessor,
    Problem,
    SetupRow,
)
from services.scheduling.solver.rules import Dispatcher, Figures, current, grid
from services.scheduling.solver.scoring import plan_of
from tests.unit.scheduling.solver.shops import problem_of, random_problem

H = 3600
DAY_SHIFT = [(8 * H, 12 * H), (13 * H, 17 * H), (32 * H, 36 * H), (37 * H, 41 * H)]
"""Two days from 8:00 to 17:00 with a break at noon."""


def plan(problem: Problem) -> dict[str, Planned]:
    made = rules_plan(problem)
    assert check(problem, made) == []
    return {each.operation: each for each in made.operations}


def work(name: str, seconds: int, on: str = "M", setup: int = 0, **more: object) -> Operation:
    order = name.partition(".")[0]
    return Operation(name, order, (Alternative(on, seconds, setup),), **more)  # type: ignore[arg-type]


def test_work_pauses_over_breaks() -> None:
    machine = Machine("M", DAY_SHIFT)
    one = plan(problem_of([machine], [work("A", 6 * H)]))["A"]
    assert (one.start, one.end) == (8 * H, 15 * H)


def test_work_that_may_not_pause_waits_for_a_window_that_holds_it() -> None:
    machine = Machine("M", [(8 * H, 10 * H), (13 * H, 17 * H)])
    one = plan(problem_of([machine], [work("A", 3 * H, interruptible=False)]))["A"]
    assert (one.start, one.end, one.cause) == (13 * H, 16 * H, "calendar")


def test_work_that_no_window_can_hold_pauses_after_all() -> None:
    machine = Machine("M", DAY_SHIFT)
    one = plan(problem_of([machine], [work("A", 5 * H, interruptible=False)]))["A"]
    assert (one.start, one.end) == (8 * H, 14 * H)


def test_a_setup_pauses_over_a_break_and_ends_where_the_run_begins() -> None:
    machine = Machine("M", DAY_SHIFT)
    operations = [work("A", 3 * H + 1800), work("B", H, setup=1800 + 600)]
    plans = plan(problem_of([machine], operations, [Order("A", 1, 16), Order("B", 100 * H)]))
    assert plans["A"].end == 11 * H + 1800
    assert plans["B"].setup_start == 11 * H + 1800
    assert (plans["B"].start, plans["B"].end) == (13 * H + 600, 14 * H + 600)


def test_after_the_horizon_machines_work_around_the_clock() -> None:
    problem = problem_of([Machine("M", [(0, 100)])], [work("A", 150)], horizon=1_000)
    made = rules_plan(problem)
    assert (made.operations[0].end, made.beyond_horizon) == (1_050, True)
    assert not rules_plan(problem_of([Machine("M", [(0, 200)])], [work("A", 150)])).beyond_horizon


def test_a_machine_that_is_down_is_used_when_it_is_back() -> None:
    machines = [Machine("M", available_from=500), Machine("N", available_from=900)]
    operations = [Operation("A", "A", (Alternative("M", 100), Alternative("N", 50)))]
    one = plan(problem_of(machines, operations))["A"]
    assert (one.machine, one.start, one.cause) == ("M", 500, "equipment")


def test_setup_follows_the_matrix() -> None:
    rows = [SetupRow(ANY, "B", 50, priority=5), SetupRow("A", "B", 20, priority=1), SetupRow("B", "B", 7, priority=1)]
    table = Model(
        problem_of(
            [Machine("M", setup_class="S", initial_family="A")],
            [work("1", 1, family="B"), work("2", 1, family="C"), work("3", 1, family="A"), work("4", 1)],
            setups={"S": rows},
        )
    )
    setup, family = table.setups[0], table.families
    assert setup.seconds(family["A"])[family["B"]] == 20  # the row of its own goes before the wildcard
    assert setup.seconds(family["C"])[family["B"]] == 50
    assert setup.seconds(family[""])[family["B"]] == 50  # unknown at the start
    assert setup.seconds(family["B"])[family["B"]] == 7  # named on both sides
    assert setup.seconds(family["A"])[family["A"]] == 0  # no change
    assert setup.seconds(family["A"])[family["C"]] == -1  # the operation's own
    assert setup.seconds(family["A"])[family[""]] == -1


def test_a_wildcard_is_a_change_of_family() -> None:
    rows = {"S": [SetupRow(ANY, ANY, 20)]}
    machine = Machine("M", setup_class="S", initial_family="A")
    plans = plan(problem_of([machine], [work("1", 10, family="A"), work("2", 10, family="B")], setups=rows))
    assert [plans[name].start for name in ("1", "2")] == [0, 30]


def test_a_setup_may_be_made_before_the_work_arrives() -> None:
    operations = [work("A.1", 100, "N"), work("A.2", 10, "M", 40, predecessors=(Predecessor("A.1", 5),))]
    one = plan(problem_of([Machine("M"), Machine("N")], operations))["A.2"]
    assert (one.setup_start, one.start, one.cause, one.cause_ref) == (65, 105, "predecessor", "A.1")


def test_overlap_begins_with_the_first_batch_and_ends_behind_the_last() -> None:
    machines = [Machine("M", [(0, 100), (200, 1_000)]), Machine("N")]
    long = work("A.1", 150, "M")
    short = work("A.2", 50, "N", predecessors=(Predecessor("A.1", overlap_s=120, tail_s=10),))
    plans = plan(problem_of(machines, [long, short]))
    assert plans["A.1"].end == 250
    assert (plans["A.2"].start, plans["A.2"].end) == (220, 270)
    slow = replace(short, alternatives=(Alternative("N", 20),))
    assert plan(problem_of(machines, [long, slow]))["A.2"].end == 260


def test_outside_work_runs_around_the_clock_and_waits_for_nobody() -> None:
    outside = [Operation(f"{name}.1", name, outside_s=1_000, release=10) for name in "AB"]
    back = work("A.2", 10, predecessors=(Predecessor("A.1", 30),))
    plans = plan(problem_of([Machine("M")], [*outside, back]))
    assert (plans["A.1"].start, plans["B.1"].end, plans["A.2"].start) == (10, 1_010, 1_040)
    assert plans["A.1"].machine == ""


def test_free_work_goes_around_what_is_fixed() -> None:
    frozen = work("F", 100, fixing=Fixing.FROZEN, machine="M", setup_start=50, start=60, end=160)
    plans = plan(problem_of([Machine("M")], [frozen, work("A", 50), work("B", 20)]))
    assert plans["A"].start in (0, 160)
    assert (plans["F"].start, plans["F"].end, plans["F"].cause) == (60, 160, "frozen")
    assert sorted(plans[name].rank for name in "FAB") == [1, 2, 3]


def test_free_work_leaves_a_fixed_operation_the_setup_that_it_has() -> None:
    frozen = work("F", 100, family="A", fixing=Fixing.FROZEN, machine="M", setup_start=90, start=100, end=200)
    machine = Machine("M", initial_family="A", setup_class="S")
    rows = {"S": [SetupRow("B", "A", 30), SetupRow("C", "A", 10), SetupRow("A", ANY, 5)]}
    operations = [frozen, work("B", 20, family="B"), work("C", 20, family="C")]
    plans = plan(problem_of([machine], operations, setups=rows))
    assert plans["C"].end <= 90
    assert plans["B"].start >= 205


def test_running_work_holds_its_machine_and_what_follows() -> None:
    running = work("A.1", 999, fixing=Fixing.RUNNING, machine="M", setup_start=-50, start=-20, end=80)
    done = work("B.1", 999, fixing=Fixing.DONE, machine="M", setup_start=0, start=0, end=40)
    follow = [
        work(f"{name}.2", 10, machine, predecessors=(Predecessor(f"{name}.1"),)) for name, machine in ("AN", "BM")
    ]
    plans = plan(problem_of([Machine("M"), Machine("N")], [running, done, *follow]))
    assert (plans["A.2"].start, plans["B.2"].start) == (80, 80)
    assert (plans["A.1"].cause, plans["B.1"].rank) == ("running", 0)


def test_a_pinned_operation_keeps_machine_and_earliest_start() -> None:
    pinned = Operation(
        "A", "A", (Alternative("M", 10), Alternative("N", 20)), fixing=Fixing.PINNED, machine="N", start=70
    )
    one = plan(problem_of([Machine("M"), Machine("N")], [pinned]))["A"]
    assert (one.machine, one.start, one.cause) == ("N", 70, "pinned")


def test_slack_counts_back_from_the_due_date() -> None:
    chain = [work("A.1", 100, "M"), work("A.2", 50, "N", predecessors=(Predecessor("A.1"),))]
    late = work("B.1", 30, "M")
    orders = [Order("A", 200, 16), Order("B", 60)]
    plans = plan(problem_of([Machine("M"), Machine("N")], [*chain, late], orders))
    # B is first (shorter, more urgent): A ends at 180, 20 s early; B may slip by 20 until A is late.
    assert [plans[name].slack_s for name in ("A.1", "A.2", "B.1")] == [20, 20, 20]
    assert plan(problem_of([Machine("M")], [late]))["B.1"].slack_s is None
    assert plan(problem_of([Machine("M")], [late], [Order("B", 10)]))["B.1"].slack_s == -20


def test_what_cannot_be_planned_is_named() -> None:
    waits = [work("A.1", 1, predecessors=(Predecessor("A.2"),)), work("A.2", 1, predecessors=(Predecessor("A.1"),))]
    behind = work("A.3", 1, predecessors=(Predecessor("A.2"),))
    lost = [Operation("B", "B"), work("C", 1, "nowhere"), work("D", 1, fixing=Fixing.PINNED, machine="N")]
    with pytest.raises(Infeasible) as caught:
        rules_plan(problem_of([Machine("M"), Machine("N")], [*waits, behind, *lost]))
    assert [each[:2] for each in caught.value.conflicts] == [
        ("B", "no_alternative"), ("C", "no_machine"), ("D", "pinned_elsewhere"), ("A.1", "cycle"), ("A.2", "cycle"),
    ]  # fmt: skip


def test_an_empty_problem_has_a_plan() -> None:
    made = rules_plan(problem_of([Machine("M")], []))
    assert made.operations == ()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_every_rule_makes_a_plan_that_the_checker_accepts(seed: int, orders: int, machines: int, dated: bool) -> None:
    problem = random_problem(Random(seed), orders=orders, machines=machines, dated=dated)
    model = Model(problem)
    figures = Figures(model)
    dispatcher, flat = Dispatcher(model, figures), flat_of(model)
    schedules = [(str(rule), Schedule(flat, dispatcher.run(rule).copy())) for rule in grid(model)]
    for name, schedule in [*schedules, ("current", current(model, figures))]:
        made = plan_of(schedule, name)
        assert check(problem, made) == []
        given = {each.id: each for each in problem.operations}
        for each in made.operations:
            operation = given[each.operation]
            if operation.fixing in (Fixing.FROZEN, Fixing.RUNNING, Fixing.DONE):
                assert (each.machine, each.start, each.end) == (operation.machine, operation.start, operation.end)
