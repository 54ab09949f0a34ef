"""The quantity ledger of a job: to do + over = good + scrap + in rework + remaining + written off.

remaining >= 0 and over <= tolerance always hold. `over` and `written off` follow from the rest: what goes beyond the
quantity to do, and what will never arrive from the operations before or was given up when the job ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

ZERO = Decimal(0)


class Unbalanced(ValueError):
    """A change that the ledger cannot hold: something would become negative."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Quantities of one job in its unit. shortage: what of `qty` will not arrive; ended: nothing more is made."""

    qty: Decimal
    good: Decimal = ZERO
    scrap: Decimal = ZERO
    rework: Decimal = ZERO
    shortage: Decimal = ZERO
    ended: bool = False

    @property
    def used(self) -> Decimal:
        """What has been made of it, well or badly."""
        return self.good + self.scrap + self.rework

    @property
    def over(self) -> Decimal:
        """Beyond the quantity to do."""
        return max(ZERO, self.used - self.qty)

    @property
    def written_off(self) -> Decimal:
        """Of the quantity to do, what nobody will make."""
        left = max(ZERO, self.qty - self.used)
        return left if self.ended else min(self.shortage, left)

    @property
    def remaining(self) -> Decimal:
        """What is still to be made."""
        return self.qty + self.over - self.used - self.written_off

    def add(self, good: Decimal = ZERO, scrap: Decimal = ZERO, rework: Decimal = ZERO) -> Ledger:
        """After a report or a signed counter-entry. Raises Unbalanced when a total would become negative."""
        after = replace(self, good=self.good + good, scrap=self.scrap + scrap, rework=self.rework + rework)
        if min(after.good, after.scrap, after.rework) < 0:
            raise Unbalanced(f"good {after.good}, scrap {after.scrap}, rework {after.rework}")
        return after


def tolerance(qty: Decimal, share: Decimal, digits: int) -> Decimal:
    """How much may be made beyond the quantity, whole units of the job: a share of it, rounded down."""
    return (qty * share).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN)
