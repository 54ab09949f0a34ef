"""Codes and quantities as people type them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mes.errors import Invalid

from services.order.pages.numbers import stepped, typed_code, typed_number


@pytest.mark.parametrize(
    ("typed", "read"), [("12", "12"), (" 1 200 ", "1200"), ("３．５", "3.5"), ("2,25", "2.25"), ("", "0")]
)
def test_quantities(typed: str, read: str) -> None:
    assert typed_number({"good": typed}, "good") == Decimal(read)


@pytest.mark.parametrize("typed", ["a few", "-1", "NaN", "Infinity", "1e999", "1.2.3", "十"])
def test_what_is_no_quantity(typed: str) -> None:
    with pytest.raises(Invalid):
        typed_number({"good": typed}, "good")


@given(st.text(max_size=40))
def test_any_text_is_a_quantity_or_refused(typed: str) -> None:
    try:
        assert typed_number({"good": typed}, "good") >= 0
    except Invalid as error:
        assert error.code == "page.number"


@pytest.mark.parametrize("typed", ["K7Q2M", " K7Q2M ", "http://mes:8080/t/K7Q2M", "https://mes/order/t/K7Q2M/?x=1"])
def test_codes(typed: str) -> None:
    assert typed_code(typed) == "K7Q2M"


def test_steps() -> None:
    assert stepped({"step": "good+1", "good": "9", "worker": "W"}) == {"good": "10", "worker": "W"}
    assert stepped({"step": "good-1", "good": ""}) == {"good": "0"}
    assert stepped({"step": "worker+1", "worker": "W"}) == {"worker": "W"}
    assert stepped({"step": "good+1", "good": "many"}) == {"good": "many"}
