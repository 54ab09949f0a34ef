"""Shapes of what planners ask - why, what if, by when - and of what they decide."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.scheduling.api.schemas import Strict
from services.scheduling.models import PlanningDecision, Scenario

_ID = "0198c1f0-0000-7000-8000-00000000000{}"
Quantity = Annotated[str, Field(pattern=r"^\d{1,12}(\.\d{1,6})?$", examples=["200"])]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [fields]})


def _answer(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


# ---- an order that is not there yet ----------------------------------------------------------------------------------


class WayIn(Strict):
    """A machine that can do it, in so many seconds a unit (decimal); preference 1 is the best."""

    equipment_id: UUID
    run_s_per_unit: Quantity
    setup_s: Annotated[int, Field(ge=0, le=30 * 86_400)] = 0
    preference: Annotated[int, Field(ge=1, le=9)] = 1


class StepIn(Strict):
    """An operation. alternatives: none for one that is done outside in lead_days. predecessors: seq numbers.

    Without predecessors it follows the operation given before it; [] lets it begin at once.
    """

    seq: Annotated[int, Field(ge=1, le=9999)]
    alternatives: Annotated[list[WayIn], Field(max_length=200, default_factory=list)]
    predecessors: list[int] | None = None
    family: Annotated[str, Field(max_length=100)] = ""
    queue_s: Annotated[int, Field(ge=0, le=90 * 86_400)] = 0
    move_s: Annotated[int, Field(ge=0, le=90 * 86_400)] = 0
    interruptible: bool = True
    lead_days: Annotated[int, Field(ge=0, le=365)] = 0

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.alternatives and not self.lead_days:
            raise ValueError("an operation needs alternatives, or lead_days if it is done outside")
        return self


_STEPS = [{"seq": 10, "alternatives": [{"equipment_id": _ID.format(2), "run_s_per_unit": "36", "setup_s": 900}]}]


class InquiryIn(Strict):
    """An order that somebody asks for: the operations of a known one (`like_order_id`), or its own.

    due_at: the wished date. priority: 1 is the most urgent.
    """

    model_config = _example(
        name="ACME, 200 brackets",
        like_order_id=_ID.format(1),
        qty="200",
        priority=3,
        due_at="2026-12-04T17:00:00+08:00",
    )

    name: Annotated[str, Field(max_length=200)] = ""
    like_order_id: UUID | None = None
    operations: Annotated[list[StepIn], Field(max_length=200, default_factory=list)]
    qty: Quantity
    priority: Annotated[int, Field(ge=1, le=9)] = 5
    release_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.like_order_id is None) == (not self.operations):
            raise ValueError("give either like_order_id or operations")
        seqs = [each.seq for each in self.operations]
        if len(set(seqs)) != len(seqs):
            raise ValueError("every operation needs a seq of its own")
        unknown = {one for each in self.operations for one in each.predecessors or ()} - set(seqs)
        if unknown:
            raise ValueError(f"predecessors that are no operations: {sorted(unknown)}")
        return self


class QuoteIn(InquiryIn):
    """An inquiry whose place is kept until `expires_at`. accept_harm: the wished date even if it hurts others."""

    model_config = _example(
        name="ACME, 200 brackets", operations=_STEPS, qty="200", priority=3, due_at="2026-12-04T17:00:00+08:00",
        expires_at="2026-11-30T17:00:00+08:00", accept_harm=False,
    )  # fmt: skip

    expires_at: AwareDatetime
    accept_harm: bool = False


class HarmOut(BaseModel):
    """An order that would end later than promised. before: its end as planned now."""

    order_id: str
    order_no: str | None
    promised: datetime
    before: datetime
    after: datetime
    later_s: int
    hard: bool


class PlacementOut(BaseModel):
    """Where an operation of the order would be; equipment_id is none outside."""

    seq: int
    equipment_id: str | None
    equipment_no: str | None
    start: datetime
    end: datetime


class OfferOut(BaseModel):
    """A date, who would be harmed, and where the operations would be."""

    end: datetime
    harmed: list[HarmOut]
    operations: list[PlacementOut]


_OFFER = {
    "end": "2026-12-03T15:20:00Z", "harmed": [],
    "operations": [
        {
            "seq": 10, "equipment_id": _ID.format(2), "equipment_no": "M-01", "start": "2026-12-03T13:05:00Z",
            "end": "2026-12-03T15:20:00Z",
        }
    ],
}  # fmt: skip


class InquiryOut(BaseModel):
    """Nothing is reserved. offers: the first harms nobody, each after it is sooner and harms more.

    wished: the least harmful offer that keeps the wished date; null without such a date, or when none keeps it.
    """

    model_config = _answer(
        earliest="2026-12-03T15:20:00Z", due_at="2026-12-04T09:00:00Z", wished=_OFFER, offers=[_OFFER]
    )

    earliest: datetime
    due_at: datetime | None
    wished: OfferOut | None
    offers: list[OfferOut]


class DecisionOut(BaseModel):
    """What a planner decided for planning alone. state: InForce, Withdrawn, Expired. promised_end: of a quote."""

    model_config = _answer(
        decision_id=_ID.format(1), kind="machine_out", state="InForce", note="M-01 is overhauled",
        body={"equipment_id": _ID.format(2), "start": "2026-11-28T00:00:00Z", "end": "2026-11-29T00:00:00Z"},
        by="planner", at="2026-11-27T08:00:00Z", expires_at="2026-11-29T00:00:00Z", promised_end=None,
        scenario_id=_ID.format(3),
    )  # fmt: skip

    decision_id: UUID
    kind: str
    state: str
    note: str
    body: dict[str, Any]
    by: str
    at: datetime
    expires_at: datetime | None
    promised_end: datetime | None
    scenario_id: UUID | None

    @staticmethod
    def of(row: PlanningDecision) -> DecisionOut:
        return DecisionOut(
            decision_id=row.id, kind=row.kind, state=row.state, note=row.note, body=row.body, by=row.by, at=row.at,
            expires_at=row.expires_at, promised_end=row.promised_end, scenario_id=row.scenario_id,
        )  # fmt: skip


class QuoteOut(BaseModel):
    """A quote: the order's place is kept until it expires; plans that would break it are worse than all others."""

    model_config = _answer(
        quote_id=_ID.format(1), promised_end="2026-12-03T15:20:00Z", expires_at="2026-11-30T09:00:00Z", offer=_OFFER
    )

    quote_id: UUID
    promised_end: datetime
    expires_at: datetime
    offer: OfferOut


