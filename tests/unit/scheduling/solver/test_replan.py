"""A machine breaks down: what is left to plan, what becomes of it if nobody does anything, and the replan."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import score_from
from services.scheduling.solver.engine import rules_plan, solve, stand
from services.scheduling.solver.flat import flat_of, narrowed
from services.scheduling.solver.generate import breakdown, busiest, generate_shop
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import (
    REPLAN_CHANGE_S,
    REPLAN_STABILITY,
    Alternative,
    Fixing,
    Machine,
    Operation,
    Order,
    Plan,
    Planned,
    Problem,
    replanning,
)
from services.scheduling.solver.rules import Figures, current, try_rules
from services.scheduling.solver.search import Incumbent, Limits, improve
from tests.unit.scheduling.solver.shops import problem_of

H = 3600
NOW, OUT = 8 * H, 24 * H


@cache
def case(size: int, seed: int, *, full: bool = False) -> tuple[Problem, Plan, str, Problem]:
    """(shop, its plan, the machine that breaks down, what is left to plan)."""
    shop = generate_shop(size, seed, full=full)
    plan = rules_plan(shop)
    machine = busiest(plan, NOW, OUT)
    return shop, plan, machine, replanning(breakdown(shop, plan, NOW, machine, NOW + OUT))


def changed(problem: Problem, plan: Plan) -> int:
    """Operations on another machine than in the plan that stands."""
    stood = problem.current
    return sum(each.operation in stood and stood[each.operation].machine != each.machine for each in plan.operations)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_breakdown_leaves_what_had_not_begun(seed: int, full: bool) -> None:
    shop, plan, machine, problem = case(200, seed, full=full)
    where = {each.operation: each for each in plan.operations}
    assert [each.id for each in problem.operations] == [each.id for each in shop.operations]
    assert problem.now == NOW
    for each in problem.operations:
        planned = where[each.id]
        assert (each.fixing is Fixing.DONE) == (planned.end <= NOW)
        assert (each.fixing is Fixing.RUNNING) == (planned.setup_start < NOW < planned.end)
        if each.fixing is Fixing.FREE:
            assert problem.current[each.id] == planned
        else:
            assert each.id not in problem.current
            waits = OUT * (each.fixing is Fixing.RUNNING and planned.machine == machine)
            assert (each.machine, each.start, each.end) == (planned.machine, planned.start, planned.end + waits)
    down = {each.id: each.available_from for each in problem.machines}
    assert down[machine] == NOW + OUT
    assert breakdown(shop, plan, NOW, machine, NOW + OUT) == breakdown(shop, plan, NOW, machine, NOW + OUT)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_doing_nothing_keeps_every_machine(seed: int, full: bool) -> None:
    problem = case(200, seed, full=full)[3]
    nothing = stand(problem)
    assert check(problem, nothing) == []
    assert changed(problem, nothing) == 0
    assert nothing.score.moved > 0


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_replan_is_never_worse_than_the_rules_or_doing_nothing(seed: int, full: bool) -> None:
    problem = case(200, seed, full=full)[3]
    made = solve(problem, seconds=60, moves=20_000)
    assert check(problem, made) == []
    assert made.score.key() <= min(rules_plan(problem).score.key(), stand(problem).score.key())
    assert solve(problem, seconds=60, moves=20_000).operations == made.operations
    where = {each.operation: each for each in made.operations}
    for each in problem.operations:
        if each.fixing in (Fixing.RUNNING, Fixing.FROZEN):
            found = where[each.id]
            assert (found.machine, found.start, found.end) == (each.machine, each.start, each.end)


def test_a_replan_moves_far_less_than_planning_anew() -> None:
    problem = case(400, 1)[3]
    anew = rules_plan(replace(problem, current={}, stability=0))
    made, nothing = solve(problem, seconds=60, moves=60_000), stand(problem)
    assert made.score.missed <= anew.score.missed
    assert made.score.tardiness < nothing.score.tardiness
    assert made.score.moved < nothing.score.moved
    assert changed(problem, made) * 3 < changed(problem, anew)


def test_doing_nothing_is_told_first() -> None:
    problem, told = case(200, 1)[3], []
    solve(problem, seconds=60, moves=1_000, on_plan=told.append)
    assert told[0].operations == stand(problem).operations


def test_without_a_plan_nothing_is_weighed() -> None:
    shop = case(200, 1)[0]
    assert replanning(shop) is shop
    assert replanning(case(200, 1)[3], 7, 60).stability == 7


def test_a_shop_is_narrowed_to_some_choices() -> None:
    flat = flat_of(Model(case(200, 1)[0]))
    first, count = flat.choices_of[:-1], np.diff(flat.choices_of)
    only = np.where(np.arange(len(count)) % 2 == 0, count - 1, -1)
    shop, kept = narrowed(flat, only)
    left = [layout.OP_CHOICES + layout.op_row(at) for at in range(len(count) + 1)]
    for at in range(len(count)):
        own = kept[shop[left[at]] : shop[left[at + 1]]]
        expected = [first[at] + only[at]] if only[at] >= 0 else range(first[at], first[at] + count[at])
        assert own.tolist() == list(expected)
        for choice, each in zip(range(shop[left[at]], shop[left[at + 1]]), own, strict=True):
            there, here = layout.choice_row(flat.shop, each), layout.choice_row(shop, choice)
            assert shop[here : here + 4].tolist() == flat.shop[there : there + 4].tolist()


def test_a_search_that_begins_with_missed_deadlines_still_keeps_those_that_the_rules_keep() -> None:
    problem = case(400, 1)[3]
    model = Model(problem)
    tried = try_rules(model)
    nothing = current(model, Figures(model)).block
    assert score_from(nothing, tried.flat).missed > tried.score.missed
    incumbent = Incumbent(replace(tried, stands=nothing), lambda _: None)
    assert incumbent.behind
    improve(incumbent, Limits(0.0, lambda: False, 1, moves=5_000))
    assert incumbent.score.key() <= tried.score.key()
    assert not incumbent.behind


def test_who_has_lost_the_machine_goes_elsewhere_for_nothing() -> None:
    # A is out for two hours. a was planned on it at once: to wait moves it by two hours, to go to B costs no change.
    # b was planned on it later and stays: to go would count as a changed machine.
    ways = (Alternative("A", H), Alternative("B", H))
    steps = [Operation("a", "a", ways), Operation("b", "b", ways)]
    stands = {"a": Planned("a", "A", 0, 0, H), "b": Planned("b", "A", 4 * H, 4 * H, 5 * H)}
    problem = problem_of(
        [Machine("A", available_from=2 * H), Machine("B")], steps, [Order("a", 9 * H), Order("b", 9 * H)],
        current=stands, stability=REPLAN_STABILITY, machine_change_s=REPLAN_CHANGE_S,
    )  # fmt: skip
    plan = solve(problem, seconds=60, moves=2000, workers=1)
    assert check(problem, plan) == []
    made = {each.operation: each for each in plan.operations}
    assert (made["a"].machine, made["a"].start, made["b"].machine) == ("B", 0, "A")
    assert plan.score.moved == abs(made["b"].start - 4 * H)


def test_a_replan_without_time_is_what_stands() -> None:
    problem = case(200, 1)[3]
    for seconds in (0.0, 0.01, 0.06):
        made = solve(problem, seconds=seconds)
        assert check(problem, made) == []
        assert made.score.key() <= stand(problem).score.key()
