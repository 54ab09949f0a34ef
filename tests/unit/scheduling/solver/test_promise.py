"""Dates for orders that are not there yet: the soonest that harms nobody, and what sooner ones cost whom."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.generate import generate_shop
from services.scheduling.solver.problem import (
    Alternative,
    Infeasible,
    Machine,
    Operation,
    Order,
    Planned,
    Predecessor,
    Problem,
)
from services.scheduling.solver.promise import fitting, promise
from tests.unit.scheduling.solver.shops import problem_of

H = 3600


def step(name: str, hours: float, *machines: str, order: str = "new", **more: object) -> Operation:
    ways = tuple(Alternative(one, round(hours * H)) for one in machines or ("M",))
    return Operation(name, order, ways, **more)  # type: ignore[arg-type]


def shop(*planned: tuple[str, float, float, float | None], new: list[Operation], **more: object) -> Problem:
    """Machine M with operations (order, start, hours, due), N without any."""
    operations = [step(name, hours, order=name, release=round(start * H)) for name, start, hours, _ in planned]
    orders = [Order(name, due=None if due is None else round(due * H)) for name, *_, due in planned]
    current = {
        name: Planned(name, "M", round(start * H), round(start * H), round((start + hours) * H))
        for name, start, hours, _ in planned
    }
    machines = [Machine("M"), Machine("N")]
    return problem_of(machines, [*operations, *new], [*orders, Order("new")], current=current, **more)


def test_a_gap_that_is_long_enough_is_used() -> None:
    # M: a 0-1, b 3-4 and due at 4: two hours fit between them.
    found = promise(shop(("a", 0, 1, 1), ("b", 3, 1, 4), new=[step("n", 2)]), "new")
    assert (found[0].end, found[0].harmed) == (3 * H, ())
    assert [(each.machine, each.start) for each in found[0].operations] == [("M", 1 * H)]


def test_who_has_time_makes_room_and_who_has_not_is_named() -> None:
    # Three hours do not fit; b has an hour of slack and may go from 3-4 to 4-5.
    assert promise(shop(("a", 0, 1, 1), ("b", 3, 1, 5), new=[step("n", 3)]), "new")[0].end == 4 * H
    # Without that hour it goes behind b; sooner b is an hour late.
    found = promise(shop(("a", 0, 1, 1), ("b", 3, 1, 4), new=[step("n", 3)]), "new")
    assert found[0].end == 7 * H
    sooner = fitting(found, 4 * H)
    assert sooner is not None
    assert [(each.order, each.promised, each.after) for each in sooner.harmed] in (
        [("b", 4 * H, 5 * H)],
        [("a", 1 * H, 4 * H), ("b", 4 * H, 5 * H)],
    )
    assert fitting(found, 1 * H) is None


def test_an_order_that_is_late_already_is_promised_its_planned_end() -> None:
    found = promise(shop(("a", 0, 2, 1), ("b", 2, 1, None), new=[step("n", 1)]), "new")
    # a is late, and not later by it; b has no date and waits.
    assert (found[0].end, found[0].harmed) == (3 * H, ())


def test_the_faster_machine_and_the_route_count() -> None:
    new = [
        replace(step("n1", 1, "M", "N"), order="new"),
        step("n2", 1, predecessors=(Predecessor("n1", lag_s=H),)),
    ]
    found = promise(shop(("a", 0, 5, 5), new=new), "new")
    # N is free: 0-1 there, an hour on the way, then behind a.
    assert [(each.machine, each.start // H, each.end // H) for each in found[0].operations] == [
        ("N", 0, 1),
        ("M", 5, 6),
    ]


def test_an_order_without_operations_or_machines_is_refused() -> None:
    with pytest.raises(ValueError, match="no operations"):
        promise(shop(("a", 0, 1, 1), new=[]), "new")
    with pytest.raises(Infeasible):
        promise(shop(("a", 0, 1, 1), new=[step("n", 1, "X")]), "new")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("full", [False, True])
def test_in_any_shop_the_first_offer_harms_nobody_and_sooner_ones_harm_more(seed: int, full: bool) -> None:
    problem = generate_shop(80, seed, full=full)
    plan = rules_plan(problem, seconds=0)
    pattern = Random(seed).choice(problem.orders).id
    new = [
        replace(
            each, id=f"new {each.id}", order="new", release=0,
            predecessors=tuple(replace(link, operation=f"new {link.operation}") for link in each.predecessors),
        )
        for each in problem.operations if each.order == pattern
    ]  # fmt: skip
    asked = replace(
        problem, orders=[*problem.orders, Order("new")], operations=[*problem.operations, *new],
        current={each.operation: each for each in plan.operations},
    )  # fmt: skip
    found = promise(asked, "new")
    assert found[0].harmed == ()
    latest = max(each.end for each in plan.operations)
    work = sum(max(way.seconds for way in each.alternatives) for each in new)
    assert full or found[0].end <= latest + work + len(new) * H
    for later, sooner in pairwise(found):
        assert sooner.end < later.end
        assert sooner.harm > later.harm
        assert all(each.after > each.promised >= each.before or each.after > each.promised for each in sooner.harmed)
    for offer in found:
        ends = {each.operation: each.end for each in offer.operations}
        starts = {each.operation: each.start for each in offer.operations}
        for each in new:
            assert all(
                ends[link.operation] + link.lag_s <= starts[each.id]
                for link in each.predecessors
                if link.overlap_s is None
            )
