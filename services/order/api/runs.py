"""Routes of runs: several jobs at once, several people, several machines."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from mes.web import Ctx, Language, Paging, Session, service_router
from pydantic import ConfigDict, Field

from services.order.api.jobs import workers_of
from services.order.api.schemas import ID, Qty, RunOut, Strict, Text, WorkerIn, warnings_out
from services.order.commands import working
from services.order.queries import jobs as queries

router = service_router(tags=["runs"])


class LineIn(Strict):
    """A job, and its share of the load."""

    job_id: UUID
    qty: Qty | None = None


class RunIn(Strict):
    """Who begins to work where on which jobs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"workers": [{"worker": "W-017"}], "lines": [{"job_id": ID, "qty": "40"}]}]},
    )

    equipment_id: UUID | None = None
    workers: list[WorkerIn] = Field(default=[], max_length=100)
    lines: list[LineIn] = Field(min_length=1, max_length=100)


class CloseIn(Strict):
    """Why it ends."""

    cause: str = Field(default="pause", pattern="^(pause|handover|finish)$", examples=["handover"])
    reason: Text = Field(default="", examples=["end of shift"])


@router.post("/runs", status_code=201, summary="Begin to work on one or more jobs together")
async def post_run(body: RunIn, session: Session, ctx: Ctx, language: Language) -> RunOut:
    lines = [(each.job_id, each.qty) for each in body.lines]
    one, warned = await working.open_run(
        session, ctx, equipment_id=body.equipment_id, workers=workers_of(body.workers), lines=lines
    )
    await session.flush()
    (view,) = await queries.run_views(session, [one.run])
    return RunOut.model_validate(view | {"warnings": warnings_out(warned, language)})


@router.post("/runs/{run_id}/close", summary="End a run; a job that nobody works on any more is paused")
async def post_close_run(run_id: UUID, session: Session, ctx: Ctx, body: CloseIn | None = None) -> RunOut:
    said = body or CloseIn()
    one = await working.close_run(session, ctx, run_id, cause=said.cause, reason=said.reason)
    await session.flush()
    return RunOut.model_validate((await queries.run_views(session, [one.run]))[0])


@router.get("/runs", summary="Runs, the newest first")
async def get_runs(
    session: Session,
    ctx: Ctx,
    page: Paging,
    equipment: UUID | None = None,
    is_open: Annotated[bool | None, Query(alias="open", description="only open or only ended ones")] = None,
) -> list[RunOut]:
    rows = await queries.runs(
        session, ctx.site_id, equipment_id=equipment, is_open=is_open, offset=page.offset, limit=page.limit
    )
    return [RunOut.model_validate(each) for each in rows]
