"""Charts that remember: EWMA and tabular CUSUM, for small shifts (NIST/SEMATECH e-Handbook, 6.3.2.3 and 6.3.2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
class EwmaPoint:
    """value: the weighted mean up to this point."""

    value: float
    lcl: float
    ucl: float
    outside: bool


def ewma(
    values: Sequence[float],
    centre: float,
    sigma: float,
    *,
    weight: float = 0.3,
    width: float = 3.0,
    exact: bool = False,
) -> list[EwmaPoint]:
    """z(i) = weight * x(i) + (1 - weight) * z(i-1) from z(0) = centre; limits centre +/- width sigmas of z.

    sigma: of the values. exact: narrower limits at the beginning instead of those that they approach. weight in (0, 1].
    """
    points, z = [], centre
    for place, value in enumerate(values, start=1):
        z = weight * value + (1 - weight) * z
        share = weight / (2 - weight) * ((1 - (1 - weight) ** (2 * place)) if exact else 1.0)
        reach = width * sigma * sqrt(share)
        points.append(EwmaPoint(z, centre - reach, centre + reach, abs(z - centre) > reach))
    return points


@dataclass(frozen=True, slots=True)
class CusumPoint:
    """Sums of what exceeds the target by more than k, upwards and downwards; both at least 0."""

    high: float
    low: float
    outside: bool


def cusum(values: Sequence[float], target: float, *, k: float, h: float) -> list[CusumPoint]:
    """Tabular CUSUM from 0. k: slack, h: decision limit, both in the unit of the values."""
    points, high, low = [], 0.0, 0.0
    for value in values:
        high = max(0.0, high + value - target - k)
        low = max(0.0, low + target - k - value)
        points.append(CusumPoint(high, low, high > h or low > h))
    return points
