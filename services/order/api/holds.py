"""Routes of holds and guards."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from mes.web import Ctx, Language, Paging, Session, service_router
from pydantic import ConfigDict, Field

from services.order.api.jobs import job_out
from services.order.api.orders import order_out
from services.order.api.schemas import GuardOut, HoldOut, JobOut, OrderOut, Strict, Text
from services.order.commands import guarding
from services.order.commands import holds as commands
from services.order.queries import orders as queries

router = service_router(tags=["holds"])


class HoldIn(Strict):
    """What kind of hold, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason_type": "MATERIAL_SHORTAGE", "reason": "no coil"}]}
    )

    reason_type: str = Field(default="OPERATIONAL", examples=["MATERIAL_SHORTAGE"])
    reason: Text


class ReleaseIn(Strict):
    """hold_id where several are open; note: the disposition, change or approval that ends it."""

    hold_id: UUID | None = None
    note: Text = Field(default="", examples=["use as is, agreed with the customer"])


class GuardIn(Strict):
    """off, warn or block."""

    level: str = Field(pattern="^(off|warn|block)$", examples=["block"])


@router.post("/orders/{order_id}/hold", summary="Hold an order: nothing starts, what runs is held")
async def post_hold(order_id: UUID, body: HoldIn, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    order = await commands.hold_order(session, ctx, order_id, reason_type=body.reason_type, reason=body.reason)
    return await order_out(session, order, response)


@router.post("/orders/{order_id}/resume", summary="Release a hold; the order goes on when none is left")
async def post_resume(
    order_id: UUID, session: Session, ctx: Ctx, response: Response, body: ReleaseIn | None = None
) -> OrderOut:
    said = body or ReleaseIn()
    order = await commands.resume_order(session, ctx, order_id, hold_id=said.hold_id, note=said.note)
    return await order_out(session, order, response)


@router.post("/jobs/{job_id}/hold", summary="Hold a job; on a job that is done, its lot and the next job")
async def post_job_hold(
    job_id: UUID, body: HoldIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await commands.hold_job(session, ctx, job_id, reason_type=body.reason_type, reason=body.reason)
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/release", summary="Release a hold on a job")
async def post_job_release(
    job_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: ReleaseIn | None = None
) -> JobOut:
    said = body or ReleaseIn()
    done = await commands.release_job(session, ctx, job_id, hold_id=said.hold_id, note=said.note)
    return job_out(done, response, language)


@router.get("/holds", summary="Open holds, the oldest first")
async def get_holds(
    session: Session,
    ctx: Ctx,
    page: Paging,
    order: Annotated[UUID | None, Query(description="of one order, also released ones")] = None,
) -> list[HoldOut]:
    rows = await queries.holds(session, ctx.site_id, order_id=order, offset=page.offset, limit=page.limit)
    return [HoldOut.model_validate(queries.hold_view(row)) for row in rows]


@router.get("/guards", summary="Guards and how hard they are")
async def get_guards(session: Session, ctx: Ctx) -> list[GuardOut]:
    return [GuardOut(guard=guard, level=level) for guard, level in (await guarding.guard_levels(session, ctx)).items()]


@router.put("/guards/{guard}", summary="Set how hard a guard is")
async def put_guard(guard: str, body: GuardIn, session: Session, ctx: Ctx) -> GuardOut:
    await guarding.set_guard(session, ctx, guard, body.level)
    return GuardOut(guard=guard, level=body.level)
