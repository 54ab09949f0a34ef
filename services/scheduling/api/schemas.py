"""Shapes of requests and answers. Times are UTC with zone; spans are whole seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.scheduling.models import Pin, PlanningSettings, ScheduledOperation, ScheduleRun, ScheduleVersion
from services.scheduling.queries.versions import how_moved

_ID = "0198c1f0-0000-7000-8000-00000000000{}"


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Strict(BaseModel):
    """A request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class VersionOut(BaseModel):
    """A version of the plan. score, rules: parts of the objective in their order; changes: against the one before.

    detailed: its operations are kept; of old versions only this summary is.
    """

    model_config = _example(
        version_id=_ID.format(1), no=7, state="Published", previous_version_id=_ID.format(2), run_id=_ID.format(3),
        policy="auto", approved_by="system", trigger=["equipment_down"], solver="rule:ATCS",
        score={"missed": 0, "tardiness": 5400, "moved": 300, "changeover": 7200, "flow": 864000, "makespan": 0},
        rules={"rule:EDD": {"missed": 1, "tardiness": 9000}}, operations=312,
        changes={"added": 0, "removed": 0, "moved": 12, "reassigned": 3, "late_orders": 1}, detailed=True,
        published_at="2026-11-23T08:00:00Z", superseded_at=None,
    )  # fmt: skip

    version_id: UUID
    no: int
    state: str
    previous_version_id: UUID | None
    run_id: UUID
    policy: str
    approved_by: str
    trigger: list[str]
    solver: str
    score: dict[str, int]
    rules: dict[str, dict[str, int]]
    operations: int
    changes: dict[str, int]
    detailed: bool
    published_at: datetime
    superseded_at: datetime | None

    @staticmethod
    def of(row: ScheduleVersion) -> VersionOut:
        return VersionOut(
            version_id=row.id, no=row.no, state=row.state, previous_version_id=row.previous_id, run_id=row.run_id,
            policy=row.policy, approved_by=row.approved_by, trigger=row.trigger, solver=row.solver, score=row.score,
            rules=row.rules, operations=row.operations, changes=row.changes, detailed=row.detailed,
            published_at=row.published_at, superseded_at=row.superseded_at,
        )  # fmt: skip


class OperationOut(BaseModel):
    """A job's place in the plan. cause: why it does not begin earlier, cause_ref the job that it waits for.

    equipment_id: none for outside operations. rank: place in the machine's queue; gaps are meant. slack_s: negative
    is late; null without a due date.
    """

    model_config = _example(
        job_id=_ID.format(1), order_id=_ID.format(2), order_no="MO-1007", code="K7Q2-20", seq=20, name_zh="铣槽",
        name_en="Mill the slots", state="Ready", equipment_id=_ID.format(3), equipment_no="M-01",
        setup_start="2026-11-23T08:00:00Z", start="2026-11-23T08:20:00Z", end="2026-11-23T10:05:00Z", frozen=False,
        fixing="free", cause="equipment", cause_ref=_ID.format(4), rank=3, slack_s=86400,
    )  # fmt: skip

    job_id: UUID
    order_id: UUID
    order_no: str | None
    code: str | None
    seq: int | None
    name_zh: str | None
    name_en: str | None
    state: str | None
    equipment_id: UUID | None
    equipment_no: str | None
    setup_start: datetime
    start: datetime
    end: datetime
    frozen: bool
    fixing: str
    cause: str
    cause_ref: UUID | None
    rank: int
    slack_s: int | None

    @staticmethod
    def of(row: Any) -> OperationOut:
        each: ScheduledOperation = row[0]
        return OperationOut(
            job_id=each.job_id, order_id=each.order_id, order_no=row.order_no, code=row.code, seq=row.seq,
            name_zh=row.name_zh, name_en=row.name_en, state=row.state, equipment_id=each.equipment_id,
            equipment_no=row.no, setup_start=each.setup_start, start=each.start_at, end=each.end_at,
            frozen=each.fixing == "frozen", fixing=each.fixing, cause=each.cause, cause_ref=each.cause_ref,
            rank=each.rank, slack_s=each.slack_s,
        )  # fmt: skip


class PlanOut(BaseModel):
    """A version with a page of its operations, by their start."""

    version: VersionOut
    items: list[OperationOut]


class PlaceOut(BaseModel):
    """Where a version has a job."""

    equipment_id: UUID | None
    setup_start: datetime
    start: datetime
    end: datetime
    slack_s: int | None

    @staticmethod
    def of(row: ScheduledOperation | None) -> PlaceOut | None:
        if row is None:
            return None
        return PlaceOut(
            equipment_id=row.equipment_id, setup_start=row.setup_start, start=row.start_at, end=row.end_at,
            slack_s=row.slack_s,
        )  # fmt: skip


