"""Background work: what changes a machine's state although nobody says anything."""

from __future__ import annotations

import asyncio

from mes.runtime import ServiceRuntime
from sqlalchemy import select

from services.equipment.commands.current import locked, refresh
from services.equipment.models import Equipment

EVERY_S = 2.0


async def watch(running: ServiceRuntime) -> None:
    """Announce what time alone changes: silence, the borders of shifts, stops that production ended."""
    while True:
        await look(running)
        # Real time: a clock that is stepped through years must not be looked at on every step.
        await asyncio.sleep(EVERY_S)


async def look(running: ServiceRuntime) -> int:
    """Refresh every machine, each in a transaction of its own; how many changed."""
    async with running.read() as session:
        ids = list(
            await session.scalars(
                select(Equipment.id)
                .where(Equipment.site_id == running.site_id, Equipment.outdated.is_(False))
                .order_by(Equipment.id)
            )
        )
    count = 0
    for equipment_id in ids:
        async with running.transaction() as session:
            ctx = running.context()
            for equipment in (await locked(session, ctx, [equipment_id])).values():
                count += await refresh(session, ctx, equipment)
    return count
