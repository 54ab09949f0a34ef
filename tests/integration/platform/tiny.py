"""Two services as small as they get, on the real runtime: `shop` takes orders and reports, `mirror` counts them.

What the platform promises is tried on them; the product's own services come with their own tests.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Response
from mes import outbox
from mes.context import Context
from mes.db import PrimaryId, ServiceBase
from mes.errors import Conflict, NotFound, Stale
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Meta
from mes.service import Service
from mes.tables import service_metadata
from mes.web import Ctx, IfMatch, Session, combined, fact_router, service_router, set_etag
from pydantic import BaseModel, Field
from sqlalchemy import UniqueConstraint, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped


class ShopBase(ServiceBase):
    __abstract__ = True
    metadata = service_metadata()


class Order(ShopBase):
    """An order; qty is the sum of what was reported."""

    __tablename__ = "shop_order"
    __table_args__ = (UniqueConstraint("site_id", "no"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    qty: Mapped[Decimal]
    version: Mapped[int]


class MirrorBase(ServiceBase):
    __abstract__ = True
    metadata = service_metadata()


class Seen(MirrorBase):
    """What was heard of an order: events, their sum, the last sequence, and how often a sequence did not follow."""

    __tablename__ = "seen"

    id: Mapped[PrimaryId]
    events: Mapped[int]
    qty: Mapped[Decimal]
    last: Mapped[int]
    disorder: Mapped[int]


class NewOrder(BaseModel):
    """An order to make."""

    no: str = Field(min_length=1)
    qty: Decimal = Decimal(0)


class OrderShown(BaseModel):
    """An order as it is."""

    id: UUID
    no: str
    qty: Decimal
    version: int


class Quantity(BaseModel):
    """What was made."""

    good_qty: Annotated[Decimal, Field(gt=0)]


router = service_router()
facts = fact_router()


@router.post("/orders", status_code=201, summary="Make an order")
async def create(body: NewOrder, session: Session, ctx: Ctx, response: Response) -> OrderShown:
    order = Order(id=ctx.new_id(), site_id=ctx.site_id, no=body.no, qty=body.qty, version=1)
    session.add(order)
    event = order_pb2.OrderCreated(order=order_pb2.Order(order_id=str(order.id), no=order.no, qty=str(order.qty)))
    outbox.publish(session, ctx, event, key=order.id)
    await session.flush()
    set_etag(response, order.version)
    return _shown(order)


@router.get("/orders/{order_id}", summary="Read an order")
async def read(order_id: UUID, session: Session, response: Response) -> OrderShown:
    order = await session.get(Order, order_id)
    if order is None:
        raise NotFound("http.404", path=str(order_id))
    set_etag(response, order.version)
    return _shown(order)


@router.put("/orders/{order_id}", summary="Rename an order")
async def rename(order_id: UUID, body: NewOrder, seen: IfMatch, session: Session) -> OrderShown:
    order = await _locked(session, order_id)
    if order.version != seen:
        raise Stale("http.stale")
    order.no, order.version = body.no, order.version + 1
    await session.flush()
    return _shown(order)


@router.post("/orders/{order_id}/reports", status_code=201, summary="Report what was made")
async def report(order_id: UUID, body: Quantity, session: Session, ctx: Ctx) -> OrderShown:
    order = await _locked(session, order_id)
    if body.good_qty > 1000:
        raise Conflict("http.integrity", constraint="too many", state="Released", legal=["report"])
    order.qty, order.version = order.qty + body.good_qty, order.version + 1
    made = order_pb2.Report(report_id=str(ctx.new_id()), order_id=str(order_id), good_qty=str(body.good_qty))
    outbox.publish(session, ctx, order_pb2.ReportRecorded(report=made), key=order_id)
    return _shown(order)


@facts.post("/facts", status_code=202, summary="Take a fact that carries its own key")
async def fact(body: NewOrder) -> NewOrder:
    return body


async def _locked(session: AsyncSession, order_id: UUID) -> Order:
    order = await session.get(Order, order_id, with_for_update=True)
    if order is None:
        raise NotFound("http.404", path=str(order_id))
    return order


def _shown(order: Order) -> OrderShown:
    return OrderShown(id=order.id, no=order.no, qty=order.qty, version=order.version)


router = combined(router, facts)


async def on_created(session: AsyncSession, ctx: Context, event: order_pb2.OrderCreated, meta: Meta) -> None:
    first = insert(Seen).values(
        id=UUID(event.order.order_id), events=1, qty=Decimal(event.order.qty), last=meta.sequence, disorder=0
    )
    again = {"events": Seen.events + 1, "qty": Seen.qty + first.excluded.qty, "disorder": Seen.disorder + 1}
    await session.execute(first.on_conflict_do_update(index_elements=["id"], set_=again))


async def on_reported(session: AsyncSession, ctx: Context, event: order_pb2.ReportRecorded, meta: Meta) -> None:
    order_id, qty = UUID(event.report.order_id), Decimal(event.report.good_qty)
    first = insert(Seen).values(id=order_id, events=1, qty=qty, last=meta.sequence, disorder=1)
    follows = update(Seen).where(Seen.id == order_id).values(
        events=Seen.events + 1, qty=Seen.qty + qty, last=meta.sequence,
        disorder=Seen.disorder + (Seen.last + 1 != meta.sequence).cast(Seen.events.type),
    )  # fmt: skip
    if (await session.execute(follows.returning(Seen.id))).first() is None:
        await session.execute(first)


def mirror_consumers() -> Consumers:
    """The mirror's handlers, new each time, so that a test may add its own."""
    made = Consumers()
    made.on(order_pb2.OrderCreated)(on_created)
    made.on(order_pb2.ReportRecorded)(on_reported)
    return made


shop = Service("shop", ShopBase.metadata, router)
mirror = Service("mirror", MirrorBase.metadata, service_router(), mirror_consumers(), listens_to=("shop",))
TABLES = {"shop": ShopBase.metadata, "mirror": MirrorBase.metadata}
