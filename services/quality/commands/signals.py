"""Signals of control charts: seen, explained, closed."""

from __future__ import annotations

from uuid import UUID

from mes.context import Context
from mes.errors import NotFound
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands.lots import note
from services.quality.domain.states import SIGNAL, move
from services.quality.models import Signal


async def advance(
    session: AsyncSession, ctx: Context, signal_id: UUID, verb: str, *, reason: str = "", cause: str = ""
) -> Signal:
    """acknowledge, assign_cause or close. Raises NotFound, Conflict with the legal verbs."""
    row = await session.get(Signal, signal_id, with_for_update=True, populate_existing=True)
    if row is None or row.site_id != ctx.site_id:
        raise NotFound("chart_signal.unknown", signal=str(signal_id))
    before, row.state = row.state, move(SIGNAL, row.state, verb, "chart_signal.illegal")
    row.version += 1
    row.cause = cause or row.cause
    note(ctx, row, verb, before, cause or reason)
    return row
