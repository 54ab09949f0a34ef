"""Orders: create, change, reject, revoke, close, reopen."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, Stale
from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, progress
from services.order.commands.loading import Work, check_exact, check_order, load, open_nonconformance
from services.order.domain.codes import order_no
from services.order.domain.quantity import Units, UnknownUnit, plain
from services.order.domain.states import JOB_AUTOMATIC, ORDER, legal
from services.order.models import Job, ProductionOrder, Report
from services.order.models.catalog import material, material_by_no, units_of

DEADLINE_TYPES = ("ASAP", "Hard", "Soft", "None")
CHANGEABLE = ("qty", "priority", "release_at", "due_at", "deadline_type", "customer", "source", "component_order_ids")


# Built once: to build a statement costs as much as to run it.
_TAKEN = select(ProductionOrder.id).where(
    ProductionOrder.site_id == bindparam("site_id"), ProductionOrder.no == bindparam("no")
)


async def create_order(
    session: AsyncSession,
    ctx: Context,
    *,
    qty: Decimal,
    material_id: UUID | None = None,
    material_no: str = "",
    uom: str = "",
    no: str = "",
    order_id: UUID | None = None,
    component_order_ids: Sequence[UUID] = (),
    **fields: Any,
) -> ProductionOrder:
    """A new order in Draft. fields: those of `ProductionOrder` that a caller may give (priority, due_at, customer ...).

    The material by its id or number; without a number the order gets one. Raises NotFound, Invalid, and Conflict for a
    number that is taken.
    """
    if material_id is None and not material_no:
        raise Invalid("order.material_missing", field="material_no")
    found = (
        await material(session, ctx.site_id, material_id)
        if material_id is not None
        else await material_by_no(session, ctx.site_id, material_no)
    )
    units = units_of(found)
    made = order_id or ctx.new_id()
    check_values(units, {"qty": qty, "uom": uom or units.order, **fields})
    order = ProductionOrder(
        id=made, site_id=ctx.site_id, no=no or order_no(made, ctx.now), material_id=UUID(found.material_id), qty=qty,
        uom=uom or units.order, state="Draft", state_before_hold="", component_order_ids=list(component_order_ids),
        good_qty=Decimal(0), scrap_qty=Decimal(0), created_at=ctx.now, created_by=ctx.actor, short=False, version=1,
        **{"priority": 5, "deadline_type": "Soft", "source": "", "customer": "", **fields},
    )  # fmt: skip
    if no and await session.scalar(_TAKEN, {"site_id": ctx.site_id, "no": no}):
        raise Conflict("order.no_taken", no=no, state="", legal=[])
    session.add(order)
    events.publish_created(session, ctx, order)
    return order


def check_values(units: Units, values: dict[str, Any]) -> None:
    """Raises Invalid for a value that no order of the material may have. uom: "" is the unit of reports."""
    if "qty" in values and values["qty"] <= 0:
        raise Invalid("order.qty_not_positive", field="qty", qty=str(values["qty"]))
    if values.get("priority") is not None and not 1 <= values["priority"] <= 9:
        raise Invalid("order.priority", field="priority", priority=values["priority"])
    if values.get("deadline_type", "Soft") not in DEADLINE_TYPES:
        legal_types = ", ".join(DEADLINE_TYPES)
        raise Invalid("order.deadline_type", field="deadline_type", given=values["deadline_type"], legal=legal_types)
    values = {"uom": "", **values}
    try:
        units.factor(values["uom"])
    except UnknownUnit as error:
        known = ", ".join(sorted({units.order, units.report, units.stock}))
        raise Invalid("order.uom_unknown", field="uom", uom=values["uom"], known=known) from error
    if "qty" in values and values["uom"] in ("", units.report):
        check_exact(values["qty"], units.report, units.digits)


def check_version(version: int, seen: int | None) -> None:
    """Raises Stale when the caller saw another version."""
    if seen is not None and seen != version:
        raise Stale("http.stale")


async def change_order(
    session: AsyncSession,
    ctx: Context,
    order_id: UUID,
    changes: dict[str, Any],
    *,
    seen: int | None = None,
    reason: str = "",
) -> ProductionOrder:
    """Change qty, dates, priority, customer ... of an order that is not over; jobs follow a new quantity.

    seen: the version that the caller saw. Nothing is published when nothing differs. Raises NotFound, Stale, Conflict
    (also for a quantity below what has been started), Invalid.
    """
    work = await load(session, ctx, order_id)
    order = work.order
    check_version(order.version, seen)
    check_order(order, "change")
    different = {name: value for name, value in changes.items() if getattr(order, name) != value}
    for name in different:
        if name not in CHANGEABLE:
            raise Invalid("order.field_fixed", field=name, name=name)
    if not different:
        return order
    units = units_of(await material(session, ctx.site_id, order.material_id))
    check_values(units, {"uom": order.uom, **different})
    if "qty" in different:
        change_qty(ctx, work, units, different["qty"])
    for name, value in different.items():
        setattr(order, name, value)
    events.publish_changed(session, ctx, order, sorted(different), reason, work.holds)
    await progress.settle(session, ctx, work)
    return order


def change_qty(ctx: Context, work: Work, units: Units, qty: Decimal) -> None:
    """Give every job its new quantity; `settle` takes up again what was done and has more to do."""
    if not work.jobs:
        return
    wanted = units.to_report(qty, work.order.uom)
    least_pieces = started(work)
    if wanted < least_pieces:
        least = plain(units.from_report(least_pieces, work.order.uom))
        raise Conflict(
            "order.qty_below_started", qty=plain(qty), least=least, uom=work.order.uom, state=work.order.state,
            legal=legal(ORDER, work.order.state),
        )  # fmt: skip
    for step in work.flow().steps.values():
        jobs = [work.jobs[each.id] for each in step.nodes if each.state not in ("Superseded", "Cancelled", "Aborted")]
        _spread(ctx, work, jobs, wanted - sum((job.qty for job in jobs), Decimal(0)))


def _spread(ctx: Context, work: Work, jobs: list[Job], difference: Decimal) -> None:
    """Add to the last job of a step, or take away what is not begun: first from jobs that are not, then the last ones.

    A job from which everything is taken is Superseded.
    """
    free = [job for job in jobs if job.state in ("Waiting", "Ready")]
    for job in [*reversed(free), *(job for job in reversed(jobs) if job not in free)]:
        used = job.good_qty + job.scrap_qty + job.rework_qty
        part = max(difference, min(Decimal(0), begun(job) - job.qty))
        if part == 0:
            continue
        before = job.state
        job.qty += part
        job.short_qty = min(job.short_qty, max(Decimal(0), job.qty - used))
        difference -= part
        if before == "Skipped":
            job.short_qty = job.qty
        if job.qty == 0 and before in JOB_AUTOMATIC["supersede"]:
            job.state, job.finished_at = "Superseded", ctx.now
        work.tell(job, before, "supersede" if job.state != before else "changed", "qty")
        if difference == 0:
            return


def begun(job: Job) -> Decimal:
    """Pieces of a job that were made, well or badly, or are at a supplier."""
    away = max(Decimal(0), job.sent_qty - job.returned_qty)
    return job.good_qty + job.scrap_qty + job.rework_qty + away


def started(work: Work) -> Decimal:
    """Pieces of an order that were begun at any operation: its quantity cannot go below."""
    flow = work.flow()
    steps = [sum((begun(work.jobs[each.id]) for each in step.nodes), Decimal(0)) for step in flow.steps.values()]
    return max([flow.started(), *steps])


async def reject(session: AsyncSession, ctx: Context, order_id: UUID, *, reason: str) -> ProductionOrder:
    """A draft that will not be made. Raises NotFound, Conflict, Invalid without a reason."""
    order = (await _for(session, ctx, order_id, "reject", reason)).order
    order.state = "Rejected"
    events.publish_order(session, ctx, order, "Draft", "rejected", reason)
    return order


async def revoke(session: AsyncSession, ctx: Context, order_id: UUID, *, reason: str = "") -> ProductionOrder:
    """Take a release back; its jobs are removed. Only while no job has begun, and nothing was reported on one, whatever
    became of the report. Raises NotFound, Conflict."""
    work = await load(session, ctx, order_id)
    check_order(work.order, "revoke")
    reported = set(await session.scalars(select(Report.job_id).where(Report.order_id == order_id)))
    begun = [job.code for job in work.jobs.values() if job.state not in ("Waiting", "Ready") or job.id in reported]
    if begun:
        raise Conflict(
            "order.job_begun", state=work.order.state, legal=["cancel", "change", "hold", "split"], jobs=begun[:10]
        )
    await session.execute(delete(Job).where(Job.order_id == order_id))
    work.order.state, work.order.released_at, work.order.routing_revision_id = "Draft", None, None
    work.order.projected_end = work.order.lateness_s = None
    events.publish_order(session, ctx, work.order, "Released", "revoked", reason, work.holds)
    return work.order


async def close(session: AsyncSession, ctx: Context, order_id: UUID) -> ProductionOrder:
    """Freeze a completed order for good. Raises NotFound, Conflict."""
    work = await load(session, ctx, order_id)
    check_order(work.order, "close")
    if work.holds:
        raise Conflict("order.held", state=work.order.state, legal=["reopen"], no=work.order.no)
    if undecided := await progress.open_nonconformances(session, order_id):
        raise open_nonconformance(work.order, undecided)
    work.order.state, work.order.closed_at = "Closed", ctx.now
    events.publish_closed(session, ctx, work.order)
    return work.order


async def reopen(session: AsyncSession, ctx: Context, order_id: UUID, *, reason: str) -> ProductionOrder:
    """A completed order goes on, to undo or add something. Raises NotFound, Conflict, Invalid without a reason."""
    work = await _for(session, ctx, order_id, "reopen", reason)
    work.order.state, work.order.completed_at, work.order.short = "InProgress", None, False
    events.publish_order(session, ctx, work.order, "Completed", "reopened", reason, work.holds)
    return work.order


async def _for(session: AsyncSession, ctx: Context, order_id: UUID, verb: str, reason: str) -> Work:
    work = await load(session, ctx, order_id)
    check_order(work.order, verb)
    need_reason(reason)
    return work


def need_reason(reason: str) -> None:
    """Raises Invalid without a reason."""
    if not reason.strip():
        raise Invalid("order.reason_missing", field="reason")
