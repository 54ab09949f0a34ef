"""Versions, their operations and differences, runs, promises, and what is not planned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from mes.errors import NotFound
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.domain import differences
from services.scheduling.models import (
    Equipment,
    Job,
    OrderPromise,
    Pin,
    Planning,
    ScheduledOperation,
    ScheduleRun,
    ScheduleVersion,
    Unplanned,
)
from services.scheduling.models import Order as OrderRow

_LIVE = ("Released", "InProgress", "Held")


async def planning_of(session: AsyncSession, site: UUID) -> Planning | None:
    """Where planning stands."""
    return await session.get(Planning, site)


async def versions(session: AsyncSession, site: UUID, offset: int, limit: int) -> Sequence[ScheduleVersion]:
    """Versions, the newest first."""
    rows = select(ScheduleVersion).where(ScheduleVersion.site_id == site).order_by(ScheduleVersion.no.desc())
    return (await session.scalars(rows.offset(offset).limit(limit))).all()


async def version(session: AsyncSession, site: UUID, version_id: UUID | None) -> ScheduleVersion:
    """One version; None: the published one. Raises NotFound."""
    if version_id is None:
        planning = await planning_of(session, site)
        if planning is None or planning.version_id is None:
            raise NotFound("scheduling.no_plan")
        version_id = planning.version_id
    row = await session.get(ScheduleVersion, version_id)
    if row is None or row.site_id != site:
        raise NotFound("scheduling.version_unknown", version=str(version_id))
    return row


def _operations(site: UUID, version_id: UUID) -> Any:
    return (
        select(ScheduledOperation, Job.code, Job.seq, Job.order_no, Job.name_zh, Job.name_en, Job.state, Equipment.no)
        .outerjoin(Job, Job.id == ScheduledOperation.job_id)
        .outerjoin(Equipment, Equipment.id == ScheduledOperation.equipment_id)
        .where(ScheduledOperation.site_id == site, ScheduledOperation.version_id == version_id)
    )


async def operations(session: AsyncSession, row: ScheduleVersion, offset: int, limit: int) -> Sequence[Any]:
    """Operations of a version by their start. Raises NotFound when only its summary is kept."""
    if not row.detailed:
        raise NotFound("scheduling.details_pruned", version=row.no)
    ordered = _operations(row.site_id, row.id).order_by(ScheduledOperation.start_at, ScheduledOperation.job_id)
    found: Sequence[Any] = (await session.execute(ordered.offset(offset).limit(limit))).all()
    return found


async def within(
    session: AsyncSession,
    row: ScheduleVersion,
    start: datetime,
    end: datetime,
    *,
    machine: UUID | None = None,
    order: UUID | None = None,
    offset: int = 0,
    limit: int = 1000,
) -> Sequence[Any]:
    """Operations of a version that overlap [start, end), by machine and start."""
    asked = _operations(row.site_id, row.id).where(
        ScheduledOperation.setup_start < end, ScheduledOperation.end_at > start
    )
    if machine is not None:
        asked = asked.where(ScheduledOperation.equipment_id == machine)
    if order is not None:
        asked = asked.where(ScheduledOperation.order_id == order)
    asked = asked.order_by(Equipment.no, ScheduledOperation.setup_start, ScheduledOperation.job_id)
    found: Sequence[Any] = (await session.execute(asked.offset(offset).limit(limit))).all()
    return found


Pair = tuple[ScheduledOperation | None, ScheduledOperation | None]


async def compared(session: AsyncSession, old: ScheduleVersion | None, new: ScheduleVersion) -> dict[UUID, Pair]:
    """Job -> where it was and where it is, of jobs that two versions have elsewhere. Raises NotFound if pruned."""
    for row in (old, new):
        if row is not None and not row.detailed:
            raise NotFound("scheduling.details_pruned", version=row.no)
    before = await _by_job(session, old) if old is not None else {}
    after = await _by_job(session, new)
    pairs = {job: (before.get(job), after.get(job)) for job in sorted({*before, *after})}
    return {job: (a, b) for job, (a, b) in pairs.items() if a is None or b is None or how_moved(a, b)}


async def _by_job(session: AsyncSession, row: ScheduleVersion) -> dict[UUID, ScheduledOperation]:
    rows = await session.scalars(
        select(ScheduledOperation).where(
            ScheduledOperation.site_id == row.site_id, ScheduledOperation.version_id == row.id
        )
    )
    return {each.job_id: each for each in rows}


def how_moved(before: ScheduledOperation, after: ScheduledOperation) -> str:
    """moved, reassigned, or "" where nothing differs: counted as when the version was published."""
    return differences.how_moved(_where(before), _where(after))


def _where(each: ScheduledOperation) -> differences.Where:
    return each.equipment_id, each.setup_start, each.start_at, each.end_at


async def states_of(session: AsyncSession, jobs: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """Job -> its code and state."""
    rows = await session.execute(select(Job.id, Job.code, Job.state).where(Job.id.in_(jobs)))
    return {row.id: (row.code, row.state) for row in rows}


async def runs(session: AsyncSession, site: UUID, offset: int, limit: int) -> Sequence[ScheduleRun]:
    """Runs, the newest first."""
    rows = select(ScheduleRun).where(ScheduleRun.site_id == site).order_by(ScheduleRun.no.desc())
    return (await session.scalars(rows.offset(offset).limit(limit))).all()


async def run(session: AsyncSession, site: UUID, run_id: UUID) -> ScheduleRun:
    """One run. Raises NotFound."""
    row = await session.get(ScheduleRun, run_id)
    if row is None or row.site_id != site:
        raise NotFound("scheduling.run_unknown", run=str(run_id))
    return row


async def promises(
    session: AsyncSession, site: UUID, *, late: bool, order: UUID | None, offset: int, limit: int
) -> Sequence[Any]:
    """Promises to orders that have not ended, the latest against their due date first."""
    asked = (
        select(OrderPromise, OrderRow.no, OrderRow.priority)
        .outerjoin(OrderRow, OrderRow.id == OrderPromise.order_id)
        .where(OrderPromise.site_id == site, func.coalesce(OrderRow.state, "Released").in_(_LIVE))
        .order_by(OrderPromise.lateness_s.desc().nulls_last(), OrderPromise.order_id)
    )
    if late:
        asked = asked.where(OrderPromise.lateness_s > 0)
    if order is not None:
        asked = asked.where(OrderPromise.order_id == order)
    return (await session.execute(asked.offset(offset).limit(limit))).all()


async def unplanned(session: AsyncSession, site: UUID, offset: int, limit: int) -> Sequence[Any]:
    """Jobs that the last run could not plan."""
    asked = (
        select(Unplanned, Job.code, Job.order_no, Job.state)
        .outerjoin(Job, and_(Job.id == Unplanned.job_id, Job.site_id == Unplanned.site_id))
        .where(Unplanned.site_id == site)
        .order_by(Job.order_no, Job.seq, Unplanned.job_id)
    )
    return (await session.execute(asked.offset(offset).limit(limit))).all()


async def pins(session: AsyncSession, site: UUID, offset: int, limit: int) -> Sequence[Pin]:
    """Pins, by job."""
    rows = select(Pin).where(Pin.site_id == site).order_by(Pin.job_id)
    return (await session.scalars(rows.offset(offset).limit(limit))).all()
