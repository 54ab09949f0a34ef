"""The eight rules for special causes: GB/T 4091-2001 (ISO 8258:1991), after L. S. Nelson, 1984.

The standard was withdrawn in 2020 for GB/T 17989.2 (ISO 7870-2), which does not prescribe all eight; every chart and
signal therefore names this rule set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

RULE_SET = "GB/T 4091-2001"
ALL_RULES = (1, 2, 3, 4, 5, 6, 7, 8)

# Rounding must not throw a point over a line that it lies on.
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class RunLengths:
    """How long a pattern has to be. Western Electric takes 8 for same_side."""

    same_side: int = 9
    trend: int = 6
    alternating: int = 14
    zone_a: tuple[int, int] = (2, 3)
    zone_b: tuple[int, int] = (4, 5)
    hugging: int = 15
    shunning: int = 8


DEFAULT = RunLengths()


def violations(
    z: Sequence[float | None],
    *,
    rules: Sequence[int] = ALL_RULES,
    outside: Sequence[bool] | None = None,
    lengths: RunLengths = DEFAULT,
) -> list[tuple[int, ...]]:
    """The rules that each point completes.

    z: distance of each point from its centre line in its own sigmas, so that limits may vary; None is an excluded
    point, which the patterns do not see. outside: whether a point is beyond its control limits, where these are not
    3 sigma; else rule 1 is |z| > 3.
    """
    kept = [place for place, each in enumerate(z) if each is not None]
    values = [each for each in z if each is not None]
    beyond = [outside[place] for place in kept] if outside is not None else None
    found: list[tuple[int, ...]] = [()] * len(z)
    for at, place in enumerate(kept):
        found[place] = tuple(rule for rule in sorted(set(rules)) if _completes(rule, values, at, beyond, lengths))
    return found


def _completes(rule: int, values: Sequence[float], at: int, beyond: Sequence[bool] | None, lengths: RunLengths) -> bool:
    if rule == 1:
        return beyond[at] if beyond is not None else abs(values[at]) > 3.0 + _EPSILON
    checks: dict[int, Callable[[Sequence[float], int], bool]] = {
        2: lambda v, i: _same_side(v, i, lengths.same_side),
        3: lambda v, i: _trend(v, i, lengths.trend),
        4: lambda v, i: _alternating(v, i, lengths.alternating),
        5: lambda v, i: _some_beyond(v, i, lengths.zone_a, 2.0),
        6: lambda v, i: _some_beyond(v, i, lengths.zone_b, 1.0),
        7: lambda v, i: _hugging(v, i, lengths.hugging),
        8: lambda v, i: _shunning(v, i, lengths.shunning),
    }
    return rule in checks and checks[rule](values, at)


def _last(values: Sequence[float], at: int, count: int) -> Sequence[float]:
    """The last `count` values up to `at`, or nothing when there are not so many yet."""
    return values[at - count + 1 : at + 1] if at + 1 >= count else ()


def _same_side(values: Sequence[float], at: int, count: int) -> bool:
    """All on one side of the centre line; a point on the line belongs to no side."""
    window = _last(values, at, count)
    return bool(window) and (all(v > _EPSILON for v in window) or all(v < -_EPSILON for v in window))


def _steps(values: Sequence[float], at: int, count: int) -> list[int]:
    """Direction of each step in the window: +1 up, -1 down, 0 level."""
    window = _last(values, at, count)
    # Equal first: without any spread points lie infinitely far away, and inf - inf is no number.
    return [
        0 if after == before or abs(after - before) <= _EPSILON else 1 if after > before else -1
        for before, after in pairwise(window)
    ]


def _trend(values: Sequence[float], at: int, count: int) -> bool:
    """`count` points steadily rising or falling."""
    steps = _steps(values, at, count)
    return bool(steps) and steps[0] != 0 and all(step == steps[0] for step in steps)


def _alternating(values: Sequence[float], at: int, count: int) -> bool:
    """`count` points alternating up and down."""
    steps = _steps(values, at, count)
    return bool(steps) and steps[0] != 0 and all(a == -b for a, b in pairwise(steps))


def _some_beyond(values: Sequence[float], at: int, share: tuple[int, int], border: float) -> bool:
    """The point and enough of those just before it are beyond the border, on its side."""
    few, many = share
    side = 1.0 if values[at] > 0 else -1.0
    far = [side * v > border + _EPSILON for v in values[max(0, at - many + 1) : at + 1]]
    return far[-1] and sum(far) >= few


def _hugging(values: Sequence[float], at: int, count: int) -> bool:
    """All within one sigma of the centre line."""
    window = _last(values, at, count)
    return bool(window) and all(abs(v) < 1.0 - _EPSILON for v in window)


def _shunning(values: Sequence[float], at: int, count: int) -> bool:
    """None within one sigma, and both sides are used."""
    window = _last(values, at, count)
    if not window or not all(abs(v) > 1.0 + _EPSILON for v in window):
        return False
    return min(window) < 0 < max(window)
