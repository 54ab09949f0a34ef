"""What is decided about reports: a Pending one accepted or declined, a counted one corrected by a counter-entry."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events
from services.order.commands.jobs import refuse
from services.order.commands.loading import Work, check_exact, load
from services.order.commands.orders import need_reason
from services.order.commands.progress import settle
from services.order.commands.recording import Entry, Reported, count_in, record, situation
from services.order.commands.reports import finish_if_done
from services.order.commands.rework import insert_for_report
from services.order.domain.guards import Change
from services.order.domain.ledger import ZERO, Unbalanced
from services.order.domain.quantity import plain
from services.order.domain.states import ORDER, ORDER_TERMINAL, REPORT, legal
from services.order.models import Job, Report


async def accept(
    session: AsyncSession, ctx: Context, report_id: UUID, *, note: str = "", upstream: bool = False
) -> Reported:
    """Count a Pending report. What it makes over the job's tolerance is approved with it.

    upstream: correct the operation before by what it must have passed on. Raises NotFound, Conflict (also when a total
    would fall below nothing, or the order is over for good).
    """
    work, job, report = await _pending(session, ctx, report_id, "accept")
    if work.order.state in ORDER_TERMINAL:
        state = work.order.state
        raise Conflict("report.order_ended", state=state, legal=legal(ORDER, state))
    if job.state in ("Skipped", "Superseded"):
        raise refuse("report.job_ended", job)
    change = Change(report.good_qty, report.scrap_qty, report.rework_qty)
    found = await situation(session, ctx, work, job, report.occurred_at, as_running=True)
    try:
        after = found.ledger.add(change.good, change.scrap, change.rework)
    except Unbalanced as error:
        raise refuse("report.below_zero", job) from error
    if job.rework_of is not None and change.used > 0:
        _check_rework(job, after.over, found.arrived, found.used + change.used)
    if after.used > found.ledger.used and after.over > found.tolerance:
        if job.qty == 0:
            raise refuse("report.over", job, over=plain(after.over), remaining="0")
        job.over_tolerance = (after.over / job.qty).quantize(Decimal("0.000001"), rounding=ROUND_UP)
    if upstream and found.arrived is not None:
        await _correct_upstream(session, ctx, work, job, found.used + change.used - found.arrived, report)
    report.state, report.decided_at, report.decided_by, report.decision_note = "Accepted", ctx.now, ctx.actor, note
    await count_in(session, ctx, work, job, change)
    work.tell(job, job.state, "correct" if report.corrects_report_id else "report", report.scrap_reason)
    events.publish_decided(session, ctx, report, "Pending", note, job.material_id)
    await _after_accept(session, ctx, work, job, report)
    done = Reported(work, job, report)
    if report.final:
        if job.state == "Ready":
            job.state, job.started_at = "Running", report.occurred_at
            job.equipment_id = report.equipment_id or job.planned_equipment_id
        await finish_if_done(session, ctx, done)
    await settle(session, ctx, work)
    return done


def _check_rework(job: Job, over: Decimal, arrived: Decimal | None, used: Decimal) -> None:
    """Nobody can approve that more comes out of rework than went in."""
    beyond = max(over, used - arrived if arrived is not None else ZERO)
    if beyond > 0:
        raise refuse("report.more_than_in_rework", job, over=plain(beyond))


async def _after_accept(session: AsyncSession, ctx: Context, work: Work, job: Job, report: Report) -> None:
    if report.corrects_report_id is not None:
        corrected = await session.get(Report, report.corrects_report_id)
        if corrected is not None:
            _mark_corrected(session, ctx, corrected, job, report.decision_note)
    elif report.kind == "production":
        await insert_for_report(session, ctx, work, job, report)


async def _correct_upstream(
    session: AsyncSession, ctx: Context, work: Work, job: Job, missing: Decimal, because: Report
) -> None:
    """Operations before must have passed on more than they said: a counter-entry for each that limits."""
    if missing <= 0:
        return
    flow = work.flow()
    needed = (flow.arrived(job.seq) or ZERO) + missing
    for seq in flow.steps[job.seq].before:
        passed = flow.passed_on(seq)
        if passed is None or passed >= needed:
            continue
        live = [each for each in flow.steps[seq].nodes if each.state not in ("Superseded", "Skipped") and each.qty > 0]
        if not live:
            continue
        before = work.jobs[live[-1].id]
        change = Change(needed - passed)
        over = before.good_qty + before.scrap_qty + before.rework_qty + change.good - before.qty
        if over > 0:
            share = (over / before.qty).quantize(Decimal("0.000001"), rounding=ROUND_UP)
            before.over_tolerance = max(before.over_tolerance, share)
        entry = Entry(occurred_at=because.occurred_at, scrap_reason="upstream")
        row = await record(
            session, ctx, work, before, entry, kind="correction", change=change, as_running=True, certain=True
        )
        row.decision_note = str(because.id)


async def decline(session: AsyncSession, ctx: Context, report_id: UUID, *, reason: str) -> Reported:
    """A Pending report does not count. Raises NotFound, Conflict, Invalid without a reason."""
    work, job, report = await _pending(session, ctx, report_id, "decline")
    need_reason(reason)
    report.state, report.decided_at, report.decided_by, report.decision_note = "Declined", ctx.now, ctx.actor, reason
    events.publish_decided(session, ctx, report, "Pending", reason, job.material_id)
    return Reported(work, job, report)


async def correct(
    session: AsyncSession,
    ctx: Context,
    report_id: UUID,
    *,
    good: Decimal | None = None,
    scrap: Decimal | None = None,
    rework: Decimal | None = None,
    scrap_reason: str = "",
    reason: str,
) -> Reported:
    """Say what a counted report should have said; the difference is a signed counter-entry of its own.

    Quantities left out stay. To correct again, correct the newest entry: its quantities are those of the whole chain.
    Raises NotFound, Conflict, Invalid.
    """
    work, job, report = await _load(session, ctx, report_id)
    _check(report, "correct")
    need_reason(reason)
    if report.kind not in ("production", "setup", "correction"):
        raise Conflict("report.not_correctable", state=report.state, legal=["scrap"], kind=report.kind)
    said = await _chain_total(session, report)
    wanted = Change(*(old if new is None else new for old, new in
                      zip((said.good, said.scrap, said.rework), (good, scrap, rework), strict=True)))  # fmt: skip
    if min(wanted.good, wanted.scrap, wanted.rework) < 0:
        raise Invalid("report.negative", field="good_qty", qty=plain(min(wanted.good, wanted.scrap, wanted.rework)))
    for name, qty in (("good_qty", good), ("scrap_qty", scrap)):
        check_exact(qty or ZERO, job.uom, job.uom_digits, name)
    change = Change(wanted.good - said.good, wanted.scrap - said.scrap, wanted.rework - said.rework)
    if (change.good, change.scrap, change.rework) == (ZERO, ZERO, ZERO):
        raise Invalid("report.nothing", field="good_qty")
    if change.rework != 0:
        raise Conflict("report.rework_fixed", state=report.state, legal=["scrap", "rework"])
    entry = Entry(
        occurred_at=report.occurred_at, run_id=report.run_id, equipment_id=report.equipment_id,
        scrap_reason=scrap_reason or report.scrap_reason, terminal=report.terminal,
    )  # fmt: skip
    made = await record(
        session, ctx, work, job, entry, kind="correction", change=change, as_running=True, corrects=report
    )
    made.decision_note = reason
    if made.state == "Accepted":
        _mark_corrected(session, ctx, report, job, reason)
    await settle(session, ctx, work)
    return Reported(work, job, made)


async def _chain_total(session: AsyncSession, report: Report) -> Change:
    """What a report and all that it corrects come to."""
    total, each = Change(), report
    while True:
        total = Change(total.good + each.good_qty, total.scrap + each.scrap_qty, total.rework + each.rework_qty)
        if each.corrects_report_id is None:
            return total
        before = await session.get(Report, each.corrects_report_id)
        if before is None:
            return total
        each = before


def _mark_corrected(session: AsyncSession, ctx: Context, report: Report, job: Job, reason: str) -> None:
    report.state, report.decided_at, report.decided_by = "Corrected", ctx.now, ctx.actor
    events.publish_decided(session, ctx, report, "Accepted", reason, job.material_id)


def _check(report: Report, verb: str) -> None:
    if report.state not in REPORT[verb]:
        raise Conflict("report.illegal", verb=verb, state=report.state, legal=legal(REPORT, report.state))


async def _pending(session: AsyncSession, ctx: Context, report_id: UUID, verb: str) -> tuple[Work, Job, Report]:
    found = await _load(session, ctx, report_id)
    _check(found[2], verb)
    return found


async def _load(session: AsyncSession, ctx: Context, report_id: UUID) -> tuple[Work, Job, Report]:
    order_id = await session.scalar(
        select(Report.order_id).where(Report.id == report_id, Report.site_id == ctx.site_id)
    )
    if order_id is None:
        raise NotFound("report.unknown", report=str(report_id))
    work = await load(session, ctx, order_id)
    report = await session.get(Report, report_id, populate_existing=True)
    assert report is not None  # noqa: S101 - reports are never removed
    if report.job_id not in work.jobs:
        # Until 0.1.0 a release could be revoked, and its jobs removed, although something was reported.
        raise NotFound("report.unknown", report=str(report_id))
    return work, work.jobs[report.job_id], report
