"""Routes of orders."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from mes.web import Ctx, IfMatch, Paging, Session, service_router, set_etag
from pydantic import BaseModel, ConfigDict, Field

from services.order.api.schemas import Code, JobOut, Moment, OrderOut, Positive, ReasonIn, Strict, Text
from services.order.commands import ending, releasing
from services.order.commands import orders as commands
from services.order.commands.loading import Work
from services.order.domain.quantity import plain
from services.order.models import ProductionOrder
from services.order.queries import orders as queries
from services.order.queries.jobs import job_view

router = service_router(tags=["orders"])

States = Annotated[str, Query(description="states, comma-separated; empty: all", examples=["Draft,Released"])]


class OrderIn(Strict):
    """A new order; the material by its id or number."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"material_no": "FG-001", "qty": "400", "due_at": "2026-03-13T09:00:00Z", "priority": 3}]
        },
    )

    material_id: UUID | None = None
    material_no: Code = ""
    qty: Positive
    uom: Code = Field(default="", description="empty: the material's order unit")
    no: Code = Field(default="", description="empty: made by the service")
    priority: int = Field(default=5, ge=1, le=9)
    release_at: Moment | None = None
    due_at: Moment | None = None
    deadline_type: Code = "Soft"
    source: Text = ""
    customer: Text = ""
    component_order_ids: list[UUID] = Field(default=[], max_length=100)


class OrderChange(Strict):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"qty": "450", "reason": "more sold"}]})

    qty: Positive | None = None
    priority: int | None = Field(default=None, ge=1, le=9)
    release_at: Moment | None = None
    due_at: Moment | None = None
    deadline_type: Code | None = None
    source: Text | None = None
    customer: Text | None = None
    reason: Text = ""


Disposition = Annotated[str, Field(pattern="^(stock|scrap|rework|transfer|)$", examples=["stock"])]


class LotIn(Strict):
    """What becomes of the work in progress of one job."""

    job_id: UUID
    disposition: Disposition


class LotOut(BaseModel):
    """Work in progress: good pieces that no later job has used, and pieces in rework."""

    job_id: UUID
    code: str = Field(examples=["7K3QX9AB"])
    good_qty: str = Field(examples=["95"])
    rework_qty: str = Field(examples=["2"])
    uom: str = Field(examples=["pcs"])


async def order_out(session: Session, order: ProductionOrder, response: Response | None = None) -> OrderOut:
    """An order's answer, with its version as ETag."""
    await session.flush()
    if response is not None:
        set_etag(response, order.version)
    holds = await queries.open_holds(session, [order.id])
    return OrderOut.model_validate(queries.order_view(order, holds.get(order.id, ())))


@router.post("/orders", status_code=201, summary="Create an order as a draft")
async def post_order(body: OrderIn, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    order = await commands.create_order(session, ctx, **body.model_dump())
    await session.flush()
    set_etag(response, order.version)
    return OrderOut.model_validate(queries.order_view(order))


@router.get("/orders", summary="Orders, those created first before others")
async def get_orders(
    session: Session, ctx: Ctx, page: Paging, state: States = "", material_id: UUID | None = None, no: str = ""
) -> list[OrderOut]:
    states = [each for each in state.split(",") if each]
    rows = await queries.orders(
        session, ctx.site_id, states=states, material_id=material_id, no=no, offset=page.offset, limit=page.limit
    )
    return [OrderOut.model_validate(row) for row in rows]


@router.get("/orders/{order_id}", summary="One order")
async def get_order(order_id: UUID, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    shown = await queries.order_shown(session, ctx.site_id, order_id)
    set_etag(response, shown["version"])
    return OrderOut.model_validate(shown)


@router.get("/orders/{order_id}/jobs", summary="The jobs of an order along its routing")
async def get_order_jobs(order_id: UUID, session: Session, ctx: Ctx) -> list[JobOut]:
    order = await queries.order_by_id(session, ctx.site_id, order_id)
    return [JobOut.model_validate(job_view(job, order.no)) for job in await queries.jobs_of(session, order_id)]


@router.patch("/orders/{order_id}", summary="Change quantity, dates, priority or customer")
async def patch_order(
    order_id: UUID, body: OrderChange, session: Session, ctx: Ctx, seen: IfMatch, response: Response
) -> OrderOut:
    changes = body.model_dump(exclude_unset=True, exclude={"reason"})
    order = await commands.change_order(session, ctx, order_id, changes, seen=seen, reason=body.reason)
    return await order_out(session, order, response)


@router.post("/orders/{order_id}/release", summary="Release a draft: its routing becomes jobs")
async def post_release(order_id: UUID, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    return await order_out(session, await releasing.release(session, ctx, order_id), response)


@router.post("/orders/{order_id}/revoke", summary="Take a release back while no job has begun")
async def post_revoke(
    order_id: UUID, session: Session, ctx: Ctx, response: Response, body: ReasonIn | None = None
) -> OrderOut:
    reason = body.reason if body else ""
    return await order_out(session, await commands.revoke(session, ctx, order_id, reason=reason), response)


@router.post("/orders/{order_id}/reject", summary="Reject a draft")
async def post_reject(order_id: UUID, body: ReasonIn, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    return await order_out(session, await commands.reject(session, ctx, order_id, reason=body.reason), response)


@router.post("/orders/{order_id}/close", summary="Close a completed order for good")
async def post_close(order_id: UUID, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    return await order_out(session, await commands.close(session, ctx, order_id), response)


@router.post("/orders/{order_id}/reopen", summary="Go on with a completed order")
async def post_reopen(order_id: UUID, body: ReasonIn, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    return await order_out(session, await commands.reopen(session, ctx, order_id, reason=body.reason), response)


class CancelIn(Strict):
    """Why, and what becomes of the work in progress: by job, or one answer for all."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "C-CUSTOMER", "disposition": "stock"}]}
    )

    reason: Text
    disposition: Disposition = ""
    dispositions: list[LotIn] = Field(default=[], max_length=500)


@router.post("/orders/{order_id}/cancel", summary="End an order, with a disposition of its work in progress")
async def post_cancel(order_id: UUID, body: CancelIn, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    by_job = {each.job_id: each.disposition for each in body.dispositions}
    order = await ending.cancel(
        session, ctx, order_id, reason=body.reason, dispositions=by_job, disposition=body.disposition
    )
    return await order_out(session, order, response)


@router.post("/orders/{order_id}/short-close", summary="Complete an order with less than it was for")
async def post_short_close(order_id: UUID, body: ReasonIn, session: Session, ctx: Ctx, response: Response) -> OrderOut:
    return await order_out(session, await ending.short_close(session, ctx, order_id, reason=body.reason), response)


@router.get("/orders/{order_id}/lots", summary="The work in progress of an order")
async def get_lots(order_id: UUID, session: Session, ctx: Ctx) -> list[LotOut]:
    order = await queries.order_by_id(session, ctx.site_id, order_id)
    jobs = await queries.jobs_of(session, order.id)
    return [
        LotOut(job_id=lot.job.id, code=lot.job.code, good_qty=plain(lot.good), rework_qty=plain(lot.rework),
               uom=lot.job.uom)
        for lot in ending.lots(Work(order, {job.id: job for job in jobs}))
    ]  # fmt: skip


__all__ = ["order_out", "router"]
