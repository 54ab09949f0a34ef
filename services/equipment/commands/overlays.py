"""What people say about a machine's time: stops, reasons, other categories, splits and merges, with who and when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.commands.current import announce_correction, locked_one, refresh
from services.equipment.domain.compose import OverlayKind
from services.equipment.domain.states import Category, category_of
from services.equipment.models import OverlayRow, Reason


async def stop(
    session: AsyncSession,
    ctx: Context,
    equipment_id: UUID,
    *,
    start: datetime,
    end: datetime | None = None,
    reason: str = "",
    category: str = "",
    worker: str = "",
) -> OverlayRow:
    """A stop told by hand; without an end it lasts until sustained production or `end_stop`.

    Raises NotFound, Invalid.
    """
    chosen = category or await _category_of_reason(session, ctx, reason) or Category.UNPLANNED_DOWN
    return await _lay(
        session, ctx, equipment_id, OverlayKind.MANUAL_STOP, start, end, category_of(chosen), reason, worker
    )


async def end_stop(session: AsyncSession, ctx: Context, stop_id: UUID, *, end: datetime) -> OverlayRow:
    """End an open stop. Raises NotFound, Conflict when it has ended, Invalid before its start."""
    row = await session.get(OverlayRow, stop_id)
    if row is None or row.site_id != ctx.site_id or row.kind != OverlayKind.MANUAL_STOP:
        raise NotFound("stop.unknown", stop=str(stop_id))
    equipment = await locked_one(session, ctx, row.equipment_id)
    await session.refresh(row)
    if row.end_at is not None and not row.auto_closed:
        raise Conflict("stop.ended", state="ended", legal="")
    _check_span(ctx, row.start_at, end)
    row.end_at, row.auto_closed, row.ended_by = end, False, ctx.actor
    announce_correction(session, ctx, equipment, row.start_at, end, OverlayKind.MANUAL_STOP)
    await refresh(session, ctx, equipment)
    return row


async def give_reason(
    session: AsyncSession, ctx: Context, equipment_id: UUID, *, start: datetime, end: datetime, reason: str
) -> OverlayRow:
    """The reason of the stops in [start, end); one that stands for a category changes theirs. Production stays."""
    if not reason:
        raise Invalid("reason.missing", field="reason")
    named = await _category_of_reason(session, ctx, reason)
    category = category_of(named) if named else None
    return await _lay(session, ctx, equipment_id, OverlayKind.REASON, start, end, category, reason, "")


async def reclassify(
    session: AsyncSession,
    ctx: Context,
    equipment_id: UUID,
    *,
    start: datetime,
    end: datetime,
    category: str,
    reason: str = "",
    kind: OverlayKind = OverlayKind.RECLASSIFY,
) -> OverlayRow:
    """[start, end) was something else than the machine said; as a merge, one thing without interruptions."""
    return await _lay(session, ctx, equipment_id, kind, start, end, category_of(category), reason, "")


async def split(session: AsyncSession, ctx: Context, equipment_id: UUID, *, at: datetime) -> OverlayRow:
    """Cut the interval at a moment, so that its parts can be given different reasons."""
    return await _lay(session, ctx, equipment_id, OverlayKind.SPLIT, at, at, None, "", "")


async def _lay(
    session: AsyncSession,
    ctx: Context,
    equipment_id: UUID,
    kind: OverlayKind,
    start: datetime,
    end: datetime | None,
    category: Category | None,
    reason: str,
    worker: str,
) -> OverlayRow:
    equipment = await locked_one(session, ctx, equipment_id)
    if kind is OverlayKind.SPLIT:
        _check_past(ctx, start, "at")
    elif end is not None:
        _check_span(ctx, start, end)
    else:
        _check_past(ctx, start, "start")
    row = OverlayRow(
        id=ctx.new_id(), site_id=ctx.site_id, equipment_id=equipment.id, kind=kind.value, start_at=start, end_at=end,
        category=category.value if category else None, reason=reason, by=worker or ctx.actor, at=ctx.now,
        auto_closed=False, ended_by=ctx.actor if end is not None else "",
    )  # fmt: skip
    session.add(row)
    await refresh(session, ctx, equipment)
    announce_correction(session, ctx, equipment, start, max(start, row.end_at or ctx.now), kind.value)
    return row


def _check_past(ctx: Context, moment: datetime, field: str) -> None:
    if moment > ctx.now:
        raise Invalid("timeline.in_future", field=field, time=moment.isoformat(), now=ctx.now.isoformat())


def _check_span(ctx: Context, start: datetime, end: datetime) -> None:
    _check_past(ctx, end, "end")
    if end <= start:
        raise Invalid("timeline.empty", field="end", start=start.isoformat(), end=end.isoformat())


async def _category_of_reason(session: AsyncSession, ctx: Context, code: str) -> str:
    """The category that a reason stands for. An unknown code is kept as it is: words of the floor are facts too."""
    found = await session.scalar(select(Reason).where(Reason.site_id == ctx.site_id, Reason.code == code))
    return found.category if found else ""
