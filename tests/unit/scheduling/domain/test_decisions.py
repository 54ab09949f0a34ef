"""What planners decide changes the facts that plans are made of, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduling.domain.calendars import joined
from services.scheduling.domain.decisions import Decision, applied
from services.scheduling.domain.facts import JobFacts, MachineFacts, OrderFacts, Policy, Shop, Way
from services.scheduling.domain.times import Times
from services.scheduling.queries.problem import build
from services.scheduling.solver.engine import rules_plan

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def at(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat()


SHOP = Shop(
    machines={"a": MachineFacts("a")},
    orders={"o": OrderFacts("o", priority=5, due_at=NOW + timedelta(hours=4))},
    jobs={"j": JobFacts("j", "o", ways=[Way("a", Decimal(3600))])},
)


def planned(*decisions: tuple[str, dict[str, Any]]) -> tuple[dict[str, tuple[int, int]], Any]:
    shop = applied(SHOP, [Decision(kind, body) for kind, body in decisions])
    built = build(shop, NOW, Policy(0))
    plan = rules_plan(built.problem)
    return {each.operation: (each.start // 3600, each.end // 3600) for each in plan.operations}, built


def test_a_machine_that_is_out_does_nothing_until_it_is_back() -> None:
    assert planned()[0] == {"j": (0, 1)}
    assert planned(("machine_out", {"equipment_id": "a", "start": at(0), "end": at(30)}))[0] == {"j": (30, 31)}
    # Beyond the time for which calendars are laid out too.
    far = 24 * 200
    assert planned(("machine_out", {"equipment_id": "a", "start": at(0), "end": at(far)}))[0] == {"j": (far, far + 1)}


def test_extra_time_opens_what_was_closed() -> None:
    out = ("machine_out", {"equipment_id": "a", "start": at(0), "end": at(30)})
    shop = applied(SHOP, [Decision(*out)])
    times = Times(NOW, 100 * 3600, shop, Policy())
    assert times.windows("a") == [(-14 * 86_400, 0), (30 * 3600, 100 * 3600)]
    extra = Decision("extra_time", {"equipment_id": "a", "start": at(10), "end": at(12)})
    # Closed counts where both are said, and always open stays always open.
    assert Times(NOW, 100 * 3600, applied(shop, [extra]), Policy()).windows("a") == times.windows("a")


def test_terms_holds_weights_and_what_is_not_there() -> None:
    _, built = planned(("order_terms", {"order_id": "o", "priority": 1, "due_at": at(2), "deadline_type": "Hard"}))
    (order,) = built.problem.orders
    assert (order.weight, order.due, order.hard) == (16, 2 * 3600, True)
    _, built = planned(("weights", {"weights": {"5": 7}}))
    assert built.problem.orders[0].weight == 7
    plan, built = planned(("order_held", {"order_id": "o"}))
    assert (plan, built.unplanned["j"].code) == ({}, "order_held")
    gone = [("order_terms", {"order_id": "x", "priority": 1}), ("order_held", {"order_id": "x"}),
            ("machine_out", {"equipment_id": "x", "start": at(0), "end": at(1)})]  # fmt: skip
    assert planned(*gone)[0] == planned()[0]


def test_a_new_order_is_planned_where_it_was_promised() -> None:
    step = {
        "id": "n", "alternatives": [{"equipment_id": "a", "run_s_per_unit": "1800", "setup_s": 0, "preference": 1}],
        "predecessors": [], "family": "", "queue_s": 0, "move_s": 0, "interruptible": True, "lead_days": 0,
    }  # fmt: skip
    body = {"order_id": "q", "qty": "2", "priority": 3, "due_at": at(1), "deadline_type": "Hard", "operations": [step]}
    plan, built = planned(("new_order", body))
    assert plan == {"n": (0, 1), "j": (1, 2)}
    assert [(each.id, each.hard, each.weight) for each in built.problem.orders if each.id == "q"] == [("q", True, 4)]
    placed = [{"id": "n", "equipment_id": "a", "start": at(0), "end": at(1)}]
    _, built = planned(("new_order", {**body, "placed": placed}))
    assert built.problem.current["n"].end == 3600


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_joined_windows_hold_the_same_time(windows: list[tuple[int, int]]) -> None:
    made = joined(windows)
    assert all(a < b for a, b in made)
    assert all(before[1] < after[0] for before, after in pairwise(made))
    held = {second for a, b in windows for second in range(a, b)}
    assert {second for a, b in made for second in range(a, b)} == held


def test_an_unknown_kind_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        applied(SHOP, [Decision("nothing", {})])
