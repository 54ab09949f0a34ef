"""Control charts: what is plotted, limits estimated or fixed, and the rules that each point violates.

Formulae: ISO 7870-2 / GB/T 17989.2; for X-bar and S with varying subgroup size D. C. Montgomery, Introduction to
Statistical Quality Control, section 6.3.2 (weighted means, factors by each subgroup's size).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Any

from services.quality.domain.constants import c4, c5, d2, d3
from services.quality.domain.plans import ATTRIBUTE_CHARTS, VARIABLE_CHARTS, Characteristic
from services.quality.domain.rules import ALL_RULES, DEFAULT, RunLengths, violations

KINDS = (*VARIABLE_CHARTS, *ATTRIBUTE_CHARTS)
# Subgroups after which limits are estimated.
PHASE_ONE = 25
_MOVING = 2
_ATTRIBUTE_RULES = (1, 2, 3, 4)
_ON_THE_LINE = 1e-9


@dataclass(frozen=True, slots=True)
class Subgroup:
    """values: of a variable; count: nonconforming pieces (p, np) or defects (c, u) in n pieces (u: in n units)."""

    values: tuple[float, ...] = ()
    count: int | None = None
    n: float = 1
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Basis:
    """What limits are computed from.

    centre: mean of the characteristic; proportion (p, np), defects (c) or defects per piece (u). sigma: within
    subgroups, None for attributes; s_bar: pooled S where subgroup sizes vary. n, lcl, ucl: control limits of the
    location chart as somebody fixed them for subgroups of n. method: how sigma was found.
    """

    kind: str
    centre: float
    sigma: float | None = None
    s_bar: float | None = None
    n: int | None = None
    lcl: float | None = None
    ucl: float | None = None
    method: str = ""

    def as_json(self) -> dict[str, Any]:
        """For storing."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Limits:
    """Lines of one point. sigma_below, sigma_above: width of a zone on each side."""

    cl: float
    lcl: float
    ucl: float
    sigma_below: float
    sigma_above: float

    def z(self, value: float) -> float:
        """Distance from the centre line in sigmas; without any spread everything off the line is infinitely far."""
        distance = value - self.cl
        sigma = self.sigma_above if distance > 0 else self.sigma_below
        if abs(distance) <= _ON_THE_LINE * max(abs(self.cl), abs(value)):
            return 0.0
        return distance / sigma if sigma > 0 else (inf if distance > 0 else -inf)

    def is_outside(self, value: float) -> bool:
        """Whether a point is beyond a control limit; on it is inside."""
        slack = _ON_THE_LINE * max(abs(self.lcl), abs(self.ucl), abs(value))
        return value > self.ucl + slack or value < self.lcl - slack


