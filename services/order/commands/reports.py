"""What was made: reports, completions, scrap found later, corrections, and the shift leader's decisions.

A report is a fact. It counts at once, or is kept Pending with its reason and counts once somebody accepts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, runs
from services.order.commands.jobs import begin_production, cannot_finish, end_job, first_article_open
from services.order.commands.loading import Work, load_of_job
from services.order.commands.progress import settle
from services.order.commands.runs import Open, Worker
from services.order.domain.flow import ledger_of
from services.order.domain.guards import Change, Pending, Situation, judge
from services.order.domain.ledger import ZERO, tolerance
from services.order.domain.quantity import UnknownUnit, plain
from services.order.domain.states import JOB_ENDED
from services.order.models import Job, Report
from services.order.models.catalog import material, places, scrap_class, units_of


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody said. Quantities are not negative, in `uom` ("" = the job's unit); lot_factor: of that lot."""

    good: Decimal = ZERO
    scrap: Decimal = ZERO
    rework: Decimal = ZERO
    uom: str = ""
    lot: str = ""
    lot_factor: Decimal | None = None
    scrap_reason: str = ""
    scrap_class: str = ""
    occurred_at: datetime | None = None
    workers: Sequence[Worker] = ()
    run_id: UUID | None = None
    equipment_id: UUID | None = None
    terminal: str = ""
    source: str = "operator"
    caused_by_job_id: UUID | None = None
    caused_by_worker: str = ""
    counter_from: Decimal | None = None
    counter_to: Decimal | None = None


@dataclass(slots=True)
class Reported:
    """A report, its job, and the order at rest. not_finished: why a completion did not finish the job."""

    work: Work
    job: Job
    report: Report
    not_finished: Conflict | None = None
    extra: list[Report] = field(default_factory=list)


# ---- report and complete -------------------------------------------------------------------------------------------


async def report(session: AsyncSession, ctx: Context, job_id: UUID, entry: Entry) -> Reported:
    """Say what was made. Raises NotFound, Invalid for negative quantities or scrap without a reason."""
    work, job = await load_of_job(session, ctx, job_id)
    _check(entry, work, job)
    made = await record(session, ctx, work, job, entry, kind="production")
    await settle(session, ctx, work)
    return Reported(work, job, made)


async def complete(session: AsyncSession, ctx: Context, job_id: UUID, entry: Entry, *, reason: str = "") -> Reported:
    """Say what was made and that the job is done; its start is implied.

    The job stays Running when something remains (without a reason for ending short) or an inspection is open. A report
    that is Pending changes nothing else. Raises NotFound, Invalid.
    """
    work, job = await load_of_job(session, ctx, job_id)
    _check(entry, work, job)
    if job.state == "Waiting":
        await settle(session, ctx, work)
    implied = job.state == "Ready" and job.kind == "internal"
    blocked = implied and await first_article_open(session, ctx, job)
    made = await record(
        session, ctx, work, job, entry, kind="production", as_running=implied, first_article=blocked, final=True
    )
    done = Reported(work, job, made)
    if made.state == "Accepted":
        if implied:
            await _imply_start(session, ctx, work, job, entry, made)
        if job.state in ("Running", "Paused"):
            done.not_finished = cannot_finish(work, job, reason)
            if done.not_finished is None:
                await end_job(session, ctx, work, job, "complete", reason)
            elif job.remaining_qty == 0:
                # Nobody works on it any more; it only waits.
                await runs.end_of_job(session, ctx, job, "finish")
    await settle(session, ctx, work)
    return done


async def _imply_start(session: AsyncSession, ctx: Context, work: Work, job: Job, entry: Entry, made: Report) -> None:
    """The job was started when nobody said so; its run is known by its end only."""
    try:
        await begin_production(session, ctx, work, job, equipment_id=entry.equipment_id)
    except Conflict:
        # The work was done, whatever a blocking guard would have said before.
        job.equipment_id = entry.equipment_id or job.planned_equipment_id
        job.state, job.started_at = "Running", ctx.now
        work.tell(job, "Ready", "start")
    at = min(made.occurred_at, ctx.now)
    job.started_at = at
    opened = runs.begin(
        session, ctx, [(job, None)], kind="production", equipment_id=job.equipment_id,
        workers=runs.crew(ctx, entry.workers), at=at,
    )  # fmt: skip
    made.run_id, made.equipment_id = opened.run.id, job.equipment_id
    await session.flush()


