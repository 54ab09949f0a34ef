"""Capability (within subgroups) and performance (overall): ISO 22514-2; one-sided where a limit is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from services.quality.domain.charts import Subgroup, estimate


@dataclass(frozen=True, slots=True)
class Capability:
    """None is unknown: a limit is missing, there are too few values, or they do not vary.

    sigma_within: by `method` (R/d2, S/c4, pooled S, MR/d2); sigma_overall: of all values, n - 1 in the denominator.
    cm = (USL - LSL) / 6s, of all values: the machine's, when they come from a short run.
    """

    n: int
    subgroups: int
    mean: float | None
    sigma_within: float | None
    method: str
    sigma_overall: float | None
    cp: float | None
    cpu: float | None
    cpl: float | None
    cpk: float | None
    pp: float | None
    ppu: float | None
    ppl: float | None
    ppk: float | None
    cm: float | None


def capability(
    subgroups: Sequence[Sequence[float]], lsl: float | None, usl: float | None, *, method: str = ""
) -> Capability:
    """Indices of values in their subgroups. method: xbar_r, xbar_s or i_mr; by default what the subgroups allow."""
    kept = [tuple(each) for each in subgroups if each]
    values = [value for each in kept for value in each]
    mean = fmean(values) if values else None
    within, label = _within(kept, method)
    overall = stdev(values) if len(values) > 1 else None
    cp, cpu, cpl, cpk = _indices(mean, within, lsl, usl)
    pp, ppu, ppl, ppk = _indices(mean, overall, lsl, usl)
    return Capability(
        len(values), len(kept), mean, within, label, overall, cp, cpu, cpl, cpk, pp, ppu, ppl, ppk, pp
    )  # fmt: skip


def _within(kept: Sequence[tuple[float, ...]], method: str) -> tuple[float | None, str]:
    single = all(len(each) == 1 for each in kept)
    # A range wastes what a larger subgroup knows.
    largest = max((len(each) for each in kept), default=0)
    kind = method or ("i_mr" if single else "xbar_r" if largest <= 9 else "xbar_s")
    if kind == "i_mr":
        groups = [Subgroup((value,)) for each in kept for value in each]
    else:
        groups = [Subgroup(each, n=len(each)) for each in kept]
    basis = estimate(kind, groups, least=1)
    return (basis.sigma, basis.method) if basis else (None, "")


def _indices(
    mean: float | None, sigma: float | None, lsl: float | None, usl: float | None
) -> tuple[float | None, float | None, float | None, float | None]:
    """(both sides, upper, lower, the worse)."""
    if mean is None or not sigma:
        return None, None, None, None
    upper = None if usl is None else (usl - mean) / (3 * sigma)
    lower = None if lsl is None else (mean - lsl) / (3 * sigma)
    both = None if usl is None or lsl is None else (usl - lsl) / (6 * sigma)
    return both, upper, lower, min((each for each in (upper, lower) if each is not None), default=None)
