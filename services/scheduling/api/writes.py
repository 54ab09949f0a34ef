"""What people ask of planning."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID

from fastapi import Response
from mes.web import Ctx, IfMatch, Session, service_router, set_etag

from services.scheduling.api.schemas import PinIn, PinOut, RequestedOut, RunIn, RunOut, SettingsIn, SettingsOut
from services.scheduling.commands import pins, planning
from services.scheduling.commands.requests import request_plan
from services.scheduling.domain.changes import Why

router = service_router(tags=["planning"])


@router.post("/runs", status_code=202, summary="Ask for a new plan now")
async def post_run(body: RunIn, session: Session, ctx: Ctx) -> RequestedOut:
    request = await request_plan(session, ctx, {Why.REQUESTED})
    return RequestedOut(request=request or 0)


@router.post("/runs/{run_id}/stop", summary="Stop a run and keep the best plan that it has found")
async def post_stop(run_id: UUID, session: Session, ctx: Ctx) -> RunOut:
    return RunOut.of(await planning.stop(session, ctx, run_id))


@router.post("/pins", status_code=201, summary="Decide where a job is done, and from when on")
async def post_pin(body: PinIn, session: Session, ctx: Ctx) -> PinOut:
    return PinOut.of(await pins.pin(session, ctx, body.job_id, body.equipment_id, body.start.astimezone(UTC)))


@router.delete("/pins/{job_id}", status_code=204, summary="Leave a pinned job to planning again")
async def delete_pin(job_id: UUID, session: Session, ctx: Ctx) -> None:
    await pins.unpin(session, ctx, job_id)


@router.put("/settings", summary="Change how planning works")
async def put_settings(body: SettingsIn, session: Session, ctx: Ctx, seen: IfMatch, response: Response) -> SettingsOut:
    row = await pins.change_settings(session, ctx, seen, body.model_dump())
    set_etag(response, row.version)
    return SettingsOut.of(row)
