"""Pure calculators: values in, limits and indices out, so that everybody can check the formulae."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import Query
from mes.errors import Invalid
from mes.web import Language, fact_router
from pydantic import BaseModel, ConfigDict, Field

from services.quality.api.chart_schemas import CapabilityOut, PlottedOut
from services.quality.api.schemas import Finite, Strict
from services.quality.domain.capability import capability
from services.quality.domain.charts import Basis, Subgroup, chosen_rules, default_rules, estimate, evaluate
from services.quality.domain.constants import factors
from services.quality.domain.memory import cusum, ewma
from services.quality.domain.plans import ATTRIBUTE_CHARTS
from services.quality.domain.rules import ALL_RULES, RULE_SET, RunLengths
from services.quality.domain.sampling import sampling_plan

router = fact_router(tags=["calculate"])

Rule = Annotated[int, Field(ge=1, le=8)]
Values = Annotated[list[Finite], Field(min_length=1, max_length=1000)]
Size = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Share = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Length = Annotated[int, Field(ge=2, le=50)]


class LengthsIn(Strict):
    """How long the patterns of rules 2 to 8 have to be."""

    same_side: Length = 9
    trend: Length = 6
    alternating: Length = 14
    zone_a: Share = (2, 3)
    zone_b: Share = (4, 5)
    hugging: Length = 15
    shunning: Length = 8


class ChartIn(Strict):
    """subgroups of values (xbar_r, xbar_s), values (i_mr), or counts in n pieces (one size, or one for each count).

    centre (p, np: share; u: per unit) and sigma within subgroups fix the limits; without, they come from the points.
    excluded: places (from 0) that stay out of limits and rules.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"values": [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6]}]}
    )
    subgroups: Annotated[list[Values], Field(max_length=2000)] | None = None
    values: Annotated[list[Finite], Field(max_length=10_000)] | None = None
    counts: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=10_000)] | None = None
    n: Size | Annotated[list[Size], Field(max_length=10_000)] = 1
    centre: Finite | None = None
    sigma: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    excluded: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)
    rules: list[Rule] = Field(default_factory=list, max_length=8)
    spread_rules: list[Rule] = Field(default_factory=lambda: [1], max_length=8)
    lengths: LengthsIn = LengthsIn()


class FactorsOut(BaseModel):
    """Factors for samples of n, computed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"n": 5, "d2": 2.3259, "A2": 0.5768}]})
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


class CalculatedPoint(BaseModel):
    """A point; places count from 0."""

    place: int
    excluded: bool
    location: PlottedOut
    spread: PlottedOut | None


class CalculatedOut(BaseModel):
    """Limits and violated rules. centre, sigma: what the limits come from; method: how sigma was found."""

    kind: str = Field(examples=["i_mr"])
    rule_set: str
    rules: list[int]
    centre: float | None
    sigma: float | None
    method: str | None
    points: list[CalculatedPoint]


class CapabilityIn(Strict):
    """Values in their subgroups, or single ones; a missing limit makes the indices one-sided."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"values": [14.0, 16.0, 18.0], "lsl": 8, "usl": 20}]}
    )
    subgroups: Annotated[list[Values], Field(max_length=2000)] | None = None
    values: Annotated[list[Finite], Field(max_length=10_000)] | None = None
    lsl: Finite | None = None
    usl: Finite | None = None
    method: Literal["xbar_r", "xbar_s", "i_mr"] | None = None


class SamplingIn(Strict):
    """A lot to be sampled."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"lot_size": 1000, "level": "II", "aql": "1.0"}]}
    )
    lot_size: Annotated[int, Field(ge=1, le=10**12)]
    level: str = "II"
    aql: Annotated[str, Field(max_length=10)]
    severity: str = "normal"


class SamplingOut(BaseModel):
    """initial_letter by table 1; letter, n, accept, reject after the arrows of the master table."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"initial_letter": "J", "letter": "J", "n": 80, "accept": 2, "reject": 3}]}
    )
    initial_letter: str
    letter: str
    n: int
    accept: int
    reject: int
    hundred_percent: bool
    severity: str
    edition: str


class EwmaIn(Strict):
    """sigma: of the values; weight: of the newest value; width: limits in sigmas; exact: narrower at the beginning."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"values": [52.0, 47.0, 53.0], "centre": 50, "sigma": 2.0539}]}
    )
    values: Annotated[list[Finite], Field(max_length=10_000)]
    centre: Finite
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    weight: Annotated[float, Field(gt=0, le=1)] = 0.3
    width: Annotated[float, Field(gt=0, le=10)] = 3.0
    exact: bool = False


class EwmaOut(BaseModel):
    """A point of an EWMA chart."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"value": 50.6, "lcl": 47.41, "ucl": 52.59}]}
    )
    value: float
    lcl: float
    ucl: float
    outside: bool


