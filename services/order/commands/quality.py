"""What quality decides about an order: gates by inspection lots, holds by nonconformances, and their dispositions.

Every effect is made once whatever is delivered how often: a gate is found by the id of its lot, and of a nonconformance
it is kept whether it is open: holds come with its opening, dispositions take effect when it is open no longer.
What no longer applies - the job is gone, nothing good is left to scrap - is an ordinary outcome without effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.events.v1 import order_pb2, quality_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands.holds import hold_job_in, hold_order_in, release_in
from services.order.commands.jobs import cannot_finish, end_job
from services.order.commands.loading import Work, load_many
from services.order.commands.progress import settle
from services.order.commands.recording import Entry, spare
from services.order.commands.reports import scrap_in
from services.order.commands.rework import make_up, operations_of, rework_in
from services.order.domain.guards import MOST_LOOPS
from services.order.domain.ledger import ZERO
from services.order.domain.states import COUNTED, JOB_ENDED, ORDER_ACTIVE, ORDER_TERMINAL
from services.order.models import Hold, InspectionGate, Job, Nonconformance, Report

_FAI = {
    "Pending": "open", "InProgress": "open", "ReInspection": "open", "Failed": "failed",
    "Reversed": "failed", "Passed": "passed", "Partial": "passed", "Cancelled": "",
}  # fmt: skip


async def _work(session: AsyncSession, ctx: Context, order_id: str) -> Work | None:
    if not order_id:
        return None
    found = await load_many(session, ctx, [UUID(order_id)])
    return found[0] if found else None


# ---- gates ----------------------------------------------------------------------------------------------------------


async def put_inspection(session: AsyncSession, ctx: Context, lot: quality_pb2.InspectionLot, at: datetime) -> None:
    """An inspection lot was opened or decided: keep its gate, let go on what waited for it."""
    work = await _work(session, ctx, lot.order_id)
    job = work.jobs.get(UUID(lot.job_id)) if work is not None and lot.job_id else None
    if work is None or job is None:
        return
    gate = await session.get(InspectionGate, UUID(lot.inspection_lot_id))
    if gate is None:
        gate = InspectionGate(
            lot_id=UUID(lot.inspection_lot_id), site_id=ctx.site_id, order_id=job.order_id, job_id=job.id,
            stage=lot.stage, state=lot.state, gate=lot.gate, as_of=at,
        )  # fmt: skip
        session.add(gate)
    elif at < gate.as_of or gate.state == "Dispositioned":
        return
    gate.state, gate.gate, gate.as_of = lot.state, lot.gate, at
    await session.flush()
    if lot.stage == "FAI" and job.fai != (fai := _FAI.get(lot.state, job.fai)):
        job.fai = fai
        work.tell(job, job.state, "first_article", fai)
    await _go_on(session, ctx, work, job)


async def _go_on(session: AsyncSession, ctx: Context, work: Work, job: Job) -> None:
    """Settle with the gates as they are now; a job that only waited for its inspection is done."""
    query = select(InspectionGate).where(InspectionGate.order_id == work.order.id, InspectionGate.gate)
    work.set_gates((await session.scalars(query)).all())
    waits = job.state == "Running" and job.remaining_qty == 0 and cannot_finish(work, job) is None
    if waits and await _was_completed(session, job.id):
        await end_job(session, ctx, work, job, "finish", "inspection_passed")
    await settle(session, ctx, work)


async def _was_completed(session: AsyncSession, job_id: UUID) -> bool:
    query = select(Report.id).where(Report.job_id == job_id, Report.final, Report.state.in_(COUNTED)).limit(1)
    return await session.scalar(query) is not None


# ---- holds ----------------------------------------------------------------------------------------------------------


async def _put(
    session: AsyncSession, ctx: Context, work: Work, nc: quality_pb2.Nonconformance, at: datetime, *, is_open: bool
) -> bool:
    """Keep whether a nonconformance is open; whether this is news."""
    row = await session.get(Nonconformance, UUID(nc.nonconformance_id), populate_existing=True)
    if row is None:
        row = Nonconformance(
            id=UUID(nc.nonconformance_id), site_id=ctx.site_id, order_id=work.order.id, no=nc.no, open=is_open, as_of=at
        )
        session.add(row)
    elif at < row.as_of or row.open == is_open:
        return False
    row.open, row.as_of = is_open, at
    await session.flush()
    return True


async def hold_for(session: AsyncSession, ctx: Context, nc: quality_pb2.Nonconformance, at: datetime) -> None:
    """A nonconformance was opened: the order waits for its disposition, and its job, or its lot, is held if wanted."""
    work = await _work(session, ctx, nc.order_id)
    if work is None or work.order.state in ORDER_TERMINAL or not await _put(session, ctx, work, nc, at, is_open=True):
        return
    nonconformance = UUID(nc.nonconformance_id)
    if not nc.hold:
        return
    reason = " ".join(each for each in (nc.no, nc.defect) if each) or "nonconformance"
    job = work.jobs.get(UUID(nc.job_id)) if nc.job_id else None
    if job is None:
        await hold_order_in(session, ctx, work, "QUALITY_HOLD", reason, nonconformance)
    else:
        await hold_job_in(session, ctx, work, job, "QUALITY_HOLD", reason, nonconformance)
    for hold in _held_by(work, nc):
        hold.findings = [{"code": each.code, "params": dict(each.params)} for each in nc.findings]
    await settle(session, ctx, work)


async def release_for(session: AsyncSession, ctx: Context, nc: quality_pb2.Nonconformance, at: datetime) -> None:
    """A nonconformance was closed: whatever it still held goes on, and the order that waited for it completes."""
    work = await _work(session, ctx, nc.order_id)
    if work is not None and await _put(session, ctx, work, nc, at, is_open=False):
        await release_in(session, ctx, work, _held_by(work, nc), nc.no)
        await settle(session, ctx, work)


def _held_by(work: Work, nc: quality_pb2.Nonconformance) -> list[Hold]:
    nonconformance = UUID(nc.nonconformance_id)
    return [each for each in work.holds if each.nonconformance_id == nonconformance and each.released_at is None]


# ---- dispositions ---------------------------------------------------------------------------------------------------


async def dispose(
    session: AsyncSession,
    ctx: Context,
    nc: quality_pb2.Nonconformance,
    dispositions: Sequence[quality_pb2.Disposition],
    at: datetime,
) -> None:
    """It was decided what becomes of nonconforming pieces: the hold ends, and the pieces go where they were sent."""
    work = await _work(session, ctx, nc.order_id)
    if work is None or work.order.state in ORDER_TERMINAL or not await _put(session, ctx, work, nc, at, is_open=False):
        return
    gate = await session.get(InspectionGate, UUID(nc.inspection_lot_id)) if nc.inspection_lot_id else None
    job = work.jobs.get(UUID(nc.job_id)) if nc.job_id else None
    await release_in(session, ctx, work, _held_by(work, nc), nc.no)
    first_article = gate is not None and gate.stage == "FAI"
    make_up_qty = ZERO
    if job is not None and not first_article:
        for number, each in enumerate(dispositions):
            make_up_qty += await _dispose_part(session, ctx, work, job, nc, number, each)
    if gate is not None:
        # A first article stays failed until another one, or its concession, has passed: quality says so by its lots.
        gate.state, gate.as_of = "Dispositioned", ctx.now
        await session.flush()
    await (_go_on(session, ctx, work, job) if job is not None else settle(session, ctx, work))
    if make_up_qty > 0:
        await make_up(session, ctx, work.order, make_up_qty)


def _mark(nc: quality_pb2.Nonconformance) -> str:
    return f"nonconformance:{nc.nonconformance_id}"


async def _dispose_part(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job,
    nc: quality_pb2.Nonconformance,
    number: int,
    part: quality_pb2.Disposition,
) -> Decimal:
    """One part of a disposition; returns the quantity to be made up for."""
    qty = Decimal(part.qty or nc.qty or "0")
    if part.kind == "rework":
        qty = min(qty, spare(work, job))
        if qty > 0 and job.rework_loop < MOST_LOOPS and work.order.state in ORDER_ACTIVE:
            names = [(each.name.zh, each.name.en) for each in part.rework_operations]
            operations = await operations_of(session, ctx, [_way(each) for each in part.rework_operations], names)
            await rework_in(session, ctx, work, job, qty, part.reason or nc.no, operations, terminal=_mark(nc))
        return ZERO
    if part.kind != "scrap":
        return ZERO
    left = ZERO if job.state in JOB_ENDED else job.remaining_qty
    qty = min(qty, job.good_qty + left)
    if qty <= 0:
        return ZERO
    entry = Entry(scrap_reason=part.scrap_reason or part.reason or nc.no, terminal=_mark(nc))
    await scrap_in(session, ctx, work, job, qty, entry, certain=True)
    return qty if part.make_up else ZERO


def _way(operation: quality_pb2.ReworkOperation) -> order_pb2.OperationAlternative:
    return order_pb2.OperationAlternative(
        equipment_id=operation.equipment_id, work_centre_id=operation.work_centre_id,
        run_s_per_unit=operation.run_s_per_unit, setup_s=operation.setup_s, preference=1,
    )  # fmt: skip
