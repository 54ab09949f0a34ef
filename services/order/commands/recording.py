"""Recording a report: converted, held against the guards, counted or kept Pending, told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, runs
from services.order.commands.guarding import site_of, unqualified
from services.order.commands.loading import Open, Work, check_exact
from services.order.commands.runs import Worker
from services.order.domain.flow import Flow, Node, ledger_of
from services.order.domain.guards import MOST_LOOPS, Change, Pending, Situation, judge
from services.order.domain.ledger import ZERO, tolerance
from services.order.domain.quantity import UnknownUnit, plain
from services.order.domain.states import JOB_ENDED, legal_for_job
from services.order.models import Job, Report, Run
from services.order.models.catalog import SiteFacts, material, scrap_class, units_of


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody said. Quantities are not negative, in `uom` ("" = the job's unit); lot_factor: of that lot.

    counted: pieces that a counter saw; said: those of them that a person had reported already.
    """

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
    counted: Decimal | None = None
    said: Decimal = ZERO


@dataclass(slots=True)
class Reported:
    """A report, its job, and the order at rest. not_finished: why a completion did not finish the job."""

    work: Work
    job: Job
    report: Report
    not_finished: Conflict | None = None


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
    final: bool = False,
    tell: bool = True,
    corrects: Report | None = None,
    pending: Pending | None = None,
    found: Situation | None = None,
    certain: bool = False,
) -> Report:
    """Store a report and, if no guard is against it, count it. Publishes it; the job is told by the caller's settle.

    change: its signed quantities where they are not those of the entry. as_running: it counts as if the job ran.
    pending: a reason to keep it that is known already; found: what it finds, where the caller knows.
    certain: it is held against nothing. tell: publish it here; else the caller does.
    """
    asked, entered = (change, None) if change is not None else await _convert(session, ctx, work, job, entry)
    occurred = entry.occurred_at or ctx.now
    opened = await _run_of(session, work, job, entry)
    place = entry.equipment_id or (opened.run.equipment_id if opened else None) or job.equipment_id
    crew = _crew(ctx, entry, opened)
    found = found or await situation(session, ctx, work, job, occurred, as_running=as_running)
    if pending is None and not certain:
        pending = judge(asked, found, occurred, ctx.now)
        if pending is None and kind == "production" and asked.rework > 0 and job.rework_loop >= MOST_LOOPS:
            pending = Pending("report.rework_loops", {"most": str(MOST_LOOPS)})
        if pending is None and kind in ("production", "setup") and entry.source == "operator":
            pending = await unqualified(session, ctx, work, job, crew, place, occurred)
    site = await site_of(session, ctx, work)
    row = _row(ctx, job, entry, asked, kind=kind, at=occurred, opened=opened, equipment_id=place, pending=pending)
    row.workers = crew
    row.entered, row.final = entered or _counted(entry), final
    if row.source == "operator" and opened is not None and asked.good > 0 and _counts(site, place):
        row.source = await _source(session, job, opened)
    row.corrects_report_id = corrects.id if corrects is not None else None
    row.production_date, row.shift = site.places.production_date(place, occurred)
    if asked.scrap != 0 and not row.scrap_class:
        row.scrap_class = await scrap_class(session, ctx.site_id, row.scrap_reason)
    session.add(row)
    if pending is None:
        await count_in(session, ctx, work, job, asked)
        work.tell(job, job.state, "report" if kind == "production" else kind, row.scrap_reason)
    if tell:
        events.publish_report(session, ctx, row, job.material_id)
    return row


async def _convert(
    session: AsyncSession, ctx: Context, work: Work, job: Job, entry: Entry
) -> tuple[Change, dict[str, Any] | None]:
    """Quantities in the job's unit, and what was typed when that was another one. Raises Invalid."""
    if entry.uom in ("", job.uom):
        for name, qty in (("good_qty", entry.good), ("scrap_qty", entry.scrap), ("rework_qty", entry.rework)):
            check_exact(qty, job.uom, job.uom_digits, name)
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


def _counted(entry: Entry) -> dict[str, Any] | None:
    if entry.counted is None:
        return None
    return {"counted": plain(entry.counted), "said": plain(entry.said)}


def _counts(site: SiteFacts, place: UUID | None) -> bool:
    machine = site.places.equipment.get(place) if place is not None else None
    return machine is not None and machine.is_networked


async def _source(session: AsyncSession, job: Job, opened: Open) -> str:
    """What a person adds to a run that a machine counts is said by both."""
    counted = select(Report.id).where(
        Report.job_id == job.id, Report.run_id == opened.run.id, Report.source == "machine"
    )
    return "both" if await session.scalar(counted.limit(1)) is not None else "operator"