class ChangeOut(BaseModel):
    """A job that is elsewhere than before. kind: added, removed, finished, moved, reassigned.

    moved_s: by how much its start moved, later is positive. became_late: it makes its order late, and did not before.
    """

    job_id: UUID
    code: str | None
    kind: str
    before: PlaceOut | None
    after: PlaceOut | None
    moved_s: int | None
    became_late: bool

    @staticmethod
    def of(
        before: ScheduledOperation | None, after: ScheduledOperation | None, code: str | None, over: bool
    ) -> ChangeOut:
        known = after or before
        assert known is not None  # noqa: S101 - a difference has one side at least
        moved = round((after.start_at - before.start_at).total_seconds()) if before and after else None
        late_before = before is not None and (before.slack_s or 0) < 0
        return ChangeOut(
            job_id=known.job_id, code=code, kind=_kind(before, after, over), before=PlaceOut.of(before),
            after=PlaceOut.of(after), moved_s=moved,
            became_late=after is not None and (after.slack_s or 0) < 0 and not late_before,
        )  # fmt: skip


def _kind(before: ScheduledOperation | None, after: ScheduledOperation | None, over: bool) -> str:
    if before is None:
        return "added"
    if after is None:
        return "finished" if over else "removed"
    return how_moved(before, after)


class DiffOut(BaseModel):
    """A version against another, by default the one before it; a page of the jobs that differ, and how many do."""

    model_config = _example(
        version_id=_ID.format(1), against_id=_ID.format(2), total=1, counts={"moved": 1},
        items=[
            {
                "job_id": _ID.format(3), "code": "7K3QX9AB", "kind": "moved", "moved_s": 1800, "became_late": False,
                "before": {
                    "equipment_id": _ID.format(4), "setup_start": "2026-11-23T08:00:00Z",
                    "start": "2026-11-23T08:45:00Z", "end": "2026-11-23T10:00:00Z", "slack_s": 7200,
                },
                "after": {
                    "equipment_id": _ID.format(4), "setup_start": "2026-11-23T08:30:00Z",
                    "start": "2026-11-23T09:15:00Z", "end": "2026-11-23T10:30:00Z", "slack_s": 5400,
                },
            }
        ],
    )  # fmt: skip
    version_id: UUID
    against_id: UUID | None
    total: int
    counts: dict[str, int]
    items: list[ChangeOut]


class RunOut(BaseModel):
    """One attempt to plan. status: Solving, Optimal, Feasible, Infeasible, TimedOut, Failed, Cancelled.

    reason: "unchanged", "newer_request", "overtaken_by_shop", "interrupted", "needs_confirmation" (a better
    plan is beyond the limits and waits among the scenarios), or the error.
    conflicts: what made jobs impossible to plan. progress: how the search goes, or went last: phase (rules, search,
    proof), seconds, score, bound (null: none is known), moves tried. With input_hash, seed, settings and engine a run
    can be done again.
    """

    model_config = _example(
        run_id=_ID.format(1), no=12, status="Feasible", trigger=["jobs_released"], reason="",
        version_id=_ID.format(2), operations=312, solver="cp-sat", seconds=3.4, seed=1,
        input_hash="9f86d081884c7d659a2feaa0c55ad015", settings={"improvement_s": 3}, score={"missed": 0}, rules={},
        conflicts=[], engine="0.1.0",
        progress={"phase": "search", "seconds": 2.1, "score": {"tardiness": 5400}, "bound": None, "moves": 812000},
        started_at="2026-11-23T08:00:00Z", finished_at="2026-11-23T08:00:04Z",
    )  # fmt: skip

    run_id: UUID
    no: int
    status: str
    trigger: list[str]
    reason: str
    version_id: UUID | None
    operations: int
    solver: str
    seconds: float
    seed: int
    input_hash: str
    settings: dict[str, Any]
    score: dict[str, int]
    rules: dict[str, dict[str, int]]
    conflicts: list[dict[str, Any]]
    progress: dict[str, Any] | None
    engine: str
    started_at: datetime
    finished_at: datetime | None

    @staticmethod
    def of(row: ScheduleRun) -> RunOut:
        return RunOut(
            run_id=row.id, no=row.no, status=row.status, trigger=row.trigger, reason=row.reason,
            version_id=row.version_id, operations=row.operations, solver=row.solver, seconds=round(row.seconds, 3),
            seed=row.seed, input_hash=row.input_hash, settings=row.settings, score=row.score, rules=row.rules,
            conflicts=row.conflicts, progress=row.progress, engine=row.engine, started_at=row.started_at,
            finished_at=row.finished_at,
        )  # fmt: skip


class RunIn(Strict):
    """Why a new plan is wanted; for the log only."""

    reason: Annotated[str, Field(max_length=200, examples=["after the meeting"])] = ""


class RequestedOut(BaseModel):
    """The number of the request; it is answered when `GET /status` shows `planned` at least as high."""

    request: Annotated[int, Field(examples=[41])]


