"""What a terminal or a foreman does with a job: set up, start, pause, hand over, finish, skip, reassign, abort ..."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import runs
from services.order.commands.guarding import Crew, check_skill, hold_against, levels_for, site_of
from services.order.commands.loading import Work, check_active, check_job, load_of_job
from services.order.commands.orders import need_reason
from services.order.commands.progress import has_material, reevaluate, settle
from services.order.commands.runs import Worker
from services.order.domain.guards import LONG_STOP
from services.order.domain.ledger import ZERO
from services.order.domain.quantity import plain
from services.order.domain.states import JOB_ENDED, ORDER_DELIVERED, legal_for_job
from services.order.models import EquipmentState, Job
from services.order.models.catalog import has_gate

__all__ = ["reevaluate"]

Done = tuple[Work, Job]
"""The order at rest, with the warnings of the guards, and the job."""


def refuse(code: str, job: Job, **params: str) -> Conflict:
    """Conflict with the job's state and its legal moves."""
    return Conflict(code, state=job.state, legal=legal_for_job(job.state, job.kind), job=job.code, **params)


# ---- setup ---------------------------------------------------------------------------------------------------------


async def start_setup(
    session: AsyncSession,
    ctx: Context,
    job_id: UUID,
    *,
    equipment_id: UUID | None = None,
    workers: Sequence[Worker] = (),
) -> Done:
    """Begin to set a machine up. Raises NotFound, Conflict."""
    work, job = await load_of_job(session, ctx, job_id)
    crew = runs.crew(ctx, workers)
    await _may_begin(session, ctx, work, job, "start_setup", equipment_id, crew, ctx.now)
    before = job.state
    # Another setup, another first article.
    job.fai = ""
    job.state, job.equipment_id = "Setup", equipment_id or job.planned_equipment_id
    runs.begin(session, ctx, [work], [(job, None)], kind="setup", equipment_id=job.equipment_id, workers=crew)
    work.tell(job, before, "start_setup")
    await settle(session, ctx, work)
    return work, job


async def stop_setup(session: AsyncSession, ctx: Context, job_id: UUID, *, reason: str) -> Done:
    """End a setup without starting: back to Ready, or Paused once something was made. Raises NotFound, Conflict."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "stop_setup")
    need_reason(reason)
    await runs.end_of_job(session, ctx, work, job, "stop_setup", reason)
    job.state, job.fai = ("Paused" if job.good_qty + job.rework_qty > 0 else "Ready"), ""
    if job.state == "Ready":
        job.equipment_id = None
    work.tell(job, "Setup", "stop_setup", reason)
    await settle(session, ctx, work)
    return work, job


async def _may_begin(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job,
    verb: str,
    equipment_id: UUID | None,
    crew: Crew,
    at: datetime,
) -> None:
    """Raises Conflict when a job may not be set up or started by a crew at a place; warns where guards only warn."""
    if job.state == "Waiting":
        # What it waited for may have come by time alone.
        await settle(session, ctx, work)
    check_job(work, job, verb)
    check_active(work, job)
    if not job.allowed_to_start:
        raise refuse("job.not_allowed", job)
    place = equipment_id or job.equipment_id or job.planned_equipment_id
    levels = await levels_for(session, ctx, work)
    if not has_material(ctx, job):
        expected = job.material_ready_at.isoformat() if job.material_ready_at else ""
        hold_against(work, job, levels, "material", "job.material_missing", expected=expected)
    await check_skill(session, ctx, work, job, crew, place, at)
    if place is None:
        return
    known = {each["equipment_id"] for each in job.alternatives}
    if known and str(place) not in known:
        hold_against(work, job, levels, "equipment_unplanned", "job.equipment_unplanned", equipment=str(place))
    if others := await runs.busy_with(session, ctx, place, job.id):
        hold_against(work, job, levels, "equipment_busy", "job.equipment_busy", jobs=", ".join(others[:5]))
    state = await session.get(EquipmentState, place)
    if state is not None and state.category == "UNPLANNED_DOWN":
        since = state.since.isoformat()
        hold_against(work, job, levels, "equipment_down", "job.equipment_down", since=since)


# ---- production ----------------------------------------------------------------------------------------------------


async def first_article_open(session: AsyncSession, ctx: Context, job: Job) -> bool:
    """Whether a first-article inspection is planned as a gate, or is being made, and has not passed."""
    if job.fai == "passed":
        return False
    if job.fai in ("open", "failed"):
        return True
    return job.first_article and await has_gate(session, ctx.site_id, job.inspection_plan_id, "FAI")


async def start(
    session: AsyncSession,
    ctx: Context,
    job_id: UUID,
    *,
    equipment_id: UUID | None = None,
    workers: Sequence[Worker] = (),
    qty: Decimal | None = None,
    at: datetime | None = None,
) -> Done:
    """Begin to produce, or join in; starting again what runs so already changes nothing.

    Raises NotFound, Conflict (also while the first article has not passed).
    """
    work, job = await load_of_job(session, ctx, job_id)
    if job.state == "Running" and await _runs_so(session, ctx, work, job, equipment_id, workers):
        return work, job
    crew = runs.crew(ctx, workers)
    await check_start(session, ctx, work, job, equipment_id, crew, at=at)
    await make_running(session, ctx, work, job, equipment_id)
    runs.begin(
        session, ctx, [work], [(job, qty)], kind="production", equipment_id=equipment_id or job.equipment_id,
        workers=crew, at=at,
    )  # fmt: skip
    await settle(session, ctx, work)
    return work, job


async def check_start(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job,
    equipment_id: UUID | None,
    crew: Crew,
    *,
    at: datetime | None = None,
) -> None:
    """Raises Conflict when a crew may not start, or join, a job at a place; warns where guards only warn.

    at: when it began, where that is not now.
    """
    await _may_begin(session, ctx, work, job, "start", equipment_id, crew, at or ctx.now)
    if job.state != "Running" and await first_article_open(session, ctx, job):
        raise refuse("job.first_article", job)


async def make_running(
    session: AsyncSession, ctx: Context, work: Work, job: Job, equipment_id: UUID | None = None
) -> None:
    """A job becomes Running; its setup run ends, the production run is the caller's."""
    before = job.state
    if before != "Running":
        if before == "Setup":
            await runs.end_of_job(session, ctx, work, job, "start")
        job.equipment_id = equipment_id or job.equipment_id or job.planned_equipment_id
        job.state, job.started_at = "Running", job.started_at or ctx.now
    work.tell(job, before, "start")


