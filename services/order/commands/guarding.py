"""Guards: off, warn or block, each as the workshop has set it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands.loading import Work
from services.order.domain.guards import GUARDS, Level, Pending
from services.order.domain.skills import Lack, lacking
from services.order.domain.states import legal_for_job
from services.order.models import GuardSetting, Job
from services.order.models.catalog import SiteFacts, site_facts


async def site_of(session: AsyncSession, ctx: Context, work: Work) -> SiteFacts:
    """What holds for the whole site, read once a command."""
    if work.site is None:
        work.site = await site_facts(session, ctx.site_id)
    return work.site


async def levels_for(session: AsyncSession, ctx: Context, work: Work) -> dict[str, Level]:
    """The level of every guard, read once a command."""
    return _levels(await site_of(session, ctx, work))


async def guard_levels(session: AsyncSession, ctx: Context) -> dict[str, Level]:
    """The level of every guard."""
    return _levels(await site_facts(session, ctx.site_id))


def _levels(site: SiteFacts) -> dict[str, Level]:
    return dict(GUARDS) | {guard: Level(level) for guard, level in site.guards.items() if guard in GUARDS}


async def set_guard(session: AsyncSession, ctx: Context, guard: str, level: str) -> None:
    """Set how hard a guard is. Raises Invalid for a guard or level that is none."""
    if guard not in GUARDS:
        raise Invalid("guard.unknown", field="guard", guard=guard, legal=", ".join(GUARDS))
    if level not in set(Level):
        raise Invalid("guard.level_unknown", field="level", level=level, legal=", ".join(Level))
    row = await session.scalar(
        select(GuardSetting).where(GuardSetting.site_id == ctx.site_id, GuardSetting.guard == guard).with_for_update()
    )
    if row is None:
        row = GuardSetting(id=ctx.new_id(), site_id=ctx.site_id, guard=guard)
        session.add(row)
    row.level, row.changed_at, row.changed_by = level, ctx.now, ctx.actor


def hold_against(work: Work, job: Job, levels: dict[str, Level], guard: str, code: str, **params: str) -> None:
    """A guard does not hold: nothing, a warning in the answer, or Conflict, by its level."""
    level = levels[guard]
    if level is Level.WARN:
        work.warnings.append((code, params))
    elif level is Level.BLOCK:
        raise Conflict(code, state=job.state, legal=legal_for_job(job.state, job.kind), job=job.code, **params)


# ---- skills --------------------------------------------------------------------------------------------------------

Crew = Iterable[Mapping[str, str]]
"""People as runs and reports keep them: {worker, share}."""


async def check_skill(
    session: AsyncSession, ctx: Context, work: Work, job: Job, crew: Crew, equipment_id: UUID | None, at: datetime
) -> None:
    """Hold a job's skill against everybody who is to work on it. Raises Conflict where that guard blocks."""
    for lack in await _lacking(session, ctx, work, job, crew, equipment_id, at):
        hold_against(work, job, await levels_for(session, ctx, work), "skill", lack.code, **lack.params)


async def unqualified(
    session: AsyncSession, ctx: Context, work: Work, job: Job, crew: Crew, equipment_id: UUID | None, at: datetime
) -> Pending | None:
    """Why a report of these people is Pending, by the first who lacks something; None unless the guard blocks."""
    lacks = await _lacking(session, ctx, work, job, crew, equipment_id, at)
    if not lacks or (await levels_for(session, ctx, work))["skill"] is not Level.BLOCK:
        return None
    return Pending(lacks[0].code, lacks[0].params)


async def _lacking(
    session: AsyncSession, ctx: Context, work: Work, job: Job, crew: Crew, equipment_id: UUID | None, at: datetime
) -> list[Lack]:
    # What is outside is done by the supplier's people.
    if not job.skill or job.kind == "outside":
        return []
    site = await site_of(session, ctx, work)
    day, _ = site.places.production_date(equipment_id, at)
    return lacking(job.skill, (each["worker"] for each in crew), site.people, day)