class CusumIn(Strict):
    """k: slack; h: decision limit; both in the unit of the values."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"values": [324.925, 324.675], "target": 325, "k": 0.3175, "h": 4.1959}]},
    )
    values: Annotated[list[Finite], Field(max_length=10_000)]
    target: Finite
    k: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    h: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class CusumOut(BaseModel):
    """A point of a CUSUM chart."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"high": 0.0, "low": 0.0075, "outside": False}]}
    )
    high: float
    low: float
    outside: bool


def _subgroups(kind: str, body: ChartIn) -> list[Subgroup]:
    out = set(body.excluded)
    if kind in ATTRIBUTE_CHARTS:
        counts = body.counts or []
        sizes = body.n if isinstance(body.n, list) else [body.n] * len(counts)
        if len(sizes) != len(counts):
            raise Invalid("calculate.sizes", field="n", sizes=len(sizes), counts=len(counts))
        if kind in {"p", "np"} and any(count > n for count, n in zip(counts, sizes, strict=True)):
            raise Invalid("calculate.count_above_size", field="counts")
        return [
            Subgroup(count=count, n=n, excluded=place in out)
            for place, (count, n) in enumerate(zip(counts, sizes, strict=True))
        ]
    rows: Sequence[Sequence[float]] = body.subgroups or []
    if kind == "i_mr":
        rows = [[value] for value in body.values or []]
    return [Subgroup(tuple(row), n=len(row), excluded=place in out) for place, row in enumerate(rows)]


def _basis(kind: str, body: ChartIn, subgroups: Sequence[Subgroup]) -> Basis | None:
    if body.centre is None:
        return estimate(kind, subgroups)
    if kind not in ATTRIBUTE_CHARTS and body.sigma is None:
        raise Invalid("chart.needs_sigma", field="sigma")
    return Basis(kind, body.centre, body.sigma if kind not in ATTRIBUTE_CHARTS else None, method="fixed")


@router.post("/calculate/capability", summary="Cp, Cpk, Pp, Ppk and Cm of values")
async def post_capability(body: CapabilityIn) -> CapabilityOut:
    if body.lsl is not None and body.usl is not None and body.lsl >= body.usl:
        raise Invalid("calculate.limits", field="lsl", lsl=body.lsl, usl=body.usl)
    rows = body.subgroups if body.subgroups is not None else [[value] for value in body.values or []]
    return CapabilityOut.of(capability(rows, body.lsl, body.usl, method=body.method or ""), body.lsl, None, body.usl)


@router.post("/calculate/sampling-plan", summary="Code letter, n, Ac and Re by GB/T 2828.1-2012 (ISO 2859-1:1999)")
async def post_sampling_plan(body: SamplingIn) -> SamplingOut:
    plan = sampling_plan(body.lot_size, body.level, body.aql, body.severity)
    return SamplingOut(**asdict(plan))


@router.get("/calculate/factors", summary="Control chart constants for samples of n, computed")
async def get_factors(n: Annotated[int, Query(ge=2, le=100)]) -> FactorsOut:
    return FactorsOut(**asdict(factors(n)))


@router.post("/calculate/ewma", summary="Exponentially weighted moving averages with their limits")
async def post_ewma(body: EwmaIn) -> list[EwmaOut]:
    points = ewma(body.values, body.centre, body.sigma, weight=body.weight, width=body.width, exact=body.exact)
    return [EwmaOut.model_validate(each) for each in points]


@router.post("/calculate/cusum", summary="Cumulative sums of what is off target, upwards and downwards")
async def post_cusum(body: CusumIn) -> list[CusumOut]:
    return [CusumOut.model_validate(each) for each in cusum(body.values, body.target, k=body.k, h=body.h)]


@router.post("/calculate/{kind}", summary="Limits and violated rules of a control chart")
async def post_chart(
    kind: Literal["xbar_r", "xbar_s", "i_mr", "p", "np", "c", "u"], body: ChartIn, language: Language
) -> CalculatedOut:
    subgroups = _subgroups(kind, body)
    basis = _basis(kind, body, subgroups)
    rules = tuple(rule for rule in ALL_RULES if rule in body.rules) or default_rules(kind)
    points = evaluate(
        kind, subgroups, [basis] * len(subgroups), rules=chosen_rules(kind, rules), spread_rules=body.spread_rules,
        lengths=RunLengths(**body.lengths.model_dump()),
    )  # fmt: skip
    return CalculatedOut(
        kind=kind, rule_set=RULE_SET, rules=list(chosen_rules(kind, rules)), centre=basis.centre if basis else None,
        sigma=basis.sigma if basis else None, method=(basis.method or None) if basis else None,
        points=[
            CalculatedPoint(
                place=place, excluded=subgroups[place].excluded, location=PlottedOut.of(each.location, language),
                spread=PlottedOut.of(each.spread, language) if each.spread else None,
            )
            for place, each in enumerate(points)
        ],
    )  # fmt: skip
