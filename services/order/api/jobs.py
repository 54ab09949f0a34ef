"""Routes of jobs: what terminals, foremen and the simulated workshop do with them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from mes.web import Ctx, Language, Paging, Session, service_router, set_etag
from pydantic import Field

from services.order.api.schemas import (
    ID,
    Code,
    JobOut,
    Moment,
    Qty,
    ReasonIn,
    RunOut,
    Strict,
    Text,
    WorkerIn,
    warnings_out,
)
from services.order.commands import jobs as commands
from services.order.commands.loading import Work
from services.order.commands.runs import Worker
from services.order.models import Job
from services.order.queries import jobs as queries

router = service_router(tags=["jobs"])


class StartIn(Strict):
    """Where and who; empty: where it is planned, the actor."""

    equipment_id: UUID | None = None
    workers: list[WorkerIn] = Field(default=[], max_length=100, examples=[[{"worker": "W-017"}]])
    qty: Qty | None = Field(default=None, description="share of the load, where a run serves several jobs")


class WorkersIn(Strict):
    """Who goes on; empty: the actor."""

    workers: list[WorkerIn] = Field(default=[], max_length=100, examples=[[{"worker": "W-018"}]])


class SkipIn(Strict):
    """Why it is left out; approved_by where it is not optional."""

    reason: Text = Field(examples=["made by the supplier"])
    approved_by: Code = Field(default="", examples=["W-001"])


class AbortIn(Strict):
    """Why, and what becomes of the work in progress: stock, scrap, rework or transfer."""

    reason: Text = Field(examples=["die broken"])
    disposition: str = Field(default="", pattern="^(stock|scrap|rework|transfer|)$", examples=["scrap"])


class ReassignIn(Strict):
    """Another machine."""

    equipment_id: UUID = Field(examples=[ID])
    reason: Text = Field(default="", examples=["press is being repaired"])


class MaterialIn(Strict):
    """expected_at null: it is there; else when it comes. qty: how much is there already."""

    expected_at: Moment | None = None
    qty: Qty | None = None


def workers_of(given: list[WorkerIn]) -> list[Worker]:
    """Workers as commands take them."""
    return [Worker(each.worker, each.share) for each in given]


def job_out(done: tuple[Work, Job], response: Response, language: str) -> JobOut:
    """A job's answer after a command, with its version as ETag."""
    work, job = done
    set_etag(response, job.version)
    view = queries.job_view(job, work.order.no)
    return JobOut.model_validate(view | {"warnings": warnings_out(work.warnings, language)})


# ---- reading -------------------------------------------------------------------------------------------------------


@router.get("/jobs", summary="Jobs, order by order along the routing")
async def get_jobs(
    session: Session,
    ctx: Ctx,
    page: Paging,
    state: Annotated[str, Query(description="states, comma-separated", examples=["Ready,Running"])] = "",
    kind: Annotated[str, Query(description="internal or outside", examples=["outside"])] = "",
    order: Annotated[UUID | None, Query(description="of one order")] = None,
    equipment: Annotated[UUID | None, Query(description="planned or worked on at a machine")] = None,
    code: Annotated[str, Query(description="short code of the job card")] = "",
) -> list[JobOut]:
    rows = await queries.jobs(
        session, ctx.site_id, states=[each for each in state.split(",") if each], kind=kind, order_id=order,
        equipment_id=equipment, code=code, offset=page.offset, limit=page.limit,
    )  # fmt: skip
    return [JobOut.model_validate(row) for row in rows]


@router.get("/jobs/{job_id}", summary="One job")
async def get_job(job_id: UUID, session: Session, ctx: Ctx, response: Response) -> JobOut:
    job, no = await queries.job_by_id(session, ctx.site_id, job_id)
    set_etag(response, job.version)
    return JobOut.model_validate(queries.job_view(job, no))


