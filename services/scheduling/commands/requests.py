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
# Late by more than the threshold and 20 % of the planned duration: see `domain.changes.allowance`.
_LATE = text(
    """
    SELECT EXISTS (
        SELECT 1 FROM planning p
        LEFT JOIN planning_settings ps ON ps.site_id = p.site_id
        JOIN scheduled_operation s ON s.site_id = p.site_id AND s.version_id = p.version_id
        JOIN job j ON j.id = s.job_id AND j.is_open
        WHERE p.site_id = :site AND p.drift_due IS NULL AND s.equipment_id IS NOT NULL AND s.start_at < :now
          AND CASE WHEN j.state IN ('Waiting', 'Ready') THEN s.start_at ELSE s.end_at END
              + greatest(make_interval(secs => coalesce(ps.drift_threshold_s, 900)), (s.end_at - s.start_at) * 0.2)
              < :now
    )
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


async def note_lateness(session: AsyncSession, ctx: Context) -> None:
    """Nobody may have said anything: what should have begun or ended long ago shows that the plan is not kept."""
    if await session.scalar(_LATE, {"site": ctx.site_id, "now": ctx.now}):
        await note_drift(session, ctx, ctx.now)


async def note_drift(session: AsyncSession, ctx: Context, now: datetime) -> None:
    """The shop is far from its plan."""
    await session.execute(_DRIFT, {"site": ctx.site_id, "now": now})
