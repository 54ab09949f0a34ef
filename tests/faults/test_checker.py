"""The count of the fault campaigns finds every kind of wrong, and nothing where nothing is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.campaign import places_in_log
from tests.faults.checker import Balance, Event, Observed, Place, Verdict, check
from tests.faults.history import Attempt, Outcome, Request


def told(mark: str, *outcomes: Outcome) -> list[Attempt]:
    request = Request("order", mark, "/orders", {"no": mark}, f"key of {mark}")
    return [Attempt(request, float(n), outcome) for n, outcome in enumerate(outcomes)]


def event(sequence: int, offset: int, **changes: Any) -> Event:
    made = Event("mes.order.v1", 0, offset, "k", "mes.order", f"id-{sequence}", "OrderCreated", sequence, "f000001")
    return replace(made, **changes)


HISTORY = told("a", "ok") + told("b", "unknown", "unknown", "ok") + told("c", "failed")
LOG = [
    event(1, 0),
    event(2, 1, actor="f000002"),
    event(1, 2),
    event(2, 3, actor="f000002"),
    event(3, 4, actor="f000002", type="Other"),
]


def seen(**changes: Any) -> Observed:
    good = Observed([Place("orders", "order", Counter("ab"))], [Balance("pieces", 5, 5)], {"history of a": [1, 2]}, LOG)
    return replace(good, **changes)


def test_nothing_is_wrong_where_nothing_is() -> None:
    verdict = check(HISTORY, seen())
    assert verdict.wrong == {}
    assert (verdict.acknowledged, verdict.refused, verdict.events, verdict.redelivered) == (2, 1, 3, 2)


def place(marks: str) -> dict[str, Any]:
    return {"places": [Place("orders", "order", Counter(marks))]}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("lost", place("a")),
        ("doubled", place("abb")),
        ("phantom", place("abc")),
        ("phantom", place("abx")),
        ("unbalanced", {"balances": [Balance("pieces", 5, 6)]}),
        ("disorder", {"orders": {"history of a": [1, 3]}}),
        ("disorder", {"orders": {"history of a": [2, 1]}}),
        ("disorder", {"orders": {"history of a": [1, 1]}}),
        ("disorder", {"log": [event(1, 0), event(3, 1)]}),
        ("disorder", {"log": [event(2, 0), event(1, 1)]}),
        ("disorder", {"log": [event(2, 0)]}),
        ("parked", {"log": [*LOG, event(1, 0, topic="mes.quality.dlq.v1")]}),
    ],
)
def test_each_kind_of_wrong_is_found(kind: str, changes: dict[str, Any]) -> None:
    assert list(check(HISTORY, seen(**changes)).wrong) == [kind]


def test_what_was_never_answered_is_unresolved_and_may_be_there_or_not() -> None:
    history = HISTORY + told("d", "unknown")
    for marks in ("ab", "abd"):
        assert check(history, seen(**place(marks))).wrong == {"unresolved": ["d"]}


def test_marks_in_the_log_are_counted_by_events_that_differ() -> None:
    (found,) = places_in_log([*LOG, event(5, 8, actor="somebody")], {"order": "OrderCreated"})
    assert found.marks == Counter(["f000001", "f000002"])
    (found,) = places_in_log([*LOG, event(4, 9)], {"order": "OrderCreated"})
    assert found.marks["f000001"] == 2
    assert Verdict().wrong == {}
