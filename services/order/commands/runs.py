"""Runs: who works where on what. A job has any number of open runs, a run one or more jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events
from services.order.commands.loading import Open, Work
from services.order.models import Job, Run, RunLine


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


async def open_of(session: AsyncSession, work: Work, job: Job, *, kind: str = "") -> list[Open]:
    """Open runs that serve a job, the oldest first, each with all its lines."""
    if work.open_runs is None:
        work.open_runs = await _open_runs(session, list(work.jobs))
    return [
        one for one in work.open_runs
        if one.run.ended_at is None and kind in ("", one.run.kind) and any(line.job_id == job.id for line in one.lines)
    ]  # fmt: skip


async def _open_runs(session: AsyncSession, job_ids: Sequence[UUID]) -> list[Open]:
    mine = select(RunLine.run_id).where(RunLine.job_id.in_(job_ids))
    query = (
        select(Run, RunLine)
        .join(RunLine, RunLine.run_id == Run.id)
        .where(Run.id.in_(mine), Run.ended_at.is_(None))
        .order_by(Run.started_at, Run.id, RunLine.job_id)
    )
    found: dict[UUID, Open] = {}
    for run, line in await session.execute(query):
        found.setdefault(run.id, Open(run)).lines.append(line)
    return list(found.values())


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
    works: Sequence[Work],
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
    opened = Open(run, made)
    for work in works:
        if work.open_runs is not None and any(line.order_id == work.order.id for line in made):
            work.open_runs.append(opened)
    return opened


def end(session: AsyncSession, ctx: Context, one: Open, cause: str, reason: str = "") -> None:
    """Close a run."""
    one.run.ended_at, one.run.cause, one.run.reason = max(ctx.now, one.run.started_at), cause, reason
    events.publish_run_closed(session, ctx, one.run, one.lines)


async def end_of_job(
    session: AsyncSession, ctx: Context, work: Work, job: Job, cause: str, reason: str = ""
) -> list[Open]:
    """Close the open runs of a job; one that serves other jobs too goes on for them as a new run."""
    closed = await open_of(session, work, job)
    for one in closed:
        end(session, ctx, one, cause, reason)
        others = [line for line in one.lines if line.job_id != job.id]
        if others:
            await _go_on(session, ctx, work, one, others)
    return closed


async def _go_on(session: AsyncSession, ctx: Context, work: Work, one: Open, lines: Sequence[RunLine]) -> None:
    quantities: dict[UUID, Decimal | None] = {line.job_id: line.qty for line in lines}
    jobs = await session.scalars(select(Job).where(Job.id.in_(list(quantities))).order_by(Job.id))
    begin(
        session, ctx, [work], [(job, quantities[job.id]) for job in jobs], kind=one.run.kind,
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


async def again(session: AsyncSession, ctx: Context, work: Work, job: Job, kind: str) -> None:
    """Work goes on as it was: a new run with the place and people of the job's last one."""
    before = await last_of_job(session, job.id, kind)
    if before is None:
        return
    begin(
        session, ctx, [work], [(job, None)], kind=kind, equipment_id=before.equipment_id or job.equipment_id,
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
