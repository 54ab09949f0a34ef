"""What opens and cancels inspection lots: the steps of jobs, deliveries, shifts, and time."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands.lots import cancel, open_lot, open_lots
from services.quality.commands.shifts import shift_at
from services.quality.domain.inspection import OVER, Step, Watch, is_due
from services.quality.domain.plans import Stage
from services.quality.models import InspectionLot, InspectionPlan, Job, StageWatch


async def consider(session: AsyncSession, ctx: Context, job: Job, from_state: str, shift: str = "") -> None:
    """Open what a job's step makes due; cancel what waits of a job that is over without having been done.

    shift: as a report named it; the calendar of the machine knows better, where there is one.
    """
    if job.state in OVER:
        await cancel_lots(session, ctx, job.id, f"job {job.state}")
        return
    plan = await _plan(session, job)
    if plan is None:
        return
    watches = await _watches(session, ctx, job.id)
    stages = [Stage.of(each) for each in plan.stages]
    if any(stage.trigger == "shift_start" for stage in stages):
        shift = await shift_at(session, job, ctx.now) or shift
    for stage in stages:
        watch = watches.get(stage.no)
        if is_due(stage, _step(job, from_state), _seen(watch), ctx.now, shift):
            await _open(session, ctx, job, plan, stage, watch or _new_watch(session, ctx, job, stage), shift)
        elif watch is None and stage.trigger == "every_minutes" and job.state == "Running":
            # Minutes count from the first production on.
            _new_watch(session, ctx, job, stage).at = ctx.now
        elif watch is not None and watch.shift == "" and shift:
            watch.shift = shift


def _step(job: Job, from_state: str) -> Step:
    return Step(
        job.state, from_state, job.kind, job.first_article, str(job.equipment_id or ""), job.good, job.made,
        job.remaining,
    )  # fmt: skip


def _seen(watch: StageWatch | None) -> Watch:
    if watch is None:
        return Watch()
    machine = str(watch.equipment_id or "")
    return Watch(watch.good, watch.made, watch.at, watch.shift, machine)


async def _plan(session: AsyncSession, job: Job) -> InspectionPlan | None:
    if job.inspection_plan_id is None:
        return None
    plan = await session.get(InspectionPlan, job.inspection_plan_id)
    # A session forgets what nobody holds; a batch of events mostly asks for the same few plans.
    session.info.setdefault("plans", {})[job.inspection_plan_id] = plan
    return plan


async def _watches(session: AsyncSession, ctx: Context, job_id: UUID) -> dict[int, StageWatch]:
    rows = await session.scalars(
        select(StageWatch).where(StageWatch.site_id == ctx.site_id, StageWatch.job_id == job_id).with_for_update()
    )
    return {row.stage_no: row for row in rows}


def _new_watch(session: AsyncSession, ctx: Context, job: Job, stage: Stage) -> StageWatch:
    watch = StageWatch(
        id=ctx.new_id(), site_id=ctx.site_id, job_id=job.id, stage_no=stage.no, good=Decimal(0), made=Decimal(0),
        at=None, shift=None, equipment_id=None,
    )  # fmt: skip
    session.add(watch)
    return watch


async def _open(
    session: AsyncSession,
    ctx: Context,
    job: Job,
    plan: InspectionPlan,
    stage: Stage,
    watch: StageWatch,
    shift: str,
    lot_qty: Decimal | None = None,
    cause: str = "",
) -> InspectionLot | None:
    """Open the lot, unless one waits already that can speak for these pieces too."""
    since = max(job.good - watch.good, Decimal(0))
    if not cause and not await _makes_room(session, ctx, job, stage):
        return None
    first_off = stage.trigger == "first_off"
    good_from = job.good if first_off else watch.good
    if lot_qty is None:
        lot_qty = Decimal(max(1, stage.sample_size)) if first_off else since
    watch.good, watch.made, watch.at = job.good, job.made, ctx.now
    watch.shift, watch.equipment_id = shift, job.equipment_id
    return await open_lot(
        session, ctx, job, plan, stage, lot_qty=lot_qty, good_from=good_from, cause=cause or stage.trigger
    )


async def _makes_room(session: AsyncSession, ctx: Context, job: Job, stage: Stage) -> bool:
    """Whether no lot of the stage waits. One that waits for another machine's first piece is cancelled.

    Pieces that come while a lot waits are spoken for by the next one: where each begins is kept, so none is lost.
    """
    for lot in await open_lots(session, ctx, job.id, stage.no):
        if stage.trigger != "first_off" or lot.equipment_id == job.equipment_id:
            return False
        await cancel(session, ctx, lot, "another machine")
    return True


async def cancel_lots(session: AsyncSession, ctx: Context, job_id: UUID, reason: str) -> None:
    """Cancel what waits of a job."""
    for lot in await open_lots(session, ctx, job_id):
        await cancel(session, ctx, lot, reason)


async def delivery(session: AsyncSession, ctx: Context, job: Job, qty: Decimal) -> None:
    """Pieces came back from a supplier: every delivery is a lot for incoming inspection."""
    plan = await _plan(session, job)
    if plan is None or qty <= 0:
        return
    watches = await _watches(session, ctx, job.id)
    for stage in (Stage.of(each) for each in plan.stages):
        if stage.trigger == "per_lot" and stage.characteristics:
            watch = watches.get(stage.no) or _new_watch(session, ctx, job, stage)
            await _open(session, ctx, job, plan, stage, watch, "", qty, "delivery")


async def demand(session: AsyncSession, ctx: Context, job_id: UUID, stage_name: str, reason: str) -> InspectionLot:
    """Open a lot by hand. Raises NotFound, Invalid where the plan has no such stage, Conflict for an ended job."""
    job = await session.get(Job, job_id, with_for_update=True)
    if job is None or job.site_id != ctx.site_id:
        raise NotFound("quality.job_unknown", job=str(job_id))
    if job.state in OVER:
        raise Conflict("quality.job_over", job=job.code, state=job.state, legal=[])
    plan = await _plan(session, job)
    stages = [Stage.of(each) for each in plan.stages] if plan else []
    stage = next((each for each in stages if each.stage == stage_name and each.characteristics), None)
    if plan is None or stage is None:
        raise Invalid("quality.no_stage", field="stage", stage=stage_name, job=job.code)
    waiting = await open_lots(session, ctx, job.id, stage.no)
    if waiting:
        raise Conflict(
            "inspection_lot.waiting", lot=str(waiting[0].id), state=waiting[0].state, legal=["measure", "cancel"]
        )
    watch = (await _watches(session, ctx, job.id)).get(stage.no) or _new_watch(session, ctx, job, stage)
    qty = None if stage.trigger == "first_off" else max(job.good - watch.good, Decimal(1))
    lot = await _open(session, ctx, job, plan, stage, watch, "", qty, reason or "demand")
    assert lot is not None  # noqa: S101 - nothing was waiting
    return lot