async def _runs_so(
    session: AsyncSession, ctx: Context, work: Work, job: Job, equipment_id: UUID | None, workers: Sequence[Worker]
) -> bool:
    crew = {each["worker"] for each in runs.crew(ctx, workers)}
    place = equipment_id or job.equipment_id
    open_runs = await runs.open_of(session, work, job, kind="production")
    return any(
        one.run.equipment_id == place and crew <= {each["worker"] for each in one.run.workers} for one in open_runs
    )


async def pause(session: AsyncSession, ctx: Context, job_id: UUID, *, reason: str) -> Done:
    """Stop for a while: the worker's clock stops too. Raises NotFound, Conflict, Invalid without a reason."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "pause")
    need_reason(reason)
    before = job.state
    await runs.end_of_job(session, ctx, work, job, "pause", reason)
    job.state = "Paused"
    work.tell(job, before, "pause", reason)
    await settle(session, ctx, work)
    return work, job


async def resume(session: AsyncSession, ctx: Context, job_id: UUID, *, workers: Sequence[Worker] = ()) -> Done:
    """Go on where it was paused. Raises NotFound, Conflict (also while the first article has not passed)."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "resume")
    check_active(work, job)
    if await first_article_open(session, ctx, job) and job.good_qty + job.rework_qty == 0:
        raise refuse("job.first_article", job)
    if job.first_article:
        await _after_stop(session, ctx, work, job)
        await _after_shift(session, ctx, work, job)
    crew = runs.crew(ctx, workers)
    await check_skill(session, ctx, work, job, crew, job.equipment_id, ctx.now)
    job.state, job.started_at = "Running", job.started_at or ctx.now
    runs.begin(session, ctx, [work], [(job, None)], kind="production", equipment_id=job.equipment_id, workers=crew)
    work.tell(job, "Paused", "resume")
    await settle(session, ctx, work)
    return work, job


