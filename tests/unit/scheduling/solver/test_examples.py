"""Days in a workshop that can be counted by hand: stops, lots, cooling, deadlines, shifts of people, tariffs."""

from __future__ import annotations

from services.scheduling.solver.checker import check
from services.scheduling.solver.engine import rules_plan, solve
from services.scheduling.solver.problem import (
    ANY,
    Alternative,
    Fixing,
    Machine,
    Need,
    Operation,
    Order,
    Plan,
    Planned,
    Predecessor,
    Price,
    Problem,
    Resource,
    SetupRow,
    Supplier,
    split_lots,
)
from tests.unit.scheduling.solver.shops import problem_of
from tests.unit.scheduling.solver.test_decoder import plan
from tests.unit.scheduling.solver.test_resources import H, hours, work


def best(problem: Problem) -> Plan:
    """The plan of a search that ends after so many moves."""
    made = solve(problem, seconds=60, moves=3_000, workers=1)
    assert check(problem, made) == []
    return made


def by_name(made: Plan) -> dict[str, Planned]:
    return {each.operation: each for each in made.operations}


def test_work_pauses_for_maintenance_and_what_may_not_comes_after_it() -> None:
    # The machine is stopped from 4 to 6. Six hours: 4 before the stop and 2 after it.
    machine = Machine("M", [(0, 4 * H), (6 * H, 24 * H)])
    assert hours(plan(problem_of([machine], [work("A", 6, "M")])))["A"] == (0, 8)
    # B cannot pause and is longer than what is left before the stop: 2 hours after A.
    shop = problem_of(
        [machine],
        [work("A", 2, "M"), work("B", 3, "M", interruptible=False)],
        [Order("A", 2 * H, 16), Order("B", 9 * H)],
    )
    assert hours(plan(shop)) == {"A": (0, 2), "B": (6, 9)}


