"""The checker finds each kind of violation, put into a plan on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import by_keys, decode
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import (
    ANY,
    Alternative,
    During,
    Fixing,
    Infeasible,
    Machine,
    Need,
    Operation,
    Plan,
    Planned,
    Predecessor,
    Problem,
    Resource,
    Score,
    SetupRow,
    Supplier,
)
from services.scheduling.solver.scoring import plan_of
from tests.unit.scheduling.solver.shops import problem_of, random_problem, rich_problem

SHOP = problem_of(
    [Machine("M", [(0, 100), (200, 400), (500, 5_000)], setup_class="S", initial_family="A"), Machine("N")],
    [
        Operation("A.1", "A", (Alternative("M", 60),), family="A", interruptible=False),
        Operation("A.2", "A", (Alternative("M", 150),), (Predecessor("A.1", 30),), family="B", interruptible=False),
        Operation("B.1", "B", (Alternative("N", 50),), release=20),
        Operation("B.2", "B", (Alternative("N", 40),), (Predecessor("B.1", 0, 10, 5),)),
        Operation("B.3", "B", (), (Predecessor("B.2"),), outside_s=70),
        Operation(
            "C.1", "C", (Alternative("N", 30),), fixing=Fixing.FROZEN, machine="N", setup_start=300, start=300, end=330
        ),
        Operation("D.1", "D", (Alternative("N", 10), Alternative("M", 10)), fixing=Fixing.PINNED, machine="N", start=5),
    ],
    setups={"S": [SetupRow(ANY, "B", 25)]},
)
A1, A2 = Planned("A.1", "M", 0, 0, 60), Planned("A.2", "M", 75, 200, 350)
B1, B2, B3 = Planned("B.1", "N", 20, 20, 70), Planned("B.2", "N", 70, 70, 110), Planned("B.3", "", 110, 110, 180)
C1, D1 = Planned("C.1", "N", 300, 300, 330), Planned("D.1", "N", 5, 5, 15)
RIGHT = {each.operation: each for each in (A1, A2, B1, B2, B3, C1, D1)}


def kinds(*changed: Planned) -> set[str]:
    made = {**RIGHT, **{each.operation: each for each in changed}}
    return kinds_of(list(made.values()))


def kinds_of(planned: list[Planned], problem: Problem = SHOP) -> set[str]:
    """Kinds of what is wrong; that the score is another, which follows from the rest, left out."""
    score = rules_plan(problem).score
    return {each.kind for each in check(problem, Plan(planned, score, "hand", "Feasible"))} - {"score"}


def shifted(planned: Planned, by: int) -> Planned:
    return replace(planned, setup_start=planned.setup_start + by, start=planned.start + by, end=planned.end + by)


def test_every_part_of_the_score_is_counted_again() -> None:
    made = rules_plan(SHOP)
    for part in fields(Score):
        wrong = replace(made.score, **{part.name: getattr(made.score, part.name) + 1})
        found = check(SHOP, replace(made, score=wrong))
        assert [(each.kind, each.other) for each in found] == [("score", part.name)]


def test_the_right_plan_is_right() -> None:
    assert kinds() == set()


@pytest.mark.parametrize(
    ("expected", "changed"),
    [
        ("alternative", replace(A1, machine="N")),
        ("alternative", replace(B3, machine="N")),
        ("duration", replace(B2, end=105)),
        ("duration", replace(B3, end=170)),
        ("window", Planned("A.1", "M", 100, 100, 260)),
        ("window", replace(A1, setup_start=-10, start=-10, end=60)),
        ("interrupted", Planned("A.2", "M", 350, 375, 625)),
        ("setup", replace(A2, setup_start=200)),
        ("setup", replace(A2, setup_start=60)),
        ("overlap", shifted(B2, -20)),
        ("overlap", Planned("B.2", "N", 310, 310, 350)),
        ("predecessor", shifted(B3, -1)),
        ("release", shifted(B1, -1)),
        ("moved", shifted(C1, 1)),
        ("moved", replace(C1, setup_start=299)),
        ("moved", replace(C1, resources=("somebody",))),
        ("pinned", Planned("D.1", "N", 4, 4, 14)),
        ("pinned", Planned("D.1", "M", 600, 600, 610)),
    ],
)
def test_a_change_is_found(expected: str, changed: Planned) -> None:
    assert expected in kinds(changed)


def test_lag_overlap_and_tail_are_found() -> None:
    # A.1 ends at 60 and needs 30: A.2 cannot begin at 89 even where its window would be open.
    wide = replace(SHOP, machines=[Machine("M", [(0, 5_000)], setup_class="S", initial_family="A"), Machine("N")])
    others = [A1, B1, B2, B3, C1, D1]
    assert kinds_of([*others, Planned("A.2", "M", 64, 89, 239)], wide) == {"predecessor"}
    assert kinds_of([*others, Planned("A.2", "M", 65, 90, 240)], wide) == set()
    two = replace(SHOP, operations=[
        replace(each, alternatives=(Alternative("M", 40),)) if each.id == "B.2" else each for each in SHOP.operations
    ])  # fmt: skip
    early = Planned("B.2", "M", 200, 200, 240)
    rest = [replace(A1, setup_start=500, start=500, end=560), shifted(A2, 600), B1, shifted(B3, 200), C1, D1]
    assert "predecessor" not in kinds_of([*rest, early], two)
    assert "predecessor" in kinds_of([*rest, Planned("B.2", "M", 29, 29, 69)], two)  # 9 s are worked, not 10
    assert "predecessor" in kinds_of([*rest, Planned("B.2", "M", 30, 30, 70)], two)  # ends before 70 + 5


def test_missing_unknown_and_doubled_operations_are_found() -> None:
    planned = list(RIGHT.values())
    assert kinds_of(planned[1:]) == {"missing"}
    assert kinds_of([*planned, Planned("X", "N", 900, 900, 910)]) == {"unknown"}
    assert kinds_of([*planned, B3]) == {"twice"}
    # As many as there should be, all the same.
    assert kinds_of([*planned[1:], Planned("X", "N", 900, 900, 910)]) == {"missing", "unknown"}


def test_nothing_is_right_and_so_is_what_stands_alone() -> None:
    for shop in (
        problem_of([], []),
        problem_of([Machine("M")], []),
        problem_of([], [Operation("A", "A", outside_s=5)]),
    ):
        assert check(shop, rules_plan(shop)) == []


def test_a_need_of_two_is_served_by_two() -> None:
    pair = Operation("A", "A", (Alternative("M", 50),), needs=(Need(("P", "Q"), 2),))
    shop = problem_of([Machine("M")], [pair], resources=[Resource("P"), Resource("Q")])
    for served, expected in (("PQ", set()), ("QP", set()), ("P", {"need"}), ("PP", {"resource"}), ("PX", {"need"})):
        assert kinds_of([Planned("A", "M", 0, 0, 50, resources=tuple(served))], shop) == expected


def test_what_is_over_before_the_origin_has_no_makespan() -> None:
    done = Operation("A", "A", (Alternative("M", 10),), fixing=Fixing.DONE, machine="M", start=-20, end=-10)
    shop = problem_of([Machine("M")], [replace(done, setup_start=-20)])
    made = rules_plan(shop)
    assert (made.score.makespan, check(shop, made)) == (0, [])


def test_numbers_beyond_64_bits_and_halves_are_looked_at_too() -> None:
    assert "duration" in kinds(replace(B2, end=1 << 80))
    assert "duration" in kinds(replace(B2, end=110.5))  # type: ignore[arg-type]
    assert kinds(replace(B2, setup_start=-(1 << 63), start=-(1 << 63), end=(1 << 63) - 1)) >= {"duration", "release"}


def test_free_work_may_not_lengthen_the_setup_of_fixed_work() -> None:
    shop = problem_of(
        [Machine("M", setup_class="S", initial_family="A")],
        [
            Operation("A", "A", (Alternative("M", 10),), family="A", fixing=Fixing.FROZEN, machine="M", setup_start=95,
                      start=100, end=110),
            Operation("B", "B", (Alternative("M", 10),), family="B"),
        ],
        setups={"S": [SetupRow("B", "A", 20)]},
    )  # fmt: skip
    fixed = Planned("A", "M", 95, 100, 110)
    assert kinds_of([fixed, Planned("B", "M", 10, 10, 20)], shop) == {"setup"}
    assert kinds_of([fixed, Planned("B", "M", 110, 110, 120)], shop) == set()


STAFFED = problem_of(
    [Machine("M"), Machine("N"), Machine("O", batch_capacity=3)],
    [
        Operation("A", "A", (Alternative("M", 50, 10),), needs=(Need(("P",)), Need(("T",), during=During.SETUP))),
        Operation("B", "B", (Alternative("N", 50, 10),), needs=(Need(("P",)), Need(("T",), during=During.SETUP))),
        Operation("C", "C", (Alternative("O", 40),), family="X", size=2),
        Operation("D", "D", (Alternative("O", 40),), family="X"),
        Operation("E", "E", outside_s=20, supplier="S"),
        Operation("F", "F", outside_s=20, supplier="S"),
    ],
    resources=[Resource("P", 2, [(0, 500)], available_from=5), Resource("T")],
    suppliers=[Supplier("S", 1, [100, 200])],
)
"""Two people with one tool for their setups, an oven for three and a supplier who takes one at a time."""
SERVED = {
    each.operation: each
    for each in (
        Planned("A", "M", 5, 15, 65, resources=("P", "T")), Planned("B", "N", 15, 25, 75, resources=("P", "T")),
        Planned("C", "O", 0, 0, 40), Planned("D", "O", 0, 0, 40),
        Planned("E", "", 100, 100, 120), Planned("F", "", 200, 200, 220),
    )
}  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "changed"),
    [
        (set(), SERVED["A"]),
        ({"need"}, replace(SERVED["A"], resources=("P",))),
        ({"need"}, replace(SERVED["A"], resources=("P", ""))),
        ({"need", "resource"}, replace(SERVED["A"], resources=("T", "T"))),
        ({"resource"}, shifted(SERVED["A"], 1)),  # the tool is in B's setup from 15 on
        ({"resource"}, shifted(SERVED["A"], -1)),  # the people come at 5
        ({"window"}, shifted(SERVED["A"], -6)),
        ({"duration"}, Planned("A", "M", 485, 495, 545, resources=("P", "T"))),  # the people go home at 500
        ({"overlap"}, shifted(SERVED["D"], 1)),
        ({"supplier"}, shifted(SERVED["E"], 1)),
        ({"supplier"}, shifted(SERVED["E"], 100)),  # the other is there
        (set(), shifted(SERVED["E"], 120)),
    ],
)
def test_people_tools_ovens_and_suppliers_are_looked_at(expected: set[str], changed: Planned) -> None:
    found = kinds_of(list({**SERVED, changed.operation: changed}.values()), STAFFED)
    assert expected <= found
    assert bool(found) == bool(expected)


def test_an_oven_holds_what_fits_of_one_family() -> None:
    large = [replace(each, size=2) if each.id == "D" else each for each in STAFFED.operations]
    mixed = [replace(each, family="Y") if each.id == "D" else each for each in STAFFED.operations]
    assert kinds_of(list(SERVED.values()), replace(STAFFED, operations=large)) == {"batch"}
    assert kinds_of(list(SERVED.values()), replace(STAFFED, operations=mixed)) == {"overlap"}


def spoiled(rng: Random, problem: Problem, planned: Planned, other: Planned) -> Planned:
    """One thing of a planned operation changed, mostly by little."""
    by = rng.choice((-1, 1, -30, 30, rng.randint(-900, 900)))
    machines = [*(each.id for each in problem.machines), "", "nowhere"]
    people = [*(each.id for each in problem.resources), "", "nobody"]
    changes: tuple[Callable[[], Planned], ...] = (
        lambda: shifted(planned, by),
        lambda: shifted(planned, other.start - planned.start),
        lambda: replace(shifted(planned, other.end - planned.setup_start), machine=other.machine),
        lambda: replace(planned, machine=rng.choice(machines)),
        lambda: replace(planned, resources=tuple(rng.choice(people) for _ in planned.resources)),
        lambda: replace(planned, resources=tuple(rng.choice(people) for _ in range(rng.randrange(3)))),
        lambda: replace(planned, setup_start=planned.setup_start + by),
        lambda: replace(planned, start=planned.start + by),
        lambda: replace(planned, end=planned.end + by),
        lambda: replace(planned, rank=rng.randrange(4)),
    )
    return rng.choice(changes)()


@settings(max_examples=250)
@given(st.integers(0, 1 << 30), st.integers(1, 12), st.integers(1, 5), st.booleans())
def test_looking_at_all_at_once_finds_what_looking_one_by_one_does(
    seed: int, orders: int, machines: int, rich: bool
) -> None:
    """Eight plans of each problem, a valid one and seven with up to five faults: the same in the same order."""
    rng = Random(seed)
    problem = (rich_problem if rich else random_problem)(rng, orders=orders, machines=machines)
    try:
        model = Model(problem)
    except Infeasible:
        return
    keys = [rng.random() for _ in range(len(model))]
    made = plan_of(decode(model, by_keys(model, keys), [-1] * len(model)), "test")
    assert check(problem, made) == check(problem, made, sieved=False) == []
    for _ in range(7):
        operations = list(made.operations)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(operations))
            operations[at] = spoiled(rng, problem, operations[at], rng.choice(operations))
        wrong = replace(made, operations=operations)
        assert check(problem, wrong) == check(problem, wrong, sieved=False)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(-40, 40), st.integers(0, 1_000))
def test_a_run_that_is_longer_or_begins_before_its_time_is_never_accepted(seed: int, by: int, which: int) -> None:
    problem = random_problem(Random(seed))
    made = rules_plan(problem)
    at = which % len(made.operations)
    changes: tuple[Callable[[Planned], Planned], ...] = (
        lambda each: replace(each, end=each.end + abs(by) + 1_000_000),
        lambda each: replace(each, setup_start=-10_000, start=-10_000, end=each.end - each.start - 10_000),
        lambda each: replace(each, machine="nowhere"),
    )
    for change in changes:
        operations = list(made.operations)
        operations[at] = change(operations[at])
        assert check(problem, replace(made, operations=operations))