async def _after_stop(session: AsyncSession, ctx: Context, work: Work, job: Job) -> None:
    """After a long stop a planned first article should be made again: set the job up anew (reassign, start-setup)."""
    last = await runs.last_of_job(session, job.id, "production")
    if last is None or last.ended_at is None or ctx.now - last.ended_at < LONG_STOP:
        return
    if await has_gate(session, ctx.site_id, job.inspection_plan_id, "FAI"):
        levels = await levels_for(session, ctx, work)
        since = last.ended_at.isoformat()
        hold_against(work, job, levels, "first_article_after_stop", "job.first_article_again", since=since)


async def _after_shift(session: AsyncSession, ctx: Context, work: Work, job: Job) -> None:
    """In another shift than the one in which production last began, a planned first article should be made again."""
    last = await runs.last_of_job(session, job.id, "production") if job.first_article else None
    if last is None or not await has_gate(session, ctx.site_id, job.inspection_plan_id, "FAI"):
        return
    places = (await site_of(session, ctx, work)).places
    before = places.production_date(job.equipment_id, last.started_at)
    day, shift = places.production_date(job.equipment_id, ctx.now)
    # Overtime outside all shifts is no other shift.
    if shift and (day, shift) != before:
        levels, date = await levels_for(session, ctx, work), day.isoformat()
        hold_against(work, job, levels, "first_article_after_shift", "job.first_article_shift", date=date, shift=shift)


async def handover(session: AsyncSession, ctx: Context, job_id: UUID, *, workers: Sequence[Worker]) -> Done:
    """Others take over; the job stays as it is, its runs end and begin anew. Raises NotFound, Conflict, Invalid."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "handover")
    if not workers:
        raise Invalid("job.workers_missing", field="workers")
    crew = runs.crew(ctx, workers)
    await check_skill(session, ctx, work, job, crew, job.equipment_id, ctx.now)
    kind = "setup" if job.state == "Setup" else "production"
    if kind == "production":
        await _after_shift(session, ctx, work, job)
    await runs.end_of_job(session, ctx, work, job, "handover")
    runs.begin(session, ctx, [work], [(job, None)], kind=kind, equipment_id=job.equipment_id, workers=crew)
    work.tell(job, job.state, "handover", ", ".join(each.worker for each in workers))
    await settle(session, ctx, work)
    return work, job


# ---- end -----------------------------------------------------------------------------------------------------------


async def finish(session: AsyncSession, ctx: Context, job_id: UUID, *, reason: str = "") -> Done:
    """The job is done: nothing remains, or the reason says why it ends short. Raises NotFound, Conflict."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "finish")
    why_not = cannot_finish(work, job, reason)
    if why_not is not None:
        raise why_not
    await end_job(session, ctx, work, job, "finish", reason)
    await settle(session, ctx, work)
    return work, job


def cannot_finish(work: Work, job: Job, reason: str = "") -> Conflict | None:
    """What stands in the way of a job's end, if anything does."""
    if gates := work.closed_gates(job.id):
        return refuse("job.inspection_open", job, stage=gates[0].stage, inspection=gates[0].state)
    if work.job_holds(job.id):
        return refuse("job.held", job, reason=work.job_holds(job.id)[0].reason)
    if job.remaining_qty > 0 and not reason.strip():
        return refuse("job.remaining", job, remaining=plain(job.remaining_qty), uom=job.uom)
    if job.remaining_qty > 0 and job.rework_of is not None:
        return refuse("job.rework_remaining", job, remaining=plain(job.remaining_qty), uom=job.uom)
    return None


async def end_job(session: AsyncSession, ctx: Context, work: Work, job: Job, verb: str, reason: str = "") -> None:
    """A job becomes Done; its runs end. What remained is written off by the ledger."""
    before = job.state
    await runs.end_of_job(session, ctx, work, job, "finish", reason)
    job.short_qty = job.remaining_qty
    job.state, job.finished_at = "Done", ctx.now
    work.tell(job, before, verb, reason)


async def undo_finish(session: AsyncSession, ctx: Context, job_id: UUID, *, reason: str = "") -> Done:
    """A job that was finished by mistake goes on. A completed order has to be reopened first.

    Raises NotFound, Conflict.
    """
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "undo_finish")
    if work.order.state in ORDER_DELIVERED:
        raise refuse("job.order_completed", job, no=work.order.no)
    check_active(work, job)
    job.finished_at, job.short_qty = None, ZERO
    if job.kind == "outside":
        job.state = "Returned"
    else:
        job.state = "Running"
        await runs.again(session, ctx, work, job, "production")
    work.tell(job, "Done", "undo_finish", reason)
    await settle(session, ctx, work)
    return work, job