def _check(entry: Entry, work: Work, job: Job) -> None:
    for name, value in (("good_qty", entry.good), ("scrap_qty", entry.scrap), ("rework_qty", entry.rework)):
        if value < 0:
            raise Invalid("report.negative", field=name, qty=str(value))
    if entry.scrap > 0 and not entry.scrap_reason.strip():
        raise Invalid("report.scrap_reason_missing", field="scrap_reason")


# ---- recording -----------------------------------------------------------------------------------------------------


async def record(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job,
    entry: Entry,
    *,
    kind: str,
    change: Change | None = None,
    as_running: bool = False,
    first_article: bool = False,
    final: bool = False,
    corrects: Report | None = None,
    pending: Pending | None = None,
) -> Report:
    """Store a report and, if no guard is against it, count it. Publishes it; the job is told by the caller's settle.

    change: its signed quantities where they are not those of the entry. as_running: its implied start counts.
    """
    asked, entered = (change, None) if change is not None else await _convert(session, ctx, work, job, entry)
    occurred = entry.occurred_at or ctx.now
    opened = await _run_of(session, job, entry)
    found = await situation(session, ctx, work, job, occurred, as_running=as_running, first_article=first_article)
    pending = pending or judge(asked, found, occurred, ctx.now)
    place = entry.equipment_id or (opened.run.equipment_id if opened else None) or job.equipment_id
    row = _row(ctx, job, entry, asked, kind=kind, at=occurred, opened=opened, equipment_id=place, pending=pending)
    row.entered, row.final = entered, final
    row.corrects_report_id = corrects.id if corrects is not None else None
    row.production_date, row.shift = (await places(session, ctx.site_id)).production_date(place, occurred)
    if asked.scrap != 0 and not row.scrap_class:
        row.scrap_class = await scrap_class(session, ctx.site_id, row.scrap_reason)
    session.add(row)
    if pending is None:
        await count_in(session, ctx, work, job, asked)
        work.tell(job, job.state, "report" if kind == "production" else kind, row.scrap_reason)
    events.publish_report(session, ctx, row, job.material_id)
    return row


async def _convert(
    session: AsyncSession, ctx: Context, work: Work, job: Job, entry: Entry
) -> tuple[Change, dict[str, Any] | None]:
    """Quantities in the job's unit, and what was typed when that was another one. Raises Invalid."""
    if entry.uom in ("", job.uom):
        return Change(entry.good, entry.scrap, entry.rework), ({"lot": entry.lot} if entry.lot else None)
    units = units_of(await material(session, ctx.site_id, job.material_id))
    try:
        change = Change(*(units.to_report(each, entry.uom, entry.lot_factor)
                          for each in (entry.good, entry.scrap, entry.rework)))  # fmt: skip
    except UnknownUnit as error:
        known = ", ".join(sorted({units.order, units.report, units.stock}))
        raise Invalid("order.uom_unknown", field="uom", uom=entry.uom, known=known) from error
    return change, {
        "good": plain(entry.good), "scrap": plain(entry.scrap), "rework": plain(entry.rework), "uom": entry.uom,
        "lot": entry.lot, "factor": plain(entry.lot_factor or units.report_factor),
    }  # fmt: skip


async def _run_of(session: AsyncSession, job: Job, entry: Entry) -> Open | None:
    """The run that a report belongs to: the one named, else that of its worker, else any open one."""
    if job.state not in ("Setup", "Running", "Paused") and entry.run_id is None:
        return None
    found = await runs.of_jobs(session, [job.id])
    names = {each.worker for each in entry.workers}
    for one in found:
        if one.run.id == entry.run_id or names & {each["worker"] for each in one.run.workers}:
            return one
    return found[-1] if found else None


