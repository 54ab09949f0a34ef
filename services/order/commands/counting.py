"""A machine's counts become reports of the jobs whose production runs it served in that time.

Rules:
- Counts outside every production run (trial strokes of a setup, an idle machine) are no production.
- A run over several jobs splits its counts by the quantities of its lines; several runs in the time split them by the
  time that they shared with it.
- What exceeds the remaining quantity and tolerance, or what arrived, is a second, Pending report.
- A person may add to a counted run what the counter missed (source "both"). Counts of the same run that arrive later
  but tell of a time before that are then taken as already said, up to that quantity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from mes.context import Context
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import runs
from services.order.commands.loading import Open, Work, load_of_jobs
from services.order.commands.progress import settle
from services.order.commands.recording import Entry, record, situation
from services.order.domain.guards import Change, Pending, fits
from services.order.domain.ledger import ZERO
from services.order.domain.quantity import plain, rounded
from services.order.domain.states import COUNTED
from services.order.models import Job, Report, Run


@dataclass(frozen=True, slots=True)
class Span:
    """What a counter told: its readings and the time between them."""

    equipment_id: UUID
    from_time: datetime
    to_time: datetime
    counter_from: Decimal | None
    counter_to: Decimal | None
    correction: bool


async def count(
    session: AsyncSession,
    ctx: Context,
    equipment_id: UUID,
    counts: Decimal,
    from_time: datetime,
    to_time: datetime,
    counter_from: Decimal | None,
    counter_to: Decimal | None,
    correction: bool,
) -> list[Report]:
    """Turn a counter's advance into reports. correction: late data changed the past, counts are the signed difference.

    Returns the reports, none when nothing was being produced.
    """
    if counts == 0:
        return []
    span = Span(equipment_id, from_time, to_time, counter_from, counter_to, correction)
    found = await _runs_in(session, ctx, span)
    shares = [
        (one, job_id, part)
        for one, of_run in zip(found, split(counts, [_overlap(one.run, span) for one in found]), strict=True)
        for job_id, part in _over_lines(one, of_run)
        if part != 0
    ]
    if not shares:
        return []
    works = {job_id: work for work in await load_of_jobs(session, ctx, {each[1] for each in shares})
             for job_id in work.jobs}  # fmt: skip
    made: list[Report] = []
    for one, job_id, part in shares:
        work = works[job_id]
        made += await _count_job(session, ctx, work, work.jobs[job_id], one, part, span)
    for work in {id(each): each for each in works.values()}.values():
        await settle(session, ctx, work)
    return made


async def _runs_in(session: AsyncSession, ctx: Context, span: Span) -> list[Open]:
    query = (
        select(Run)
        .where(
            Run.site_id == ctx.site_id, Run.equipment_id == span.equipment_id, Run.kind == "production",
            Run.started_at <= span.to_time, or_(Run.ended_at.is_(None), Run.ended_at >= span.from_time),
        )
        .order_by(Run.started_at, Run.id)
    )  # fmt: skip
    return await runs.with_lines(session, (await session.scalars(query)).all())


def _overlap(run: Run, span: Span) -> Decimal:
    end = min(run.ended_at, span.to_time) if run.ended_at else span.to_time
    return Decimal(str(max(0.0, (end - max(run.started_at, span.from_time)).total_seconds())))


def split(counts: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Whole parts of a count by weights, summing to it; what does not come out even goes to the last with weight.

    Without any weight everything goes to the last.
    """
    if not weights:
        return []
    total = sum(weights, ZERO)
    if total == 0:
        return [*(ZERO for _ in weights[1:]), counts]
    parts = [(counts * each / total).quantize(Decimal(1), rounding=ROUND_DOWN) for each in weights]
    last = max(place for place, each in enumerate(weights) if each > 0)
    parts[last] += counts - sum(parts, ZERO)
    return parts


def _over_lines(one: Open, counts: Decimal) -> list[tuple[UUID, Decimal]]:
    weights = [line.qty or ZERO for line in one.lines]
    if not any(weights):
        weights = [Decimal(1)] * len(one.lines)
    return list(zip((line.job_id for line in one.lines), split(counts, weights), strict=True))


async def _count_job(
    session: AsyncSession, ctx: Context, work: Work, job: Job, one: Open, counts: Decimal, span: Span
) -> list[Report]:
    pieces = rounded(counts * job.pieces_per_count, job.uom_digits)
    said = await _said_already(session, one.run.id, job.id, span) if pieces > 0 and not span.correction else ZERO
    said = min(said, max(ZERO, pieces))
    entry = Entry(
        occurred_at=span.to_time, run_id=one.run.id, equipment_id=span.equipment_id, source="machine",
        counter_from=span.counter_from, counter_to=span.counter_to, counted=pieces, said=said,
    )  # fmt: skip
    kind = "correction" if span.correction else "production"
    asked = Change(pieces - said)
    # The run says that it was being worked on, whatever has become of the job since.
    as_running = job.state in ("Running", "Paused", "Held")
    found = await situation(session, ctx, work, job, span.to_time, as_running=as_running, by_machine=True)
    fit = fits(asked, found) if asked.good > 0 else asked.good
    made = []
    if fit != 0 or asked.good == 0:
        made.append(await record(session, ctx, work, job, entry, kind=kind, change=Change(fit), found=found))
    if asked.good > fit:
        over = Pending("report.over", {"over": plain(asked.good - fit), "remaining": plain(job.remaining_qty)})
        rest = Change(asked.good - fit)
        made.append(await record(session, ctx, work, job, entry, kind=kind, change=rest, found=found, pending=over))
    return made


async def _said_already(session: AsyncSession, run_id: UUID, job_id: UUID, span: Span) -> Decimal:
    """What a person added to the run after the counts' time and no count has matched yet."""
    rows = await session.scalars(
        select(Report).where(
            Report.job_id == job_id, Report.run_id == run_id, Report.source.in_(("both", "machine")),
            Report.state.in_(COUNTED),
        )
    )  # fmt: skip
    left = ZERO
    for row in rows:
        if row.source == "both" and row.occurred_at >= span.to_time:
            left += row.good_qty
        elif row.source == "machine" and row.entered:
            left -= Decimal(row.entered.get("said", "0"))
    return max(ZERO, left)
