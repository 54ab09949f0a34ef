"""What follows by itself from a change: quantities down the flow, Waiting and Ready, the order's start and completion.

Every command ends with `settle`: it brings one order to rest and publishes what changed, once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events
from services.order.commands.guarding import levels_for
from services.order.commands.loading import Work, load_many
from services.order.domain.flow import Flow, ledger_of
from services.order.domain.guards import Level
from services.order.domain.ledger import ZERO
from services.order.domain.states import JOB_BEGUN, JOB_ENDED, ORDER_ACTIVE, ORDER_DELIVERED
from services.order.models import EquipmentState, Job, Nonconformance, ProductionOrder
from services.order.models.catalog import material, units_of


async def reevaluate(session: AsyncSession, ctx: Context, order_ids: Collection[UUID] | UUID) -> None:
    """Bring orders to rest after something outside them changed (a component, a machine, material, a gate)."""
    wanted = [order_ids] if isinstance(order_ids, UUID) else list(order_ids)
    for work in await load_many(session, ctx, wanted):
        await settle(session, ctx, work)


async def prepare(session: AsyncSession, ctx: Context, work: Work) -> None:
    """Bring the jobs of an order that is just being released to rest; its release will tell of them."""
    _flow_down(ctx, work, work.flow(), await _look_around(session, ctx, work))
    work.told.clear()


async def settle(session: AsyncSession, ctx: Context, work: Work) -> None:
    """Bring an order to rest and publish what changed in it."""
    await settle_quantities(session, ctx, work)
    _begin(session, ctx, work)
    if await _is_complete(session, work):
        await complete(session, ctx, work)


async def settle_quantities(session: AsyncSession, ctx: Context, work: Work) -> None:
    """Quantities and readiness of the jobs, and the order's totals; not its state."""
    flow = work.flow()
    if work.order.state not in ("Draft", "Rejected"):
        _flow_down(ctx, work, flow, await _look_around(session, ctx, work))
    for told in work.told:
        events.publish_job(session, ctx, told.job, told.from_state, told.verb, told.reason, work.order.no)
    work.told.clear()
    await _total(session, ctx, work, flow)


# ---- quantities and readiness --------------------------------------------------------------------------------------


class _Surroundings:
    """What readiness needs from outside the order."""

    def __init__(self, delivered: Collection[UUID], down: Collection[UUID], material_blocks: bool) -> None:
        self.delivered, self.down, self.material_blocks = delivered, down, material_blocks


async def _look_around(session: AsyncSession, ctx: Context, work: Work) -> _Surroundings:
    open_jobs = [job for job in work.jobs.values() if job.state in ("Waiting", "Ready")]
    wanted = {one for job in open_jobs for one in job.component_order_ids}
    delivered: set[UUID] = set()
    if wanted:
        query = select(ProductionOrder.id).where(
            ProductionOrder.id.in_(wanted), ProductionOrder.state.in_(ORDER_DELIVERED)
        )
        delivered = set(await session.scalars(query))
    levels = await levels_for(session, ctx, work)
    down: set[UUID] = set()
    if levels["equipment_down"] is Level.BLOCK and open_jobs:
        query = select(EquipmentState.equipment_id).where(
            EquipmentState.site_id == ctx.site_id, EquipmentState.category == "UNPLANNED_DOWN"
        )
        down = set(await session.scalars(query))
    return _Surroundings(delivered, down, levels["material"] is Level.BLOCK)


def _flow_down(ctx: Context, work: Work, flow: Flow, around: _Surroundings) -> None:
    for seq in flow.order():
        shortages = flow.shortages(seq)
        for node in list(flow.steps[seq].nodes):
            _settle_job(ctx, work, flow, work.jobs[node.id], shortages, around)
        _take_up(work, flow, seq)
    for node in [each for each in flow.nodes.values() if each.is_rework]:
        _settle_job(ctx, work, flow, work.jobs[node.id], {node.id: flow.reworked_short(node)}, around)


def _take_up(work: Work, flow: Flow, seq: int) -> None:
    """Pieces came after all jobs of a step were over: the last of them goes on, once somebody resumes it."""
    if work.order.state not in ORDER_ACTIVE or flow.left_lying(seq) == 0:
        return
    job = work.jobs[[each for each in flow.steps[seq].nodes if each.state in ("Done", "Skipped")][-1].id]
    before = job.state
    job.state, job.finished_at = ("Paused" if before == "Done" else "Waiting"), None
    flow.put(work.node(job))
    _apply_ledger(work, job, flow.shortages(seq))
    flow.put(work.node(job))
    work.tell(job, before, "reopen", "pieces_arrived")


