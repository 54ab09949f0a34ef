"""CP-SAT behind the rules: known optima, never worse, honest about what is proven."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from random import Random

import pytest

from services.scheduling.offline import instance_problem
from services.scheduling.solver import annealing
from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import decode
from services.scheduling.solver.engine import rules_plan, solve
from services.scheduling.solver.flat import flat_of
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import (
    Alternative,
    Machine,
    Operation,
    Order,
    Plan,
    Planned,
    Problem,
    SetupRow,
)
from services.scheduling.solver.scoring import score_of
from tests.unit.scheduling.solver.shops import problem_of, random_problem


@pytest.mark.parametrize(("name", "makespan"), [("ft06", 55), ("la01", 666)])
def test_known_optima_are_found_and_proven(shared_data: Path, name: str, makespan: int) -> None:
    problem = instance_problem(shared_data / "scheduling" / "jobshop" / f"{name}.txt")
    shown: list[Plan] = []
    # The proof takes a moment; what follows it, less flow time, is not waited for.
    made = solve(
        problem, seconds=40, on_plan=shown.append, should_stop=lambda: bool(shown) and shown[-1].status == "Optimal"
    )
    assert (made.score.makespan, made.bound, made.status) == (makespan, makespan, "Optimal")
    assert check(problem, made) == []


def test_a_plan_on_the_load_of_its_largest_machine_is_known_to_be_optimal(shared_data: Path) -> None:
    problem = instance_problem(shared_data / "scheduling" / "jobshop" / "bel00.txt")
    made = solve(problem, seconds=8)
    assert (made.score.makespan, made.status, made.solver) == (766_329, "Optimal", "rule:MWKR")


@pytest.mark.parametrize("seed", range(6))
def test_a_small_problem_is_solved_whole(seed: int) -> None:
    problem = random_problem(Random(seed), orders=5)
    shown: list[Plan] = []
    made = solve(problem, seconds=1.5, on_plan=shown.append)
    assert check(problem, made) == []
    assert shown[0].solver.startswith("rule:")
    keys = [each.score.key() for each in shown]
    assert keys == sorted(keys, reverse=True)
    assert made.score.key() == keys[-1]
    assert made.score.key() <= rules_plan(problem).score.key()


@pytest.mark.parametrize("seed", [101, 102])
def test_a_larger_problem_is_improved_by_windows(seed: int) -> None:
    problem = random_problem(Random(seed), orders=32, machines=5)
    assert len(problem.operations) > 70
    shown: list[Plan] = []
    made = solve(problem, seconds=3, on_plan=shown.append)
    for each in [*shown, made]:
        assert check(problem, each) == []
    assert made.score.key() <= rules_plan(problem).score.key()


@pytest.mark.parametrize("seed", range(40, 52))
def test_what_is_called_optimal_is(seed: int) -> None:
    problem = random_problem(Random(seed), orders=2, machines=2)
    made = solve(problem, seconds=5)
    best = _best_of_all(problem)
    if best is not None and made.status == "Optimal":
        first = (made.score.missed, made.score.tardiness, made.score.makespan)
        assert first <= best


def _best_of_all(problem: Problem) -> tuple[int, int, int] | None:
    """Missed, tardiness and makespan of the best of all sequences and choices; None if there are too many."""
    model = Model(problem)
    free = [at for at in range(len(model)) if not model.fixed[at]]
    if len(free) > 5:
        return None
    scores = [
        score_of(decode(model, order, choice))
        for order in permutations(free)
        if all(link.before not in order[place:] for place, at in enumerate(order) for link in model.before[at])
        for choice in _choices(model, free)
    ]
    return min(((each.missed, each.tardiness, each.makespan) for each in scores), default=None)


def _choices(model: Model, free: list[int]) -> list[list[int]]:
    made = []
    for chosen in product(*(range(max(len(model.choices[at]), 1)) for at in free)):
        choice = [0] * len(model)
        for at, number in zip(free, chosen, strict=True):
            choice[at] = number
        made.append(choice)
    return made


def test_it_stops_when_told_and_keeps_its_limit() -> None:
    problem = random_problem(Random(7), orders=40, machines=4)
    began = time.monotonic()
    solve(problem, seconds=1.0)
    assert time.monotonic() - began < 3
    told: list[float] = []
    made = solve(
        problem,
        seconds=30,
        on_plan=lambda _: told.append(time.monotonic()),
        should_stop=lambda: bool(told) and time.monotonic() > told[0] + 0.5,
    )
    assert time.monotonic() - told[0] < 3
    assert check(problem, made) == []


def test_where_nobody_is_late_setups_are_saved() -> None:
    """Forty jobs of each of two families: a change of family takes 50 s, and one is enough."""
    jobs = [Operation(f"{at}", f"{at}", (Alternative("M", 10),), family="AB"[at % 2]) for at in range(80)]
    rows = {"S": [SetupRow("A", "B", 50), SetupRow("B", "A", 50)]}
    orders = [Order(f"{at}", 100_000) for at in range(80)]
    machine = Machine("M", setup_class="S", initial_family="A")
    stands = {f"{at}": Planned(f"{at}", "M", 60 * at, 60 * at, 60 * at + 10) for at in range(80)}
    shop = problem_of([machine], jobs, orders, setups=rows)
    model = Model(shop)
    by_turns = decode(model, model.order, [-1] * len(model)).block
    run = annealing.begin(flat_of(model), by_turns, annealing.Budget(0, lambda: False, 30_000), seed=1, workers=1)
    assert by_turns[layout.CHANGEOVER] == 79 * 50
    assert annealing.run(run, lambda: None)[layout.CHANGEOVER] < 79 * 50 / 4
    assert solve(shop, seconds=2).score.changeover == 50
    # With a plan that stands moving comes before saving: strict order.
    kept = solve(replace(shop, current=stands), seconds=1)
    assert kept.score.moved <= rules_plan(replace(shop, current=stands)).score.moved


@pytest.mark.parametrize("orders", [4, 40])
@pytest.mark.parametrize("moves", [1, 3])
def test_few_moves_end_at_once(orders: int, moves: int) -> None:
    problem = random_problem(Random(11), orders=orders, machines=5)
    began = time.monotonic()
    assert check(problem, solve(problem, seconds=0.1, moves=moves)) == []
    assert time.monotonic() - began < 60


def test_counted_moves_give_the_same_plan_under_load() -> None:
    """Each run in a thread beside two that keep the processors busy."""
    problem = random_problem(Random(12), orders=30, machines=5)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        loaded = [solve(problem, seconds=1, moves=30_000) for _ in range(3)]
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert loaded[0] == loaded[1] == loaded[2] == solve(problem, seconds=1, moves=30_000)
