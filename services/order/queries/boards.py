"""What the boards show: orders by urgency, machines with what they do now and next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import PlanVersion, ProductionOrder

FILTERS = {
    "open": ("Draft", "Released", "InProgress", "Held", "Completed"),
    "late": ("Released", "InProgress", "Held"),
    "work": ("InProgress",),
    "held": ("Held",),
    "draft": ("Draft",),
    "ended": ("Completed", "Closed", "Cancelled", "Aborted", "Rejected", "Superseded"),
}

# Urgent first: what is late by the plan, or by the clock where no plan says anything.
_ORDERS = text(
    """
    WITH shown AS (
        SELECT o.*, o.due_at - greatest(coalesce(o.projected_end, :now), :now) AS left_over
        FROM production_order o
        WHERE o.site_id = :site AND o.state = ANY(:states)
            AND (NOT :late OR greatest(coalesce(o.projected_end, :now), :now) > o.due_at)
        ORDER BY o.state IN ('Closed', 'Completed', 'Cancelled', 'Aborted', 'Rejected', 'Superseded'),
            left_over, o.priority, o.no
        LIMIT :limit OFFSET :offset
    )
    SELECT o.id, o.no, o.state, o.priority, o.qty, o.uom, o.customer, o.due_at, o.projected_end, o.lateness_s,
        o.good_qty, o.scrap_qty, o.material_id, o.left_over, p.total, p.done, p.progress, c.seq, c.name_zh, c.name_en,
        c.state AS job_state, c.place
    FROM shown o
    LEFT JOIN LATERAL (
        SELECT count(*) AS total, count(*) FILTER (WHERE j.state IN ('Done', 'Skipped')) AS done,
            avg(CASE WHEN j.state IN ('Done', 'Skipped') THEN 1
                     ELSE least(1, (j.good_qty + j.scrap_qty) / nullif(j.qty, 0)) END) AS progress
        FROM job j WHERE j.order_id = o.id AND j.state NOT IN ('Cancelled', 'Aborted', 'Superseded')
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT j.seq, j.name_zh, j.name_en, j.state, coalesce(j.equipment_id, j.planned_equipment_id) AS place
        FROM job j
        WHERE j.order_id = o.id AND j.state NOT IN ('Done', 'Skipped', 'Cancelled', 'Aborted', 'Superseded')
        ORDER BY array_position(ARRAY['Running', 'Setup', 'Held', 'Paused', 'Sent', 'PartlyReturned', 'Returned',
            'Ready', 'Waiting'], j.state), j.seq
        LIMIT 1
    ) c ON true
    ORDER BY o.state IN ('Closed', 'Completed', 'Cancelled', 'Aborted', 'Rejected', 'Superseded'), o.left_over,
        o.priority, o.no
    """
)


async def orders(
    session: AsyncSession, site_id: UUID, now: datetime, *, only: str = "open", limit: int = 200, offset: int = 0
) -> Sequence[Row[Any]]:
    """Orders by urgency with their progress (0..1, None without jobs) and the operation that they are at."""
    values = {
        "site": site_id, "now": now, "states": list(FILTERS[only]), "late": only == "late", "limit": limit,
        "offset": offset,
    }  # fmt: skip
    return (await session.execute(_ORDERS, values)).all()


async def order_counts(session: AsyncSession, site_id: UUID, now: datetime) -> dict[str, int]:
    """How many orders each filter of the board shows."""
    end = func.greatest(func.coalesce(ProductionOrder.projected_end, now), now)
    rows = await session.execute(
        select(ProductionOrder.state, func.count(), func.count().filter(end > ProductionOrder.due_at))
        .where(ProductionOrder.site_id == site_id)
        .group_by(ProductionOrder.state)
    )
    counts = dict.fromkeys(FILTERS, 0)
    for state, total, late in rows:
        for name, states in FILTERS.items():
            if state in states:
                counts[name] += late if name == "late" else total
    return counts


async def plan_version(session: AsyncSession, site_id: UUID) -> PlanVersion | None:
    """The version of the plan that is applied."""
    return await session.get(PlanVersion, site_id)
