"""The state of planning, its runs, the versions of the plan and what they promise."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import BigInteger, Index, Text, false
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.scheduling.models.tables import Base


class Planning(Base):
    """Where planning of a site stands; one row a site, whose lock orders requests and publications.

    requested: number of the last request; planned: the one that the last run answered. The plan is dirty while
    they differ. reasons: why, since the last run. drift_due: from this business time on the plan is also dirty because
    the shop is far from it, drift_pause_s after `planned_at` at the earliest. version_id, version_no: the version that
    is published.
    """

    __tablename__ = "planning"

    site_id: Mapped[PrimaryId]
    requested: Mapped[int] = mapped_column(BigInteger, default=0)
    planned: Mapped[int] = mapped_column(BigInteger, default=0)
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    requested_at: Mapped[datetime | None]
    drift_due: Mapped[datetime | None]
    drift_pause_s: Mapped[int] = mapped_column(default=900)
    planned_at: Mapped[datetime | None]
    version_id: Mapped[UUID | None]
    version_no: Mapped[int] = mapped_column(BigInteger, default=0)


class PlanningSettings(Base):
    """What a planner may set. Spans are business seconds, but for improvement_s (real).

    accept_moved, accept_harmed: a better plan is published by itself if it moves at most so many operations, and makes
    at most so many orders later; none: any number.
    """

    __tablename__ = "planning_settings"

    site_id: Mapped[PrimaryId]
    frozen_window_s: Mapped[int]
    improvement_s: Mapped[float]
    stability_threshold_s: Mapped[int]
    repair_estimate_s: Mapped[int]
    drift_threshold_s: Mapped[int]
    seed: Mapped[int]
    stability: Mapped[float] = mapped_column(default=0.5, server_default="0.5")
    accept_moved: Mapped[int | None]
    accept_harmed: Mapped[int | None]
    version: Mapped[int]


class ScheduleRun(Base):
    """One attempt to plan. trigger: its reasons; score and rules: parts as the engine counts them.

    progress: how its search goes, or went last (see `solver.engine.Progress`); stop: a planner wants it to end with the
    best plan so far. engine: version of the product.
    """

    __tablename__ = "schedule_run"
    __table_args__ = (Index("uq_schedule_run_site_id_no", "site_id", "no", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    trigger: Mapped[list[str]] = mapped_column(ARRAY(Text))
    request: Mapped[int] = mapped_column(BigInteger)
    input_hash: Mapped[str]
    seed: Mapped[int]
    settings: Mapped[Json]
    operations: Mapped[int]
    solver: Mapped[str]
    score: Mapped[Json]
    rules: Mapped[Json]
    conflicts: Mapped[Json]
    reason: Mapped[str]
    progress: Mapped[Json | None]
    stop: Mapped[bool] = mapped_column(default=False, server_default=false())
    engine: Mapped[str] = mapped_column(default="", server_default="")
    seconds: Mapped[float]
    version_id: Mapped[UUID | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ScheduleVersion(Base):
    """A version of the plan. policy: under which the system approved it. changes: the difference to the one before.

    detailed: its operations are kept; of old versions only this row is.
    """

    __tablename__ = "schedule_version"
    __table_args__ = (Index("uq_schedule_version_site_id_no", "site_id", "no", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    previous_id: Mapped[UUID | None]
    run_id: Mapped[UUID]
    policy: Mapped[str]
    approved_by: Mapped[str]
    trigger: Mapped[list[str]] = mapped_column(ARRAY(Text))
    solver: Mapped[str]
    score: Mapped[Json]
    rules: Mapped[Json]
    operations: Mapped[int]
    changes: Mapped[Json]
    detailed: Mapped[bool]
    published_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]


class ScheduledOperation(Base):
    """A job's place in a version. equipment_id: none for outside operations. slack_s: < 0 late; none without a date."""

    __tablename__ = "scheduled_operation"
    __table_args__ = (Index("ix_scheduled_operation_machine", "version_id", "equipment_id", "start_at"),)

    site_id: Mapped[PrimaryId]
    version_id: Mapped[PrimaryId]
    job_id: Mapped[PrimaryId]
    order_id: Mapped[UUID]
    equipment_id: Mapped[UUID | None]
    setup_start: Mapped[datetime]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    fixing: Mapped[str]
    cause: Mapped[str]
    cause_ref: Mapped[UUID | None]
    rank: Mapped[int]
    slack_s: Mapped[int | None] = mapped_column(BigInteger)


class OrderPromise(Base):
    """When an order is going to end by the published plan: unknown while some of its jobs cannot be planned.

    lateness_s: > 0 late; none without a due date.
    """

    __tablename__ = "order_promise"

    site_id: Mapped[PrimaryId]
    order_id: Mapped[PrimaryId]
    projected_end: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    lateness_s: Mapped[int | None] = mapped_column(BigInteger)
    cause: Mapped[str]
    version_id: Mapped[UUID]


class Unplanned(Base):
    """A job that the last run could not plan, and why: a code with its parameters."""

    __tablename__ = "unplanned"

    site_id: Mapped[PrimaryId]
    job_id: Mapped[PrimaryId]
    order_id: Mapped[UUID]
    code: Mapped[str]
    params: Mapped[Json]
    since: Mapped[datetime]


class Pin(Base):
    """A person's decision: this job on that machine, not before `start_at`."""

    __tablename__ = "pin"

    site_id: Mapped[PrimaryId]
    job_id: Mapped[PrimaryId]
    equipment_id: Mapped[UUID]
    start_at: Mapped[datetime]
    by: Mapped[str]
    at: Mapped[datetime]


class PlanningDecision(Base):
    """What a planner decided for planning alone (see `domain.decisions`), until it is withdrawn or expires.

    state: InForce, Withdrawn, Expired. promised_end: of a quote, which reserves its operations' place. scenario_id: the
    one that brought it.
    """

    __tablename__ = "planning_decision"
    __table_args__ = (Index("ix_planning_decision_site_id_state", "site_id", "state"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    kind: Mapped[str]
    body: Mapped[Json]
    note: Mapped[str]
    state: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    promised_end: Mapped[datetime | None]
    scenario_id: Mapped[UUID | None]


class Scenario(Base):
    """A plan that is not published: of what a planner tries (what_if), or one that needs a planner's word (proposal).

    state: Queued, Solving, Ready, Infeasible, Failed, Promoted, Discarded, Outdated (another plan was published since).
    changes: decisions that are tried (kind, body). result: the comparison; plan: where it has its jobs.
    """

    __tablename__ = "scenario"
    __table_args__ = (Index("uq_scenario_site_id_no", "site_id", "no", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    name: Mapped[str]
    state: Mapped[str]
    changes: Mapped[Json]
    seconds: Mapped[float]
    seed: Mapped[int]
    base_version_id: Mapped[UUID | None]
    input_hash: Mapped[str]
    reason: Mapped[str]
    result: Mapped[Json]
    plan: Mapped[Json]
    by: Mapped[str]
    at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
