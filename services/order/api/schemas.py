"""Shapes of answers and what requests share. Quantities are decimal strings, times UTC; unknown is null."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from mes.i18n import t
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

ID = "0198c1f0-0000-7000-8000-000000000001"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_utc), Field(examples=["2026-03-02T00:00:00Z"])]
Qty = Annotated[Decimal, Field(max_digits=18, decimal_places=6, examples=["100"])]
Positive = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6, examples=["100"])]
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
Code = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]


class Strict(BaseModel):
    """A request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class WorkerIn(Strict):
    """Somebody who works, and his share of the labour (1 = like everybody)."""

    worker: Annotated[str, Field(min_length=1, max_length=100, examples=["W-017"])]
    share: Annotated[Decimal, Field(gt=0, le=1000, examples=["1"])] = Decimal(1)


class ReasonIn(Strict):
    """Why."""

    reason: Text = Field(default="", examples=["customer changed his mind"])


class NameOut(BaseModel):
    """A name in both languages."""

    zh: str = Field(examples=["落料冲孔"])
    en: str = Field(examples=["Blank and pierce"])


class WarningOut(BaseModel):
    """A guard that did not hold and only warns."""

    code: str = Field(examples=["job.equipment_busy"])
    message: str
    params: dict[str, str] = {}


class HoldOut(BaseModel):
    """A hold on an order, or on one job of it; open while released_at is null."""

    hold_id: UUID
    reason_type: str = Field(examples=["QUALITY_HOLD"])
    reason: str
    order_id: UUID
    job_id: UUID | None
    nonconformance_id: UUID | None
    findings: list[dict[str, Any]] = Field(description="what adds to the reason: messages of the catalogues")
    opened_at: datetime
    opened_by: str
    released_at: datetime | None
    released_by: str
    release_note: str


class OrderOut(BaseModel):
    """A production order. projected_end, lateness_s: what the plan promises; null while unplanned."""

    order_id: UUID = Field(examples=[ID])
    no: str = Field(examples=["MO2603-001"])
    material_id: UUID
    qty: str = Field(examples=["400"])
    uom: str = Field(examples=["pcs"])
    state: str = Field(examples=["Released"])
    priority: int = Field(examples=[5], description="1 is the most urgent, 9 the least")
    release_at: datetime | None
    due_at: datetime | None
    deadline_type: str = Field(examples=["Soft"])
    source: str
    customer: str
    parent_id: UUID | None
    split_from: UUID | None
    rework_of: UUID | None
    routing_revision_id: UUID | None
    component_order_ids: list[UUID]
    good_qty: str
    scrap_qty: str
    short: bool
    projected_end: datetime | None
    lateness_s: int | None
    created_at: datetime
    created_by: str
    released_at: datetime | None
    completed_at: datetime | None
    closed_at: datetime | None
    version: int
    holds: list[HoldOut] = Field(description="open ones")
    legal: list[str] = Field(examples=[["cancel", "hold"]], description="commands that are legal now")


class OrdersOut(BaseModel):
    """Orders that came out of one."""

    items: list[OrderOut]


class AlternativeOut(BaseModel):
    """A machine that can do it, and its times."""

    equipment_id: UUID
    setup_s: int
    run_s_per_unit: str = Field(examples=["2.4"])
    preference: int


