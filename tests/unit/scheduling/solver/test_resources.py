"""People, tools, ovens, suppliers and prices as worked examples: each alone, with the answer known."""

from __future__ import annotations

import pytest

from services.scheduling.solver.checker import check
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.flat import flat_of
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import (
    Alternative,
    During,
    Infeasible,
    Machine,
    Need,
    Operation,
    Order,
    Planned,
    Predecessor,
    Price,
    Resource,
    Supplier,
)
from tests.unit.scheduling.solver.shops import problem_of
from tests.unit.scheduling.solver.test_decoder import plan

H = 3600


def work(name: str, hours: float, *machines: str, setup: int = 0, **more: object) -> Operation:
    ways = tuple(Alternative(one, round(hours * H), setup) for one in machines)
    return Operation(name, name.partition(".")[0], ways, **more)  # type: ignore[arg-type]


def hours(plans: dict[str, Planned]) -> dict[str, tuple[float, float]]:
    return {name: (each.start / H, each.end / H) for name, each in plans.items()}


def test_two_machines_share_one_operator() -> None:
    need = (Need(("fitter",)),)
    shop = problem_of(
        [Machine("M"), Machine("N")], [work("A", 2, "M", needs=need), work("B", 1, "N", needs=need)],
        [Order("A", 2 * H, 16), Order("B", 9 * H)], resources=[Resource("fitter")],
    )  # fmt: skip
    # A is urgent; B waits for the only fitter though its machine is free.
    assert hours(plan(shop)) == {"A": (0, 2), "B": (2, 3)}
    two = problem_of(
        [Machine("M"), Machine("N")], [work("A", 2, "M", needs=need), work("B", 1, "N", needs=need)],
        [Order("A", 2 * H, 16), Order("B", 9 * H)], resources=[Resource("fitter", 2)],
    )  # fmt: skip
    assert hours(plan(two)) == {"A": (0, 2), "B": (0, 1)}


def test_either_of_two_people_with_the_skill_will_do() -> None:
    need = (Need(("Li", "Wang")),)
    shop = problem_of(
        [Machine("M"), Machine("N"), Machine("O")],
        [work("A", 2, "M", needs=need), work("B", 2, "N", needs=need), work("C", 2, "O", needs=need)],
        [Order("A", 2 * H, 16), Order("B", 2 * H, 8), Order("C", 9 * H)],
        resources=[Resource("Li"), Resource("Wang", available_from=H)],
    )
    # Li does the most urgent at once, Wang comes an hour later; C has whoever is free first: Li at two.
    assert hours(plan(shop)) == {"A": (0, 2), "B": (1, 3), "C": (2, 4)}


def test_work_goes_on_only_while_the_machine_and_its_operator_are_there() -> None:
    shop = problem_of(
        [Machine("M", [(0, 4 * H), (5 * H, 12 * H)])], [work("A", 4, "M", needs=(Need(("early",)),))],
        resources=[Resource("early", windows=[(2 * H, 8 * H)])],
    )  # fmt: skip
    # 2-4, the machine's break, then 5-7.
    assert hours(plan(shop)) == {"A": (2, 7)}


def test_a_setter_is_needed_for_the_setup_alone() -> None:
    need = (Need(("setter",), during=During.SETUP),)
    shop = problem_of(
        [Machine("M"), Machine("N")],
        [work("A", 3, "M", setup=H, needs=need), work("B", 1, "N", setup=H, needs=need)],
        [Order("A", 4 * H, 16), Order("B", 9 * H)], resources=[Resource("setter")],
    )  # fmt: skip
    # The setter is free again after an hour, when A begins to run.
    assert hours(plan(shop)) == {"A": (1, 4), "B": (2, 3)}