def _settle_job(
    ctx: Context, work: Work, flow: Flow, job: Job, shortages: dict[UUID, Decimal], around: _Surroundings
) -> None:
    before, changed = job.state, _apply_ledger(work, job, shortages)
    verb = "changed" if changed else ""
    if job.state in ("Waiting", "Ready"):
        if _nothing_to_do(flow, job):
            job.state, job.finished_at, verb = "Skipped", ctx.now, "skip"
            _apply_ledger(work, job, {})
        elif (ready := _is_ready(ctx, work, flow, job, around)) != (job.state == "Ready"):
            job.state, verb = ("Ready", "ready") if ready else ("Waiting", "waiting")
    flow.put(work.node(job))
    if verb and not any(told.job is job for told in work.told):
        work.tell(job, before, verb, "nothing_arrived" if verb == "skip" else "")


def _apply_ledger(work: Work, job: Job, shortages: dict[UUID, Decimal]) -> bool:
    """Bring over and written off to what follows from the rest; whether they changed."""
    ledger = ledger_of(work.node(job), shortages)
    if (job.over_qty, job.written_off_qty) == (ledger.over, ledger.written_off):
        return False
    job.over_qty, job.written_off_qty = ledger.over, ledger.written_off
    return True


def _nothing_to_do(flow: Flow, job: Job) -> bool:
    """Nothing was made, nothing remains, and nothing more can arrive."""
    if job.remaining_qty or job.good_qty or job.scrap_qty or job.rework_qty:
        return False
    if job.rework_of is not None:
        return job.written_off_qty > 0
    return flow.arrived(job.seq) is not None and flow.inflow_is_final(job.seq)


def _is_ready(ctx: Context, work: Work, flow: Flow, job: Job, around: _Surroundings) -> bool:
    if work.order.state not in ORDER_ACTIVE or work.order_holds() or work.job_holds(job.id):
        return False
    if not all(one in around.delivered for one in job.component_order_ids):
        return False
    if around.material_blocks and not has_material(ctx, job):
        return False
    place = job.planned_equipment_id
    if place is not None and place in around.down:
        return False
    return flow.lets_begin(work.node(job))


def has_material(ctx: Context, job: Job) -> bool:
    """Whether the job's material is there, or some of it; it is unless somebody said otherwise."""
    if job.material_ready_at is None or job.material_ready_at <= ctx.now:
        return True
    return job.material_ready_qty is not None and job.material_ready_qty > 0


# ---- the order -----------------------------------------------------------------------------------------------------


async def _total(session: AsyncSession, ctx: Context, work: Work, flow: Flow) -> None:
    """What the order has made, in its own unit, and what was scrapped on the way."""
    order = work.order
    if not any(job.good_qty or job.scrap_qty for job in work.jobs.values()) and not order.good_qty + order.scrap_qty:
        return
    made = flow.made()
    scrap = sum((job.scrap_qty for job in work.jobs.values() if job.rework_of is None), ZERO)
    if not (made or scrap or order.good_qty or order.scrap_qty):
        return
    units = units_of(await material(session, ctx.site_id, order.material_id))
    good, scrapped = units.from_report(made, order.uom), units.from_report(scrap, order.uom)
    if (good, scrapped) != (order.good_qty, order.scrap_qty):
        order.good_qty, order.scrap_qty = good, scrapped
        events.publish_changed(session, ctx, order, ["good_qty", "scrap_qty"], holds=work.holds)


def _begin(session: AsyncSession, ctx: Context, work: Work) -> None:
    if work.order.state == "Released" and any(job.state in JOB_BEGUN for job in work.jobs.values()):
        work.order.state = "InProgress"
        events.publish_order(session, ctx, work.order, "Released", "started", holds=work.holds)


async def _is_complete(session: AsyncSession, work: Work) -> bool:
    if work.order.state not in ORDER_ACTIVE or not work.jobs or any(h.released_at is None for h in work.holds):
        return False
    if any(work.closed_gates(job_id) for job_id in work.jobs):
        return False
    if not all(job.state in JOB_ENDED for job in work.jobs.values()):
        return False
    return not await open_nonconformances(session, work.order.id)


async def open_nonconformances(session: AsyncSession, order_id: UUID) -> Sequence[str]:
    """Numbers of the nonconformances of an order about whose pieces nobody has decided yet."""
    query = select(Nonconformance.no).where(Nonconformance.order_id == order_id, Nonconformance.open)
    return (await session.scalars(query.order_by(Nonconformance.no))).all()


async def complete(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    verb: str = "completed",
    reason: str = "",
    *,
    from_state: str = "",
    short: bool = False,
) -> None:
    """The order is complete; orders that wait for it as a component go on. from_state: where it is set already."""
    order, before = work.order, from_state or work.order.state
    order.state, order.completed_at = "Completed", ctx.now
    order.short = short or order.good_qty < order.qty
    events.publish_completed(session, ctx, order, before, verb, reason)
    await reevaluate(session, ctx, await _waiting_for(session, ctx, order.id))


async def _waiting_for(session: AsyncSession, ctx: Context, order_id: UUID) -> Sequence[UUID]:
    await session.flush()
    query = select(ProductionOrder.id).where(
        ProductionOrder.site_id == ctx.site_id,
        ProductionOrder.component_order_ids.contains([order_id]),
        ProductionOrder.state.in_(("Released", "InProgress", "Held")),
    )
    return (await session.scalars(query)).all()