# ---- what if ---------------------------------------------------------------------------------------------------------


class OrderTerms(Strict):
    """Another priority, date or kind of date for an order."""

    kind: Literal["order_terms"]
    order_id: UUID
    priority: Annotated[int, Field(ge=1, le=9)] | None = None
    due_at: AwareDatetime | None = None
    deadline_type: Literal["Hard", "Soft"] | None = None


class OrderHeld(Strict):
    """Leave an order out."""

    kind: Literal["order_held"]
    order_id: UUID


class MachineSpan(Strict):
    """A machine does not work (machine_out), or works beside its calendar (extra_time: an extra shift, overtime)."""

    kind: Literal["machine_out", "extra_time"]
    equipment_id: UUID
    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("the end has to lie after the start")
        return self


class NewOrder(InquiryIn):
    """A rush order that is not there yet."""

    kind: Literal["new_order"]
    deadline_type: Literal["Hard", "Soft"] = "Soft"


class Weights(Strict):
    """What a second of lateness counts, by priority."""

    kind: Literal["weights"]
    weights: dict[Annotated[int, Field(ge=1, le=9)], Annotated[int, Field(ge=0, le=1000)]]


Change = Annotated[OrderTerms | OrderHeld | MachineSpan | NewOrder | Weights, Field(discriminator="kind")]


class ScenarioIn(Strict):
    """A question: what if these changes were so? seconds: how long to look for the best plan then (real ones)."""

    model_config = _example(
        name="M-02 two days out", seconds=5,
        changes=[
            {
                "kind": "machine_out", "equipment_id": _ID.format(2), "start": "2026-11-28T00:00:00+08:00",
                "end": "2026-11-30T00:00:00+08:00",
            }
        ],
    )  # fmt: skip

    name: Annotated[str, Field(max_length=200)] = ""
    changes: Annotated[list[Change], Field(max_length=50, default_factory=list)]
    seconds: Annotated[float, Field(ge=0, le=300)] = 3.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1


_SIDE = {
    "score": {"missed": 0, "tardiness": 5400}, "late": 2, "moved": 14, "reassigned": 3, "longest_s": 28800, "of": 312,
}  # fmt: skip


