"""The ledger, tolerances, units and codes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.domain.codes import ALPHABET, job_code, order_no, read_code
from services.order.domain.ledger import Ledger, Unbalanced, tolerance
from services.order.domain.quantity import Units, UnknownUnit, plain

D = Decimal

QTY = st.decimals(min_value=0, max_value=10_000, places=3)


@given(QTY, QTY, QTY, QTY, QTY, st.booleans())
def test_the_ledger_always_balances(qty: D, good: D, scrap: D, rework: D, shortage: D, ended: bool) -> None:
    ledger = Ledger(qty, good, scrap, rework, shortage, ended)
    out = ledger.good + ledger.scrap + ledger.rework + ledger.remaining + ledger.written_off
    assert ledger.qty + ledger.over == out
    assert ledger.remaining >= 0
    assert ledger.over >= 0
    assert 0 <= ledger.written_off <= max(D(0), ledger.qty - ledger.used)
    assert not ended or ledger.remaining == 0


@given(st.lists(st.tuples(st.integers(-5, 9), st.integers(-3, 5), st.integers(-3, 5)), max_size=20))
def test_no_sequence_of_entries_makes_a_total_negative(entries: list[tuple[int, int, int]]) -> None:
    ledger = Ledger(D(20))
    for good, scrap, rework in entries:
        try:
            ledger = ledger.add(D(good), D(scrap), D(rework))
        except Unbalanced:
            assert min(ledger.good + good, ledger.scrap + scrap, ledger.rework + rework) < 0
    assert min(ledger.good, ledger.scrap, ledger.rework) >= 0


def test_what_never_arrives_is_written_off_unless_it_was_made_all_the_same() -> None:
    ledger = Ledger(D(100), shortage=D(5))
    assert (ledger.written_off, ledger.remaining) == (5, 95)
    ledger = ledger.add(good=D(97))
    assert (ledger.written_off, ledger.remaining, ledger.over) == (3, 0, 0)
    ledger = ledger.add(good=D(4))
    assert (ledger.written_off, ledger.remaining, ledger.over) == (0, 0, 1)


def test_the_tolerance_is_rounded_down_to_whole_units() -> None:
    assert tolerance(D(160), D("0.02"), 0) == 3
    assert tolerance(D(160), D("0.02"), 1) == D("3.2")
    assert tolerance(D(49), D("0.02"), 0) == 0


WASHER = Units("kg", "kg", "pcs", D(1), D("0.004"), 0)


def test_kilograms_and_pieces() -> None:
    assert WASHER.to_report(D(40), "kg") == 10_000
    assert WASHER.from_report(D(10_000), "kg") == 40
    assert WASHER.to_report(D(7), "pcs") == 7
    # A lot whose pieces weigh 5 g.
    assert WASHER.to_report(D(40), "kg", D("0.005")) == 8_000
    # Half a piece goes to the even side.
    assert WASHER.to_report(D("0.010"), "kg") == 2
    assert WASHER.to_report(D("0.014"), "kg") == 4
    with pytest.raises(UnknownUnit):
        WASHER.to_report(D(1), "box")


@given(st.integers(1, 100_000))
def test_whole_pieces_survive_the_way_to_kilograms_and_back(pieces: int) -> None:
    assert WASHER.to_report(WASHER.from_report(D(pieces), "kg"), "kg") == pieces


def test_plain() -> None:
    assert [plain(D(each)) for each in ("1E+2", "100.000000", "0.50", "-3", "0")] == ["100", "100", "0.5", "-3", "0"]
    assert plain(None) == ""


def test_codes() -> None:
    made = UUID("0198c1f0-0000-7000-8000-0000deadbeef")
    assert len(job_code(made)) == 8
    assert set(job_code(made)) <= set(ALPHABET)
    assert order_no(made, datetime(2026, 3, 2, tzinfo=UTC)).startswith("MO260302-")
    assert read_code(" 7k3q-oil0 ") == "7K3Q0110"
