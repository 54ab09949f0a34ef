"""Impossible problems are made possible by giving up what is in conflict, and nothing else."""

from __future__ import annotations

from services.scheduling.solver.checker import check
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.generate import generate_shop
from services.scheduling.solver.problem import (
    Alternative,
    Fixing,
    Machine,
    Need,
    Operation,
    Order,
    Predecessor,
    Resource,
)
from services.scheduling.solver.relax import Relaxation, relaxed
from tests.unit.scheduling.solver.shops import problem_of

WAY = (Alternative("A", 60),)


def test_what_is_possible_stays_as_it_is() -> None:
    problem = generate_shop(30, 1)
    assert relaxed(problem) == (problem, [])


def test_each_conflict_costs_what_it_names() -> None:
    problem = problem_of(
        [Machine("A"), Machine("B")],
        [
            Operation("pinned", "o1", WAY, fixing=Fixing.PINNED, machine="B", start=500),
            Operation("people", "o2", WAY, needs=(Need(("R",), 2),)),
            Operation("outside", "o3", outside_s=60, supplier="nobody"),
            Operation("nowhere", "o4", (Alternative("X", 60),)),
            Operation("fine", "o5", WAY),
        ],
        resources=(Resource("R", 1),),
    )
    made, given_up = relaxed(problem)
    assert set(given_up) == {
        Relaxation("pin", "pinned", "pinned_elsewhere"), Relaxation("needs", "people", "no_resource"),
        Relaxation("supplier", "outside", "no_supplier"), Relaxation("order", "o4", "no_machine"),
    }  # fmt: skip
    assert [each.id for each in made.operations] == ["pinned", "people", "outside", "fine"]
    plan = rules_plan(made)
    assert check(made, plan) == []


def test_who_waits_for_an_order_that_is_left_out_is_left_out_too() -> None:
    problem = problem_of(
        [Machine("A")],
        [
            Operation("part", "parts", ()),
            Operation("join", "product", WAY, (Predecessor("part"),)),
            Operation("ship", "delivery", WAY, (Predecessor("join"),)),
            Operation("other", "other", WAY),
        ],
        [Order("parts"), Order("product"), Order("delivery"), Order("other")],
    )
    made, given_up = relaxed(problem)
    assert given_up == [Relaxation("order", "parts", "no_alternative")]
    assert [each.id for each in made.orders] == ["other"]


def test_a_circle_is_left_out_whole() -> None:
    steps = [
        Operation("a", "o", WAY, (Predecessor("b"),)),
        Operation("b", "o", WAY, (Predecessor("a"),)),
        Operation("c", "p", WAY),
    ]
    made, given_up = relaxed(problem_of([Machine("A")], steps))
    assert given_up == [Relaxation("order", "o", "cycle")]
    assert [each.id for each in made.operations] == ["c"]
