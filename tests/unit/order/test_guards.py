"""What a report is held against; machines' counts split between runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.commands.counting import split
from services.order.domain.guards import Change, Situation, fits, judge
from services.order.domain.ledger import Ledger

D = Decimal

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def found(**changes: Any) -> Situation:
    return Situation(**{"state": "Running", "order_state": "InProgress", "ledger": Ledger(D(100)), **changes})


@pytest.mark.parametrize(
    ("change", "situation", "code"),
    [
        (Change(D(100)), found(), None),
        (Change(D(101)), found(), "report.over"),
        (Change(D(102)), found(tolerance=D(2)), None),
        (Change(D(103)), found(tolerance=D(2)), "report.over"),
        (Change(D(10)), found(state="Ready"), "report.not_started"),
        (Change(D(10)), found(state="Setup"), "report.not_started"),
        (Change(D(10)), found(state="Held"), "report.job_held"),
        (Change(D(10)), found(state="Held", in_run=True), None),
        (Change(D(10)), found(order_state="Held"), "report.job_held"),
        (Change(D(10)), found(state="Paused"), "report.not_running"),
        (Change(D(10)), found(state="Paused", in_run=True), None),
        (Change(D(10)), found(state="Skipped"), "report.job_ended"),
        (Change(D(10)), found(order_state="Completed"), "report.order_completed"),
        (Change(D(10)), found(order_state="Aborted"), "report.order_ended"),
        (Change(D(10)), found(arrived=D(9)), "report.more_than_arrived"),
        (Change(D(10)), found(arrived=D(9), tolerance=D(1)), None),
        (Change(D(10)), found(arrived=D(50), used=D(45)), "report.more_than_arrived"),
        (Change(D(-5)), found(ledger=Ledger(D(100), D(4))), "report.below_zero"),
        (Change(D(-5)), found(ledger=Ledger(D(100), D(40)), spare=D(4)), "report.below_consumed"),
        (Change(D(-4)), found(ledger=Ledger(D(100), D(40)), spare=D(4)), None),
        # Scrap found after completion needs no running job.
        (Change(D(-4), D(4)), found(state="Done", order_state="Completed", ledger=Ledger(D(100), D(100))), None),
        # A surplus that was accepted once does not stand in the way of taking something back.
        (Change(D(-1)), found(ledger=Ledger(D(100), D(110))), None),
    ],
)
def test_a_report_counts_or_waits(change: Change, situation: Situation, code: str | None) -> None:
    judged = judge(change, situation, NOW, NOW)
    assert (judged.code if judged else None) == code


def test_what_has_not_happened_yet_waits() -> None:
    judged = judge(Change(D(1)), found(), NOW + timedelta(hours=1), NOW)
    assert judged is not None
    assert judged.code == "report.in_future"
    assert judge(Change(D(1)), found(), NOW + timedelta(minutes=1), NOW) is None
    assert judge(Change(D(1)), found(), NOW - timedelta(days=30), NOW) is None


@given(
    st.integers(0, 120), st.integers(0, 100), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 100)),
)  # fmt: skip
def test_what_fits_of_a_count_is_what_would_be_accepted(
    good: int, made: int, tolerance: int, arrived: int | None
) -> None:
    situation = found(
        ledger=Ledger(D(100), D(made)), tolerance=D(tolerance), used=D(made),
        arrived=None if arrived is None else D(max(arrived, made - tolerance)),
    )  # fmt: skip
    fit = fits(Change(D(good)), situation)
    assert 0 <= fit <= good
    assert judge(Change(fit), situation, NOW, NOW) is None
    if fit < good:
        assert judge(Change(fit + 1), situation, NOW, NOW) is not None


@given(st.integers(-500, 500), st.lists(st.integers(0, 100), min_size=1, max_size=5))
def test_a_split_count_loses_nothing(counts: int, weights: list[int]) -> None:
    parts = split(D(counts), [D(each) for each in weights])
    assert sum(parts) == counts
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0 and any(weights))
    assert all(part * counts >= 0 for part in parts)