async def skip(session: AsyncSession, ctx: Context, job_id: UUID, *, reason: str, approved_by: str = "") -> Done:
    """Leave an operation out: one that is optional, or with somebody's approval. Raises NotFound, Conflict, Invalid."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "skip")
    need_reason(reason)
    if not job.optional and not approved_by.strip():
        raise refuse("job.not_optional", job)
    before, job.state, job.finished_at = job.state, "Skipped", ctx.now
    job.short_qty = job.qty
    work.tell(job, before, "skip", reason)
    await settle(session, ctx, work)
    return work, job


async def abort(session: AsyncSession, ctx: Context, job_id: UUID, *, reason: str, disposition: str = "") -> Done:
    """Give a job up: Cancelled when nothing was reported, else Aborted. Raises NotFound, Conflict, Invalid.

    disposition: what becomes of its work in progress (stock | scrap | rework | transfer); needed once there is some.
    """
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "abort")
    need_reason(reason)
    made = job.good_qty + job.scrap_qty + job.rework_qty
    if made > 0 and not disposition:
        raise Invalid("job.disposition_missing", field="disposition", job=job.code, qty=plain(made), uom=job.uom)
    await abort_in(session, ctx, work, job, f"{reason}; {disposition}" if disposition else reason)
    await settle(session, ctx, work)
    return work, job


async def abort_in(session: AsyncSession, ctx: Context, work: Work, job: Job, reason: str) -> None:
    """A job ends without being done."""
    if job.state in JOB_ENDED:
        return
    before = job.state
    await runs.end_of_job(session, ctx, work, job, "abort", reason)
    made = job.good_qty + job.scrap_qty + job.rework_qty
    job.short_qty = job.remaining_qty
    job.state, job.finished_at = ("Aborted" if made > ZERO else "Cancelled"), ctx.now
    job.state_before_hold = ""
    work.tell(job, before, "abort", reason)


# ---- what a foreman decides ----------------------------------------------------------------------------------------


async def reassign(session: AsyncSession, ctx: Context, job_id: UUID, *, equipment_id: UUID, reason: str = "") -> Done:
    """Another machine for what has not been made yet; it is set up anew. Raises NotFound, Conflict."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "reassign")
    levels = await levels_for(session, ctx, work)
    known = {each["equipment_id"] for each in job.alternatives}
    if known and str(equipment_id) not in known:
        place = str(equipment_id)
        hold_against(work, job, levels, "equipment_unplanned", "job.equipment_unplanned", equipment=place)
    before = job.state
    if job.equipment_id is not None and job.equipment_id != equipment_id:
        job.fai = ""
    job.planned_equipment_id, job.pinned = equipment_id, True
    # Pinned: there, and from now on.
    job.planned_setup_start, job.planned_start, job.planned_end, job.plan_rank = None, ctx.now, None, None
    job.equipment_id = None
    # What was made stays made; the rest is set up anew there.
    if before == "Paused":
        job.state = "Ready"
    elif before == "Held" and job.state_before_hold != "Waiting":
        job.state_before_hold = "Ready"
    work.tell(job, before, "reassign", reason)
    await settle(session, ctx, work)
    return work, job


async def allow(session: AsyncSession, ctx: Context, job_id: UUID, *, allowed: bool, reason: str = "") -> Done:
    """Give or withdraw the permission to start. Raises NotFound, Conflict."""
    work, job = await load_of_job(session, ctx, job_id)
    verb = "allow" if allowed else "disallow"
    check_job(work, job, verb)
    if job.allowed_to_start != allowed:
        job.allowed_to_start = allowed
        work.tell(job, job.state, verb, reason)
        await settle(session, ctx, work)
    return work, job


async def material_ready(
    session: AsyncSession,
    ctx: Context,
    job_id: UUID,
    *,
    expected_at: datetime | None = None,
    qty: Decimal | None = None,
) -> Done:
    """Say that the material is there (no time), or when it is expected and how much is there already.

    Raises NotFound, Conflict.
    """
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "material_ready")
    job.material_ready_at, job.material_ready_qty = expected_at, qty
    work.tell(job, job.state, "material_ready")
    await settle(session, ctx, work)
    return work, job
