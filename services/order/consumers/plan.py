"""Plans and promises of the scheduling service."""

from __future__ import annotations

from mes.context import Context
from mes.events.v1 import scheduling_pb2
from mes.inbox import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import equipment, history, plan
from services.order.consumers.registry import consumers


@consumers.on(scheduling_pb2.SchedulePublished)
async def on_schedule_published(
    session: AsyncSession, ctx: Context, event: scheduling_pb2.SchedulePublished, meta: Meta
) -> None:
    applied = await plan.take_chunk(session, ctx, event)
    history.note_plan(session, ctx, applied, meta)
    elsewhere = [each.job_id for each in applied.moved if each.equipment != each.old_equipment]
    await equipment.reevaluate_moved(session, ctx, elsewhere)


@consumers.on(scheduling_pb2.PromisesChanged)
async def on_promises_changed(
    session: AsyncSession, ctx: Context, event: scheduling_pb2.PromisesChanged, meta: Meta
) -> None:
    await plan.put_promises(session, ctx, event)
