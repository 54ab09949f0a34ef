"""Control chart constants, computed and not typed in.

For samples of n from a normal distribution: the relative range W = R/sigma has mean d2 and standard deviation d3, and
the sample standard deviation has mean c4 sigma. Everything else follows (ISO 7870-2, table 2; GB/T 17989.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import erf, exp, lgamma, pi, sqrt

# Steps and ends of the integrals over x and over w.
_STEP, _REACH = 0.1, 8.0
_STEP_W, _WIDEST = 0.05, 16.0


def _normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + erf(x / sqrt(2.0)))


@cache
def _grid() -> tuple[tuple[float, float, float], ...]:
    """(x, density, distribution) of the standard normal, on which the trapezoid rule is exact to rounding."""
    count = round(2 * _REACH / _STEP) + 1
    points = (-_REACH + place * _STEP for place in range(count))
    return tuple((x, exp(-x * x / 2) / sqrt(2 * pi), _normal_cdf(x)) for x in points)


def _range_above(w: float, n: int) -> float:
    """P(W > w) for n values: 1 - n * integral of phi(x) (Phi(x + w) - Phi(x))^(n-1)."""
    below = sum(density * (_normal_cdf(x + w) - lower) ** (n - 1) for x, density, lower in _grid())
    return 1.0 - n * _STEP * below


@cache
def _range_moments(n: int) -> tuple[float, float]:
    """Mean and standard deviation of W, from E W = integral of P(W > w) and E W^2 = 2 * integral of w P(W > w)."""
    _check(n)
    count = round(_WIDEST / _STEP_W)
    first = second = 0.0
    for place in range(count + 1):
        w = place * _STEP_W
        # Simpson's rule: 1 4 2 4 ... 4 1
        weight = 1.0 if place in {0, count} else 4.0 if place % 2 else 2.0
        above = weight * _range_above(w, n)
        first += above
        second += 2.0 * w * above
    mean, square = first * _STEP_W / 3.0, second * _STEP_W / 3.0
    return mean, sqrt(square - mean * mean)


def _check(n: int) -> None:
    if n < 2:
        raise ValueError(f"a subgroup of {n} has no spread")


def d2(n: int) -> float:
    """Mean of R/sigma in samples of n >= 2."""
    return _range_moments(n)[0]


def d3(n: int) -> float:
    """Standard deviation of R/sigma in samples of n >= 2."""
    return _range_moments(n)[1]


@cache
def c4(n: int) -> float:
    """Mean of S/sigma in samples of n >= 2: sqrt(2/(n-1)) * gamma(n/2) / gamma((n-1)/2)."""
    _check(n)
    return sqrt(2.0 / (n - 1)) * exp(lgamma(n / 2) - lgamma((n - 1) / 2))


def c5(n: int) -> float:
    """Standard deviation of S/sigma in samples of n >= 2."""
    return sqrt(1.0 - c4(n) ** 2)


@dataclass(frozen=True, slots=True)
class Factors:
    """Factors for samples of n: X-bar limits from R (A2) and S (A3); limits of R (D3, D4) and S (B3, B4)."""

    n: int
    d2: float
    d3: float
    c4: float
    A2: float
    A3: float
    D3: float
    D4: float
    B3: float
    B4: float


def factors(n: int) -> Factors:
    """All factors for samples of n >= 2."""
    mean, deviation, s_mean, s_deviation = d2(n), d3(n), c4(n), c5(n)
    return Factors(
        n=n,
        d2=mean,
        d3=deviation,
        c4=s_mean,
        A2=3.0 / (mean * sqrt(n)),
        A3=3.0 / (s_mean * sqrt(n)),
        D3=max(0.0, 1.0 - 3.0 * deviation / mean),
        D4=1.0 + 3.0 * deviation / mean,
        B3=max(0.0, 1.0 - 3.0 * s_deviation / s_mean),
        B4=1.0 + 3.0 * s_deviation / s_mean,
    )
