"""The plan and how it came about."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from mes.errors import Invalid
from mes.i18n import t
from mes.web import Ctx, Language, Page, Paging, Session, service_router, set_etag
from pydantic import AwareDatetime

from services.scheduling.api.schemas import (
    ChangeOut,
    DiffOut,
    OperationOut,
    PinOut,
    PlanOut,
    PromiseOut,
    RunOut,
    SettingsOut,
    StatusOut,
    UnplannedOut,
    VersionOut,
)
from services.scheduling.domain.facts import OVER
from services.scheduling.models import ScheduleVersion
from services.scheduling.queries import versions
from services.scheduling.queries.state import settings_of

router = service_router(tags=["plan"])

_BACK, _AHEAD = timedelta(days=1), timedelta(days=7)


@router.get("/status", summary="Whether the plan is up to date, and which version is published")
async def get_status(session: Session, ctx: Ctx) -> StatusOut:
    row = await versions.planning_of(session, ctx.site_id)
    if row is None:
        return StatusOut(
            requested=0, planned=0, due=False, reasons=[], requested_at=None, planned_at=None, version_id=None,
            version_no=0,
        )  # fmt: skip
    drifted = row.drift_due is not None and row.drift_due <= ctx.now
    return StatusOut(
        requested=row.requested, planned=row.planned, due=row.requested > row.planned or drifted, reasons=row.reasons,
        requested_at=row.requested_at, planned_at=row.planned_at, version_id=row.version_id, version_no=row.version_no,
    )  # fmt: skip


@router.get("/versions", summary="Versions of the plan, the newest first")
async def get_versions(session: Session, ctx: Ctx, page: Paging) -> list[VersionOut]:
    rows = await versions.versions(session, ctx.site_id, page.offset, page.limit)
    return [VersionOut.of(row) for row in rows]


async def _plan(session: Session, row: ScheduleVersion, page: Page) -> PlanOut:
    found = await versions.operations(session, row, page.offset, page.limit)
    return PlanOut(version=VersionOut.of(row), items=[OperationOut.of(each) for each in found])


@router.get("/versions/current", summary="The published version with its operations")
async def get_current(session: Session, ctx: Ctx, page: Paging) -> PlanOut:
    return await _plan(session, await versions.version(session, ctx.site_id, None), page)


@router.get("/versions/{version_id}", summary="One version with its operations")
async def get_version(version_id: UUID, session: Session, ctx: Ctx, page: Paging) -> PlanOut:
    return await _plan(session, await versions.version(session, ctx.site_id, version_id), page)


@router.get("/versions/{version_id}/diff", summary="What a version changed: moved, reassigned, late, in and out")
async def get_diff(
    version_id: UUID,
    session: Session,
    ctx: Ctx,
    page: Paging,
    against: Annotated[UUID | None, Query(description="another version; default: the one before")] = None,
) -> DiffOut:
    new = await versions.version(session, ctx.site_id, version_id)
    against = against or new.previous_id
    old = await versions.version(session, ctx.site_id, against) if against else None
    pairs = await versions.compared(session, old, new)
    jobs = await versions.states_of(session, list(pairs))
    changes = []
    for job, (before, after) in pairs.items():
        code, state = jobs.get(job, (None, ""))
        changes.append(ChangeOut.of(before, after, code, state in OVER))
    counts = Counter(each.kind for each in changes) + Counter(late=sum(each.became_late for each in changes))
    return DiffOut(
        version_id=new.id, against_id=old.id if old else None, total=len(changes), counts=dict(counts),
        items=changes[page.offset : page.offset + page.limit],
    )  # fmt: skip


@router.get("/plan", summary="The published plan as bars: by machine and time")
async def get_plan(
    session: Session,
    ctx: Ctx,
    page: Paging,
    machine: UUID | None = None,
    order: UUID | None = None,
    start: Annotated[AwareDatetime | None, Query(alias="from", description="default: a day ago")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to", description="default: seven days after `from`")] = None,
) -> list[OperationOut]:
    begin = start.astimezone(UTC) if start else ctx.now - _BACK
    until = end.astimezone(UTC) if end else _week_after(begin)
    if until <= begin:
        raise Invalid("scheduling.window", field="to", start=begin.isoformat(), end=until.isoformat())
    row = await versions.version(session, ctx.site_id, None)
    found = await versions.within(
        session, row, begin, until, machine=machine, order=order, offset=page.offset, limit=page.limit
    )
    return [OperationOut.of(each) for each in found]


def _week_after(moment: datetime) -> datetime:
    return moment + _AHEAD + _BACK


@router.get("/runs", summary="Runs of planning, the newest first")
async def get_runs(session: Session, ctx: Ctx, page: Paging) -> list[RunOut]:
    return [RunOut.of(row) for row in await versions.runs(session, ctx.site_id, page.offset, page.limit)]


@router.get("/runs/{run_id}", summary="One run of planning")
async def get_run(run_id: UUID, session: Session, ctx: Ctx) -> RunOut:
    return RunOut.of(await versions.run(session, ctx.site_id, run_id))


@router.get("/promises", summary="When orders are going to end, the latest against their due date first")
async def get_promises(
    session: Session, ctx: Ctx, page: Paging, late: bool = False, order: UUID | None = None
) -> list[PromiseOut]:
    rows = await versions.promises(session, ctx.site_id, late=late, order=order, offset=page.offset, limit=page.limit)
    return [
        PromiseOut(
            order_id=each.order_id, order_no=no, priority=priority, projected_end=each.projected_end,
            due_at=each.due_at, lateness_s=each.lateness_s, cause=each.cause, version_id=each.version_id,
        )
        for each, no, priority in rows
    ]  # fmt: skip


@router.get("/unplanned", summary="Jobs that cannot be planned now, and why")
async def get_unplanned(session: Session, ctx: Ctx, page: Paging, language: Language) -> list[UnplannedOut]:
    rows = await versions.unplanned(session, ctx.site_id, page.offset, page.limit)
    return [
        UnplannedOut(
            job_id=each.job_id, order_id=each.order_id, order_no=order_no, job_code=code, state=state, code=each.code,
            params=each.params, text=t(f"scheduling.unplanned.{each.code}", language, **each.params), since=each.since,
        )
        for each, code, order_no, state in rows
    ]  # fmt: skip


@router.get("/pins", summary="What people decided about where and when a job is done")
async def get_pins(session: Session, ctx: Ctx, page: Paging) -> list[PinOut]:
    return [PinOut.of(row) for row in await versions.pins(session, ctx.site_id, page.offset, page.limit)]


@router.get("/settings", summary="How planning works; the ETag is for changing it")
async def get_settings(session: Session, ctx: Ctx, response: Response) -> SettingsOut:
    row = await settings_of(session, ctx.site_id)
    set_etag(response, row.version)
    return SettingsOut.of(row)
