"""Background work: inspections that time alone makes due."""

from __future__ import annotations

import asyncio

from mes.runtime import ServiceRuntime
from sqlalchemy import or_, select

from services.quality.commands.triggers import consider
from services.quality.models import InspectionPlan, Job

EVERY_S = 2.0


async def watch(running: ServiceRuntime) -> None:
    """Look again and again at what runs."""
    while True:
        await look(running)
        # Real time: a clock that is stepped through years must not be looked at on every step.
        await asyncio.sleep(EVERY_S)


async def look(running: ServiceRuntime) -> None:
    """Open what has become due at running jobs whose plan counts minutes or shifts, each in its own transaction."""
    timed = or_(*(InspectionPlan.stages.contains([{"trigger": each}]) for each in ("every_minutes", "shift_start")))
    query = (
        select(Job.id)
        .join(InspectionPlan, InspectionPlan.id == Job.inspection_plan_id)
        .where(Job.site_id == running.site_id, Job.state == "Running", timed)
        .order_by(Job.id)
    )
    async with running.read() as session:
        ids = list(await session.scalars(query))
    for job_id in ids:
        async with running.transaction() as session:
            job = await session.get(Job, job_id, with_for_update=True)
            if job is not None and job.state == "Running":
                await consider(session, running.context(), job, job.state)