class ScenarioOut(BaseModel):
    """A plan that is not published: what_if, or a proposal that needs a planner's word.

    result: `nothing` (the published plan with what happened or was changed) and `proposal` side by side - score, late
    orders, operations moved by more than half an hour or to another machine of those in both, the longest move -,
    `late_as_published`, `helped`, `harmed`, `extra_s` (working time added), and `orders`: the helped, harmed and late.
    Of an impossible one: `conflicts`.
    """

    model_config = _answer(
        scenario_id=_ID.format(1), no=4, kind="what_if", name="M-02 two days out", state="Ready", changes=[],
        seconds=5.0, base_version_id=_ID.format(3), reason="", by="planner", at="2026-11-27T08:00:00Z",
        finished_at="2026-11-27T08:00:06Z",
        result={
            "nothing": _SIDE, "proposal": _SIDE, "late_as_published": 1, "helped": 3, "harmed": 0, "extra_s": 0,
            "solver": "annealing",
            "orders": [
                {
                    "order_id": _ID.format(5), "order_no": "MO-1007", "effect": "helped",
                    "due_at": "2026-12-01T09:00:00Z", "stands_end": "2026-12-01T08:00:00Z",
                    "nothing_end": "2026-12-02T08:00:00Z", "proposal_end": "2026-12-01T08:30:00Z",
                    "nothing_lateness_s": 82800, "proposal_lateness_s": -1800,
                }
            ],
        },
    )  # fmt: skip

    scenario_id: UUID
    no: int
    kind: str
    name: str
    state: str
    changes: list[dict[str, Any]]
    seconds: float
    base_version_id: UUID | None
    reason: str
    by: str
    at: datetime
    finished_at: datetime | None
    result: dict[str, Any]

    @staticmethod
    def of(row: Scenario, numbers: dict[str, str] | None = None) -> ScenarioOut:
        result = dict(row.result)
        if numbers is not None and "orders" in result:
            result["orders"] = [{**each, "order_no": numbers.get(each["order_id"])} for each in result["orders"]]
        return ScenarioOut(
            scenario_id=row.id, no=row.no, kind=row.kind, name=row.name, state=row.state, changes=row.changes,
            seconds=row.seconds, base_version_id=row.base_version_id, reason=row.reason, by=row.by, at=row.at,
            finished_at=row.finished_at, result=result,
        )  # fmt: skip


# ---- why -------------------------------------------------------------------------------------------------------------


class WaitOut(BaseModel):
    """Seconds in which a job could not go on. text: why, in the reader's language."""

    kind: str
    text: str
    seconds: int
    job_id: str
    job_code: str | None
    equipment_id: str | None
    equipment_no: str | None
    other_job_id: str | None
    other_order_id: str | None
    other_order_no: str | None


class RemedyOut(BaseModel):
    """What would help, tried: seconds that the order ends earlier, and the weighted lateness it costs others."""

    kind: str
    text: str
    target: str | None
    job_id: str | None
    gained_s: int
    others_s: int


class LateOut(BaseModel):
    """A late order: lateness_s = sum of waits - allowance_s (the time that it had beside its route)."""

    order_id: str
    order_no: str | None
    due_at: datetime
    projected_end: datetime
    lateness_s: int
    allowance_s: int
    waits: list[WaitOut]
    remedies: list[RemedyOut]


class BottleneckOut(BaseModel):
    """A machine that late orders wait for. load: share of its working time until its last operation."""

    equipment_id: str
    equipment_no: str | None
    waited_s: int
    load: float


class ExplanationOut(BaseModel):
    """Why orders are late by the published plan, with what is known now."""

    model_config = _answer(
        version_id=_ID.format(1), now="2026-11-27T08:00:00Z",
        late=[
            {
                "order_id": _ID.format(2), "order_no": "MO-1007", "due_at": "2026-11-28T08:00:00Z",
                "projected_end": "2026-11-28T10:00:00Z", "lateness_s": 7200, "allowance_s": 3600,
                "waits": [
                    {
                        "kind": "equipment", "text": "M-01 is busy with order MO-1003.", "seconds": 10800,
                        "job_id": _ID.format(3), "job_code": "7K3QX9AB", "equipment_id": _ID.format(4),
                        "equipment_no": "M-01", "other_job_id": _ID.format(5), "other_order_id": _ID.format(6),
                        "other_order_no": "MO-1003",
                    }
                ],
                "remedies": [
                    {
                        "kind": "overtime", "text": "Let M-01 work around the clock.", "target": _ID.format(4),
                        "job_id": None, "gained_s": 5400, "others_s": -1200,
                    }
                ],
            }
        ],
        bottlenecks=[{"equipment_id": _ID.format(4), "equipment_no": "M-01", "waited_s": 10800, "load": 0.97}],
    )  # fmt: skip

    version_id: UUID | None
    now: datetime
    late: list[LateOut]
    bottlenecks: list[BottleneckOut]
