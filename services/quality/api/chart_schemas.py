"""Shapes of requests and answers about charts. Statistics are floats; unknown is null."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import Annotated, Any
from uuid import UUID

from mes.i18n import t
from pydantic import BaseModel, ConfigDict, Field

from services.quality.api.schemas import Finite, Names, Noted, Reason, Strict, Text
from services.quality.domain.capability import Capability
from services.quality.domain.charts import Plotted, chosen_rules
from services.quality.domain.plans import Characteristic
from services.quality.domain.rules import RULE_SET
from services.quality.domain.states import SIGNAL, legal
from services.quality.models import ChartLimits, Signal
from services.quality.queries.charts import Drawing, DrawnPoint, NamedChart

_ID = "0198c1f0-0000-7000-8000-000000000001"
CHART_NAMES = {"xbar_r": ("xbar", "r"), "xbar_s": ("xbar", "s"), "i_mr": ("i", "mr")}


class RuleOut(BaseModel):
    """A violated rule by its number and name."""

    rule: int
    name: str


class PlottedOut(BaseModel):
    """A point on one chart. Zones end 1 and 2 sigma_below or sigma_above from cl; z: distance in these sigmas."""

    value: float | None
    lcl: float | None
    cl: float | None
    ucl: float | None
    sigma_below: float | None
    sigma_above: float | None
    z: float | None
    zone: str | None = Field(description="C within 1 sigma, B within 2, A within the limits, out beyond them")
    rules: list[RuleOut]

    @staticmethod
    def of(each: Plotted, language: str) -> PlottedOut:
        lines, value = each.limits, each.value
        z = lines.z(value) if lines and value is not None else None
        return PlottedOut(
            value=value, lcl=lines.lcl if lines else None, cl=lines.cl if lines else None,
            ucl=lines.ucl if lines else None, sigma_below=lines.sigma_below if lines else None,
            sigma_above=lines.sigma_above if lines else None, z=z if z is not None and isfinite(z) else None,
            zone=_zone(each, z), rules=[RuleOut(rule=rule, name=rule_name(rule, language)) for rule in each.rules],
        )  # fmt: skip


def _zone(each: Plotted, z: float | None) -> str | None:
    if each.limits is None or each.value is None or z is None:
        return None
    if each.limits.is_outside(each.value):
        return "out"
    return "C" if abs(z) <= 1 else "B" if abs(z) <= 2 else "A"


def rule_name(rule: int, language: str) -> str:
    """What a rule says."""
    return t(f"chart_rule.{rule}", language)


class LimitsOut(BaseModel):
    """A version of limits. from_no: first point that it holds for; method: how sigma was found."""

    version: int
    from_no: int
    source: str = Field(examples=["estimated"])
    confirmed: bool
    confirmed_by: str | None
    reason: str
    centre: float
    sigma: float | None
    lcl: float | None = Field(description="as fixed for subgroups of n; null: centre - 3 sigma by the chart's formula")
    ucl: float | None
    n: int | None
    method: str
    at: datetime

    @staticmethod
    def of(row: ChartLimits) -> LimitsOut:
        spec: dict[str, Any] = row.spec
        return LimitsOut(
            version=row.version, from_no=row.from_no, source=row.source, confirmed=row.confirmed,
            confirmed_by=row.confirmed_by or None, reason=row.reason, centre=spec["centre"], sigma=spec["sigma"],
            lcl=spec["lcl"], ucl=spec["ucl"], n=spec["n"], method=spec["method"], at=row.at,
        )  # fmt: skip


class ChartOut(BaseModel):
    """A chart: one characteristic on one machine (null: by hand)."""

    chart_id: UUID = Field(examples=[_ID])
    kind: str = Field(examples=["xbar_r"])
    characteristic_id: UUID
    characteristic_no: str
    characteristic_name: Names
    unit: str
    equipment_id: UUID | None
    equipment_no: str | None
    points: int
    open_signals: int
    limits: LimitsOut | None

    @staticmethod
    def of(each: NamedChart) -> ChartOut:
        return ChartOut(**_chart(each))


def _chart(each: NamedChart) -> dict[str, Any]:
    spec = each.spec
    return {
        "chart_id": each.chart.id, "kind": each.chart.kind, "characteristic_id": each.chart.characteristic_id,
        "characteristic_no": spec.no, "characteristic_name": Names(zh=spec.name_zh, en=spec.name_en),
        "unit": spec.unit, "equipment_id": each.chart.equipment_id,
        "equipment_no": each.equipment.no if each.equipment else None, "points": each.chart.last_no,
        "open_signals": each.open_signals, "limits": LimitsOut.of(each.limits) if each.limits else None,
    }  # fmt: skip


class PointOut(BaseModel):
    """A subgroup. limits_version: null while no stored limits hold for it."""

    no: int = Field(examples=[26])
    inspection_lot_id: UUID
    job_id: UUID
    order_id: UUID
    occurred_at: datetime
    n: int = Field(examples=[5])
    values: list[float] = Field(examples=[[74.030, 74.002, 74.019, 73.992, 74.008]])
    count: int | None
    location: PlottedOut
    spread: PlottedOut | None
    limits_version: int | None
    excluded: bool
    excluded_by: str | None
    excluded_reason: str | None

    @staticmethod
    def of(each: DrawnPoint, drawing: Drawing, language: str) -> PointOut:
        row, spread = each.row, each.point.spread
        return PointOut(
            no=row.no, inspection_lot_id=row.inspection_lot_id, job_id=row.job_id, order_id=row.order_id,
            occurred_at=row.occurred_at, n=row.n, values=row.values, count=row.count,
            location=PlottedOut.of(each.point.location, language),
            spread=PlottedOut.of(spread, language) if spread else None, limits_version=each.version,
            excluded=row.excluded, excluded_by=row.excluded_by or None, excluded_reason=row.excluded_reason or None,
        )  # fmt: skip


class ChartDetail(ChartOut):
    """A chart to be drawn. limits_source: plan, fixed, estimated, or trial: from the points shown, nobody's yet."""

    rule_set: str
    rules: list[RuleOut]
    location_name: str
    spread_name: str | None
    lsl: float | None
    target: float | None
    usl: float | None
    limits_source: str | None
    limits_confirmed: bool
    versions: list[LimitsOut]
    drawn: list[PointOut] = Field(description="the last points, oldest first")

    @staticmethod
    def drawn_of(drawing: Drawing, language: str) -> list[PointOut]:
        return [PointOut.of(each, drawing, language) for each in drawing.points]

    @staticmethod
    def of_drawing(drawing: Drawing, language: str) -> ChartDetail:
        spec, kind = drawing.named.spec, drawing.named.chart.kind
        location, spread = CHART_NAMES.get(kind, (kind, None))
        rules = chosen_rules(kind, spec.rules_signal)
        return ChartDetail(
            **_chart(drawing.named), rule_set=RULE_SET,
            rules=[RuleOut(rule=rule, name=rule_name(rule, language)) for rule in rules], location_name=location,
            spread_name=spread, lsl=spec.lsl, target=spec.target, usl=spec.usl, limits_source=drawing.source,
            limits_confirmed=drawing.confirmed, versions=[LimitsOut.of(each) for each in drawing.versions],
            drawn=ChartDetail.drawn_of(drawing, language),
        )  # fmt: skip


