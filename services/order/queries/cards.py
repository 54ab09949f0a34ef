"""One order with its jobs, and one job with all that is needed to act on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.errors import NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Hold, Job, OutsideMove, ProductionOrder, Report, Run, RunLine
from services.order.queries.dispatch import Said, Surroundings, not_ready, surroundings
from services.order.queries.shopfloor import Named, Reader, named

_LOOK_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(slots=True)
class OrderCard:
    """An order, its jobs in order, and what is around them."""

    order: ProductionOrder
    jobs: Sequence[Job]
    around: Surroundings
    holds: Sequence[Hold]

    @property
    def material(self) -> Named | None:
        return self.around.materials.get(self.order.material_id)

    def place(self, job: Job) -> UUID | None:
        """Where a job is, was or will be done."""
        return job.equipment_id or job.planned_equipment_id

    def machine(self, job: Job) -> Named | None:
        place = self.place(job)
        return self.around.equipment.get(place) if place else None


@dataclass(slots=True)
class JobCard:
    """A job with its order. not_ready: what is in its way; reports: the latest first; workers: those at it now."""

    order_card: OrderCard
    job: Job
    not_ready: Sequence[Said] = ()
    reports: Sequence[Report] = ()
    moves: Sequence[OutsideMove] = ()
    workers: Sequence[str] = ()
    since: datetime | None = None
    next_jobs: Sequence[Job] = field(default=())

    @property
    def order(self) -> ProductionOrder:
        return self.order_card.order

    @property
    def remaining(self) -> Decimal:
        return remaining(self.job)

    @property
    def machine(self) -> Named | None:
        return self.order_card.machine(self.job)

    @property
    def machines(self) -> list[tuple[UUID, Named]]:
        """Where it may be done, the planned one first."""
        known = self.order_card.around.equipment
        ids = [UUID(str(each["equipment_id"])) for each in self.job.alternatives if each.get("equipment_id")]
        place = self.order_card.place(self.job)
        ordered = ([place] if place else []) + [each for each in ids if each != place]
        return [(each, known[each]) for each in ordered if each in known]

    @property
    def setup_s(self) -> int:
        """Set-up time at its place, else the first one known."""
        place = str(self.order_card.place(self.job))
        times = {str(each.get("equipment_id")): int(each.get("setup_s") or 0) for each in self.job.alternatives}
        return times.get(place, next(iter(times.values()), 0))


def remaining(job: Any) -> Decimal:
    """What is still to be made."""
    left: Decimal = job.qty + job.over_qty - job.good_qty - job.scrap_qty - job.rework_qty - job.written_off_qty
    return left


async def order_card(session: AsyncSession, site_id: UUID, order_id: UUID) -> OrderCard:
    """An order with its jobs. Raises NotFound."""
    order = await session.get(ProductionOrder, order_id)
    if order is None or order.site_id != site_id:
        raise NotFound("page.order_unknown", order=str(order_id))
    jobs = (await session.scalars(select(Job).where(Job.order_id == order_id).order_by(Job.seq, Job.id))).all()
    around = await surroundings(session, site_id, jobs)
    around.materials |= await named(session, site_id, "material", {order.material_id})
    holds = await session.scalars(
        select(Hold).where(Hold.order_id == order_id, Hold.released_at.is_(None)).order_by(Hold.opened_at)
    )
    return OrderCard(order, jobs, around, holds.all())


async def job_card(session: AsyncSession, site_id: UUID, code: str, reader: Reader) -> JobCard:
    """The job with a code as it was scanned or typed. Raises NotFound."""
    typed = code.strip()
    codes = {typed, typed.upper(), typed.upper().replace("-", "").replace(" ", "").translate(_LOOK_ALIKE)}
    found = await session.scalar(select(Job).where(Job.site_id == site_id, Job.code.in_(codes)).limit(1))
    if found is None:
        raise NotFound("page.job_unknown", typed=typed)
    card = JobCard(await order_card(session, site_id, found.order_id), found)
    card.not_ready = not_ready(found, card.order_card.place(found), card.order_card.around, reader)
    card.next_jobs = [each for each in card.order_card.jobs if found.id in each.predecessor_ids]
    reports = select(Report).where(Report.job_id == found.id).order_by(Report.recorded_at.desc(), Report.id.desc())
    card.reports = (await session.scalars(reports.limit(5))).all()
    if found.kind == "outside":
        moves = select(OutsideMove).where(OutsideMove.job_id == found.id).order_by(OutsideMove.recorded_at.desc())
        card.moves = (await session.scalars(moves)).all()
    await _add_runs(session, card)
    return card


async def _add_runs(session: AsyncSession, card: JobCard) -> None:
    runs = await session.scalars(
        select(Run)
        .join(RunLine, RunLine.run_id == Run.id)
        .where(RunLine.job_id == card.job.id, Run.ended_at.is_(None))
        .order_by(Run.started_at)
    )
    for run in runs:
        card.workers = [*card.workers, *(each["worker"] for each in run.workers)]
        card.since = card.since or run.started_at
