"""Requests for a new plan: recorded beside what caused them, so that neither gets lost."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from mes.context import Context
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.domain.changes import Why

_REQUEST = text(
    """
    INSERT INTO planning AS p (site_id, requested, planned, reasons, requested_at, version_no, drift_pause_s)
    VALUES (:site, 1, 0, :reasons, :now, 0, 900)
    ON CONFLICT (site_id) DO UPDATE SET
        requested = p.requested + 1, requested_at = excluded.requested_at,
        reasons = ARRAY(SELECT DISTINCT unnest(p.reasons || excluded.reasons) ORDER BY 1)
    RETURNING requested
    """
)
_DRIFT = text(
    """
    UPDATE planning SET drift_due = greatest(:now, planned_at + make_interval(secs => drift_pause_s))
    WHERE site_id = :site AND drift_due IS NULL AND planned_at IS NOT NULL
    """
)


async def request_plan(session: AsyncSession, ctx: Context, reasons: Collection[Why]) -> int | None:
    """Ask for a new plan; returns the number of the request.

    Drift alone asks for one only some time after the last plan, so that a shop that slides as a whole is not planned
    anew with every job; then None is returned.
    """
    firm = sorted(why.value for why in reasons if why is not Why.DRIFT)
    if firm:
        row = await session.execute(_REQUEST, {"site": ctx.site_id, "reasons": firm, "now": ctx.now})
        return int(row.scalar_one())
    if reasons:
        await note_drift(session, ctx, ctx.now)
    return None


async def note_drift(session: AsyncSession, ctx: Context, now: datetime) -> None:
    """The shop is far from its plan."""
    await session.execute(_DRIFT, {"site": ctx.site_id, "now": now})