@router.get("/jobs/{job_id}/runs", summary="Who worked on a job, where and when")
async def get_job_runs(job_id: UUID, session: Session, ctx: Ctx) -> list[RunOut]:
    await queries.job_by_id(session, ctx.site_id, job_id)
    return [RunOut.model_validate(each) for each in await queries.runs_of_job(session, job_id)]


# ---- setup and production ------------------------------------------------------------------------------------------


@router.post("/jobs/{job_id}/start-setup", summary="Begin to set a machine up")
async def post_start_setup(
    job_id: UUID, body: StartIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await commands.start_setup(
        session, ctx, job_id, equipment_id=body.equipment_id, workers=workers_of(body.workers)
    )
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/stop-setup", summary="End a setup without starting")
async def post_stop_setup(
    job_id: UUID, body: ReasonIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    return job_out(await commands.stop_setup(session, ctx, job_id, reason=body.reason), response, language)


@router.post("/jobs/{job_id}/start", summary="Begin to produce, or join in")
async def post_start(
    job_id: UUID, body: StartIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await commands.start(
        session, ctx, job_id, equipment_id=body.equipment_id, workers=workers_of(body.workers), qty=body.qty
    )
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/pause", summary="Stop for a while")
async def post_pause(
    job_id: UUID, body: ReasonIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    return job_out(await commands.pause(session, ctx, job_id, reason=body.reason), response, language)


@router.post("/jobs/{job_id}/resume", summary="Go on after a pause")
async def post_resume(
    job_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: WorkersIn | None = None
) -> JobOut:
    workers = workers_of(body.workers if body else [])
    return job_out(await commands.resume(session, ctx, job_id, workers=workers), response, language)


@router.post("/jobs/{job_id}/handover", summary="Others take over; the job goes on")
async def post_handover(
    job_id: UUID, body: WorkersIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await commands.handover(session, ctx, job_id, workers=workers_of(body.workers))
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/finish", summary="The job is done, or ends short with a reason")
async def post_finish(
    job_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: ReasonIn | None = None
) -> JobOut:
    reason = body.reason if body else ""
    return job_out(await commands.finish(session, ctx, job_id, reason=reason), response, language)


@router.post("/jobs/{job_id}/undo-finish", summary="It was not done after all")
async def post_undo_finish(
    job_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: ReasonIn | None = None
) -> JobOut:
    reason = body.reason if body else ""
    return job_out(await commands.undo_finish(session, ctx, job_id, reason=reason), response, language)


# ---- what a foreman decides ----------------------------------------------------------------------------------------


@router.post("/jobs/{job_id}/skip", summary="Leave an operation out")
async def post_skip(
    job_id: UUID, body: SkipIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await commands.skip(session, ctx, job_id, reason=body.reason, approved_by=body.approved_by)
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/abort", summary="Give a job up")
async def post_abort(
    job_id: UUID, body: AbortIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await commands.abort(session, ctx, job_id, reason=body.reason, disposition=body.disposition)
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/reassign", summary="Another machine for what has not been made yet")
async def post_reassign(
    job_id: UUID, body: ReassignIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await commands.reassign(session, ctx, job_id, equipment_id=body.equipment_id, reason=body.reason)
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/allow", summary="Allow a job to start")
async def post_allow(
    job_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: ReasonIn | None = None
) -> JobOut:
    reason = body.reason if body else ""
    return job_out(await commands.allow(session, ctx, job_id, allowed=True, reason=reason), response, language)


@router.post("/jobs/{job_id}/disallow", summary="Withdraw the permission to start")
async def post_disallow(
    job_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: ReasonIn | None = None
) -> JobOut:
    reason = body.reason if body else ""
    return job_out(await commands.allow(session, ctx, job_id, allowed=False, reason=reason), response, language)


@router.post("/jobs/{job_id}/material-ready", summary="Say whether the material is there, or when it comes")
async def post_material_ready(
    job_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: MaterialIn | None = None
) -> JobOut:
    said = body or MaterialIn()
    done = await commands.material_ready(session, ctx, job_id, expected_at=said.expected_at, qty=said.qty)
    return job_out(done, response, language)
