"""What was made: reports, completions, trial pieces, scrap found later. A machine's counts: see `counting`.

A report is a fact. It counts at once, or is kept Pending with its reason and counts once somebody accepts it.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, runs
from services.order.commands.counting import count
from services.order.commands.jobs import cannot_finish, check_start, end_job, make_running
from services.order.commands.loading import Work, check_exact, check_job, load_of_job
from services.order.commands.progress import settle
from services.order.commands.recording import Entry, Reported, record, spare
from services.order.commands.rework import insert_for_report
from services.order.domain.guards import Change, Pending
from services.order.domain.ledger import ZERO
from services.order.domain.states import JOB_ENDED
from services.order.models import Job, Report

__all__ = ["Entry", "Reported", "complete", "count", "report", "scrap", "scrap_in", "trial"]


async def report(session: AsyncSession, ctx: Context, job_id: UUID, entry: Entry) -> Reported:
    """Say what was made. Raises NotFound, Invalid for negative quantities or scrap without a reason."""
    work, job = await load_of_job(session, ctx, job_id)
    _check(entry)
    made = await record(session, ctx, work, job, entry, kind="production")
    await insert_for_report(session, ctx, work, job, made)
    await settle(session, ctx, work)
    return Reported(work, job, made)


async def complete(session: AsyncSession, ctx: Context, job_id: UUID, entry: Entry, *, reason: str = "") -> Reported:
    """Say what was made and that the job is done; its start is implied.

    The job stays Running when something remains (without a reason for ending short) or an inspection is open. A report
    that is Pending changes nothing else. Raises NotFound, Invalid.
    """
    work, job = await load_of_job(session, ctx, job_id)
    _check(entry)
    if job.state == "Waiting":
        await settle(session, ctx, work)
    implied = job.state == "Ready" and job.kind == "internal"
    why_not = await _why_not_start(session, ctx, work, job, entry) if implied else None
    if implied:
        entry = replace(entry, equipment_id=entry.equipment_id or job.planned_equipment_id)
    made = await record(
        session, ctx, work, job, entry, kind="production", as_running=implied, pending=why_not, final=True, tell=False
    )
    if implied and made.state == "Accepted":
        await _imply_start(session, ctx, work, job, entry, made)
    events.publish_report(session, ctx, made, job.material_id)
    done = Reported(work, job, made)
    if made.state == "Accepted":
        await insert_for_report(session, ctx, work, job, made)
        await finish_if_done(session, ctx, done, reason)
    await settle(session, ctx, work)
    return done


async def finish_if_done(session: AsyncSession, ctx: Context, done: Reported, reason: str = "") -> None:
    """Finish a job whose completion was reported; else say what stands in the way."""
    job = done.job
    if job.state not in ("Running", "Paused"):
        return
    done.not_finished = cannot_finish(done.work, job, reason)
    if done.not_finished is None:
        await end_job(session, ctx, done.work, job, "complete", reason)
    elif job.remaining_qty == 0:
        # Nobody works on it any more; it only waits for its inspection.
        await runs.end_of_job(session, ctx, done.work, job, "finish")


async def _why_not_start(session: AsyncSession, ctx: Context, work: Work, job: Job, entry: Entry) -> Pending | None:
    try:
        crew = runs.crew(ctx, entry.workers)
        await check_start(session, ctx, work, job, entry.equipment_id, crew, at=entry.occurred_at)
    except Conflict as conflict:
        return Pending(conflict.code, {name: str(value) for name, value in conflict.params.items() if name != "legal"})
    return None


async def _imply_start(session: AsyncSession, ctx: Context, work: Work, job: Job, entry: Entry, made: Report) -> None:
    """Nobody said when it was started: its run is known by its end only."""
    await make_running(session, ctx, work, job, entry.equipment_id)
    job.started_at = at = min(made.occurred_at, ctx.now)
    opened = runs.begin(
        session, ctx, [work], [(job, None)], kind="production", equipment_id=job.equipment_id,
        workers=runs.crew(ctx, entry.workers), at=at,
    )  # fmt: skip
    made.run_id, made.equipment_id = opened.run.id, job.equipment_id


async def trial(session: AsyncSession, ctx: Context, job_id: UUID, entry: Entry) -> Reported:
    """Trial pieces of a setup: scrap of class set-up unless said otherwise, or good. Raises NotFound, Conflict."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "trial")
    if entry.scrap > 0 and not entry.scrap_class:
        entry = replace(entry, scrap_class="setup", scrap_reason=entry.scrap_reason or "setup")
    _check(entry)
    made = await record(session, ctx, work, job, entry, kind="setup", as_running=True)
    work.tell(job, job.state, "trial", entry.scrap_reason)
    await settle(session, ctx, work)
    return Reported(work, job, made)


async def scrap(session: AsyncSession, ctx: Context, job_id: UUID, qty: Decimal, entry: Entry) -> Reported:
    """Pieces found bad later, also after completion: taken from the good ones, then from what is still to be made.

    Raises NotFound, Invalid without a quantity or reason.
    """
    work, job = await load_of_job(session, ctx, job_id)
    if qty <= 0:
        raise Invalid("report.nothing", field="qty")
    check_exact(qty, job.uom, job.uom_digits)
    _check(replace(entry, scrap=qty))
    made = await scrap_in(session, ctx, work, job, qty, entry)
    await settle(session, ctx, work)
    return Reported(work, job, made)


async def scrap_in(
    session: AsyncSession, ctx: Context, work: Work, job: Job, qty: Decimal, entry: Entry, *, certain: bool = False
) -> Report:
    """Record scrap found later; the caller settles. certain: somebody decided it, nothing is held against it."""
    good = job.good_qty if job.rework_of is None else spare(work, job)
    change = Change(-min(qty, good), qty)
    as_running = job.state not in JOB_ENDED
    return await record(
        session, ctx, work, job, entry, kind="scrap", change=change, as_running=as_running, certain=certain
    )


def _check(entry: Entry) -> None:
    for name, value in (("good_qty", entry.good), ("scrap_qty", entry.scrap), ("rework_qty", entry.rework)):
        if value < ZERO:
            raise Invalid("report.negative", field=name, qty=str(value))
    if entry.scrap > 0 and not entry.scrap_reason.strip():
        raise Invalid("report.scrap_reason_missing", field="scrap_reason")
