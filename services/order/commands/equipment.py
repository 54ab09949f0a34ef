"""What machines do, as far as orders and jobs are concerned."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mes.context import Context
from mes.events.v1 import equipment_pb2
from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import jobs
from services.order.commands.guarding import guard_levels
from services.order.domain.guards import Level
from services.order.models import EquipmentState, Job

DOWN = "UNPLANNED_DOWN"
LONG_STOP = timedelta(minutes=30)
"""A machine that is down for longer pauses the work on it: nobody is paid for watching it."""

_PUT = text(
    """
    INSERT INTO equipment_state AS s (equipment_id, site_id, category, reason, since, expected_until, as_of)
    VALUES (:equipment_id, :site_id, :category, :reason, :since, :expected_until, :as_of)
    ON CONFLICT (equipment_id) DO UPDATE SET category = excluded.category, reason = excluded.reason,
        since = excluded.since, expected_until = excluded.expected_until, as_of = excluded.as_of
    WHERE s.as_of <= excluded.as_of
    RETURNING equipment_id
    """
)


async def put_state(
    session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged, told_at: datetime
) -> bool:
    """Keep the state of a machine; whether it went down or came back (and what is told is not older than known)."""
    equipment_id = UUID(event.equipment_id)
    before = await session.get(EquipmentState, equipment_id, populate_existing=True)
    until = event.expected_until.ToDatetime(tzinfo=UTC) if event.HasField("expected_until") else None
    row = {
        "equipment_id": equipment_id, "site_id": ctx.site_id, "category": event.category, "reason": event.reason,
        "since": event.since.ToDatetime(tzinfo=UTC), "expected_until": until, "as_of": told_at,
    }  # fmt: skip
    was_down = before is not None and before.category == DOWN
    kept = await session.scalar(_PUT, row) is not None
    return kept and was_down != (event.category == DOWN)


async def reevaluate_at(session: AsyncSession, ctx: Context, equipment_id: UUID) -> None:
    """A machine went down or came back: where that guard blocks, jobs planned there wait or become ready."""
    planned = select(Job.order_id).where(
        Job.site_id == ctx.site_id, Job.planned_equipment_id == equipment_id, Job.state.in_(("Waiting", "Ready"))
    )
    if await _down_blocks(session, ctx):
        await jobs.reevaluate(session, ctx, set(await session.scalars(planned)))


async def reevaluate_moved(session: AsyncSession, ctx: Context, job_ids: Collection[UUID]) -> None:
    """Jobs were planned elsewhere: those on or from a machine that is down may be another thing now."""
    if not job_ids or not await _down_blocks(session, ctx):
        return
    down = select(EquipmentState.equipment_id).where(
        EquipmentState.site_id == ctx.site_id, EquipmentState.category == DOWN
    )
    orders = select(Job.order_id).where(
        Job.id.in_(job_ids), or_(Job.state == "Waiting", Job.planned_equipment_id.in_(down))
    )
    if await session.scalar(down.limit(1)) is not None:
        await jobs.reevaluate(session, ctx, set(await session.scalars(orders)))


async def _down_blocks(session: AsyncSession, ctx: Context) -> bool:
    return (await guard_levels(session, ctx))["equipment_down"] is Level.BLOCK


async def stopped_jobs(session: AsyncSession, site_id: UUID, now: datetime, limit: timedelta) -> list[UUID]:
    """Jobs at work on machines that have been down for longer than the limit."""
    query = (
        select(Job.id)
        .join(EquipmentState, EquipmentState.equipment_id == Job.equipment_id)
        .where(
            Job.site_id == site_id,
            Job.state.in_(("Setup", "Running")),
            EquipmentState.category == DOWN,
            EquipmentState.since <= now - limit,
        )
        .order_by(Job.id)
    )
    return list(await session.scalars(query))


async def pause_stopped(session: AsyncSession, ctx: Context, job_id: UUID, limit: timedelta = LONG_STOP) -> bool:
    """Pause a job whose machine is still down past the limit; whether it was paused."""
    if job_id not in await stopped_jobs(session, ctx.site_id, ctx.now, limit):
        return False
    await jobs.pause(session, ctx, job_id, reason="machine_down")
    return True
