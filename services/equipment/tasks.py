"""Background work: what changes a machine's state although nobody says anything."""

from __future__ import annotations

import asyncio

from mes.runtime import ServiceRuntime
from sqlalchemy import or_, select

from services.equipment.commands.current import locked, refresh_all
from services.equipment.domain.compose import OverlayKind
from services.equipment.models import Equipment, OverlayRow, WorkCentre

EVERY_S = 2.0
# As many machines are looked at in one transaction: their signals wait for it.
_TOGETHER = 20

# Without signals, calendar and open stop only a run changes a machine's state, and runs come as events.
_RESTLESS = (
    select(Equipment.id)
    .outerjoin(WorkCentre, WorkCentre.id == Equipment.work_centre_id)
    .where(
        Equipment.outdated.is_(False),
        or_(
            Equipment.is_networked,
            Equipment.calendar_id.is_not(None),
            WorkCentre.calendar_id.is_not(None),
            Equipment.fold["signals"].as_integer() > 0,
            select(OverlayRow.id)
            .where(
                OverlayRow.equipment_id == Equipment.id,
                OverlayRow.kind == OverlayKind.MANUAL_STOP,
                OverlayRow.end_at.is_(None),
            )
            .exists(),
        ),
    )
    .order_by(Equipment.id)
)


async def watch(running: ServiceRuntime) -> None:
    """Announce what time alone changes: silence, the borders of shifts, stops that production ended."""
    while True:
        await look(running)
        # Real time: a clock that is stepped through years must not be looked at on every step.
        await asyncio.sleep(EVERY_S)


async def look(running: ServiceRuntime) -> int:
    """Refresh every machine that time alone can change, some at a time; how many changed."""
    async with running.read() as session:
        ids = list(await session.scalars(_RESTLESS.where(Equipment.site_id == running.site_id)))
    count = 0
    for start in range(0, len(ids), _TOGETHER):
        async with running.transaction() as session:
            ctx = running.context()
            machines = await locked(session, ctx, ids[start : start + _TOGETHER])
            count += await refresh_all(session, ctx, dict.fromkeys(machines.values()))
    return count
