"""Quantities in other units: by the factors of a material, or of a lot where it has its own."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

SIX_PLACES = Decimal("0.000001")


class UnknownUnit(ValueError):
    """The material knows no such unit."""


@dataclass(frozen=True, slots=True)
class Units:
    """Units of a material. Factors: stock units in one order unit and in one report unit (kg per piece ...).

    digits: decimal places of the report unit.
    """

    stock: str
    order: str
    report: str
    order_factor: Decimal = Decimal(1)
    report_factor: Decimal = Decimal(1)
    digits: int = 0

    def factor(self, unit: str, lot_factor: Decimal | None = None) -> Decimal:
        """Report units in one `unit`. lot_factor: stock units in one report unit of this lot. Raises UnknownUnit."""
        per_piece = lot_factor or self.report_factor
        if unit in ("", self.report):
            return Decimal(1)
        if unit == self.order:
            return self.order_factor / per_piece
        if unit == self.stock:
            return Decimal(1) / per_piece
        raise UnknownUnit(unit)

    def to_report(self, qty: Decimal, unit: str, lot_factor: Decimal | None = None) -> Decimal:
        """A quantity in report units, rounded half-even to their digits. Raises UnknownUnit."""
        return rounded(qty * self.factor(unit, lot_factor), self.digits)

    def from_report(self, qty: Decimal, unit: str) -> Decimal:
        """A quantity of report units in another unit, to six places. Raises UnknownUnit."""
        return (qty / self.factor(unit)).quantize(SIX_PLACES, rounding=ROUND_HALF_EVEN)


def rounded(qty: Decimal, digits: int) -> Decimal:
    """Half-even to so many decimal places."""
    return qty.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)


def is_exact(qty: Decimal, digits: int) -> bool:
    """Whether so many decimal places suffice for it."""
    return qty == rounded(qty, digits)


def plain(qty: Decimal | None) -> str:
    """A quantity as the contracts have it: no exponent, no needless zeros; "" for none."""
    if qty is None:
        return ""
    shown = format(qty, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
