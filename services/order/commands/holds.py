"""Holds on orders and jobs: several may be open at once; work goes on when the last one is released."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, runs
from services.order.commands.jobs import refuse
from services.order.commands.loading import Work, check_job, check_order, load, load_of_job
from services.order.commands.orders import need_reason
from services.order.commands.progress import settle
from services.order.domain.states import (
    HOLD_REASONS,
    HOLDS_WITH_APPROVAL,
    JOB,
    JOB_AT_WORK,
    JOB_ENDED,
    ORDER,
    ORDER_ACTIVE,
    ORDER_DELIVERED,
    legal,
)
from services.order.models import Hold, Job, ProductionOrder

# ---- orders ---------------------------------------------------------------------------------------------------------


async def hold_order(
    session: AsyncSession, ctx: Context, order_id: UUID, *, reason_type: str, reason: str
) -> ProductionOrder:
    """Stop an order: nothing may start, what runs is held. Raises NotFound, Conflict, Invalid."""
    work = await load(session, ctx, order_id)
    check_order(work.order, "hold")
    _check_reason(reason_type, reason)
    await hold_order_in(session, ctx, work, reason_type, reason)
    await settle(session, ctx, work)
    return work.order


async def hold_order_in(
    session: AsyncSession, ctx: Context, work: Work, reason_type: str, reason: str, nonconformance: UUID | None = None
) -> None:
    """Open a hold on the order; the caller settles. An order that is over or was not released keeps its state."""
    _open(session, ctx, work, None, reason_type, reason, nonconformance)
    before = work.order.state
    if before not in ORDER_ACTIVE:
        events.publish_changed(session, ctx, work.order, ["holds"], reason, work.holds)
        return
    work.order.state_before_hold, work.order.state = before, "Held"
    for job in work.jobs.values():
        if job.state in JOB_AT_WORK:
            await _freeze(session, ctx, work, job, reason)
    events.publish_order(session, ctx, work.order, before, "held", reason, work.holds)


async def resume_order(
    session: AsyncSession, ctx: Context, order_id: UUID, *, hold_id: UUID | None = None, note: str = ""
) -> ProductionOrder:
    """Release a hold (the only one unless named); the order goes on when none is left.

    QUALITY_HOLD, ENGINEERING_CHANGE and SAFETY need a note: the disposition, the change, the approval. A hold of a
    nonconformance is released by its disposition only. Raises NotFound, Conflict, Invalid.
    """
    work = await load(session, ctx, order_id)
    check_order(work.order, "resume")
    hold = _chosen(work, work.order_holds(), hold_id)
    _check_release(work, hold, note)
    await release_in(session, ctx, work, [hold], note)
    await settle(session, ctx, work)
    return work.order


# ---- jobs -----------------------------------------------------------------------------------------------------------


async def hold_job(
    session: AsyncSession, ctx: Context, job_id: UUID, *, reason_type: str, reason: str
) -> tuple[Work, Job]:
    """Stop a job; on a Done job, its lot and the next job; on the last job, the order. Raises NotFound, Conflict."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "hold")
    if work.order.state in ORDER_DELIVERED:
        raise refuse("job.order_completed", job, no=work.order.no)
    _check_reason(reason_type, reason)
    await hold_job_in(session, ctx, work, job, reason_type, reason)
    await settle(session, ctx, work)
    return work, job


async def hold_job_in(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job,
    reason_type: str,
    reason: str,
    nonconformance: UUID | None = None,
) -> None:
    """Open a hold on a job; the caller settles."""
    if job.state not in JOB_ENDED:
        _open(session, ctx, work, job, reason_type, reason, nonconformance)
        await _freeze(session, ctx, work, job, reason)
        return
    followers = [each for each in work.followers(job) if each.state not in JOB_ENDED]
    if not followers:
        await hold_order_in(session, ctx, work, reason_type, reason, nonconformance)
        return
    _open(session, ctx, work, job, reason_type, reason, nonconformance)
    work.tell(job, job.state, "hold", reason)
    for each in followers:
        _open(session, ctx, work, each, reason_type, reason, nonconformance)
        await _freeze(session, ctx, work, each, reason)


