"""Tabu search for the makespan: known optima, exact heads and tails, never anything but a valid plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.offline import instance_problem
from services.scheduling.solver import makespan
from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import Schedule
from services.scheduling.solver.elite import elite_of
from services.scheduling.solver.engine import solve
from services.scheduling.solver.kernel import layout, routes, tabu
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Alternative, Machine, Operation, Predecessor, Problem
from services.scheduling.solver.rules import try_rules
from services.scheduling.solver.scoring import plan_of
from tests.unit.scheduling.solver.shops import problem_of, random_problem


def search(problem: Problem, *, turns: int, goal: int = 0, seconds: float = 60, workers: int = 1) -> tuple[Model, Ints]:
    model = Model(problem)
    tried = try_rules(model)
    made = makespan.run(
        tried.flat, tried.block, seconds=seconds, should_stop=lambda: False, turns=turns, seed=1, workers=workers,
        goal=goal, look=lambda better, steps: None,
    )  # fmt: skip
    return model, made


@pytest.mark.parametrize(
    ("name", "optimum"),
    [("jobshop/ft06", 55), ("jobshop/la02", 655), ("jobshop/la06", 926), ("flexible/mk01", 40), ("flexible/mk04", 60)],
)
def test_known_optima_are_found(shared_data: Path, name: str, optimum: int) -> None:
    _, made = search(instance_problem(shared_data / "scheduling" / f"{name}.txt"), turns=400_000, goal=optimum)
    assert int(made[layout.MAKESPAN]) == optimum


def route_shop(rng: Random, jobs: int, machines: int) -> Problem:
    """A flexible job shop; some runs take no time."""
    operations = []
    for job in range(jobs):
        for place in range(rng.randint(1, 6)):
            chosen = rng.sample(range(machines), rng.randint(1, min(3, machines)))
            alternatives = [Alternative(f"M{each}", rng.choice((0, *range(1, 40)))) for each in chosen]
            before = (Predecessor(f"{job}.{place - 1}"),) if place else ()
            operations.append(Operation(f"{job}.{place}", f"{job}", alternatives, before))
    return problem_of([Machine(f"M{at}") for at in range(machines)], operations)


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.integers(1, 8), st.integers(1, 5))
def test_what_it_finds_is_valid_and_as_long_as_it_says(seed: int, jobs: int, machines: int) -> None:
    problem = route_shop(Random(seed), jobs, machines)
    assert makespan.is_plain(Model(problem))
    model, made = search(problem, turns=300)
    plan = plan_of(Schedule(model.flat, made), "tabu")
    assert check(problem, plan) == []
    assert plan.score.key() <= plan_of(Schedule(model.flat, try_rules(model).block), "rule").score.key()


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.integers(2, 8), st.integers(2, 5))
def test_heads_tails_and_makespan_are_exact_in_every_step(seed: int, jobs: int, machines: int) -> None:
    tried = try_rules(Model(route_shop(Random(seed), jobs, machines)))
    g = makespan.block_of(tried.flat, tried.block, seed)
    assert g[routes.T_NOW] <= tried.score.makespan
    for _ in range(30):
        tabu.search(g, 1, 5, 0)
        rows = (
            g[routes.TABU_HEAD : routes.TABU_HEAD + len(tried.flat.model) * routes.ROW].reshape(-1, routes.ROW).tolist()
        )
        assert g[routes.T_NOW] == max(row[routes.HEAD] + row[routes.RUN] for row in rows)
        for row in rows:
            before = [rows[each] for each in (row[routes.J_PRED], row[routes.M_PRED]) if each >= 0]
            behind = [rows[each] for each in (row[routes.J_SUCC], row[routes.M_SUCC]) if each >= 0]
            assert row[routes.HEAD] == max((each[routes.HEAD] + each[routes.RUN] for each in before), default=0)
            assert row[routes.TAIL] == max((each[routes.TAIL] + each[routes.RUN] for each in behind), default=0)
            assert all(each[routes.RANK] < row[routes.RANK] for each in before)


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.integers(2, 8), st.integers(2, 5))
def test_between_two_schedules_there_is_always_one(seed: int, jobs: int, machines: int) -> None:
    """No circle closes, every operation can be where it is, and what both have in the same order stays so."""
    tried = try_rules(Model(route_shop(Random(seed), jobs, machines)))
    model, pool = tried.flat.model, makespan.pool_of(tried.flat.model, seed)
    blocks = [makespan.block_of(tried.flat, tried.block, seed + number) for number in range(2)]
    for g in blocks:
        tabu.search(g, 40, 1_000, 0)
    one, other = (elite_of(g) for g in blocks)
    pool.offer(one)
    pool.offer(other)
    for _ in range(10):
        g = blocks[0]
        kept = pool.between()
        g[g[routes.T_KEPT] : g[routes.T_KEPT] + 3 * len(model)] = kept.ravel()
        tabu.resume(g)
        rows = g[routes.TABU_HEAD : routes.TABU_HEAD + len(model) * routes.ROW].reshape(-1, routes.ROW).tolist()
        assert sorted(row[routes.RANK] for row in rows) == list(range(len(model)))
        for at, row in enumerate(rows):
            assert (row[routes.ON], row[routes.RUN]) in [(each.machine, each.run) for each in model.choices[at]]
            for each in (row[routes.J_PRED], row[routes.M_PRED]):
                assert each < 0 or rows[each][routes.RANK] < row[routes.RANK]
                assert each < 0 or rows[each][routes.HEAD] + rows[each][routes.RUN] <= row[routes.HEAD]


def test_two_machines_exchange_operations_where_moving_one_makes_nothing_shorter() -> None:
    """Two operations are each on the machine on which they take longer, and both machines are full: one step."""
    runs = {"a": (6, 5), "b": (5, 6), "c": (5, 5), "d": (5, 5)}
    operations = [
        Operation(name, name, [Alternative(f"M{at}", run) for at, run in enumerate(pair)])
        for name, pair in runs.items()
    ]
    tried = try_rules(Model(problem_of([Machine("M0"), Machine("M1")], operations)))
    g = makespan.block_of(tried.flat, tried.block, 1)
    g[g[routes.T_KEPT] : g[routes.T_KEPT] + 12] = [0, 6, -1, 1, 6, -1, 0, 5, 0, 1, 5, 1]
    tabu.resume(g)
    assert g[routes.T_NOW] == 11
    tabu.search(g, 1, 100, 0)
    assert g[routes.T_NOW] == 10


def test_a_pool_keeps_the_better_of_two_that_are_alike() -> None:
    model = Model(route_shop(Random(5), 8, 4))
    tried = try_rules(model)
    g, pool = makespan.block_of(tried.flat, tried.block, 1), makespan.pool_of(model, 1)
    first = elite_of(g)
    pool.offer(replace(first, makespan=first.makespan + 1))
    pool.offer(first)
    pool.offer(replace(first, makespan=first.makespan + 2))
    assert [each.makespan for each in pool.elites] == [first.makespan]


def test_the_same_seed_makes_the_same_plan() -> None:
    problem = route_shop(Random(3), 12, 4)
    plans = [solve(problem, seconds=1, moves=2_000, seed=7) for _ in range(3)]
    assert plans[0] == plans[1] == plans[2]


@pytest.mark.parametrize("turns", [1, 50, 777])
def test_in_the_end_every_step_was_told(turns: int) -> None:
    """A following search draws its numbers from that: the same plan only comes out if none is missed."""
    tried, told = try_rules(Model(route_shop(Random(6), 6, 3))), [0]
    makespan.run(
        tried.flat, tried.block, seconds=60, should_stop=lambda: False, turns=turns, seed=1, workers=3, goal=0,
        look=lambda better, steps: told.append(steps),
    )  # fmt: skip
    assert told[-1] == 3 * turns


def test_a_shop_in_the_middle_of_its_time_is_left_to_others() -> None:
    """The tabu search counts from the origin."""
    problem = replace(route_shop(Random(4), 8, 3), now=500)
    assert not makespan.is_plain(Model(problem))
    made = solve(problem, seconds=0.5)
    assert check(problem, made) == []
    assert min(each.start for each in made.operations) >= 500


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_more_than_routes_on_machines_is_left_to_others(seed: int) -> None:
    problem = random_problem(Random(seed), dated=bool(seed % 2))
    plain = not any(each.setup_s for one in problem.operations for each in one.alternatives) and all(
        each.windows is None and not each.available_from for each in problem.machines
    )
    assert plain or not makespan.is_plain(Model(problem))
