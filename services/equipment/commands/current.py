"""The current state of a machine, and open stops that production ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.context import Context
from mes.errors import NotFound
from mes.events.v1 import common_pb2, equipment_pb2
from sqlalchemy import false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.domain.compose import SUSTAINED, OverlayKind, Piece, stop_end
from services.equipment.models import Equipment, OverlayRow
from services.equipment.models.layers import base_of, current_piece

_NEAR, _FAR = timedelta(minutes=10), timedelta(hours=24)


def stamp(moment: datetime) -> Timestamp:
    """The moment as protobuf has it."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


async def locked(session: AsyncSession, ctx: Context, ids: Sequence[UUID]) -> dict[UUID, Equipment]:
    """The machines by id, locked in one order so that writers of one machine wait for each other."""
    rows = await session.scalars(
        select(Equipment)
        .where(Equipment.site_id == ctx.site_id, Equipment.id.in_(sorted(set(ids))))
        .order_by(Equipment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


async def locked_one(session: AsyncSession, ctx: Context, equipment_id: UUID) -> Equipment:
    """One machine, locked. Raises NotFound."""
    found = (await locked(session, ctx, [equipment_id])).get(equipment_id)
    if found is None:
        raise NotFound("equipment.unknown", equipment=str(equipment_id))
    return found


async def settle_stops(session: AsyncSession, ctx: Context, equipment: Equipment, changed: datetime | None) -> None:
    """End the open stops that sustained production ended; what changed from `changed` on may move or undo an end."""
    ended = OverlayRow.auto_closed & (OverlayRow.end_at > changed - SUSTAINED) if changed else false()
    rows = await session.scalars(
        select(OverlayRow)
        .where(
            OverlayRow.equipment_id == equipment.id,
            OverlayRow.kind == OverlayKind.MANUAL_STOP,
            or_(OverlayRow.end_at.is_(None), ended),
            OverlayRow.start_at <= ctx.now,
        )
        .order_by(OverlayRow.start_at.desc())
        .limit(20)
    )
    for row in rows:
        base = await base_of(session, equipment, row.start_at, ctx.now)
        row.end_at = stop_end(row.start_at, [each.interval for each in base])
        row.auto_closed = row.end_at is not None


async def refresh(session: AsyncSession, ctx: Context, equipment: Equipment, changed: datetime | None = None) -> bool:
    """Bring the stored current state up to now, and announce it if category or reason changed; whether it did.

    changed: from when on the machine's own timeline may have changed.
    """
    await session.flush()
    await settle_stops(session, ctx, equipment, changed)
    await session.flush()
    piece, since = await _now(session, ctx, equipment, changed)
    before, reason = equipment.category, equipment.reason
    equipment.native, equipment.source = piece.native, piece.source
    first = equipment.since is None
    start = equipment.since
    if since is not None or start is None or before != piece.category.value:
        start = since or piece.start
    equipment.since = start
    if (before, reason) == (piece.category.value, piece.reason) and not first:
        return False
    equipment.category, equipment.reason = piece.category.value, piece.reason
    event = equipment_pb2.EquipmentStateChanged(
        equipment_id=str(equipment.id),
        category=equipment.category,
        from_category=before,
        native=equipment.native,
        reason=equipment.reason,
        since=stamp(start),
        source=equipment.source,
    )
    outbox.publish(session, ctx, event, key=equipment.id)
    return True


async def _now(
    session: AsyncSession, ctx: Context, equipment: Equipment, changed: datetime | None
) -> tuple[Piece, datetime | None]:
    """The current piece and its start; further back is looked only when the start that is stored may be wrong."""
    piece, since = await current_piece(session, equipment, ctx.now, _NEAR)
    moved = changed is not None and equipment.since is not None and changed <= equipment.since
    if since is None and (moved or piece.category.value != equipment.category or equipment.since is None):
        return await current_piece(session, equipment, ctx.now, _FAR)
    return piece, since


def announce_correction(
    session: AsyncSession, ctx: Context, equipment: Equipment, start: datetime, end: datetime, cause: str
) -> None:
    """Tell that the past changed in [start, end)."""
    window = common_pb2.Interval(start=stamp(start), end=stamp(end))
    event = equipment_pb2.TimelineCorrected(equipment_id=str(equipment.id), window=window, cause=cause)
    outbox.publish(session, ctx, event, key=equipment.id)
