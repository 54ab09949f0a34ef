"""What planners decide for planning alone: in force until withdrawn or expired; every plan keeps to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from mes import outbox
from mes.context import Context
from mes.errors import Conflict, NotFound
from mes.events.v1 import scheduling_pb2
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.commands.requests import request_plan
from services.scheduling.domain import decisions
from services.scheduling.domain.changes import Why
from services.scheduling.models import PlanningDecision

IN_FORCE = "InForce"


async def decide(
    session: AsyncSession,
    ctx: Context,
    kind: str,
    body: Mapping[str, Any],
    *,
    note: str = "",
    expires_at: datetime | None = None,
    promised_end: datetime | None = None,
    scenario_id: UUID | None = None,
) -> PlanningDecision:
    """Have a decision hold from now on. A machine's span ends with the span, whatever else is said."""
    if expires_at is None and kind in (decisions.MACHINE_OUT, decisions.EXTRA_TIME):
        expires_at = decisions.moment(body["end"])
    row = PlanningDecision(
        id=ctx.new_id(), site_id=ctx.site_id, kind=kind, body=dict(body), note=note, state=IN_FORCE, by=ctx.actor,
        at=ctx.now, expires_at=expires_at, promised_end=promised_end, scenario_id=scenario_id,
    )  # fmt: skip
    session.add(row)
    _announce(session, ctx, row)
    return row


async def withdraw(session: AsyncSession, ctx: Context, decision_id: UUID) -> PlanningDecision:
    """A decision holds no more; what it kept free is planned again. Raises NotFound, Conflict if it is over."""
    row = await session.scalar(
        select(PlanningDecision)
        .where(PlanningDecision.site_id == ctx.site_id, PlanningDecision.id == decision_id)
        .with_for_update()
    )
    if row is None:
        raise NotFound("scheduling.decision_unknown", decision=str(decision_id))
    if row.state != IN_FORCE:
        raise Conflict("scheduling.decision_over", state=row.state, legal=[IN_FORCE])
    row.state = "Withdrawn"
    _announce(session, ctx, row)
    await request_plan(session, ctx, {Why.DECIDED})
    return row


async def any_expired(session: AsyncSession, site: UUID, now: datetime) -> bool:
    """Whether the time of a decision is over that still counts as in force."""
    rows = select(PlanningDecision.id).where(
        PlanningDecision.site_id == site, PlanningDecision.state == IN_FORCE, PlanningDecision.expires_at <= now
    )
    return await session.scalar(rows.limit(1)) is not None


async def expire(session: AsyncSession, ctx: Context) -> int:
    """Decisions whose time is over hold no more; how many these were."""
    rows: Sequence[PlanningDecision] = (
        await session.scalars(
            update(PlanningDecision)
            .where(
                PlanningDecision.site_id == ctx.site_id,
                PlanningDecision.state == IN_FORCE,
                PlanningDecision.expires_at <= ctx.now,
            )
            .values(state="Expired")
            .returning(PlanningDecision)
        )
    ).all()
    for row in rows:
        _announce(session, ctx, row)
    if rows:
        await request_plan(session, ctx, {Why.DECIDED})
    return len(rows)


def _announce(session: AsyncSession, ctx: Context, row: PlanningDecision) -> None:
    event = scheduling_pb2.PlanningDecided(decision_id=str(row.id), kind=row.kind, state=row.state)
    if row.promised_end is not None:
        event.promised_end.FromDatetime(row.promised_end)
    if row.expires_at is not None:
        event.expires_at.FromDatetime(row.expires_at)
    outbox.publish(session, ctx, event, key=ctx.site_id)
