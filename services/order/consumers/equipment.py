"""States and counts of machines."""

from __future__ import annotations

from uuid import UUID

from mes.context import Context
from mes.events.v1 import equipment_pb2
from mes.inbox import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import equipment, history
from services.order.consumers.registry import consumers


@consumers.on(equipment_pb2.EquipmentStateChanged)
async def on_state_changed(
    session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged, meta: Meta
) -> None:
    if await equipment.put_state(session, ctx, event, meta.time):
        await history.note_machine(session, ctx, event, meta)
        await equipment.reevaluate_at(session, ctx, UUID(event.equipment_id))