class StatusOut(BaseModel):
    """Where planning stands. due: a new plan is going to be made; reasons: why."""

    model_config = _example(
        requested=41, planned=41, due=False, reasons=[], requested_at="2026-11-23T08:00:00Z",
        planned_at="2026-11-23T08:00:04Z", version_id=_ID.format(1), version_no=7,
    )  # fmt: skip

    requested: int
    planned: int
    due: bool
    reasons: list[str]
    requested_at: datetime | None
    planned_at: datetime | None
    version_id: UUID | None
    version_no: int


class PromiseOut(BaseModel):
    """When an order is going to end by the plan; unknown while some of its jobs cannot be planned.

    lateness_s: positive is late; null without a due date.
    """

    model_config = _example(
        order_id=_ID.format(1), order_no="MO-1007", priority=3, projected_end="2026-11-27T09:30:00Z",
        due_at="2026-11-28T08:00:00Z", lateness_s=-81000, cause="equipment", version_id=_ID.format(2),
    )  # fmt: skip

    order_id: UUID
    order_no: str | None
    priority: int | None
    projected_end: datetime | None
    due_at: datetime | None
    lateness_s: int | None
    cause: str
    version_id: UUID


class UnplannedOut(BaseModel):
    """A job that cannot be planned, and why, in the reader's language."""

    model_config = _example(
        job_id=_ID.format(1), order_id=_ID.format(2), order_no="MO-1007", job_code="K7Q2-20", state="Held",
        code="held", params={}, text="The job is on hold.", since="2026-11-23T08:00:00Z",
    )  # fmt: skip

    job_id: UUID
    order_id: UUID
    order_no: str | None
    job_code: str | None
    state: str | None
    code: str
    params: dict[str, Any]
    text: str
    since: datetime


class PinIn(Strict):
    """This job on that machine, not before `start`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"job_id": _ID.format(1), "equipment_id": _ID.format(2), "start": "2026-11-23T13:00:00+08:00"}]
        },
    )

    job_id: UUID
    equipment_id: UUID
    start: AwareDatetime


class PinOut(BaseModel):
    """A person's decision that planning keeps."""

    model_config = _example(
        job_id=_ID.format(1), equipment_id=_ID.format(2), start="2026-11-23T05:00:00Z", by="planner",
        at="2026-11-23T02:11:00Z",
    )  # fmt: skip
    job_id: UUID
    equipment_id: UUID
    start: datetime
    by: str
    at: datetime

    @staticmethod
    def of(row: Pin) -> PinOut:
        return PinOut(job_id=row.job_id, equipment_id=row.equipment_id, start=row.start_at, by=row.by, at=row.at)


class SettingsIn(Strict):
    """How planning works.

    frozen_window_s: what is planned to begin so soon stays as it is. improvement_s: real seconds in which a better plan
    than the rules' is looked for. stability_threshold_s: smaller shifts of times alone publish no version.
    repair_estimate_s: a stop lasts so long unless its end is announced. drift_threshold_s: so far from the plan is far,
    or 20 % of the operation's duration where that is more. stability: what a second that a start moves counts, in
    seconds of lateness of the least urgent order; another machine counts as sixteen hours; 0: only where nothing else
    differs. accept_moved, accept_harmed: a better plan is published by itself if it moves at most so many operations
    (by more than half an hour, or to another machine) and makes at most so many orders later than doing nothing; else
    it waits as a proposal among the scenarios. null: any number.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "frozen_window_s": 1800, "improvement_s": 3, "stability_threshold_s": 60,
                    "repair_estimate_s": 7200, "drift_threshold_s": 900, "seed": 1, "stability": 0.5,
                    "accept_moved": 40,
                    "accept_harmed": 0,
                }
            ]
        },
    )  # fmt: skip

    frozen_window_s: Annotated[int, Field(ge=0, le=7 * 86_400)]
    improvement_s: Annotated[float, Field(ge=0, le=600)]
    stability_threshold_s: Annotated[int, Field(ge=0, le=86_400)]
    repair_estimate_s: Annotated[int, Field(ge=60, le=30 * 86_400)]
    drift_threshold_s: Annotated[int, Field(ge=60, le=86_400)]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    stability: Annotated[float, Field(ge=0, le=100)] = 0.5
    accept_moved: Annotated[int | None, Field(ge=0)] = None
    accept_harmed: Annotated[int | None, Field(ge=0)] = None


class SettingsOut(SettingsIn):
    """The settings that hold; their version is the ETag."""

    model_config = ConfigDict(extra="ignore")

    @staticmethod
    def of(row: PlanningSettings) -> SettingsOut:
        return SettingsOut(
            frozen_window_s=row.frozen_window_s, improvement_s=row.improvement_s,
            stability_threshold_s=row.stability_threshold_s, repair_estimate_s=row.repair_estimate_s,
            drift_threshold_s=row.drift_threshold_s, seed=row.seed, stability=row.stability,
            accept_moved=row.accept_moved,
            accept_harmed=row.accept_harmed,
        )  # fmt: skip
