"""Two plans side by side, with figures that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from services.scheduling.queries.comparison import as_json, compare, within
from services.scheduling.solver.problem import Alternative, Machine, Operation, Order, Plan, Planned, Problem, Score

H = 3600
SCORE = Score(0, 0, 0, 0, 0)


def plan(**places: tuple[str, float]) -> Plan:
    """Operation -> machine and start in hours; each takes an hour."""
    made = [
        Planned(name, machine, round(start * H), round(start * H), round((start + 1) * H))
        for name, (machine, start) in places.items()
    ]
    return Plan(made, SCORE, "by hand", "Feasible")


def shop(**dues: float | None) -> Problem:
    ways = (Alternative("M", H), Alternative("N", H))
    current = plan(a=("M", 0), b=("M", 1), c=("N", 0))
    return Problem(
        datetime(2026, 1, 1, tzinfo=UTC), 0, 100 * H, [Machine("M"), Machine("N")],
        [Order(name, None if due is None else round(due * H)) for name, due in dues.items()],
        [Operation(name, name, ways) for name in dues], current={each.operation: each for each in current.operations},
    )  # fmt: skip


def test_helped_harmed_and_moved() -> None:
    problem = shop(a=1, b=2, c=1, d=None)
    # M is out for five hours. Doing nothing: a 5, b 6. The proposal: a on N behind c, b at 6; d is new.
    nothing, better = (
        plan(a=("M", 5), b=("M", 6), c=("N", 0), d=("M", 7)),
        plan(a=("N", 0), b=("M", 6), c=("N", 1), d=("N", 2)),
    )
    found = compare(problem, nothing, better)
    assert {each.order: each.effect for each in found.orders} == {
        "a": "helped",
        "b": "same",
        "c": "harmed",
        "d": "same",
    }
    assert (found.late("stands"), found.late("nothing"), found.late("proposal")) == (0, 2, 2)
    moves = found.proposal_moves
    # a: another machine; b: five hours later; c: one hour later. d does not stand yet.
    assert (moves.moved, moves.reassigned, moves.longest_s, moves.of) == (3, 1, 5 * H, 3)
    assert (found.nothing_moves.moved, found.nothing_moves.reassigned) == (2, 0)
    assert within(found, 3, 1)
    assert within(found, None, None)
    assert not within(found, 2, None)
    assert not within(found, None, 0)
    told = as_json(found, problem)
    assert [each["order_id"] for each in told["orders"]] == ["c", "a", "b", "d"]
    assert told["orders"][1]["stands_end"] == "2026-01-01T01:00:00+00:00"
    assert told["orders"][3]["stands_end"] is None
    assert (told["helped"], told["harmed"], told["late_as_published"]) == (1, 1, 0)


def test_half_an_hour_has_not_moved_and_a_minute_harms_nobody() -> None:
    problem = shop(a=1, b=2, c=1)
    found = compare(problem, plan(a=("M", 0), b=("M", 1), c=("N", 0)), plan(a=("M", 1 / 60), b=("M", 1.5), c=("N", 0)))
    assert found.proposal_moves.moved == 0
    assert [each.effect for each in found.orders] == ["same", "harmed", "same"]
