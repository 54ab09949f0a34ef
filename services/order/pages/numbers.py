"""Codes and quantities as people type them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from mes.errors import Invalid

from services.order.queries.shopfloor import plain

_MOST = Decimal(10) ** 12
_STEPPED = ("good", "scrap", "rework", "qty")
_OURS = ("step", "lang", "idempotency_key")


def typed_code(text: str) -> str:
    """A code as typed, or the last part of an address that a scanner wrote into the field."""
    return unicodedata.normalize("NFKC", text).strip().split("?")[0].rstrip("/").rpartition("/")[2]


def typed_number(values: Mapping[str, str], name: str) -> Decimal:
    """A quantity: full-width digits, a comma for the point, nothing for zero. Raises Invalid."""
    text = unicodedata.normalize("NFKC", values.get(name, "")).strip().replace(",", ".").replace(" ", "")
    if not text:
        return Decimal(0)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Invalid("page.number", field=name, typed=text) from error
    if not number.is_finite() or not 0 <= number < _MOST:
        raise Invalid("page.number", field=name, typed=text)
    return number


def stepped(query: Mapping[str, str]) -> dict[str, str]:
    """What was typed so far, with one more or one less: the +1 and -1 of a browser without scripts."""
    typed = {key: value for key, value in query.items() if key not in _OURS}
    name, sign = query["step"][:-2], query["step"][-2:]
    if name in _STEPPED and sign in ("+1", "-1"):
        with suppress(Invalid):
            typed[name] = plain(max(Decimal(0), typed_number(typed, name) + int(sign))) or "0"
    return typed