async def release_job(
    session: AsyncSession, ctx: Context, job_id: UUID, *, hold_id: UUID | None = None, note: str = ""
) -> tuple[Work, Job]:
    """Release a hold on a job (the only one unless named). Raises NotFound, Conflict, Invalid: as `resume_order`."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "release")
    holds = work.job_holds(job.id)
    if not holds and job.state == "Held":
        raise refuse("job.held_by_order", job, no=work.order.no)
    hold = _chosen(work, holds, hold_id, job)
    _check_release(work, hold, note)
    # A hold on a Done job was opened on the next jobs too.
    mark = (hold.opened_at, hold.reason) if job.state == "Done" else None
    same = [each for each in work.holds if each.id == hold.id or (each.opened_at, each.reason) == mark]
    await release_in(session, ctx, work, same, note)
    await settle(session, ctx, work)
    return work, job


# ---- what both share ------------------------------------------------------------------------------------------------


def _check_reason(reason_type: str, reason: str) -> None:
    if reason_type not in HOLD_REASONS:
        raise Invalid("hold.reason_type", field="reason_type", given=reason_type, legal=", ".join(HOLD_REASONS))
    need_reason(reason)


def _open(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job | None,
    reason_type: str,
    reason: str,
    nonconformance: UUID | None,
) -> None:
    hold = Hold(
        id=ctx.new_id(), site_id=ctx.site_id, order_id=work.order.id, job_id=job.id if job is not None else None,
        reason_type=reason_type, reason=reason, nonconformance_id=nonconformance, opened_at=ctx.now,
        opened_by=ctx.actor, released_at=None, released_by="", release_note="",
    )  # fmt: skip
    session.add(hold)
    work.holds.append(hold)


async def _freeze(session: AsyncSession, ctx: Context, work: Work, job: Job, reason: str) -> None:
    """A job becomes Held; its runs end. Pieces at a supplier stay there: only their acceptance waits."""
    before = job.state
    if before in JOB["hold"] and before != "Held":
        await runs.end_of_job(session, ctx, work, job, "hold", reason)
        job.state_before_hold, job.state = before, "Held"
    work.tell(job, before, "hold", reason)


def _chosen(work: Work, holds: list[Hold], hold_id: UUID | None, job: Job | None = None) -> Hold:
    if hold_id is not None:
        for each in holds:
            if each.id == hold_id:
                return each
        raise NotFound("hold.unknown", hold=str(hold_id))
    if len(holds) == 1:
        return holds[0]
    if job is not None:
        raise refuse("hold.choose", job, count=str(len(holds)))
    state = work.order.state
    raise Conflict("hold.choose", state=state, legal=legal(ORDER, state), count=str(len(holds)), job=work.order.no)


def _check_release(work: Work, hold: Hold, note: str) -> None:
    if hold.nonconformance_id is not None:
        state = work.order.state
        raise Conflict("hold.needs_disposition", state=state, legal=legal(ORDER, state), reason=hold.reason)
    if hold.reason_type in HOLDS_WITH_APPROVAL and not note.strip():
        raise Invalid("hold.note_missing", field="note", reason_type=hold.reason_type)


async def release_in(session: AsyncSession, ctx: Context, work: Work, holds: list[Hold], note: str) -> None:
    """Release holds; order and jobs go back to where they were if nothing else holds them. The caller settles."""
    for hold in holds:
        hold.released_at, hold.released_by, hold.release_note = ctx.now, ctx.actor, note
    order, before = work.order, work.order.state
    if before == "Held" and not work.order_holds():
        order.state, order.state_before_hold = order.state_before_hold or "InProgress", ""
        events.publish_order(session, ctx, order, before, "resumed", note, work.holds)
    elif any(hold.job_id is None for hold in holds):
        events.publish_changed(session, ctx, order, ["holds"], note, work.holds)
    free = [
        job for job in work.jobs.values()
        if job.state == "Held" and order.state != "Held" and not work.job_holds(job.id)
    ]  # fmt: skip
    # Looked up before any goes on: jobs that were made together go on together.
    taken = {job.id: await _taken_by(session, ctx, job) for job in free}
    for job in work.jobs.values():
        if job.id in taken:
            await _thaw(session, ctx, work, job, note, taken[job.id])
        elif any(hold.job_id == job.id for hold in holds):
            work.tell(job, job.state, "release", note)


async def _taken_by(session: AsyncSession, ctx: Context, job: Job) -> list[str]:
    """Codes of other jobs that the machine of a held job is working on."""
    if job.state_before_hold not in JOB_AT_WORK or job.equipment_id is None:
        return []
    return await runs.busy_with(session, ctx, job.equipment_id, job.id)


async def _thaw(session: AsyncSession, ctx: Context, work: Work, job: Job, note: str, taken_by: Sequence[str]) -> None:
    """A job goes back to where it was; one that was being worked on goes on with the same people and place.

    When its machine has taken other work meanwhile it waits Paused: nobody works on it, and counts of the other job
    must not become its own.
    """
    job.state, job.state_before_hold = job.state_before_hold or "Waiting", ""
    if taken_by:
        job.state = "Paused"
        work.warnings.append(("job.equipment_busy", {"jobs": ", ".join(taken_by[:5])}))
    elif job.state in JOB_AT_WORK:
        await runs.again(session, ctx, work, job, "setup" if job.state == "Setup" else "production")
    work.tell(job, "Held", "release", note)
