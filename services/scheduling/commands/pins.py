"""What people decide: pins, and the settings of planning."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound, Stale
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.commands.requests import request_plan
from services.scheduling.domain.changes import Why
from services.scheduling.domain.defaults import DEFAULTS
from services.scheduling.models import Equipment, Job, Pin, PlanningSettings

_PINNABLE = ("Waiting", "Ready")


async def pin(session: AsyncSession, ctx: Context, job_id: UUID, equipment_id: UUID, start: datetime) -> Pin:
    """Plan this job on this machine, not before `start`, whatever else would be better; replaces an earlier pin.

    Raises NotFound, Conflict when the job has begun or is over, Invalid when the machine is none of its alternatives.
    """
    job = await session.scalar(select(Job).where(Job.site_id == ctx.site_id, Job.id == job_id).with_for_update())
    if job is None:
        raise NotFound("scheduling.job_unknown", job=str(job_id))
    if job.state not in _PINNABLE:
        raise Conflict("scheduling.pin_state", state=job.state, legal=list(_PINNABLE))
    machine = await session.get(Equipment, equipment_id)
    able = str(equipment_id) in {each["equipment_id"] for each in job.alternatives}
    if machine is None or machine.outdated or not able:
        raise Invalid("scheduling.pin_machine", field="equipment_id", equipment=str(equipment_id), job=job.code)
    values = {"equipment_id": equipment_id, "start_at": start, "by": ctx.actor, "at": ctx.now}
    statement = insert(Pin).values(site_id=ctx.site_id, job_id=job_id, **values)
    upsert = statement.on_conflict_do_update(index_elements=["site_id", "job_id"], set_=values)
    made = (await session.scalars(upsert.returning(Pin), execution_options={"populate_existing": True})).one()
    await request_plan(session, ctx, {Why.PINNED})
    return made


async def unpin(session: AsyncSession, ctx: Context, job_id: UUID) -> None:
    """Leave the job to planning again. Raises NotFound where it is not pinned."""
    done = await session.execute(
        delete(Pin).where(Pin.site_id == ctx.site_id, Pin.job_id == job_id).returning(Pin.job_id)
    )
    if done.first() is None:
        raise NotFound("scheduling.pin_unknown", job=str(job_id))
    await request_plan(session, ctx, {Why.PINNED})


async def change_settings(session: AsyncSession, ctx: Context, seen: int, values: dict[str, Any]) -> PlanningSettings:
    """Replace the settings. seen: version that the caller saw, 0 before the first change. Raises Stale."""
    await session.execute(
        insert(PlanningSettings)
        .values(site_id=ctx.site_id, version=0, **DEFAULTS)
        .on_conflict_do_nothing(index_elements=["site_id"])
    )
    row = (
        await session.scalars(select(PlanningSettings).where(PlanningSettings.site_id == ctx.site_id).with_for_update())
    ).one()
    if row.version != seen:
        raise Stale("scheduling.settings_stale", seen=seen, version=row.version)
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
    await request_plan(session, ctx, {Why.SETTINGS})
    return row
