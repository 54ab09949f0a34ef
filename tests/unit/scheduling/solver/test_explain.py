"""Lateness explained: sums are exact whatever the shop, examples have known answers, remedies do what they say."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.solver.decoder import Schedule, by_keys, decode
from services.scheduling.solver.explain import Late, bottlenecks, explain
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import (
    Alternative,
    Infeasible,
    Machine,
    Operation,
    Order,
    Predecessor,
    Problem,
)
from tests.unit.scheduling.solver.shops import problem_of, rich_problem


def decoded(problem: Problem, *sequence: str) -> Schedule:
    model = Model(problem)
    return decode(model, [model.index[each] for each in sequence], [-1] * len(model))


def told(late: Late) -> list[tuple[str, int, str]]:
    return [(wait.kind, wait.seconds, wait.other) for wait in late.waits]


def work(name: str, seconds: int, on: str = "M", setup: int = 0, **more: object) -> Operation:
    return Operation(name, name.partition(".")[0], (Alternative(on, seconds, setup),), **more)  # type: ignore[arg-type]


def test_a_chain_of_waits() -> None:
    """B is there at 50, waits for A until 100 and for a setup of 20, works 30, cools 10; then N is closed till 400."""
    operations = [
        work("A", 100),
        work("B.1", 30, setup=20, release=50),
        work("B.2", 40, "N", predecessors=(Predecessor("B.1", 10),)),
    ]
    # M closes while B cools: that is no wait.
    machines = [Machine("M", [(0, 150), (500, 1_000)]), Machine("N", [(400, 1_000)])]
    shop = problem_of(machines, operations, [Order("A", 1_000), Order("B", 200, 4)])
    schedule = decoded(shop, "A", "B.1", "B.2")
    (late,) = explain(schedule)
    assert told(late) == [("release", 50, ""), ("equipment", 50, "A"), ("setup", 20, ""), ("calendar", 240, "")]
    assert (late.lateness, late.allowance) == (240, 120)
    best = late.remedies[0]
    assert (best.kind, best.target, best.gained, best.others) == ("overtime", "N", 240, 0)
    assert [(each.machine, each.waited) for each in bottlenecks(schedule, [late])] == [("M", 70)]


def test_remedies_are_tried() -> None:
    """First of all B ends at 30; on N, which is free, at 60; then others are not later."""
    operations = [
        work("A", 100),
        Operation("B", "B", (Alternative("M", 30), Alternative("N", 60, preference=2))),
    ]
    shop = problem_of([Machine("M"), Machine("N")], operations, [Order("A", 100, 16), Order("B", 20, 1)])
    model = Model(shop)
    (late,) = explain(decode(model, [0, 1], [0, 0]))
    assert told(late) == [("equipment", 100, "A")]
    assert [(each.kind, each.target, each.gained, each.others) for each in late.remedies] == [
        ("priority", "", 100, 16 * 30), ("alternative", "N", 70, 0),
    ]  # fmt: skip


def test_one_order_is_told_alone_as_among_all() -> None:
    """A works 100; B and C wait for it, B until 100 and C until 130: due at 20 both are late by 110 and 120."""
    shop = problem_of(
        [Machine("M")], [work("A", 100), work("B", 30), work("C", 10)],
        [Order("A", 100, 16), Order("B", 20), Order("C", 20)],
    )  # fmt: skip
    schedule = decoded(shop, "A", "B", "C")
    every = {late.order: late for late in explain(schedule)}
    assert {name: late.lateness for name, late in every.items()} == {"B": 110, "C": 120}
    for name, late in every.items():
        assert explain(schedule, only=name) == [late]
    assert explain(schedule, only="A") == []
    assert told(every["C"]) == [("equipment", 100, "A"), ("equipment", 30, "B")]


@settings(max_examples=200)
@given(st.integers(0, 1 << 30), st.integers(1, 9), st.integers(1, 5))
def test_waits_sum_to_the_lateness(seed: int, orders: int, machines: int) -> None:
    rng = Random(seed)
    problem = rich_problem(rng, orders=orders, machines=machines)
    try:
        model = Model(problem)
    except Infeasible:
        return
    schedule = decode(model, by_keys(model, [rng.random() for _ in range(len(model))]), [-1] * len(model))
    lates = explain(schedule)
    ends: dict[str, int] = {}
    for at, each in enumerate(problem.operations):
        ends[each.order] = max(ends.get(each.order, schedule.end[at]), schedule.end[at])
    assert {late.order for late in lates} == {
        each.id for each in problem.orders if each.due is not None and ends.get(each.id, each.due) > each.due
    }
    for late in lates:
        assert all(wait.seconds > 0 for wait in late.waits)
        route = late.end - problem.now - sum(wait.seconds for wait in late.waits)
        assert late.allowance == late.due - problem.now - route
        assert sum(wait.seconds for wait in late.waits) - late.allowance == late.lateness == late.end - late.due
        assert route >= 0 or late.end < problem.now
        for remedy in late.remedies:
            assert remedy.gained > 0
