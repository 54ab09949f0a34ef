"""States and counts of machines."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from mes.context import Context
from mes.events.v1 import equipment_pb2
from mes.inbox import Consumers, Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import equipment, history
from services.order.commands.counting import count
from services.order.consumers.registry import consumers


@consumers.on(equipment_pb2.EquipmentStateChanged)
async def on_state_changed(
    session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged, meta: Meta
) -> None:
    if await equipment.put_state(session, ctx, event, meta.time):
        await history.note_machine(session, ctx, event, meta)
        await equipment.reevaluate_at(session, ctx, UUID(event.equipment_id))


@consumers.on(equipment_pb2.CounterAdvanced)
async def on_counter_advanced(
    session: AsyncSession, ctx: Context, event: equipment_pb2.CounterAdvanced, meta: Meta
) -> None:
    start, end = _moment(event, "from_time", meta), _moment(event, "to_time", meta)
    await count(
        session, ctx, UUID(event.equipment_id), _number(event.counts) or Decimal(0), min(start, end), end,
        _number(event.from_value), _number(event.to_value), event.correction,
    )  # fmt: skip


def _moment(event: equipment_pb2.CounterAdvanced, name: str, meta: Meta) -> datetime:
    if name == "from_time":
        return event.from_time.ToDatetime(tzinfo=UTC) if event.HasField("from_time") else meta.time
    return event.to_time.ToDatetime(tzinfo=UTC) if event.HasField("to_time") else meta.time


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


# What a rebuild of the machines' states applies: no job is looked at again for it, and history is written once.
states_alone = Consumers()


@states_alone.on(equipment_pb2.EquipmentStateChanged)
async def on_state_alone(
    session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged, meta: Meta
) -> None:
    await equipment.put_state(session, ctx, event, meta.time)
