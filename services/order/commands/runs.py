"""Runs: who works where on what. A job has any number of open runs, a run one or more jobs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events
from services.order.models import Job, Run, RunLine


@dataclass(slots=True)
class Open:
    """A run with its lines."""

    run: Run
    lines: list[RunLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody in a run; labour splits by share."""

    worker: str
    share: Decimal = Decimal(1)

    def as_json(self) -> dict[str, str]:
        return {"worker": self.worker, "share": format(self.share, "f")}


def crew(ctx: Context, workers: Sequence[Worker]) -> list[dict[str, str]]:
    """Who works; the actor where nobody is named."""
    return [each.as_json() for each in workers or [Worker(ctx.actor)]]


async def of_jobs(session: AsyncSession, job_ids: Collection[UUID], *, kind: str = "") -> list[Open]:
    """Open runs that serve one of the jobs, the oldest first, each with all its lines."""
    query = (
        select(Run)
        .join(RunLine, RunLine.run_id == Run.id)
        .where(RunLine.job_id.in_(job_ids), Run.ended_at.is_(None))
        .order_by(Run.started_at, Run.id)
        .distinct()
    )
    if kind:
        query = query.where(Run.kind == kind)
    return await with_lines(session, (await session.scalars(query)).all())


async def with_lines(session: AsyncSession, runs: Sequence[Run]) -> list[Open]:
    """Runs with their lines."""
    found = {run.id: Open(run) for run in runs}
    if found:
        lines = select(RunLine).where(RunLine.run_id.in_(list(found))).order_by(RunLine.run_id, RunLine.job_id)
        for line in await session.scalars(lines):
            found[line.run_id].lines.append(line)
    return list(found.values())


def begin(
    session: AsyncSession,
    ctx: Context,
    lines: Sequence[tuple[Job, Decimal | None]],
    *,
    kind: str,
    equipment_id: UUID | None,
    workers: list[dict[str, str]],
    at: datetime | None = None,
) -> Open:
    """Open a run for jobs, each with its share of the load or None."""
    run = Run(
        id=ctx.new_id(), site_id=ctx.site_id, equipment_id=equipment_id, kind=kind, workers=workers,
        started_at=at or ctx.now, ended_at=None, cause="", reason="",
    )  # fmt: skip
    made = [
        RunLine(run_id=run.id, job_id=job.id, site_id=ctx.site_id, order_id=job.order_id, qty=qty) for job, qty in lines
    ]
    session.add_all([run, *made])
    events.publish_run_opened(session, ctx, run, made)
    return Open(run, made)


def end(session: AsyncSession, ctx: Context, one: Open, cause: str, reason: str = "") -> None:
    """Close a run."""
    one.run.ended_at, one.run.cause, one.run.reason = max(ctx.now, one.run.started_at), cause, reason
    events.publish_run_closed(session, ctx, one.run, one.lines)


async def end_of_job(session: AsyncSession, ctx: Context, job: Job, cause: str, reason: str = "") -> list[Open]:
    """Close the open runs of a job; one that serves other jobs too goes on for them as a new run."""
    closed = await of_jobs(session, [job.id])
    for one in closed:
        end(session, ctx, one, cause, reason)
        others = [line for line in one.lines if line.job_id != job.id]
        if others:
            await _go_on(session, ctx, one, others)
    return closed


async def _go_on(session: AsyncSession, ctx: Context, one: Open, lines: Sequence[RunLine]) -> None:
    quantities: dict[UUID, Decimal | None] = {line.job_id: line.qty for line in lines}
    jobs = await session.scalars(select(Job).where(Job.id.in_(list(quantities))).order_by(Job.id))
    begin(
        session, ctx, [(job, quantities[job.id]) for job in jobs], kind=one.run.kind,
        equipment_id=one.run.equipment_id, workers=one.run.workers,
    )  # fmt: skip


async def last_of_job(session: AsyncSession, job_id: UUID, kind: str) -> Run | None:
    """The latest run of a job of a kind (setup | production), open or not."""
    found: Run | None = await session.scalar(
        select(Run)
        .join(RunLine, RunLine.run_id == Run.id)
        .where(RunLine.job_id == job_id, Run.kind == kind)
        .order_by(Run.started_at.desc(), Run.id.desc())
        .limit(1)
    )
    return found


async def again(session: AsyncSession, ctx: Context, job: Job, kind: str) -> None:
    """Work goes on as it was: a new run with the place and people of the job's last one."""
    before = await last_of_job(session, job.id, kind)
    if before is None:
        return
    begin(
        session, ctx, [(job, None)], kind=kind, equipment_id=before.equipment_id or job.equipment_id,
        workers=before.workers,
    )  # fmt: skip


async def was_running(session: AsyncSession, job_id: UUID, moment: datetime) -> bool:
    """Whether the job was in a production run at a moment (its end included)."""
    query = (
        select(Run.id)
        .join(RunLine, RunLine.run_id == Run.id)
        .where(RunLine.job_id == job_id, Run.kind == "production", Run.started_at <= moment)
        .where((Run.ended_at.is_(None)) | (Run.ended_at >= moment))
        .limit(1)
    )
    return await session.scalar(query) is not None


async def busy_with(session: AsyncSession, ctx: Context, equipment_id: UUID, but: UUID) -> list[str]:
    """Codes of other jobs that are being worked on at a machine."""
    query = (
        select(Job.code)
        .join(RunLine, RunLine.job_id == Job.id)
        .join(Run, Run.id == RunLine.run_id)
        .where(Run.site_id == ctx.site_id, Run.equipment_id == equipment_id, Run.ended_at.is_(None), Job.id != but)
        .distinct()
    )
    return list(await session.scalars(query))


def as_workers(given: Sequence[Any]) -> list[Worker]:
    """Workers from plain values {worker, share}."""
    return [Worker(each["worker"], Decimal(str(each.get("share") or 1))) for each in given]