class ConfirmIn(Strict):
    """centre (and sigma within subgroups, for variables) fix limits; without, they are recomputed from the points."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"first_no": 1, "last_no": 25, "reason": "stable since the new die"}]},
    )
    centre: Finite | None = None
    sigma: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    first_no: Annotated[int, Field(ge=1)] = 1
    last_no: Annotated[int | None, Field(ge=1)] = None
    reason: Text = ""


class CauseIn(Strict):
    """The assignable cause."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"cause": "insert worn"}]})
    cause: Reason


class SignalOut(BaseModel):
    """A rule violated at a point, which completes the pattern. hold: it opened a nonconformance."""

    signal_id: UUID = Field(examples=[_ID])
    chart_id: UUID
    point_no: int
    characteristic_id: UUID
    characteristic_no: str
    order_id: UUID
    job_id: UUID
    chart: str = Field(examples=["xbar"])
    rule_set: str
    rule: RuleOut
    value: float
    hold: bool
    state: str = Field(examples=["New"])
    legal: list[str]
    nonconformance_id: UUID | None
    cause: str | None
    occurred_at: datetime
    history: list[Noted]

    @staticmethod
    def of(row: Signal, spec: Characteristic, no: int, language: str) -> SignalOut:
        return SignalOut(
            signal_id=row.id, chart_id=row.chart_id, point_no=no, characteristic_id=row.characteristic_id,
            characteristic_no=spec.no, order_id=row.order_id, job_id=row.job_id, chart=row.chart, rule_set=RULE_SET,
            rule=RuleOut(rule=row.rule, name=rule_name(row.rule, language)), value=row.value, hold=row.hold,
            state=row.state, legal=legal(SIGNAL, row.state), nonconformance_id=row.nonconformance_id,
            cause=row.cause or None, occurred_at=row.occurred_at, history=[Noted(**each) for each in row.history],
        )  # fmt: skip


class CapabilityOut(BaseModel):
    """Indices; null is unknown: a limit is missing, too few values, or no variation. method: of sigma_within."""

    n: int
    subgroups: int
    lsl: float | None
    target: float | None
    usl: float | None
    mean: float | None
    sigma_within: float | None
    method: str | None = Field(examples=["R/d2"])
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

    @staticmethod
    def of(found: Capability, lsl: float | None, target: float | None, usl: float | None) -> CapabilityOut:
        return CapabilityOut(**{**asdict(found), "method": found.method or None}, lsl=lsl, target=target, usl=usl)
