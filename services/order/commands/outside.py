"""Outside operations: pieces go to a supplier and come back, all at once or in parts."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Invalid
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events
from services.order.commands.jobs import Done, refuse
from services.order.commands.loading import Work, check_active, check_exact, check_job, load_of_job
from services.order.commands.progress import settle
from services.order.commands.recording import Entry, Reported, record
from services.order.domain.ledger import ZERO
from services.order.domain.quantity import plain
from services.order.models import Job, OutsideMove


async def send(
    session: AsyncSession,
    ctx: Context,
    job_id: UUID,
    *,
    qty: Decimal,
    supplier: str = "",
    kg: Decimal | None = None,
    occurred_at: datetime | None = None,
) -> Done:
    """Send pieces out; more may follow until all are out. Raises NotFound, Conflict, Invalid."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "send")
    check_active(work, job)
    if qty <= 0:
        raise Invalid("report.nothing", field="qty")
    check_exact(qty, job.uom, job.uom_digits)
    if held := work.job_holds(job.id):
        raise refuse("job.held", job, reason=held[0].reason)
    here = sendable(work, job)
    if qty > here:
        raise refuse("job.send_too_much", job, qty=plain(qty), here=plain(here), uom=job.uom)
    _move(session, ctx, job, "sent", qty, kg, ZERO, supplier, occurred_at)
    before = job.state
    job.sent_qty += qty
    if supplier:
        job.supplier = supplier
    if before != "PartlyReturned":
        job.state = "Sent"
    job.started_at = job.started_at or ctx.now
    job.expected_back_at = ctx.now + timedelta(days=job.lead_days)
    work.tell(job, before, "send", supplier)
    await settle(session, ctx, work)
    return work, job


def sendable(work: Work, job: Job) -> Decimal:
    """Pieces that are here and have not been sent yet."""
    away = job.sent_qty - job.returned_qty
    flow = work.flow()
    arrived = flow.reworked_before(flow.nodes[job.id]) if job.rework_of is not None else flow.arrived(job.seq)
    here = job.remaining_qty - away
    if arrived is not None:
        others = sum((each.sent_qty - each.returned_qty for each in work.jobs.values() if each.seq == job.seq), ZERO)
        used = job.good_qty + job.scrap_qty + job.rework_qty if job.rework_of else flow.steps[job.seq].used
        here = min(here, arrived - used - (away if job.rework_of else others))
    return max(ZERO, here)


async def take_back(
    session: AsyncSession,
    ctx: Context,
    job_id: UUID,
    *,
    qty: Decimal,
    kg: Decimal | None = None,
    shortage: Decimal = ZERO,
    shortage_reason: str = "",
    occurred_at: datetime | None = None,
) -> Reported:
    """Pieces come back good; shortage: those that never will, counted as scrap. Raises NotFound, Conflict, Invalid."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "return")
    if qty < 0 or shortage < 0 or qty + shortage <= 0:
        raise Invalid("report.nothing", field="qty")
    entry = Entry(
        good=qty, scrap=shortage, scrap_reason=(shortage_reason or "SHORTAGE") if shortage else "",
        scrap_class="material" if shortage else "", occurred_at=occurred_at,
    )  # fmt: skip
    made = await record(session, ctx, work, job, entry, kind="production")
    _move(session, ctx, job, "returned", qty, kg, shortage, job.supplier, occurred_at)
    before = job.state
    job.returned_qty += qty + shortage
    job.state = "Returned" if job.returned_qty >= job.sent_qty else "PartlyReturned"
    if job.state == "Returned":
        job.expected_back_at = None
    work.tell(job, before, "return", job.supplier)
    await settle(session, ctx, work)
    return Reported(work, job, made)


def _move(
    session: AsyncSession,
    ctx: Context,
    job: Job,
    direction: str,
    qty: Decimal,
    kg: Decimal | None,
    shortage: Decimal,
    supplier: str,
    occurred_at: datetime | None,
) -> None:
    row = OutsideMove(
        id=ctx.new_id(), site_id=ctx.site_id, order_id=job.order_id, job_id=job.id, direction=direction,
        supplier=supplier or job.supplier, qty=qty, kg=kg, shortage_qty=shortage, occurred_at=occurred_at or ctx.now,
        recorded_at=ctx.now, recorded_by=ctx.actor,
    )  # fmt: skip
    session.add(row)
    events.publish_outside(session, ctx, row)
