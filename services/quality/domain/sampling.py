"""Sampling by attributes indexed by AQL: GB/T 2828.1-2012 = ISO 2859-1:1999, single sampling plans.

The master tables 2-A, 2-B and 2-C are regular along their diagonals (a step to the next code letter is a step to the
next AQL), so they are kept as that rule and not as 1,274 numbers; the tests hold them against the printed tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from mes.errors import Invalid

EDITION = "GB/T 2828.1-2012 (ISO 2859-1:1999)"

LETTERS = "ABCDEFGHJKLMNPQR"
AQLS = (
    "0.010", "0.015", "0.025", "0.040", "0.065", "0.10", "0.15", "0.25", "0.40", "0.65", "1.0", "1.5", "2.5", "4.0",
    "6.5", "10", "15", "25", "40", "65", "100", "150", "250", "400", "650", "1000",
)  # fmt: skip
LEVELS = ("S-1", "S-2", "S-3", "S-4", "I", "II", "III")
SEVERITIES = ("normal", "tightened", "reduced")

# Table 1: largest lot of each range, and its code letters for LEVELS.
_TABLE_1 = (
    (8, "AAAAAAB"),
    (15, "AAAAABC"),
    (25, "AABBBCD"),
    (50, "ABBCCDE"),
    (90, "BBCCCEF"),
    (150, "BBCDDFG"),
    (280, "BCDEEGH"),
    (500, "BCDEFHJ"),
    (1200, "CCEFGJK"),
    (3200, "CDEGHKL"),
    (10_000, "CDFGJLM"),
    (35_000, "CDFHKMN"),
    (150_000, "DEGJLNP"),
    (500_000, "DEGJMPQ"),
)
_LARGEST = "DEHKNQR"

_SIZES = (2, 3, 5, 8, 13, 20, 32, 50, 80, 125, 200, 315, 500, 800, 1250, 2000)
_SIZES_REDUCED = (2, 2, 2, 3, 5, 8, 13, 20, 32, 50, 80, 125, 200, 315, 500, 800)
# Tightened inspection has one plan behind letter R, at this AQL only.
_S_LETTER, _S_SIZE, _S_AQL = "S", 3150, AQLS.index("0.025")


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """letter: of the plan used, after the arrows; n: sample size; the lot is accepted up to `accept` nonconforming.

    initial_letter: by lot size and level; hundred_percent: the sample would be as large as the lot.
    """

    initial_letter: str
    letter: str
    n: int
    accept: int
    reject: int
    hundred_percent: bool
    severity: str
    edition: str = EDITION


def code_letter(lot_size: int, level: str) -> str:
    """Table 1. Raises Invalid for an unknown level or a lot below 2."""
    if level not in LEVELS:
        raise Invalid("sampling.level", field="level", value=level, legal=", ".join(LEVELS))
    if lot_size < 2:
        raise Invalid("sampling.lot_size", field="lot_size", value=lot_size)
    letters = next((letters for largest, letters in _TABLE_1 if lot_size <= largest), _LARGEST)
    return letters[LEVELS.index(level)]


def standard_aql(text: str) -> str:
    """The AQL as the tables write it ("1" is "1.0"). Raises Invalid when they do not have it."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    found = next((each for each in AQLS if float(each) == value), None)
    if found is None:
        raise Invalid("sampling.aql", field="aql", value=text, legal=", ".join(AQLS))
    return found


def _acceptance(severity: str, letter: int, place: int) -> int | None:
    """Ac in a cell by its diagonal, or None where the table has an arrow."""
    diagonal = letter + place
    numbers: tuple[int, ...]
    if severity == "tightened":
        zero, first, numbers, most = 15, 18, (1, 2, 3, 5, 8, 12, 18, 27, 41), 24 if letter >= 5 else 26
    elif severity == "normal":
        zero, first, numbers, most = 14, 17, (1, 2, 3, 5, 7, 10, 14, 21, 30, 44), 24 if letter >= 5 else 26
    elif letter == 0:
        zero, first, numbers, most = 14, 17, (1, 2, 3, 5, 7, 10, 14, 21, 30), 25
    elif letter == 1:
        zero, first, numbers, most = 14, 18, (1, 2, 3, 5, 7, 10, 14, 21, 30), 26
    else:
        zero, first, numbers, most = 14, 18, (1, 2, 3, 5, 6, 8, 10, 14, 21), 24 if letter >= 5 else 26
    if diagonal == zero:
        return 0
    return numbers[diagonal - first] if first <= diagonal <= most else None


def _towards(severity: str, letter: int, place: int) -> int:
    """Direction of the arrow in a cell: +1 to larger samples, -1 to smaller ones."""
    diagonal = letter + place
    zero = 15 if severity == "tightened" else 14
    # Behind the zero the normal and reduced tables first point up to it, then down to the one.
    up = diagonal > zero + 2 if severity == "tightened" else diagonal == zero + 1 or diagonal > zero + 3
    return -1 if up else 1


def _follow(severity: str, letter: int, place: int) -> tuple[int, int]:
    """Letter and Ac of the plan that a cell has or points to."""
    accept = _acceptance(severity, letter, place)
    if accept is not None:
        return letter, accept
    # An arrow that would leave the table points the other way.
    for step in (_towards(severity, letter, place), -_towards(severity, letter, place)):
        at = letter + step
        while 0 <= at < len(LETTERS):
            if (accept := _acceptance(severity, at, place)) is not None:
                return at, accept
            at += step
    raise Invalid("sampling.no_plan", field="aql")


def master_plan(letter: str, aql: str, severity: str) -> tuple[str, int, int]:
    """(letter, n, Ac) of tables 2-A, 2-B, 2-C after the arrows; Re is always Ac + 1. Raises Invalid."""
    if severity not in SEVERITIES:
        raise Invalid("sampling.severity", field="severity", value=severity, legal=", ".join(SEVERITIES))
    place, at = AQLS.index(standard_aql(aql)), LETTERS.index(letter)
    if severity == "tightened" and place == _S_AQL and at >= LETTERS.index("Q"):
        return _S_LETTER, _S_SIZE, 1
    found, accept = _follow(severity, at, place)
    sizes = _SIZES_REDUCED if severity == "reduced" else _SIZES
    return LETTERS[found], sizes[found], accept


def sampling_plan(lot_size: int | float, level: str, aql: str, severity: str = "normal") -> SamplingPlan:
    """The single sampling plan for a lot; fractions of a unit count as one. Raises Invalid.

    A lot of one piece, and one not larger than the sample, is inspected completely; Ac stays that of the plan.
    """
    size = max(1, ceil(lot_size))
    initial = code_letter(max(2, size), level)
    letter, n, accept = master_plan(initial, aql, severity)
    whole = n >= size
    return SamplingPlan(initial, letter, min(n, size), accept, accept + 1, whole, severity)
