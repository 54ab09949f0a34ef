"""Runs by themselves: several jobs begun together, and runs ended without their jobs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import runs
from services.order.commands.jobs import check_start, make_running
from services.order.commands.loading import Open, Warned, load_of_jobs
from services.order.commands.progress import settle
from services.order.commands.runs import Worker
from services.order.models import Run


async def open_run(
    session: AsyncSession,
    ctx: Context,
    *,
    equipment_id: UUID | None,
    workers: Sequence[Worker],
    lines: Sequence[tuple[UUID, Decimal | None]],
) -> tuple[Open, list[Warned]]:
    """Begin to work on jobs together (an oven load, one person on several cards); jobs that run are joined.

    Returns the run and the warnings of the guards. Raises NotFound, Conflict when one of the jobs may not start,
    Invalid for a job named twice.
    """
    ids = [job_id for job_id, _ in lines]
    if len(set(ids)) < len(ids):
        raise Invalid("run.job_twice", field="lines")
    works = await load_of_jobs(session, ctx, ids)
    crew = runs.crew(ctx, workers)
    jobs = {job_id: (work, work.jobs[job_id]) for work in works for job_id in ids if job_id in work.jobs}
    for work, job in jobs.values():
        await check_start(session, ctx, work, job, equipment_id, crew)
    for work, job in jobs.values():
        await make_running(session, ctx, work, job, equipment_id)
    place = equipment_id or jobs[ids[0]][1].equipment_id
    opened = runs.begin(
        session, ctx, works, [(jobs[job_id][1], qty) for job_id, qty in lines], kind="production", equipment_id=place,
        workers=crew,
    )  # fmt: skip
    warned: list[Warned] = []
    for work in works:
        await settle(session, ctx, work)
        # Several jobs may have the same to say of a person or machine.
        warned += [each for each in work.warnings if each not in warned]
    return opened, warned


async def close_run(
    session: AsyncSession, ctx: Context, run_id: UUID, *, cause: str = "pause", reason: str = ""
) -> Open:
    """End a run. A job without another open run is Paused. Raises NotFound, Conflict when it has ended."""
    run = await session.get(Run, run_id)
    if run is None or run.site_id != ctx.site_id:
        raise NotFound("run.unknown", run=str(run_id))
    one = (await runs.with_lines(session, [run]))[0]
    works = await load_of_jobs(session, ctx, [line.job_id for line in one.lines])
    await session.refresh(run)
    if run.ended_at is not None:
        raise Conflict("run.ended", state="ended", legal=[])
    runs.end(session, ctx, one, cause, reason)
    await session.flush()
    for work in works:
        for job in (work.jobs[line.job_id] for line in one.lines if line.job_id in work.jobs):
            if job.state in ("Running", "Setup") and not await runs.open_of(session, work, job):
                before, job.state = job.state, "Paused"
                work.tell(job, before, "pause", reason)
        await settle(session, ctx, work)
    return one
