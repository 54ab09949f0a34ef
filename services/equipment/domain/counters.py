"""Cumulative counters: how many counts lie between two readings that follow each other in the fold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Turn(StrEnum):
    """How a reading follows the one before."""

    AHEAD = "ahead"
    ROLLOVER = "rollover"
    RESET = "reset"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class CounterRule:
    """modulus: the value at which the counter begins at 0 again (None: never)."""

    modulus: Decimal | None = None


def turn(before: Decimal, value: Decimal, rule: CounterRule) -> tuple[Turn, Decimal]:
    """How a counter went from one reading to the next, and the counts in between (>= 0).

    A lower value is a rollover if less than half the modulus lies between, a reset to zero if it fell below half of
    what it was, and else a value that lags behind (100, 102, 101), which counts nothing.
    """
    if value >= before:
        return Turn.AHEAD, value - before
    if rule.modulus:
        forward = (value - before) % rule.modulus
        forward = forward + rule.modulus if forward < 0 else forward
        if forward * 2 < rule.modulus:
            return Turn.ROLLOVER, forward
    if value * 2 < before:
        return Turn.RESET, value
    return Turn.BACK, Decimal(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """Last reading of a counter in the fold; total: all counts since its first reading."""

    value: Decimal
    at: datetime
    total: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class CounterStep:
    """Counts between two readings, [from_at, to_at)."""

    counter: str
    from_value: Decimal
    to_value: Decimal
    from_at: datetime
    to_at: datetime
    counts: Decimal
    turn: Turn


def advance(
    counter: str, before: Reading | None, value: Decimal, at: datetime, rule: CounterRule
) -> tuple[Reading, CounterStep | None]:
    """The counter after one more reading, and the step to it. The first reading only says where it stands."""
    if before is None:
        return Reading(value, at), None
    how, counts = turn(before.value, value, rule)
    if how is Turn.BACK:
        return before, None
    step = CounterStep(counter, before.value, value, before.at, at, counts, how)
    return Reading(value, at, before.total + counts), step


def pieces(steps: Iterable[CounterStep], pieces_per_count: Decimal) -> Decimal:
    """Pieces that the steps stand for, so many with each count (several cavities of a mould)."""
    return sum((each.counts for each in steps), Decimal(0)) * pieces_per_count