async def _run_of(session: AsyncSession, work: Work, job: Job, entry: Entry) -> Open | None:
    """The run that a report belongs to: the one named, else that of its worker, else any open one."""
    if entry.run_id is not None:
        run = await session.get(Run, entry.run_id)
        return Open(run) if run is not None and run.site_id == job.site_id else None
    if job.state not in ("Setup", "Running", "Paused"):
        return None
    found = await runs.open_of(session, work, job)
    names = {each.worker for each in entry.workers}
    for one in found:
        if names & {each["worker"] for each in one.run.workers}:
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
    by_machine: bool = False,
) -> Situation:
    """What a report about a job finds. A machine's counts run ahead of what has been reported before it."""
    flow = work.flow()
    node = flow.nodes[job.id]
    shortages = {} if node.is_rework or node.ended else flow.shortages(job.seq)
    step = None if node.is_rework else flow.steps[job.seq]
    limited = step is not None and not (by_machine and not flow.inflow_is_final(job.seq))
    return Situation(
        state="Running" if as_running else job.state,
        order_state=work.order.state,
        ledger=ledger_of(node, shortages),
        tolerance=tolerance(job.qty, job.over_tolerance, job.uom_digits),
        arrived=_arrived(flow, node, limited),
        used=step.used if step is not None else node.used,
        spare=spare(work, job) if node.is_rework else _unused(flow, job.seq),
        in_run=job.state in ("Paused", "Held") and await runs.was_running(session, job.id, occurred),
    )


def _unused(flow: Flow, seq: int) -> Decimal | None:
    passed = flow.passed_on(seq)
    followed = any(seq in each.before for each in flow.steps.values())
    return passed - flow.consumed(seq) if passed is not None and followed else None


def spare(work: Work, job: Job) -> Decimal:
    """Good pieces of a job that no later one has used; those of a rework job lie at the job they came from."""
    if job.rework_of is None:
        flow = work.flow()
        passed = flow.passed_on(job.seq) or ZERO
        return min(job.good_qty, max(ZERO, passed - flow.consumed(job.seq)))
    chain = [each for each in work.jobs.values() if each.rework_of == job.rework_of and job.id in each.predecessor_ids]
    if chain:
        return max(ZERO, job.good_qty - sum((each.good_qty + each.scrap_qty + each.rework_qty for each in chain), ZERO))
    parent = work.jobs.get(job.rework_of)
    return min(job.good_qty, spare(work, parent)) if parent is not None else job.good_qty


def _arrived(flow: Flow, node: Node, limited: bool) -> Decimal | None:
    if node.is_rework:
        return flow.reworked_before(node)
    return flow.arrived(node.seq) if limited else None


def _crew(ctx: Context, entry: Entry, opened: Open | None) -> list[dict[str, str]]:
    """Whose report it is: of those named, else of who says it; what a machine counted, of its run's people."""
    if not entry.workers and opened is not None and entry.source == "machine":
        return list(opened.run.workers)
    return runs.crew(ctx, entry.workers)


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
    return Report(
        id=ctx.new_id(), site_id=ctx.site_id, order_id=job.order_id, job_id=job.id,
        run_id=opened.run.id if opened else None, equipment_id=equipment_id, kind=kind,
        state="Pending" if pending else "Accepted", good_qty=change.good, scrap_qty=change.scrap,
        rework_qty=change.rework, uom=job.uom, scrap_reason=entry.scrap_reason, scrap_class=entry.scrap_class,
        caused_by_job_id=entry.caused_by_job_id, caused_by_worker=entry.caused_by_worker, occurred_at=at,
        recorded_at=ctx.now, reported_by=ctx.actor, terminal=entry.terminal, source=entry.source,
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
    if job.state in JOB_ENDED:
        # A corrected count of a job that is over changes what was given up, not what there is to do.
        job.short_qty = max(ZERO, job.short_qty - change.used)
    job.good_qty += change.good
    job.scrap_qty += change.scrap
    job.rework_qty += change.rework
    if min(job.good_qty, job.scrap_qty, job.rework_qty) < 0:
        legal = legal_for_job(job.state, job.kind)
        raise Conflict("report.below_zero", state=job.state, legal=legal, job=job.code)
    used = job.good_qty + job.scrap_qty + job.rework_qty
    job.over_qty = max(ZERO, used - job.qty)
    job.written_off_qty = max(ZERO, min(job.written_off_qty, job.qty - used))
    if job.state in JOB_ENDED:
        job.written_off_qty = max(ZERO, job.qty - used)
    parent = work.jobs.get(job.rework_of) if job.rework_of is not None else None
    if parent is not None:
        await _return_from_rework(session, ctx, work, job, parent, change)


async def _return_from_rework(
    session: AsyncSession, ctx: Context, work: Work, job: Job, parent: Job, change: Change
) -> None:
    """What a rework job makes leaves "in rework" of its parent; of a chain only the last passes on good pieces."""
    chained = any(each.rework_of == parent.id and job.id in each.predecessor_ids for each in work.jobs.values())
    good = ZERO if chained else change.good
    if good or change.scrap:
        await count_in(session, ctx, work, parent, Change(good, change.scrap, -good - change.scrap))
        work.tell(parent, parent.state, "rework_returned")
