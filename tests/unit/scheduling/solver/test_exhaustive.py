"""Tiny problems by brute force: every order of placing and every choice of machines, against what a search finds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from math import prod
from random import Random

import pytest

from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import Schedule, decode
from services.scheduling.solver.engine import solve
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Infeasible
from services.scheduling.solver.scoring import plan_of, score_of
from tests.unit.scheduling.solver.shops import random_problem, rich_problem

_MOST_OPERATIONS, _MOST_SCHEDULES = 6, 3_000


def every_schedule(model: Model) -> Iterator[Schedule]:
    """What a decoder can make of a problem; nothing if that is too much, or one only."""
    free = [at for at in range(len(model)) if not model.fixed[at]]
    if not 2 <= len(free) <= _MOST_OPERATIONS:
        return
    ways = [list(range(len(model.choices[at]))) or [-1] for at in free]
    orders = [
        order for order in permutations(free)
        if not any(link.before in order[place:] for place, at in enumerate(order) for link in model.before[at])
    ]  # fmt: skip
    if not 2 <= len(orders) * prod(map(len, ways)) <= _MOST_SCHEDULES:
        return
    for way in product(*ways):
        chosen = [-1] * len(model)
        for at, number in zip(free, way, strict=True):
            chosen[at] = number
        for order in orders:
            yield decode(model, order, chosen)


@pytest.mark.parametrize("seed", range(100))
def test_a_search_misses_nothing_that_brute_force_finds(seed: int) -> None:
    """Deadlines, tardiness (with stability) and makespan are as good as the best of up to 3,000 schedules.

    What comes after them in the strict order need not be: annealing weighs it in one sum, CP-SAT counts moves in
    working time, and a makespan that is proven ends the search.
    """
    rng = Random(seed)
    made = rich_problem if seed % 2 else random_problem
    problem = made(rng, orders=rng.randint(2, 3), machines=2, dated=rng.random() < 0.85)
    try:
        model = Model(problem)
    except Infeasible:
        return
    best = min((score_of(schedule) for schedule in every_schedule(model)), default=None, key=lambda each: each.key())
    if best is None:
        return
    found = solve(problem, seconds=60, moves=20_000, workers=1)
    assert check(problem, found) == []
    assert found.score.key()[:3] <= best.key()[:3]


@pytest.mark.parametrize("seed", range(200, 240))
def test_everything_that_can_be_decoded_is_accepted(seed: int) -> None:
    rng = Random(seed)
    try:
        model = Model(rich_problem(rng, orders=rng.randint(2, 3), machines=2))
    except Infeasible:
        return
    for number, schedule in enumerate(every_schedule(model)):
        if number % 5 == 0:
            assert check(model.problem, plan_of(schedule, "any")) == []
