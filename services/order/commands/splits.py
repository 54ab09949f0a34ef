"""Splits: an order's unreported part becomes orders of their own; a job's unreported part a second job."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid
from sqlalchemy import func, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, progress
from services.order.commands.jobs import refuse
from services.order.commands.loading import Work, check_exact, check_job, check_order, load, load_of_job
from services.order.commands.orders import change_qty, check_values, started
from services.order.commands.releasing import NEW_JOB
from services.order.domain.codes import job_code
from services.order.domain.quantity import Units, plain
from services.order.domain.states import ORDER, legal
from services.order.models import Hold, Job, ProductionOrder
from services.order.models.catalog import material, units_of

_PLAN = ("planned_equipment_id", "planned_setup_start", "planned_start", "planned_end", "plan_rank", "plan_cause_ref",
         "plan_slack_s", "equipment_id", "started_at", "finished_at", "expected_back_at")  # fmt: skip


def copy_of(job: Job, **changes: Any) -> Job:
    """The same operation once more, with nothing made, planned or begun."""
    values = {column.key: getattr(job, column.key) for column in inspect(Job).column_attrs}
    return Job(**{**values, **dict.fromkeys(_PLAN), **NEW_JOB, "state": "Waiting", **changes})


# ---- orders ---------------------------------------------------------------------------------------------------------


async def split_order(
    session: AsyncSession, ctx: Context, order_id: UUID, *, quantities: Sequence[Decimal], reason: str = ""
) -> list[ProductionOrder]:
    """Orders for parts of what has not been reported, in the order's unit; the parent keeps the rest.

    Without a rest the parent is Superseded. Returns the parent and its children. Raises NotFound, Conflict, Invalid.
    """
    work = await load(session, ctx, order_id)
    order = work.order
    check_order(order, "split")
    if not quantities or min(quantities) <= 0:
        raise Invalid("report.nothing", field="quantities")
    units = units_of(await material(session, ctx.site_id, order.material_id))
    for each in quantities:
        check_values(units, {"qty": each, "uom": order.uom})
    _check_part(work, units, sum(quantities, Decimal(0)))
    before = (await session.execute(
        select(func.count()).where(ProductionOrder.split_from == order.id).select_from(ProductionOrder)
    )).scalar_one()  # fmt: skip
    children = [
        _child(session, ctx, work, units, qty, number) for number, qty in enumerate(quantities, start=before + 1)
    ]
    await _shrink(session, ctx, work, units, order.qty - sum(quantities, Decimal(0)), reason)
    await session.flush()
    for child, jobs in children:
        await _release(session, ctx, child, jobs)
    await _inherit(session, ctx, order, [child for child, _ in children])
    return [order, *(child for child, _ in children)]


def _check_part(work: Work, units: Units, part: Decimal) -> None:
    order = work.order
    begun_qty = units.from_report(started(work), order.uom)
    free = order.qty - begun_qty
    begun = any(job.state not in ("Waiting", "Ready", "Skipped") for job in work.jobs.values())
    if part > free or (part == order.qty and begun):
        raise Conflict(
            "order.split_too_much", state=order.state, legal=legal(ORDER, order.state), qty=plain(part),
            free=plain(free), uom=order.uom, no=order.no,
        )  # fmt: skip


def _child(
    session: AsyncSession, ctx: Context, work: Work, units: Units, qty: Decimal, number: int
) -> tuple[ProductionOrder, list[Job]]:
    parent = work.order
    child = ProductionOrder(
        id=ctx.new_id(), site_id=ctx.site_id, no=f"{parent.no}-{number}", material_id=parent.material_id, qty=qty,
        uom=parent.uom, state="Draft", state_before_hold="", priority=parent.priority, release_at=parent.release_at,
        due_at=parent.due_at, deadline_type=parent.deadline_type, source=parent.source, customer=parent.customer,
        parent_id=parent.parent_id, split_from=parent.id, rework_of=parent.rework_of,
        routing_revision_id=parent.routing_revision_id, component_order_ids=list(parent.component_order_ids),
        good_qty=Decimal(0), scrap_qty=Decimal(0), created_at=ctx.now, created_by=ctx.actor, short=False, version=1,
    )  # fmt: skip
    session.add(child)
    events.publish_created(session, ctx, child)
    pieces = units.to_report(qty, parent.uom)
    firsts: dict[int, Job] = {}
    for job in work.jobs.values():
        if job.rework_of is None and job.state not in ("Superseded", "Cancelled", "Aborted"):
            firsts.setdefault(job.seq, job)
    ids = {seq: ctx.new_id() for seq in firsts}
    seq_of = {job.id: job.seq for job in work.jobs.values() if job.rework_of is None}
    jobs = [
        copy_of(
            job, id=ids[seq], order_id=child.id, code=job_code(ids[seq]), qty=pieces,
            predecessor_ids=sorted({ids[seq_of[one]] for one in job.predecessor_ids if seq_of.get(one) in ids}),
        )
        for seq, job in firsts.items()
    ]  # fmt: skip
    session.add_all(jobs)
    return child, jobs


async def _release(session: AsyncSession, ctx: Context, child: ProductionOrder, jobs: list[Job]) -> None:
    work = Work(child, {job.id: job for job in jobs})
    child.state, child.released_at = "Released", ctx.now
    await progress.prepare(session, ctx, work)
    events.publish_released(session, ctx, child, jobs)


async def _shrink(session: AsyncSession, ctx: Context, work: Work, units: Units, rest: Decimal, reason: str) -> None:
    order, before = work.order, work.order.state
    if rest > 0:
        change_qty(ctx, work, units, rest)
        order.qty = rest
        events.publish_changed(session, ctx, order, ["qty"], reason or "split", work.holds)
        await progress.settle(session, ctx, work)
        return
    for job in work.jobs.values():
        if job.state in ("Waiting", "Ready"):
            was, job.state = job.state, "Superseded"
            work.tell(job, was, "supersede", "split")
    order.state, order.projected_end, order.lateness_s = "Superseded", None, None
    await progress.settle_quantities(session, ctx, work)
    events.publish_order(session, ctx, order, before, "split", reason, work.holds)


async def _inherit(
    session: AsyncSession, ctx: Context, order: ProductionOrder, children: Sequence[ProductionOrder]
) -> None:
    """Orders that wait for the parent as a component wait for its children too, and no longer for one superseded."""
    mine = ProductionOrder.component_order_ids.contains([order.id])
    waiting = await session.scalars(select(ProductionOrder.id).where(ProductionOrder.site_id == ctx.site_id, mine))
    for work in [await load(session, ctx, each) for each in waiting.all()]:
        kept = [] if order.state == "Superseded" else [order.id]
        new = [*kept, *(child.id for child in children)]
        work.order.component_order_ids = _replaced(work.order.component_order_ids, order.id, new)
        for job in work.jobs.values():
            if order.id in job.component_order_ids:
                job.component_order_ids = _replaced(job.component_order_ids, order.id, new)
                work.tell(job, job.state, "changed", "component_split")
        events.publish_changed(session, ctx, work.order, ["component_order_ids"], "split", work.holds)
        await progress.settle(session, ctx, work)


def _replaced(ids: Sequence[UUID], old: UUID, new: Sequence[UUID]) -> list[UUID]:
    return [each for one in ids for each in (new if one == old else [one])]


# ---- jobs -----------------------------------------------------------------------------------------------------------


async def split_job(
    session: AsyncSession,
    ctx: Context,
    job_id: UUID,
    *,
    qty: Decimal,
    equipment_id: UUID | None = None,
    reason: str = "",
) -> tuple[Work, Job, Job]:
    """A second job for a part of what a job has not made; both stand at the same place of the routing.

    Raises NotFound, Conflict, Invalid.
    """
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "split")
    if qty <= 0:
        raise Invalid("report.nothing", field="qty")
    check_exact(qty, job.uom, job.uom_digits)
    used = job.good_qty + job.scrap_qty + job.rework_qty
    away = job.sent_qty - job.returned_qty
    free = job.qty - used - away
    if qty > free or qty == job.qty:
        raise refuse("job.split_too_much", job, qty=plain(qty), free=plain(free), uom=job.uom)
    made = _second(session, ctx, work, job, qty, equipment_id)
    work.tell(job, job.state, "split", reason)
    events.publish_jobs_added(session, ctx, work.order, [made], "split")
    await progress.settle(session, ctx, work)
    return work, job, made


def _second(session: AsyncSession, ctx: Context, work: Work, job: Job, qty: Decimal, equipment_id: UUID | None) -> Job:
    made_id = ctx.new_id()
    held = job.state == "Held" and bool(work.job_holds(job.id))
    made = copy_of(
        job, id=made_id, code=job_code(made_id), qty=qty, planned_equipment_id=equipment_id,
        pinned=equipment_id is not None, planned_start=ctx.now if equipment_id is not None else None,
        state="Held" if held else "Waiting", state_before_hold="Waiting" if held else "",
        rework_loop=job.rework_loop, allowed_to_start=job.allowed_to_start,
    )  # fmt: skip
    job.qty -= qty
    session.add(made)
    work.jobs[made.id] = made
    for follower in work.followers(job):
        follower.predecessor_ids = [*follower.predecessor_ids, made.id]
        work.tell(follower, follower.state, "changed", "split")
    for hold in work.job_holds(job.id) if held else []:
        values = {column.key: getattr(hold, column.key) for column in inspect(Hold).column_attrs}
        second = Hold(**{**values, "id": ctx.new_id(), "job_id": made.id})
        session.add(second)
        work.holds.append(second)
    return made
