"""Orders, one and many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from mes.errors import NotFound
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.domain.quantity import plain
from services.order.domain.states import ORDER, legal
from services.order.models import Hold, Job, ProductionOrder


def hold_view(hold: Hold) -> dict[str, Any]:
    """A hold in the fields of the event contract, with who and when."""
    return {
        "hold_id": hold.id, "reason_type": hold.reason_type, "reason": hold.reason, "job_id": hold.job_id,
        "order_id": hold.order_id, "nonconformance_id": hold.nonconformance_id, "findings": hold.findings,
        "opened_at": hold.opened_at, "opened_by": hold.opened_by, "released_at": hold.released_at,
        "released_by": hold.released_by, "release_note": hold.release_note,
    }  # fmt: skip


def order_view(order: ProductionOrder, holds: Sequence[Hold] = ()) -> dict[str, Any]:
    """An order in the fields of the event contract, with the plan's promise and what may be done with it."""
    return {
        "order_id": order.id, "no": order.no, "material_id": order.material_id, "qty": plain(order.qty),
        "uom": order.uom, "state": order.state, "priority": order.priority, "release_at": order.release_at,
        "due_at": order.due_at, "deadline_type": order.deadline_type, "source": order.source,
        "customer": order.customer, "parent_id": order.parent_id, "split_from": order.split_from,
        "rework_of": order.rework_of, "routing_revision_id": order.routing_revision_id,
        "component_order_ids": list(order.component_order_ids), "good_qty": plain(order.good_qty),
        "scrap_qty": plain(order.scrap_qty), "short": order.short, "projected_end": order.projected_end,
        "lateness_s": order.lateness_s, "created_at": order.created_at, "created_by": order.created_by,
        "released_at": order.released_at, "completed_at": order.completed_at, "closed_at": order.closed_at,
        "version": order.version, "holds": [hold_view(each) for each in holds if each.released_at is None],
        "legal": legal(ORDER, order.state),
    }  # fmt: skip


async def order_by_id(session: AsyncSession, site: UUID, order_id: UUID) -> ProductionOrder:
    """An order. Raises NotFound."""
    row = await session.get(ProductionOrder, order_id)
    if row is None or row.site_id != site:
        raise NotFound("order.unknown", order=str(order_id))
    return row


# Built once: to build a statement costs as much as to run it.
_ORDER, _HOLD = ProductionOrder.__table__, Hold.__table__
_ORDER_ROW = select(_ORDER).where(_ORDER.c.id == bindparam("order_id"))
_HOLD_ROWS = (
    select(_HOLD)
    .where(_HOLD.c.order_id == bindparam("order_id"), _HOLD.c.released_at.is_(None))
    .order_by(_HOLD.c.opened_at)
)


async def order_shown(session: AsyncSession, site: UUID, order_id: UUID) -> dict[str, Any]:
    """An order as `order_view` shows it, read as plain rows: it is asked for more often than anything else. Raises
    NotFound."""
    row = (await session.execute(_ORDER_ROW, {"order_id": order_id})).one_or_none()
    if row is None or row.site_id != site:
        raise NotFound("order.unknown", order=str(order_id))
    holds = (await session.execute(_HOLD_ROWS, {"order_id": order_id})).all()
    return order_view(cast(ProductionOrder, row), cast("Sequence[Hold]", holds))


async def open_holds(session: AsyncSession, order_ids: Sequence[UUID]) -> dict[UUID, list[Hold]]:
    """Open holds of orders and of their jobs, by order."""
    found: dict[UUID, list[Hold]] = {}
    query = select(Hold).where(Hold.order_id.in_(order_ids), Hold.released_at.is_(None)).order_by(Hold.opened_at)
    for row in await session.scalars(query):
        found.setdefault(row.order_id, []).append(row)
    return found


async def holds(
    session: AsyncSession, site: UUID, *, order_id: UUID | None = None, offset: int = 0, limit: int = 100
) -> Sequence[Hold]:
    """Open holds, or all of one order, the oldest first."""
    query = select(Hold).where(Hold.site_id == site).order_by(Hold.opened_at, Hold.id)
    query = query.where(Hold.order_id == order_id) if order_id is not None else query.where(Hold.released_at.is_(None))
    return (await session.scalars(query.offset(offset).limit(limit))).all()


async def orders(
    session: AsyncSession,
    site: UUID,
    *,
    states: Sequence[str] = (),
    material_id: UUID | None = None,
    no: str = "",
    offset: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Orders in the order of their creation. states: any of these; none: all."""
    query = select(ProductionOrder).where(ProductionOrder.site_id == site).order_by(ProductionOrder.id)
    if states:
        query = query.where(ProductionOrder.state.in_(states))
    if material_id is not None:
        query = query.where(ProductionOrder.material_id == material_id)
    if no:
        query = query.where(ProductionOrder.no == no)
    rows = (await session.scalars(query.offset(offset).limit(limit))).all()
    held = [row.id for row in rows if row.state in ("Held", "InProgress", "Released")]
    holds = await open_holds(session, held) if held else {}
    return [order_view(row, holds.get(row.id, ())) for row in rows]


async def jobs_of(session: AsyncSession, order_id: UUID) -> Sequence[Job]:
    """An order's jobs in the order of the routing."""
    return (await session.scalars(select(Job).where(Job.order_id == order_id).order_by(Job.seq, Job.id))).all()
