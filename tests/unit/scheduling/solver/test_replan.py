"""After a breakdown: what stands, what is proposed, and what it moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import score_from
from services.scheduling.solver.engine import rules_plan, solve, stand
from services.scheduling.solver.generate import breakdown, busiest, generate_shop
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import (
    MACHINE_CHANGE_S,
    STABILITY,
    Alternative,
    Fixing,
    Machine,
    Operation,
    Order,
    Plan,
    Planned,
    Predecessor,
    Problem,
)
from services.scheduling.solver.rules import Figures, current, rescued, tied
from tests.unit.scheduling.solver.shops import problem_of

H = 3600


def broken(seed: int, *, full: bool = False, hours: int = 8) -> tuple[Problem, Problem, Plan]:
    """A shop, the same with its busiest machine out from the eighth hour on, and the plan before."""
    shop = generate_shop(120, seed, full=full)
    plan = rules_plan(shop, seconds=0)
    machine = busiest(plan, 8 * H, 24 * H)
    asked = breakdown(shop, plan, 8 * H, machine, (8 + hours) * H)
    return shop, replace(asked, stability=STABILITY, machine_change_s=MACHINE_CHANGE_S), plan


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_has_begun_stays_and_nothing_runs_on_the_machine_that_is_out(seed: int, full: bool) -> None:
    shop, asked, plan = broken(seed, full=full)
    before = {each.operation: each for each in plan.operations}
    fixing = {each.id: each.fixing for each in asked.operations}
    assert {name for name, each in before.items() if each.end <= 8 * H} == {
        name for name, each in fixing.items() if each is Fixing.DONE
    }
    (out,) = [each for each in asked.machines if each.available_from]
    assert out.available_from == 16 * H
    assert len(asked.operations) == len(shop.operations)
    for made in (stand(asked), solve(asked, seconds=60, moves=3000, workers=1)):
        assert check(asked, made) == []
        for each in made.operations:
            if fixing[each.operation] is Fixing.FREE:
                assert each.machine != out.id or each.setup_start >= 16 * H
            elif fixing[each.operation] in (Fixing.RUNNING, Fixing.FROZEN) and each.machine != out.id:
                assert (each.machine, each.start) == (before[each.operation].machine, before[each.operation].start)


def test_doing_nothing_keeps_machines_and_their_order() -> None:
    _, asked, plan = broken(1)
    planned = {each.operation: each for each in plan.operations}
    made = stand(asked)
    assert all(each.machine == planned[each.operation].machine for each in made.operations)
    line: dict[str, list[Planned]] = {}
    for each in sorted(made.operations, key=lambda one: one.start):
        if each.operation in asked.current:
            line.setdefault(each.machine, []).append(planned[each.operation])
    for each_line in line.values():
        assert [each.start for each in each_line] == sorted(each.start for each in each_line)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_proposal_is_never_worse_than_doing_nothing_or_the_rules_and_leaves_machines_alone(seed: int) -> None:
    _, asked, _ = broken(seed, hours=4)
    best = solve(asked, seconds=60, moves=20_000, workers=1)
    rules = rules_plan(asked)
    assert best.score.key() <= stand(asked).score.key()
    assert best.score.key() <= rules.score.key()
    free = solve(replace(asked, current={}, stability=0), seconds=60, moves=20_000, workers=1)
    assert _changed(asked, free) > 2 * _changed(asked, best)


def _changed(problem: Problem, plan: Plan) -> float:
    pairs = [(each, problem.current[each.operation]) for each in plan.operations if each.operation in problem.current]
    return sum(one.machine != other.machine for one, other in pairs) / len(pairs)


def test_tied_to_their_machines_those_who_wait_let_others_pass() -> None:
    # x1's machine A is out until 10; x2 follows it and stands before y on B. In order y waits for x; tied it does not.
    steps = [
        Operation("x1", "x", (Alternative("A", H), Alternative("B", 5 * H))),
        Operation("x2", "x", (Alternative("B", H),), (Predecessor("x1"),)),
        Operation("y", "y", (Alternative("B", H), Alternative("A", H))),
    ]
    stands = {
        "x1": Planned("x1", "A", 0, 0, H), "x2": Planned("x2", "B", H, H, 2 * H),
        "y": Planned("y", "B", 2 * H, 2 * H, 3 * H),
    }  # fmt: skip
    problem = problem_of(
        [Machine("A", available_from=10 * H), Machine("B")], steps, [Order("x", 3 * H), Order("y", 3 * H)],
        current=stands, stability=STABILITY,
    )  # fmt: skip
    model = Model(problem)
    kept, passed = current(model, Figures(model)), tied(model, Figures(model))
    assert [kept.end[at] // H for at in range(3)] == [11, 12, 13]
    assert passed.end[2] < kept.end[2]
    assert passed.machine[2] == kept.machine[2]


def test_an_order_that_would_miss_a_hard_deadline_is_placed_sooner() -> None:
    # Three jobs of an hour on one machine; the last has to be done in two hours.
    steps = [Operation(name, name, (Alternative("A", H),)) for name in "abc"]
    stands = {name: Planned(name, "A", at * H, at * H, (at + 1) * H) for at, name in enumerate("abc")}
    orders = [Order("a", 9 * H), Order("b", 9 * H), Order("c", 2 * H, hard=True)]
    model = Model(problem_of([Machine("A")], steps, orders, current=stands, stability=STABILITY))
    kept = current(model, Figures(model))
    assert score_from(kept.block, kept.flat).missed == 1
    made = rescued(kept)
    assert score_from(made.block, made.flat).missed == 0
    # As late as it may: a stays first.
    assert [made.start[at] // H for at in range(3)] in ([0, 2, 1], [1, 2, 0])


def test_who_has_lost_the_machine_goes_elsewhere_for_nothing() -> None:
    # A is out for two hours. a was planned on it at once: to wait moves it by two hours, to go to B costs no change.
    # b was planned on it later and stays: to go would count as a changed machine.
    ways = (Alternative("A", H), Alternative("B", H))
    steps = [Operation("a", "a", ways), Operation("b", "b", ways)]
    stands = {"a": Planned("a", "A", 0, 0, H), "b": Planned("b", "A", 4 * H, 4 * H, 5 * H)}
    problem = problem_of(
        [Machine("A", available_from=2 * H), Machine("B")], steps, [Order("a", 9 * H), Order("b", 9 * H)],
        current=stands, stability=STABILITY, machine_change_s=MACHINE_CHANGE_S,
    )  # fmt: skip
    plan = solve(problem, seconds=60, moves=2000, workers=1)
    assert check(problem, plan) == []
    made = {each.operation: each for each in plan.operations}
    assert (made["a"].machine, made["a"].start, made["b"].machine) == ("B", 0, "A")
    assert plan.score.moved == abs(made["b"].start - 4 * H)
