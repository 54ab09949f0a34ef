"""An order's whole history: who, what, when, on which machine, with which measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from mes.errors import NotFound
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Definition, HistoryEntry, Job, ProductionOrder
from services.order.queries.lines import Entry, Names, describe
from services.order.queries.shopfloor import Named, Reader, named, reasons


@dataclass(frozen=True, slots=True)
class History:
    """total: entries that there are; entries: those asked for, oldest first."""

    order: ProductionOrder
    total: int
    entries: Sequence[Entry] = field(default=())


async def history(
    session: AsyncSession, site_id: UUID, order_id: UUID, reader: Reader, *, limit: int | None = None, offset: int = 0
) -> History:
    """The history of an order, complete unless a limit is given. Raises NotFound."""
    order = await session.get(ProductionOrder, order_id)
    if order is None or order.site_id != site_id:
        raise NotFound("page.order_unknown", order=str(order_id))
    mine = HistoryEntry.order_id == order_id
    total = await session.scalar(select(func.count()).select_from(HistoryEntry).where(mine))
    rows = await session.scalars(
        select(HistoryEntry).where(mine).order_by(HistoryEntry.at, HistoryEntry.id).limit(limit).offset(offset)
    )
    names = await _names(session, order)
    entries = [describe(row, decoded(row.type, row.payload), names, reader) for row in rows]
    return History(order, total or 0, entries)


def decoded(type_name: str, payload: bytes) -> Message | None:
    """The message of a type, or None for a type that this version does not know."""
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(type_name)
    except KeyError:
        return None
    made: Message = message_factory.GetMessageClass(found).FromString(payload)
    return made


def as_json(message: Message | None) -> dict[str, Any]:
    """The message by the field names of the contract; empty for None."""
    return {} if message is None else MessageToDict(message, preserving_proto_field_name=True)


async def _names(session: AsyncSession, order: ProductionOrder) -> Names:
    jobs = await session.execute(
        select(Job.id, Job.seq, Job.name_zh, Job.name_en, Job.inspection_plan_id).where(Job.order_id == order.id)
    )
    rows = jobs.all()
    plans = {plan for *_, plan in rows if plan}
    said: dict[str, Named] = {}
    for kind in ("scrap", "rework", "pause", "downtime", "hold", "cancel"):
        said |= await reasons(session, order.site_id, kind)
    return Names(
        jobs={str(key): Named(str(seq), zh, en) for key, seq, zh, en, _ in rows},
        equipment={str(key): value for key, value in (await named(session, order.site_id, "equipment")).items()},
        characteristics=await _characteristics(session, plans),
        reasons=said,
    )


async def _characteristics(session: AsyncSession, plans: Iterable[UUID]) -> dict[str, dict[str, Any]]:
    """What the inspection plans measure, by id."""
    specs = await session.scalars(select(Definition.spec).where(Definition.id.in_(list(plans))))
    return {
        each["characteristic_id"]: each
        for spec in specs
        for stage in spec.get("stages") or ()
        for each in stage.get("characteristics") or ()
    }
