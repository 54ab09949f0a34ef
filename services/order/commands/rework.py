"""Rework: pieces go through extra operations and come back once, as good or scrap; and what makes up for scrap.

A rework job stands beside the flow. The pieces are "in rework" of the job they came from until the last rework job
reports them; jobs that have not begun wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid
from mes.events.v1 import order_pb2
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events
from services.order.commands.jobs import refuse
from services.order.commands.loading import Work, check_active, check_exact, check_job, load_of_job
from services.order.commands.orders import create_order, need_reason
from services.order.commands.progress import settle
from services.order.commands.recording import Entry, record, spare
from services.order.commands.releasing import NEW_JOB, release, resolve
from services.order.domain.codes import job_code
from services.order.domain.guards import MOST_LOOPS, Change
from services.order.domain.quantity import plain
from services.order.domain.states import JOB_ENDED
from services.order.models import Job, ProductionOrder, Report
from services.order.models.catalog import material, places, units_of


@dataclass(frozen=True, slots=True)
class Operation:
    """A rework operation. alternatives as of a job; none: those of the job whose pieces are reworked."""

    name_zh: str = ""
    name_en: str = ""
    alternatives: Sequence[dict[str, Any]] = ()


async def rework(
    session: AsyncSession,
    ctx: Context,
    job_id: UUID,
    *,
    qty: Decimal,
    reason: str,
    operations: Sequence[Operation] = (),
) -> tuple[Work, Job, list[Job]]:
    """Send good pieces of a job through rework. Raises NotFound, Conflict (also beyond three loops), Invalid."""
    work, job = await load_of_job(session, ctx, job_id)
    check_job(work, job, "rework")
    check_active(work, job)
    need_reason(reason)
    if qty <= 0:
        raise Invalid("report.nothing", field="qty")
    check_exact(qty, job.uom, job.uom_digits)
    if job.rework_loop >= MOST_LOOPS:
        raise refuse("job.rework_loops", job, most=str(MOST_LOOPS))
    free = spare(work, job)
    if qty > free:
        raise refuse("job.rework_too_much", job, qty=plain(qty), free=plain(free), uom=job.uom)
    made = await rework_in(session, ctx, work, job, qty, reason, operations)
    await settle(session, ctx, work)
    return work, job, made


async def rework_in(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job,
    qty: Decimal,
    reason: str,
    operations: Sequence[Operation] = (),
    *,
    terminal: str = "",
) -> list[Job]:
    """Move good pieces to "in rework" and insert the operations; the caller settles."""
    change = Change(-qty, Decimal(0), qty)
    entry = Entry(scrap_reason=reason, terminal=terminal)
    await record(session, ctx, work, job, entry, kind="rework", change=change, certain=True)
    return insert(session, ctx, work, job, qty, operations)


async def insert_for_report(session: AsyncSession, ctx: Context, work: Work, job: Job, report: Report) -> None:
    """Pieces that a report says need rework go through the same operation again."""
    if report.state == "Accepted" and report.rework_qty > 0:
        insert(session, ctx, work, job, report.rework_qty, ())


def insert(
    session: AsyncSession, ctx: Context, work: Work, job: Job, qty: Decimal, operations: Sequence[Operation]
) -> list[Job]:
    """Rework jobs in a chain; jobs after the reworked one that have not begun wait for the last of them."""
    chain: list[Job] = []
    before = [job.id] if job.state in JOB_ENDED else []
    for each in operations or [Operation()]:
        made = _job(ctx, job, qty, each, before)
        before = [made.id]
        chain.append(made)
    for follower in work.followers(job):
        if follower.state in ("Waiting", "Ready"):
            follower.predecessor_ids = [*follower.predecessor_ids, chain[-1].id]
            work.tell(follower, follower.state, "changed", "rework")
    session.add_all(chain)
    work.jobs.update({each.id: each for each in chain})
    events.publish_jobs_added(session, ctx, work.order, chain, "rework")
    return chain


def _job(ctx: Context, job: Job, qty: Decimal, operation: Operation, before: list[UUID]) -> Job:
    made = ctx.new_id()
    return Job(
        id=made, site_id=ctx.site_id, order_id=job.order_id, code=job_code(made), seq=job.seq,
        name_zh=operation.name_zh or f"返工：{job.name_zh}", name_en=operation.name_en or f"Rework: {job.name_en}",
        kind="internal" if operation.alternatives else job.kind, state="Waiting", predecessor_ids=before,
        component_order_ids=[], material_id=job.material_id, routing_operation_id=job.routing_operation_id,
        alternatives=list(operation.alternatives) or job.alternatives, setup_family=job.setup_family, queue_s=0,
        move_s=job.move_s, interruptible=job.interruptible, optional=False, skill=job.skill, inspection_plan_id=None,
        first_article=False, is_key_process=job.is_key_process, nc_level=job.nc_level, supplier=job.supplier,
        lead_days=job.lead_days, pieces_per_count=job.pieces_per_count, over_tolerance=Decimal(0), uom=job.uom,
        uom_digits=job.uom_digits, qty=qty, rework_of=job.id, **{**NEW_JOB, "rework_loop": job.rework_loop + 1},
    )  # fmt: skip


async def operations_of(
    session: AsyncSession,
    ctx: Context,
    given: Sequence[order_pb2.OperationAlternative],
    names: Sequence[tuple[str, str]],
) -> list[Operation]:
    """Operations from machines or work centres with their times, and their names."""
    known = await places(session, ctx.site_id)
    return [Operation(zh, en, tuple(resolve([each], known))) for each, (zh, en) in zip(given, names, strict=True)]


async def make_up(session: AsyncSession, ctx: Context, order: ProductionOrder, qty: Decimal) -> ProductionOrder:
    """An order for what was scrapped, in report units; released at once where its routing allows it."""
    units = units_of(await material(session, ctx.site_id, order.material_id))
    made = await create_order(
        session, ctx, material_id=order.material_id, qty=units.from_report(qty, order.uom), uom=order.uom,
        priority=order.priority, due_at=order.due_at, deadline_type=order.deadline_type, customer=order.customer,
        source="make-up", rework_of=order.id, parent_id=order.parent_id,
    )  # fmt: skip
    await session.flush()
    try:
        return await release(session, ctx, made.id)
    except Conflict:
        # Somebody has to accept a routing first; the draft says what is wanted.
        return made
