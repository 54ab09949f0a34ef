"""Orders that end otherwise: cancelled with or without work in progress, or closed short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Invalid
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, progress, runs
from services.order.commands.jobs import abort_in
from services.order.commands.loading import Work, check_order, load, open_nonconformance
from services.order.commands.orders import need_reason
from services.order.commands.recording import Entry, record
from services.order.domain.guards import Change
from services.order.domain.ledger import ZERO
from services.order.domain.quantity import plain
from services.order.domain.states import JOB_ENDED
from services.order.models import Job, ProductionOrder

DISPOSITIONS = ("stock", "scrap", "rework", "transfer")


@dataclass(frozen=True, slots=True)
class Lot:
    """Work in progress: good pieces of a job that no later one has used, and pieces in rework."""

    job: Job
    good: Decimal
    rework: Decimal


def lots(work: Work) -> list[Lot]:
    """The work in progress of an order, along its routing."""
    flow, found = work.flow(), []
    for seq in sorted(flow.steps):
        passed = flow.passed_on(seq) or ZERO
        left = max(ZERO, passed - flow.consumed(seq))
        for node in reversed(flow.steps[seq].nodes):
            part = min(left, node.good)
            left -= part
            if part > 0 or node.rework > 0:
                found.append(Lot(work.jobs[node.id], part, node.rework))
    return found


async def cancel(
    session: AsyncSession,
    ctx: Context,
    order_id: UUID,
    *,
    reason: str,
    dispositions: Mapping[UUID, str] | None = None,
    disposition: str = "",
) -> ProductionOrder:
    """End an order: Cancelled when nothing was reported, else Aborted with a disposition of each lot in progress.

    dispositions: by job (stock | scrap | rework | transfer); disposition: for all others. Raises NotFound, Conflict,
    Invalid (names the lots without a disposition).
    """
    work = await load(session, ctx, order_id)
    check_order(work.order, "cancel")
    need_reason(reason)
    decided = _decide(lots(work), dict(dispositions or {}), disposition)
    for lot, what in decided:
        if what == "scrap":
            change = Change(-lot.good, lot.good + lot.rework, -lot.rework)
            entry = Entry(scrap_reason=reason)
            await record(session, ctx, work, lot.job, entry, kind="scrap", change=change, as_running=True)
    reported = any(job.good_qty + job.scrap_qty + job.rework_qty for job in work.jobs.values())
    for job in work.jobs.values():
        await abort_in(session, ctx, work, job, reason)
    said = "; ".join(f"{lot.job.code}: {plain(lot.good + lot.rework)} {what}" for lot, what in decided)
    await _end(session, ctx, work, "Aborted" if reported else "Cancelled", f"{reason} ({said})" if said else reason)
    return work.order


def _decide(found: list[Lot], by_job: dict[UUID, str], other: str) -> list[tuple[Lot, str]]:
    decided = [(lot, by_job.get(lot.job.id, other)) for lot in found]
    for what in (*by_job.values(), other):
        if what and what not in DISPOSITIONS:
            raise Invalid("order.disposition_unknown", field="disposition", given=what, legal=", ".join(DISPOSITIONS))
    missing = [lot for lot, what in decided if not what]
    if missing:
        shown = "; ".join(f"{lot.job.code}: {plain(lot.good + lot.rework)} {lot.job.uom}" for lot in missing)
        raise Invalid("order.disposition_missing", field="dispositions", lots=shown)
    return decided


async def _end(session: AsyncSession, ctx: Context, work: Work, state: str, reason: str) -> None:
    order, before = work.order, work.order.state
    for hold in work.holds:
        hold.released_at, hold.released_by, hold.release_note = ctx.now, ctx.actor, state
    order.state, order.projected_end, order.lateness_s = state, None, None
    await progress.settle_quantities(session, ctx, work)
    events.publish_order(session, ctx, order, before, state.lower(), reason, work.holds)


async def short_close(session: AsyncSession, ctx: Context, order_id: UUID, *, reason: str) -> ProductionOrder:
    """Complete an order with less than it was for: what remains is written off. Raises NotFound, Conflict, Invalid."""
    work = await load(session, ctx, order_id)
    check_order(work.order, "short_close")
    need_reason(reason)
    if undecided := await progress.open_nonconformances(session, order_id):
        raise open_nonconformance(work.order, undecided)
    for hold in work.holds:
        hold.released_at, hold.released_by, hold.release_note = ctx.now, ctx.actor, reason
    for job in work.jobs.values():
        await _end_short(session, ctx, work, job, reason)
    before, work.order.state = work.order.state, "Completed"
    await progress.settle_quantities(session, ctx, work)
    await progress.complete(session, ctx, work, "short_closed", reason, from_state=before, short=True)
    return work.order


async def _end_short(session: AsyncSession, ctx: Context, work: Work, job: Job, reason: str) -> None:
    """A job that has made something is Done with that; one that has not is Cancelled."""
    if job.state in JOB_ENDED:
        return
    before = job.state
    await runs.end_of_job(session, ctx, work, job, "finish", reason)
    made = job.good_qty + job.scrap_qty + job.rework_qty
    job.short_qty = job.remaining_qty
    job.state, job.state_before_hold, job.finished_at = ("Done" if made > 0 else "Cancelled"), "", ctx.now
    work.tell(job, before, "short_close", reason)
