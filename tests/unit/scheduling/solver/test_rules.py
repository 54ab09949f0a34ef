"""Dispatching rules: at once, the same every time, and good enough to begin with."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from random import Random

from services.scheduling.offline import instance_problem
from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import Schedule, score_from
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.flat import flat_of
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Alternative, Machine, Operation, Order, Planned, SetupRow
from services.scheduling.solver.rules import Dispatcher, Figures, Rule
from tests.unit.scheduling.solver.shops import problem_of, random_problem


def sequence(rule: Rule, operations: list[Operation], orders: list[Order], **more: object) -> list[str]:
    model = Model(problem_of([Machine("M", setup_class="S", initial_family="A")], operations, orders, **more))
    schedule = Schedule(flat_of(model), Dispatcher(model, Figures(model)).run(rule))
    return [model.operations[at].id for at in sorted(range(len(model)), key=schedule.start.__getitem__)]


def test_each_rule_sorts_as_its_name_says() -> None:
    operations = [
        Operation("A", "A", (Alternative("M", 50),), release=0),
        Operation("B", "B", (Alternative("M", 20),)),
        Operation("C", "C", (Alternative("M", 30),)),
    ]
    orders = [Order("A", 130), Order("B", 120), Order("C", 100)]
    assert sequence(Rule("FIFO"), operations, orders) == ["A", "B", "C"]
    assert sequence(Rule("SPT"), operations, orders) == ["B", "C", "A"]
    assert sequence(Rule("EDD"), operations, orders) == ["C", "B", "A"]
    assert sequence(Rule("SLACK"), operations, orders) == ["C", "A", "B"]
    assert sequence(Rule("MWKR"), operations, orders) == ["A", "C", "B"]


def test_atc_prefers_weight_under_pressure_and_atcs_also_what_needs_no_setup() -> None:
    operations = [
        Operation("A", "A", (Alternative("M", 30),), family="B"),
        Operation("B", "B", (Alternative("M", 30),), family="A"),
        Operation("C", "C", (Alternative("M", 30),), family="B"),
    ]
    orders = [Order("A", 40, 4), Order("B", 40, 4), Order("C", 40, 16)]
    setups = {"S": [SetupRow("A", "B", 200), SetupRow("B", "A", 200)]}
    assert sequence(Rule("ATC", 1.0), operations, orders)[0] == "C"
    assert sequence(Rule("ATCS", 1.0, 0.1), operations, orders, setups=setups) == ["B", "C", "A"]


def test_a_slow_machine_is_left_idle_if_the_fast_one_will_be_sooner() -> None:
    jobs = [Operation(name, name, (Alternative("M", 10), Alternative("N", 100))) for name in "ABCD"]
    made = rules_plan(problem_of([Machine("M"), Machine("N")], jobs))
    assert {each.machine for each in made.operations} == {"M"}


def test_the_plan_that_stands_is_kept_where_nothing_is_gained() -> None:
    jobs = [Operation(name, name, (Alternative("M", 10), Alternative("N", 10))) for name in "ABCDEF"]
    shop = problem_of([Machine("M"), Machine("N")], jobs, [Order(name, 1_000) for name in "ABCDEF"])
    stands = {
        name: Planned(name, machine, start, start, start + 10)
        for name, machine, start in (
            ("F", "M", 0), ("A", "N", 0), ("D", "M", 10), ("B", "N", 10), ("C", "M", 20), ("E", "N", 20)
        )
    }  # fmt: skip
    made = rules_plan(replace(shop, current=stands))
    assert made.solver == "rule:CURRENT"
    assert made.score.moved == 0
    rush = replace(shop, operations=[*jobs, Operation("R", "R", (Alternative("M", 10),))], current=stands,
                   orders=[*shop.orders, Order("R", 12, 16)])  # fmt: skip
    again = rules_plan(rush)
    assert again.score.tardiness == 0
    assert again.score.moved <= 30
    quick = rules_plan(rush, quick=True)
    assert (quick.score, quick.rules.keys()) == (again.score, {"CURRENT"})


def test_nobody_moves_for_an_operation_that_fits_before_them() -> None:
    jobs = [Operation(name, name, (Alternative("M", 10),)) for name in "ABCDEF"]
    orders = [Order(name, 1_000) for name in "ABCDEF"]
    # Everything could begin 30 earlier than planned, for somebody finished early.
    stands = {name: Planned(name, "M", at, at, at + 10) for name, at in zip("ABCDEF", range(30, 90, 10), strict=True)}
    back = Operation("R", "R", (Alternative("M", 25),))
    shop = problem_of([Machine("M")], [*jobs, back], [*orders, Order("R", 40, 16)], current=stands)
    made = rules_plan(shop)
    assert made.score.key()[:3] == (0, 0, 0)
    assert {each.operation: each.start for each in made.operations} == {
        "R": 0, **{name: planned.start for name, planned in stands.items()}
    }  # fmt: skip
    # What would be late at its time begins earlier, by as much as it must; nobody else moves.
    late = replace(shop, orders=[Order("A", 30), *orders[1:], Order("R", 1_000)])
    starts = {each.operation: each.start for each in rules_plan(late).operations}
    assert (starts["A"], {name: starts[name] for name in "BCDEF"}) == (
        20, {name: stands[name].start for name in "BCDEF"}
    )  # fmt: skip


def test_rules_give_the_same_plan_every_time() -> None:
    for seed in range(5):
        problem = random_problem(Random(seed), orders=8)
        assert rules_plan(problem) == rules_plan(problem)


def test_scores_of_all_rules_are_told() -> None:
    made = rules_plan(random_problem(Random(3)))
    assert {"FIFO", "SPT", "EDD", "SLACK", "ATC"} <= made.rules.keys()
    assert min(score.key() for score in made.rules.values()) == made.score.key()


def test_parts_of_the_score() -> None:
    operations = [
        Operation("A", "A", (Alternative("M", 100, 20),)),
        Operation("B", "B", (Alternative("N", 50),)),
    ]
    orders = [Order("A", 90, 16, hard=True), Order("B", 30, 2)]
    shop = problem_of([Machine("M"), Machine("N")], operations, orders,
                      current={"B": Planned("B", "M", 7, 7, 57)})  # fmt: skip
    score = rules_plan(shop).score
    assert (score.missed, score.tardiness) == (1, 16 * 30 + 2 * 20)
    assert (score.moved, score.changeover, score.flow, score.makespan) == (3_607, 20, 170, 0)
    free = Model(replace(shop, orders=[Order("A"), Order("B")]))
    assert score_from(Dispatcher(free, Figures(free)).run(Rule("FIFO")), flat_of(free)).makespan == 120


def test_a_real_factory_has_a_valid_plan_within_seconds(shared_data: Path) -> None:
    problem = instance_problem(shared_data / "scheduling" / "jobshop" / "bel00.txt")
    began = time.process_time()
    made = rules_plan(problem)
    planned = time.process_time()
    assert check(problem, made) == []
    # Some 0.6 and 0.1 s; wide margins for a loaded machine.
    assert planned - began < 6
    assert time.process_time() - planned < 2
    assert len(made.operations) == 5_372
    assert made.score.makespan <= 766_329 * 1.01
