"""Background work: what changes a job although nobody says anything."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from mes.errors import DomainError
from mes.runtime import ServiceRuntime
from sqlalchemy import select

from services.order.commands.equipment import LONG_STOP, pause_stopped, stopped_jobs
from services.order.commands.progress import reevaluate
from services.order.models import Job

EVERY_S = 2.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


async def watch(running: ServiceRuntime) -> None:
    """Let jobs become ready whose material was expected by now."""
    while True:
        await look(running)
        await asyncio.sleep(EVERY_S)


async def look(running: ServiceRuntime) -> int:
    """Look once at jobs whose material has come by time; how many orders were looked at."""
    now = running.clock.now()
    query = (
        select(Job.order_id)
        .where(Job.site_id == running.site_id, Job.state == "Waiting", Job.material_ready_at <= now)
        .where(Job.material_ready_at > running.state.get("material_seen", _LONG_AGO))
        .distinct()
    )
    async with running.read() as session:
        found = list(await session.scalars(query))
    if found:
        async with running.transaction() as session:
            await reevaluate(session, running.context(), found)
    running.state["material_seen"] = now
    return len(found)


async def watch_machines(running: ServiceRuntime) -> None:
    """Pause the work on machines that stay down."""
    while True:
        await look_at_machines(running)
        await asyncio.sleep(EVERY_S)


async def look_at_machines(running: ServiceRuntime) -> int:
    """Pause what stands on machines that have been down too long, each job in a transaction of its own; how many."""
    async with running.read() as session:
        found = await stopped_jobs(session, running.site_id, running.clock.now(), LONG_STOP)
    count = 0
    for job_id in found:
        try:
            async with running.transaction() as session:
                count += await pause_stopped(session, running.context(), job_id)
        except DomainError:
            # Somebody did something with it in between.
            continue
    return count