class JobOut(BaseModel):
    """An operation of an order. qty + over = good + scrap + rework + remaining + written off."""

    job_id: UUID = Field(examples=[ID])
    order_id: UUID
    order_no: str
    code: str = Field(examples=["7K3QX9AB"], description="short code on the job card")
    seq: int = Field(examples=[10])
    name: NameOut
    kind: str = Field(examples=["internal"])
    state: str = Field(examples=["Ready"])
    state_before_hold: str
    predecessor_ids: list[UUID]
    component_order_ids: list[UUID]
    material_id: UUID
    routing_operation_id: UUID | None
    alternatives: list[AlternativeOut]
    setup_family: str
    queue_s: int
    move_s: int
    overlap_qty: str | None
    interruptible: bool
    optional: bool
    skill: str
    inspection_plan_id: UUID | None
    first_article: bool
    fai: str
    is_key_process: bool
    nc_level: int
    supplier: str
    lead_days: int
    pieces_per_count: str
    over_tolerance: str
    uom: str = Field(examples=["pcs"])
    qty: str = Field(examples=["400"])
    good_qty: str
    scrap_qty: str
    rework_qty: str
    written_off_qty: str
    over_qty: str
    remaining_qty: str
    sent_qty: str
    returned_qty: str
    allowed_to_start: bool
    material_ready_at: datetime | None
    material_ready_qty: str | None
    planned_equipment_id: UUID | None
    planned_setup_start: datetime | None
    planned_start: datetime | None
    planned_end: datetime | None
    rank: int | None
    plan_cause: str
    plan_slack_s: int | None
    pinned: bool
    equipment_id: UUID | None
    started_at: datetime | None
    finished_at: datetime | None
    expected_back_at: datetime | None
    rework_of: UUID | None
    rework_loop: int
    version: int
    legal: list[str] = Field(examples=[["start", "start-setup"]], description="commands that are legal now")
    warnings: list[WarningOut] = []


class JobsOut(BaseModel):
    """Jobs that came out of one, or that a command touched together."""

    items: list[JobOut]


class ReportOut(BaseModel):
    """A report; it counts when Accepted or Corrected. Quantities are signed: a counter-entry is negative."""

    report_id: UUID = Field(examples=[ID])
    job_id: UUID
    order_id: UUID
    run_id: UUID | None
    equipment_id: UUID | None
    kind: str = Field(examples=["production"])
    state: str = Field(examples=["Accepted"])
    good_qty: str = Field(examples=["95"])
    scrap_qty: str
    rework_qty: str
    uom: str
    entered: dict[str, Any] | None
    scrap_reason: str
    scrap_class: str
    caused_by_job_id: UUID | None
    caused_by_worker: str
    production_date: date | None
    shift: str
    occurred_at: datetime
    recorded_at: datetime
    reported_by: str
    terminal: str
    workers: list[dict[str, str]]
    source: str
    corrects_report_id: UUID | None
    pending_reason: str
    pending_params: dict[str, str]
    pending_message: str = ""
    decided_at: datetime | None
    decided_by: str
    decision_note: str
    counter_from: str | None
    counter_to: str | None
    run_s_per_unit: str | None
    final: bool
    version: int
    legal: list[str]


class ReportedOut(BaseModel):
    """A report and its job after it. not_finished: why a completion left the job open."""

    report: ReportOut
    job: JobOut
    not_finished: WarningOut | None = None


class RunLineOut(BaseModel):
    """A job that a run serves, with its share of the load where that was said."""

    job_id: UUID
    order_id: UUID
    qty: str | None


class RunOut(BaseModel):
    """A stretch of work; open while ended_at is null."""

    run_id: UUID
    equipment_id: UUID | None
    kind: str = Field(examples=["production"])
    workers: list[dict[str, str]]
    lines: list[RunLineOut]
    started_at: datetime
    ended_at: datetime | None
    cause: str
    reason: str
    warnings: list[WarningOut] = []


class MoveOut(BaseModel):
    """Pieces that went to a supplier or came back."""

    direction: str = Field(examples=["sent"])
    supplier: str
    qty: str
    kg: str | None
    shortage_qty: str
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: str


class GuardOut(BaseModel):
    """A guard and how hard it is: off, warn or block."""

    guard: str = Field(examples=["equipment_busy"])
    level: str = Field(examples=["warn"])


def warnings_out(found: Sequence[tuple[str, dict[str, str]]], language: str) -> list[WarningOut]:
    """Warnings with their messages in the reader's language."""
    return [WarningOut(code=code, message=t(code, language, **params), params=params) for code, params in found]


def with_message(view: dict[str, Any], language: str, say: Callable[..., str] = t) -> dict[str, Any]:
    """A report's view with the reason why it is Pending in the reader's language."""
    code = view["pending_reason"]
    return view | {"pending_message": say(code, language, **view["pending_params"]) if code else ""}