def test_a_break_may_lie_in_a_setup_and_in_a_run() -> None:
    # Setup 1 h from 3 to 4, noon break 4-5, then 2 h; the next one needs 30 minutes, closed from 9 to 24.
    machine = Machine("M", [(3 * H, 4 * H), (5 * H, 9 * H), (24 * H, 33 * H)])
    operations = [work("A", 2, "M", setup=H), work("B", 2, "M", setup=H // 2)]
    plans = plan(problem_of([machine], operations, [Order("A", 7 * H, 16), Order("B", 99 * H)]))
    # A: setup 3-4, run 5-7. B: setup 7-7:30, run 7:30-9 and the last half hour the day after.
    assert (plans["A"].setup_start / H, *hours(plans)["A"]) == (3, 5, 7)
    assert (plans["B"].setup_start / H, *hours(plans)["B"]) == (7, 7.5, 24.5)


def test_setups_follow_the_sequence_from_what_the_machine_is_set_up_for() -> None:
    rows = {"S": [SetupRow("blue", "red", 10), SetupRow(ANY, "red", 40, priority=5), SetupRow(ANY, "blue", 30)]}
    jobs = [
        Operation("red", "red", (Alternative("M", 100),), family="red"),
        Operation("blue", "blue", (Alternative("M", 100),), family="blue"),
    ]
    # Red first would be 40 + 30, blue first 30 + 10: both end at 240 instead of 270.
    made = best(problem_of([Machine("M", setup_class="S")], jobs, setups=rows))
    assert (made.score.changeover, made.score.makespan) == (40, 240)
    # Set up for blue already: blue takes nothing, then 10.
    made = best(problem_of([Machine("M", setup_class="S", initial_family="blue")], jobs, setups=rows))
    assert (made.score.changeover, made.score.makespan) == (10, 210)


def test_a_lot_is_split_evenly_and_what_follows_waits_for_all_of_it() -> None:
    lot = Operation("A.1", "A", (Alternative("M", 100, 20), Alternative("N", 100, 20)), lots=3)
    follow = Operation("A.2", "A", (Alternative("O", 5),), (Predecessor("A.1", 7),))
    shop = split_lots(problem_of([Machine("M"), Machine("N"), Machine("O")], [lot, follow]))
    assert [(each.id, each.alternatives[0].seconds) for each in shop.operations[:3]] == [
        ("A.1/1", 34), ("A.1/2", 33), ("A.1/3", 33),
    ]  # fmt: skip
    made = by_name(best(shop))
    # One machine does two parts with one setup: 20 + 34 + 33 = 87 or, better, 20 + 33 + 33 = 86; transport 7, then 5.
    assert (made["A.2"].start, made["A.2"].end) == (93, 98)
    assert max(made[f"A.1/{part}"].end for part in (1, 2, 3)) == 86


def test_castings_cool_while_the_shop_is_closed() -> None:
    days = [(8 * H, 16 * H), (32 * H, 40 * H)]
    pour = Operation("A.1", "A", (Alternative("M", 4 * H),))
    grind = Operation("A.2", "A", (Alternative("N", H),), (Predecessor("A.1", 12 * H),))
    plans = plan(problem_of([Machine("M", days), Machine("N", days)], [pour, grind], horizon=100 * H))
    # Poured 8-12, cool at 24, the shop opens at 32.
    assert hours(plans) == {"A.1": (8, 12), "A.2": (32, 33)}


def test_the_first_transfer_batch_counts_working_time_and_its_way() -> None:
    # Two working hours after 8 the first batch leaves: 8-9, break, 10-11; half an hour on the way.
    machines = [Machine("M", [(8 * H, 9 * H), (10 * H, 16 * H)]), Machine("N")]
    follow = Operation("A.2", "A", (Alternative("N", H),), (Predecessor("A.1", H // 2, 2 * H, H),))
    plans = plan(problem_of(machines, [work("A.1", 4, "M"), follow]))
    # A.1 works 8-9 and 10-13. A.2 may begin at 11:30, but may not end before 13 + 1: its one hour begins at 13.
    assert hours(plans) == {"A.1": (8, 13), "A.2": (13, 14)}


def test_a_supplier_with_two_days_of_lead_takes_one_at_a_time() -> None:
    # Collected every day at 16:00. A: Monday 16 to Wednesday 16 = hour 64, when B is collected: 64 to 112.
    collections = [(16 + 24 * day) * H for day in range(10)]
    jobs = [Operation(name, name, outside_s=48 * H, supplier="S") for name in "AB"]
    orders = [Order("A", 0, 16), Order("B", 0)]
    shop = problem_of([], jobs, orders, suppliers=[Supplier("S", 1, collections)], horizon=1_000 * H)
    assert hours(plan(shop)) == {"A": (16, 64), "B": (64, 112)}


def test_energy_is_paid_in_the_hours_that_are_worked() -> None:
    # 30 kW: an hour at 50, the dear hour falls into the break, an hour at 80: 1500 + 2400.
    machine = Machine("M", [(0, H), (2 * H, 9 * H)], power_w=30_000)
    tariff = [Price(0, 50), Price(H, 1_000), Price(2 * H, 80)]
    assert rules_plan(problem_of([machine], [work("A", 2, "M")], tariff=tariff)).score.energy == 3_900


def test_of_two_machines_the_frugal_one_is_taken_where_time_does_not_matter() -> None:
    # Two hours at 60 each kWh: 10 kW cost 1200, 20 kW 2400; nobody is late by either.
    machines = [Machine("M", power_w=20_000), Machine("N", power_w=10_000)]
    shop = problem_of(machines, [work("A", 2, "M", "N")], [Order("A", 9 * H)], tariff=[Price(0, 60)])
    made = best(shop)
    assert (made.operations[0].machine, made.score.energy) == ("N", 1_200)


def test_who_comes_with_the_late_shift_finishes_it_sooner() -> None:
    # There at 6: the early shift would work 6-8 and go on at 24; the late one works 8-12.
    shifts = [
        Resource("early", 1, [(0, 8 * H), (24 * H, 32 * H)]),
        Resource("late", 1, [(8 * H, 16 * H), (32 * H, 40 * H)]),
    ]
    job = work("A", 4, "M", release=6 * H, needs=(Need(("early", "late")),))
    plans = plan(problem_of([Machine("M")], [job], resources=shifts))
    assert (*hours(plans)["A"], plans["A"].resources) == (8, 12, ("late",))


def test_running_work_keeps_its_people_until_it_ends() -> None:
    # Running since -1 h with 2 h left; its fitter is free then, and N waits for him.
    running = work("A", 3, "M", fixing=Fixing.RUNNING, machine="M", setup_start=-H, start=-H, end=2 * H,
                   resources=("fitter",))  # fmt: skip
    shop = problem_of(
        [Machine("M"), Machine("N")], [running, work("B", 1, "N", needs=(Need(("fitter",)),))],
        resources=[Resource("fitter")],
    )  # fmt: skip
    assert hours(plan(shop)) == {"A": (-1, 2), "B": (2, 3)}


def test_a_pinned_operation_waits_for_its_time_and_frozen_work_for_nobody() -> None:
    # Frozen 2-3 though the part comes at 5 only; pinned to 4 at the earliest; the rest fits before both.
    frozen = work(
        "F", 1, "M", fixing=Fixing.FROZEN, machine="M", setup_start=2 * H, start=2 * H, end=3 * H, release=5 * H
    )
    pinned = work("P", 1, "M", fixing=Fixing.PINNED, machine="M", start=4 * H)
    shop = problem_of([Machine("M")], [frozen, pinned, work("A", 2, "M")], [
        Order("F"), Order("P", 5 * H), Order("A", 2 * H, 16)])  # fmt: skip
    assert hours(plan(shop)) == {"F": (2, 3), "P": (4, 5), "A": (0, 2)}


def test_a_hard_deadline_goes_before_any_weight() -> None:
    # A first: kept, B is an hour late with weight 16. B first: nobody but A is late, and weighs 1 - but misses.
    jobs = [work("A", 2, "M"), work("B", 1, "M")]
    hard = problem_of([Machine("M")], jobs, [Order("A", 2 * H, 1, hard=True), Order("B", 2 * H, 16)])
    made = best(hard)
    assert (hours(by_name(made)), made.score.missed, made.score.tardiness) == ({"A": (0, 2), "B": (2, 3)}, 0, 16 * H)
    soft = problem_of([Machine("M")], jobs, [Order("A", 2 * H, 1), Order("B", 2 * H, 16)])
    made = best(soft)
    assert (hours(by_name(made)), made.score.tardiness) == ({"B": (0, 1), "A": (1, 3)}, H)