async def situation(
    session: AsyncSession,
    ctx: Context,
    work: Work,
    job: Job,
    occurred: datetime,
    *,
    as_running: bool = False,
    first_article: bool = False,
    by_machine: bool = False,
) -> Situation:
    """What a report about a job finds. A machine's counts run ahead of what has been reported before it."""
    flow = work.flow()
    node = flow.nodes[job.id]
    shortages = {} if node.is_rework or node.ended else flow.shortages(job.seq)
    step = None if node.is_rework else flow.steps[job.seq]
    limited = step is not None and not (by_machine and not flow.inflow_is_final(job.seq))
    passed = flow.passed_on(job.seq) if step is not None else None
    has_followers = any(job.seq in each.before for each in flow.steps.values())
    return Situation(
        state="Running" if as_running else job.state,
        order_state=work.order.state,
        ledger=ledger_of(node, shortages),
        tolerance=tolerance(job.qty, job.over_tolerance, job.uom_digits),
        arrived=flow.arrived(job.seq) if limited else None,
        used=step.used if step is not None else node.used,
        spare=passed - flow.consumed(job.seq) if passed is not None and has_followers else None,
        in_run=job.state == "Paused" and await runs.was_running(session, job.id, occurred),
        first_article_open=first_article,
    )


def _row(
    ctx: Context,
    job: Job,
    entry: Entry,
    change: Change,
    *,
    kind: str,
    at: datetime,
    opened: Open | None,
    equipment_id: UUID | None,
    pending: Pending | None,
) -> Report:
    named = [each.as_json() for each in entry.workers]
    workers = named or (opened.run.workers if opened and entry.source == "machine" else runs.crew(ctx, ()))
    return Report(
        id=ctx.new_id(), site_id=ctx.site_id, order_id=job.order_id, job_id=job.id,
        run_id=opened.run.id if opened else None, equipment_id=equipment_id, kind=kind,
        state="Pending" if pending else "Accepted", good_qty=change.good, scrap_qty=change.scrap,
        rework_qty=change.rework, uom=job.uom, scrap_reason=entry.scrap_reason, scrap_class=entry.scrap_class,
        caused_by_job_id=entry.caused_by_job_id, caused_by_worker=entry.caused_by_worker, occurred_at=at,
        recorded_at=ctx.now, reported_by=ctx.actor, terminal=entry.terminal, workers=workers, source=entry.source,
        pending_reason=pending.code if pending else "", pending_params=dict(pending.params) if pending else None,
        decided_by="", decision_note="", counter_from=entry.counter_from, counter_to=entry.counter_to,
        run_s_per_unit=_pace(job, equipment_id), final=False, version=1,
    )  # fmt: skip


def _pace(job: Job, equipment_id: UUID | None) -> Decimal | None:
    """The planned run time per item that holds there."""
    for each in job.alternatives:
        if each["equipment_id"] == str(equipment_id):
            return Decimal(str(each["run_s_per_unit"]))
    return None


async def count_in(session: AsyncSession, ctx: Context, work: Work, job: Job, change: Change) -> None:
    """Add a change to a job's totals; what is reworked leaves "in rework" of the job whose pieces it is, once."""
    job.good_qty += change.good
    job.scrap_qty += change.scrap
    job.rework_qty += change.rework
    used = job.good_qty + job.scrap_qty + job.rework_qty
    job.over_qty = max(ZERO, used - job.qty)
    job.written_off_qty = max(ZERO, min(job.written_off_qty, job.qty - used))
    if job.state in JOB_ENDED:
        job.written_off_qty = max(ZERO, job.qty - used)
    if job.rework_of is not None and job.rework_of in work.jobs:
        parent = work.jobs[job.rework_of]
        out = change.good + change.scrap
        if out:
            await count_in(session, ctx, work, parent, Change(change.good, change.scrap, -out))
            work.tell(parent, parent.state, "rework_returned")
