"""Background work: what changes although nobody says anything."""

from __future__ import annotations

import asyncio

from mes.errors import DomainError
from mes.runtime import ServiceRuntime

from services.order.commands.equipment import LONG_STOP, pause_stopped, stopped_jobs

EVERY_S = 5.0


async def watch_machines(running: ServiceRuntime) -> None:
    """Pause the work on machines that stay down."""
    while True:
        await look(running)
        # Real time: a clock that is stepped through years must not be looked at on every step.
        await asyncio.sleep(EVERY_S)


async def look(running: ServiceRuntime) -> int:
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