def test_one_mould_for_two_presses() -> None:
    need = (Need(("mould",), during=During.RUN),)
    shop = problem_of(
        [Machine("M"), Machine("N")], [work("A", 2, "M", needs=need), work("B", 2, "N", setup=H, needs=need)],
        [Order("A", 2 * H, 16), Order("B", 9 * H)], resources=[Resource("mould")],
    )  # fmt: skip
    plans = plan(shop)
    assert hours(plans) == {"A": (0, 2), "B": (2, 4)}
    # The second press is set up while the first has the mould.
    assert plans["B"].setup_start == H


def test_an_oven_takes_one_family_up_to_its_room_from_one_start_to_one_end() -> None:
    oven = Machine("oven", batch_capacity=3)
    jobs = [work(name, 2, "oven", family="F", size=1) for name in ("A", "B", "C")]
    shop = problem_of([oven], [*jobs, work("D", 2, "oven", family="F")], [Order(each, 9 * H) for each in "ABCD"])
    plans = plan(shop)
    assert sorted((each.start / H, each.end / H) for each in plans.values()) == [(0, 2)] * 3 + [(2, 4)]
    other = problem_of([oven], [work("A", 2, "oven", family="F"), work("B", 2, "oven", family="G")])
    assert sorted((each.start / H, each.end / H) for each in plan(other).values()) == [(0, 2), (2, 4)]
    large = problem_of([oven], [work("A", 2, "oven", family="F", size=2), work("B", 2, "oven", family="F", size=2)])
    assert sorted((each.start / H, each.end / H) for each in plan(large).values()) == [(0, 2), (2, 4)]


def test_a_supplier_takes_two_at_a_time_on_days_of_collection() -> None:
    jobs = [Operation(name, name, outside_s=24 * H, supplier="S") for name in ("A", "B", "C")]
    shop = problem_of([], jobs, [Order("A", H, 16), Order("B", H, 8), Order("C", H)], suppliers=[Supplier("S", 2)])
    assert hours(plan(shop)) == {"A": (0, 24), "B": (0, 24), "C": (24, 48)}
    away = Operation("A.2", "A", (), (Predecessor("A.1"),), outside_s=24 * H, supplier="S")
    weekly = problem_of(
        [Machine("M")], [work("A.1", 1, "M"), away],
        [Order("A")], suppliers=[Supplier("S", collections=[0, 10 * H, 34 * H])],
    )  # fmt: skip
    # Ready at one, collected at ten, a day later there again.
    assert hours(plan(weekly))["A.2"] == (10, 34)


def test_energy_costs_what_the_tariff_says() -> None:
    # 30 kW for two hours: one at 50 and one at 100 a kWh = 30 x 50 + 30 x 100 = 4500.
    shop = problem_of(
        [Machine("M", power_w=30_000)], [work("A", 2, "M")], tariff=[Price(0, 50), Price(H, 100)]
    )  # fmt: skip
    made = rules_plan(shop)
    assert check(shop, made) == []
    assert made.score.energy == pytest.approx(4500, abs=1)


def test_everybody_may_have_hours_of_their_own() -> None:
    # Fifteen people who come one hour after the other and stay for one: any set of them would be 32,768 calendars.
    people = [Resource(f"P{at}", windows=[(at * H, (at + 1) * H)]) for at in range(15)]
    names = [each.id for each in people]
    jobs = [work(name, 1, "M", "N", needs=(Need(names), Need(names[:3], during=During.SETUP))) for name in "AB"]
    shop = problem_of([Machine("M", [(0, 90 * H)]), Machine("N")], jobs, resources=people, horizon=100 * H)
    model = Model(shop)
    # Both machines' hours, everybody's, and everybody's with the machine that closes: nobody's hours meet another's.
    assert len(flat_of(model)._calendars.windows) <= 2 + 15 + 15 + 3
    assert sorted(hours(plan(shop)).values()) == [(0, 1), (1, 2)]


def test_an_operation_without_enough_people_is_named() -> None:
    shop = problem_of([Machine("M")], [work("A", 1, "M", needs=(Need(("R",), 3),))], resources=[Resource("R", 2)])
    with pytest.raises(Infeasible) as caught:
        rules_plan(shop)
    assert caught.value.conflicts[0][:2] == ("A", "no_resource")