@dataclass(frozen=True, slots=True)
class Plotted:
    """One chart's part of a point. limits: None where they are not known; rules: that it violates."""

    value: float | None
    limits: Limits | None
    rules: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A subgroup on the location chart and, for variables, on the spread chart."""

    location: Plotted
    spread: Plotted | None


def default_rules(kind: str) -> tuple[int, ...]:
    """Rules of the location chart unless a plan says otherwise; those for zones fit no skew distribution."""
    return _ATTRIBUTE_RULES if kind in ATTRIBUTE_CHARTS else ALL_RULES


def chosen_rules(kind: str, wanted: Sequence[int]) -> tuple[int, ...]:
    """The wanted rules (all that fit, without any wish) that make sense on the chart."""
    possible = default_rules(kind)
    return tuple(rule for rule in possible if rule in wanted) if wanted else possible


def chunks(values: Sequence[float], size: int) -> list[tuple[float, ...]]:
    """Values in subgroups of a size; the last may be smaller."""
    return [tuple(values[start : start + size]) for start in range(0, len(values), max(1, size))]


# ---- what is plotted ------------------------------------------------------------------------------------------------


def plotted_values(kind: str, subgroups: Sequence[Subgroup]) -> list[tuple[float, float | None]]:
    """(location, spread) of each subgroup. Moving ranges skip excluded points; the first has none."""
    if kind in ATTRIBUTE_CHARTS:
        return [(_attribute(kind, each), None) for each in subgroups]
    if kind == "i_mr":
        return _moving(subgroups)
    spread: Callable[[Sequence[float]], float] = _range if kind == "xbar_r" else stdev
    return [(fmean(each.values), spread(each.values) if len(each.values) > 1 else None) for each in subgroups]


def _attribute(kind: str, each: Subgroup) -> float:
    count = float(each.count or 0)
    return count / each.n if kind in {"p", "u"} else count


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _moving(subgroups: Sequence[Subgroup]) -> list[tuple[float, float | None]]:
    found: list[tuple[float, float | None]] = []
    before: float | None = None
    for each in subgroups:
        value = each.values[0]
        found.append((value, None if before is None else abs(value - before)))
        if not each.excluded:
            before = value
    return found


# ---- limits ---------------------------------------------------------------------------------------------------------


def estimate(kind: str, subgroups: Sequence[Subgroup], *, least: int = 2) -> Basis | None:
    """The basis that the subgroups themselves give; None when there are too few of them or no spread is seen."""
    kept = [each for each in subgroups if not each.excluded]
    if len(kept) < least:
        return None
    if kind in ATTRIBUTE_CHARTS:
        pieces = sum(each.n for each in kept)
        count = sum(each.count or 0 for each in kept)
        return Basis(kind, count / (len(kept) if kind == "c" else pieces))
    centre = fmean(value for each in kept for value in each.values)
    if kind == "i_mr":
        moving = [spread for _, spread in _moving(kept) if spread is not None]
        if not moving:
            return None
        return Basis(kind, centre, fmean(moving) / d2(_MOVING), method="MR/d2")
    spread = [each for each in kept if len(each.values) > 1]
    if not spread:
        return None
    return _from_ranges(centre, spread) if kind == "xbar_r" else _from_deviations(centre, spread)


def _from_ranges(centre: float, kept: Sequence[Subgroup]) -> Basis:
    return Basis("xbar_r", centre, fmean(_range(each.values) / d2(len(each.values)) for each in kept), method="R/d2")


def _from_deviations(centre: float, kept: Sequence[Subgroup]) -> Basis:
    sizes = {len(each.values) for each in kept}
    if len(sizes) == 1:
        sigma = fmean(stdev(each.values) for each in kept) / c4(sizes.pop())
        return Basis("xbar_s", centre, sigma, method="S/c4")
    freedom = sum(len(each.values) - 1 for each in kept)
    pooled = sqrt(sum((len(each.values) - 1) * stdev(each.values) ** 2 for each in kept) / freedom)
    return Basis("xbar_s", centre, pooled / c4(freedom + 1), pooled, method="pooled S")


def confirmed_basis(spec: Characteristic) -> Basis | None:
    """The limits that came with a plan, or None where they do not suffice.

    limit_lcl, limit_cl, limit_ucl are those of the location chart for subgroups of subgroup_size (np: as a number of
    pieces); limit_sigma is within subgroups, and follows from the limits where it is missing.
    """
    if spec.chart not in KINDS or spec.limit_cl is None:
        return None
    n, lcl, ucl = 1 if spec.chart == "i_mr" else spec.subgroup_size, spec.limit_lcl, spec.limit_ucl
    if spec.chart in ATTRIBUTE_CHARTS:
        centre = spec.limit_cl / n if spec.chart == "np" else spec.limit_cl
        return Basis(spec.chart, centre, n=n, lcl=lcl, ucl=ucl, method="plan")
    sigma = spec.limit_sigma
    if sigma is None and spec.limit_lcl is not None and spec.limit_ucl is not None:
        sigma = (spec.limit_ucl - spec.limit_lcl) / 6 * sqrt(n)
    if sigma is None:
        return None
    return Basis(spec.chart, spec.limit_cl, sigma, n=n, lcl=lcl, ucl=ucl, method="plan")


def _symmetric(cl: float, sigma: float, low: float = -inf, high: float = inf) -> Limits:
    return Limits(cl, max(low, cl - 3 * sigma), min(high, cl + 3 * sigma), sigma, sigma)


def location_limits(basis: Basis, n: float) -> Limits:
    """Lines of the location chart for a subgroup of n; LCL of counts is never below 0, UCL of shares never above 1."""
    computed = _computed(basis, n)
    if basis.n != n:
        return computed
    lcl = computed.lcl if basis.lcl is None else basis.lcl
    ucl = computed.ucl if basis.ucl is None else basis.ucl
    return replace(computed, lcl=lcl, ucl=ucl)


def _computed(basis: Basis, n: float) -> Limits:
    centre = basis.centre
    if basis.kind == "p":
        return _symmetric(centre, sqrt(max(0.0, centre * (1 - centre)) / n), 0.0, 1.0)
    if basis.kind == "np":
        return _symmetric(n * centre, sqrt(max(0.0, n * centre * (1 - centre))), 0.0, float(n))
    if basis.kind == "c":
        return _symmetric(centre, sqrt(max(0.0, centre)), 0.0)
    if basis.kind == "u":
        return _symmetric(centre, sqrt(max(0.0, centre) / n), 0.0)
    return _symmetric(centre, _sigma(basis, n) / sqrt(n))


def _sigma(basis: Basis, n: float) -> float:
    if basis.s_bar is not None and n > 1:
        return basis.s_bar / c4(int(n))
    return basis.sigma or 0.0


def spread_limits(basis: Basis, n: float) -> Limits | None:
    """Lines of the R, S or moving range chart for a subgroup of n; None for attributes and single values."""
    if basis.kind in ATTRIBUTE_CHARTS:
        return None
    size = _MOVING if basis.kind == "i_mr" else int(n)
    if size < 2:
        return None
    sigma = _sigma(basis, size)
    mean, deviation = (c4(size), c5(size)) if basis.kind == "xbar_s" else (d2(size), d3(size))
    return _symmetric(mean * sigma, deviation * sigma, 0.0)


# ---- evaluation -----------------------------------------------------------------------------------------------------


def evaluate(
    kind: str,
    subgroups: Sequence[Subgroup],
    bases: Sequence[Basis | None],
    *,
    rules: Sequence[int] | None = None,
    spread_rules: Sequence[int] = (1,),
    lengths: RunLengths = DEFAULT,
) -> list[Point]:
    """Every point with its lines and the rules that it completes; bases: what holds at each point."""
    values = plotted_values(kind, subgroups)
    sizes = [_size(kind, each) for each in subgroups]
    lines = [location_limits(basis, n) if basis else None for basis, n in zip(bases, sizes, strict=True)]
    kept = [not each.excluded for each in subgroups]
    wanted = default_rules(kind) if rules is None else rules
    locations = _judge([value for value, _ in values], lines, kept, wanted, lengths)
    if kind in ATTRIBUTE_CHARTS:
        return [Point(each, None) for each in locations]
    wide = [spread_limits(basis, n) if basis else None for basis, n in zip(bases, sizes, strict=True)]
    spreads = _judge([value for _, value in values], wide, kept, spread_rules, lengths)
    return [Point(location, spread) for location, spread in zip(locations, spreads, strict=True)]


def _size(kind: str, each: Subgroup) -> float:
    return each.n if kind in ATTRIBUTE_CHARTS else len(each.values)


def _judge(
    values: Sequence[float | None],
    lines: Sequence[Limits | None],
    kept: Sequence[bool],
    rules: Sequence[int],
    lengths: RunLengths,
) -> list[Plotted]:
    z: list[float | None] = []
    outside: list[bool] = []
    for value, limits, keep in zip(values, lines, kept, strict=True):
        seen = keep and value is not None and limits is not None
        z.append(limits.z(value) if seen and limits and value is not None else None)
        outside.append(bool(seen and limits and value is not None and limits.is_outside(value)))
    found = violations(z, rules=rules, outside=outside, lengths=lengths)
    return [Plotted(value, limits, each) for value, limits, each in zip(values, lines, found, strict=True)]
