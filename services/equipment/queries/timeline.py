"""Machines with their current state, timelines, alarms, losses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.errors import Invalid, NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.domain import oee
from services.equipment.domain.compose import Piece, Sourced, cut
from services.equipment.models import Alarm, Equipment, MappingRow, OverlayRow
from services.equipment.models.layers import base_of, calendar_of, pieces_of, steps_of

LONGEST_DAYS = 100


async def machine(session: AsyncSession, site: UUID, equipment_id: UUID) -> Equipment:
    """One machine. Raises NotFound."""
    row = await session.get(Equipment, equipment_id)
    if row is None or row.site_id != site:
        raise NotFound("equipment.unknown", equipment=str(equipment_id))
    return row


async def machines(
    session: AsyncSession,
    site: UUID,
    *,
    work_centre: UUID | None = None,
    equipment: UUID | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> Sequence[Equipment]:
    """Machines in use, by number."""
    query = select(Equipment).where(Equipment.site_id == site, Equipment.outdated.is_(False)).order_by(Equipment.no)
    if work_centre is not None:
        query = query.where(Equipment.work_centre_id == work_centre)
    if equipment is not None:
        await machine(session, site, equipment)
        query = query.where(Equipment.id == equipment)
    return (await session.scalars(query.offset(offset).limit(limit))).all()


def checked_window(start: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime]:
    """[start, end) cut at now. Raises Invalid when it is empty, wholly ahead, or longer than 100 days."""
    end = min(end, now)
    if start >= end:
        raise Invalid("timeline.empty", field="from", start=start.isoformat(), end=end.isoformat())
    if (end - start).days > LONGEST_DAYS:
        raise Invalid("timeline.too_long", field="from", days=LONGEST_DAYS)
    return start, end


async def timeline(
    session: AsyncSession, equipment: Equipment, start: datetime, end: datetime
) -> tuple[list[Sourced], list[Piece], list[Piece]]:
    """What the source said, the composed pieces, and these cut at the borders of shifts, all within [start, end)."""
    calendar = await calendar_of(session, equipment)
    pieces = await pieces_of(session, equipment, start, end, calendar)
    raw = [
        each
        for each in await base_of(session, equipment, start, end)
        if each.interval.end > start and each.interval.start < end
    ]
    return raw, pieces, cut(pieces, calendar.instances(start, end) if calendar else [])


async def counted(session: AsyncSession, equipment: Equipment, start: datetime, end: datetime) -> dict[str, Decimal]:
    """Counts of each counter that ended in [start, end)."""
    sums: dict[str, Decimal] = {}
    for step in await steps_of(session, equipment, start, end):
        if start <= step.to_at < end:
            sums[step.counter] = sums.get(step.counter, Decimal(0)) + step.counts
    return sums


async def losses(
    session: AsyncSession, equipment: Sequence[Equipment], start: datetime, end: datetime
) -> list[tuple[str, str, Decimal, tuple[str, ...]]]:
    """Stops of the machines by category and reason, the largest first."""
    pieces = [piece for each in equipment for piece in await pieces_of(session, each, start, end)]
    return oee.losses(pieces)


async def active_alarms(session: AsyncSession, site: UUID, offset: int, limit: int) -> Sequence[Alarm]:
    """Alarms that are active or not acknowledged, the newest first."""
    query = (
        select(Alarm)
        .where(Alarm.site_id == site, Alarm.active | Alarm.acknowledged.is_(False))
        .order_by(Alarm.raised_at.desc(), Alarm.id)
    )
    return (await session.scalars(query.offset(offset).limit(limit))).all()


async def overlays(session: AsyncSession, equipment: Equipment, offset: int, limit: int) -> Sequence[OverlayRow]:
    """Everything that people said about a machine's time, the newest first."""
    query = (
        select(OverlayRow)
        .where(OverlayRow.equipment_id == equipment.id)
        .order_by(OverlayRow.at.desc(), OverlayRow.id.desc())
    )
    return (await session.scalars(query.offset(offset).limit(limit))).all()


async def mapping_versions(session: AsyncSession, site: UUID) -> Sequence[MappingRow]:
    """Mapping versions that the workshop made."""
    query = select(MappingRow).where(MappingRow.site_id == site).order_by(MappingRow.name, MappingRow.version)
    return (await session.scalars(query)).all()
