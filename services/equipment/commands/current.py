"""The current state of a machine, and open stops that production ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.context import Context
from mes.errors import NotFound
from mes.events.v1 import common_pb2, equipment_pb2
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.domain.compose import SUSTAINED, OverlayKind, Piece, stop_end
from services.equipment.models import Equipment, OverlayRow
from services.equipment.models.layers import base_of, current_pieces

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


# The newest of a machine's stops that are open, or whose end by production may have moved.
_UNSETTLED = text(
    """
    SELECT o.id FROM unnest(CAST(:machines AS uuid[]), CAST(:changed AS timestamptz[])) AS m(id, changed)
    CROSS JOIN LATERAL (
        SELECT id FROM overlay
        WHERE equipment_id = m.id AND kind = :kind AND start_at <= :now
          AND (end_at IS NULL OR (auto_closed AND end_at > m.changed))
        ORDER BY start_at DESC LIMIT 20) AS o
    """
)


async def _settle_stops(session: AsyncSession, ctx: Context, changed: Mapping[Equipment, datetime | None]) -> None:
    """End the open stops that sustained production ended; what changed from then on may move or undo an end."""
    found = await session.execute(
        _UNSETTLED,
        {
            "machines": [each.id for each in changed],
            "changed": [since - SUSTAINED if since else None for since in changed.values()],
            "kind": OverlayKind.MANUAL_STOP.value,
            "now": ctx.now,
        },
    )
    ids = list(found.scalars())
    if not ids:
        return
    machines = {each.id: each for each in changed}
    for row in await session.scalars(select(OverlayRow).where(OverlayRow.id.in_(ids))):
        base = await base_of(session, machines[row.equipment_id], row.start_at, ctx.now)
        row.end_at = stop_end(row.start_at, [each.interval for each in base])
        row.auto_closed = row.end_at is not None
    await session.flush()


async def refresh(session: AsyncSession, ctx: Context, equipment: Equipment, changed: datetime | None = None) -> bool:
    """As `refresh_all`, of one machine; whether it changed."""
    return bool(await refresh_all(session, ctx, {equipment: changed}))


async def refresh_all(session: AsyncSession, ctx: Context, changed: Mapping[Equipment, datetime | None]) -> int:
    """Bring the stored current state of machines up to now, and announce those whose category or reason changed; how
    many. changed: from when on the machine's own timeline may have changed."""
    await session.flush()
    await _settle_stops(session, ctx, changed)
    near = await current_pieces(session, list(changed), ctx.now, _NEAR)
    # Further back is looked only when the start that is stored may be wrong.
    unsure = [each for each, moment in changed.items() if _is_unsure(each, *near[each.id], moment)]
    far = await current_pieces(session, unsure, ctx.now, _FAR) if unsure else {}
    return sum(_show(session, ctx, each, *far.get(each.id, near[each.id])) for each in changed)


def _is_unsure(equipment: Equipment, piece: Piece, since: datetime | None, changed: datetime | None) -> bool:
    moved = changed is not None and equipment.since is not None and changed <= equipment.since
    other = piece.category.value != equipment.category
    return since is None and (moved or other or equipment.since is None)


def _show(session: AsyncSession, ctx: Context, equipment: Equipment, piece: Piece, since: datetime | None) -> bool:
    before, reason, start = equipment.category, equipment.reason, equipment.since
    equipment.native, equipment.source = piece.native, piece.source
    first = start is None
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


def announce_correction(
    session: AsyncSession, ctx: Context, equipment: Equipment, start: datetime, end: datetime, cause: str
) -> None:
    """Tell that the past changed in [start, end)."""
    window = common_pb2.Interval(start=stamp(start), end=stamp(end))
    event = equipment_pb2.TimelineCorrected(equipment_id=str(equipment.id), window=window, cause=cause)
    outbox.publish(session, ctx, event, key=equipment.id)
