"""An order with its jobs, locked: the aggregate that every command works on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.domain.flow import Flow, Node
from services.order.domain.quantity import is_exact, plain
from services.order.domain.states import JOB, ORDER, ORDER_ACTIVE, is_legal_for_job, legal, legal_for_job
from services.order.models import Hold, InspectionGate, Job, ProductionOrder, Run, RunLine
from services.order.models.catalog import SiteFacts

# An inspection lot in one of these states no longer stands in the way.
GATE_OPEN_STATES = frozenset({"Passed", "Partial", "Cancelled", "Dispositioned"})


def check_exact(qty: Decimal, uom: str, digits: int, field: str = "qty") -> None:
    """Raises Invalid for a part of what is counted in wholes: nobody makes half a piece."""
    if not is_exact(qty, digits):
        raise Invalid("order.qty_digits", field=field, qty=plain(qty), uom=uom, digits=digits)


@dataclass(slots=True)
class Open:
    """A run with its lines."""

    run: Run
    lines: list[RunLine] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """A change of a job that is still to be published."""

    job: Job
    from_state: str
    verb: str
    reason: str


Warned = tuple[str, dict[str, str]]
"""What a guard that only warns says: a message code and its parameters."""


@dataclass(slots=True)
class Work:
    """An order, its jobs, its open holds and the gates that are not passed; what changed is told by `progress.settle`.

    warnings: of guards that did not hold but only warn, for the answer.
    """

    order: ProductionOrder
    jobs: dict[UUID, Job]
    holds: list[Hold] = field(default_factory=list)
    gates: list[InspectionGate] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    # Read when first needed: see `runs.open_of` and `guarding.site_of`.
    open_runs: list[Open] | None = None
    site: SiteFacts | None = None

    def tell(self, job: Job, from_state: str, verb: str, reason: str = "") -> None:
        """Remember a change of a job for publishing; several of one command become one, from the first to the last."""
        for told in self.told:
            if told.job is job:
                told.verb, told.reason = verb, reason or told.reason
                return
        self.told.append(Told(job, from_state, verb, reason))

    def job_holds(self, job_id: UUID) -> list[Hold]:
        """Open holds on one job."""
        return [each for each in self.holds if each.job_id == job_id and each.released_at is None]

    def order_holds(self) -> list[Hold]:
        """Open holds on the whole order."""
        return [each for each in self.holds if each.job_id is None and each.released_at is None]

    def closed_gates(self, job_id: UUID) -> list[InspectionGate]:
        """Inspections of a job that are not passed yet; the first article is looked at by `Job.fai`."""
        return [each for each in self.gates if each.job_id == job_id and each.stage != "FAI"]

    def set_gates(self, gates: Iterable[InspectionGate]) -> None:
        """The gates as they are now; those that are passed or decided about no longer count."""
        self.gates = [each for each in gates if each.state not in GATE_OPEN_STATES]

    def node(self, job: Job) -> Node:
        """A job as the flow sees it."""
        blocked = bool(self.closed_gates(job.id)) or (job.state == "Done" and bool(self.job_holds(job.id)))
        return Node(
            job.id, job.seq, job.state, job.qty, job.good_qty, job.scrap_qty, job.rework_qty,
            tuple(job.predecessor_ids), job.overlap_qty, job.rework_of, blocked, job.short_qty,
        )  # fmt: skip

    def flow(self) -> Flow:
        """The flow of the order as it is now."""
        return Flow(self.node(job) for job in self.jobs.values())

    def followers(self, job: Job) -> list[Job]:
        """Jobs that come directly after a job."""
        return [each for each in self.jobs.values() if job.id in each.predecessor_ids]


def unknown_job(job_id: UUID) -> NotFound:
    """There is no such job."""
    return NotFound("job.unknown", job=str(job_id))


def check_order(order: ProductionOrder, verb: str) -> None:
    """Raises Conflict when a command is not legal in the order's state."""
    if order.state not in ORDER[verb]:
        raise Conflict(
            "order.illegal",
            verb=verb.replace("_", "-"),
            state=order.state,
            legal=legal(ORDER, order.state),
            no=order.no,
        )


def check_job(work: Work, job: Job, verb: str) -> None:
    """Raises Conflict when a command is not legal in the job's state."""
    if not is_legal_for_job(verb, job.state, job.kind):
        raise Conflict(
            "job.illegal", verb=verb.replace("_", "-"), state=job.state, legal=legal_for_job(job.state, job.kind),
            job=job.code,
        )  # fmt: skip


def check_active(work: Work, job: Job) -> None:
    """Raises Conflict when the job's order does not let anybody work."""
    if work.order.state not in ORDER_ACTIVE:
        raise Conflict(
            "job.order_not_active", state=work.order.state, legal=legal(ORDER, work.order.state), no=work.order.no,
            job=job.code,
        )  # fmt: skip


def open_nonconformance(order: ProductionOrder, numbers: Sequence[str]) -> Conflict:
    """Pieces of the order are still in question."""
    return Conflict(
        "order.open_nonconformance", state=order.state, legal=legal(ORDER, order.state), no=order.no,
        nonconformances=", ".join(numbers),
    )  # fmt: skip


async def load(session: AsyncSession, ctx: Context, order_id: UUID) -> Work:
    """One order, locked. Raises NotFound."""
    found = await _load(session, select(ProductionOrder).where(ProductionOrder.id == order_id), ctx)
    if not found:
        raise NotFound("order.unknown", order=str(order_id))
    return found[0]


async def load_of_job(session: AsyncSession, ctx: Context, job_id: UUID) -> tuple[Work, Job]:
    """The order of a job, locked, and the job. Raises NotFound."""
    query = select(ProductionOrder).where(
        ProductionOrder.id == select(Job.order_id).where(Job.id == job_id).scalar_subquery()
    )
    found = await _load(session, query, ctx)
    if not found:
        raise unknown_job(job_id)
    return found[0], found[0].jobs[job_id]


async def load_many(session: AsyncSession, ctx: Context, order_ids: Collection[UUID]) -> list[Work]:
    """Several orders, locked in the order of their ids so that two commands cannot wait for each other."""
    return await _load(session, select(ProductionOrder).where(ProductionOrder.id.in_(order_ids)), ctx)


async def load_of_jobs(session: AsyncSession, ctx: Context, job_ids: Collection[UUID]) -> list[Work]:
    """The orders of several jobs, locked. Raises NotFound for a job that is not there."""
    orders = select(Job.order_id).where(Job.id.in_(job_ids))
    works = await _load(session, select(ProductionOrder).where(ProductionOrder.id.in_(orders)), ctx)
    known = {job_id for work in works for job_id in work.jobs}
    for job_id in job_ids:
        if job_id not in known:
            raise unknown_job(job_id)
    return works


async def _load(session: AsyncSession, query: Select[ProductionOrder], ctx: Context) -> list[Work]:
    locked = (
        query.where(ProductionOrder.site_id == ctx.site_id)
        .order_by(ProductionOrder.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    works = {order.id: Work(order, {}) for order in await session.scalars(locked)}
    if not works:
        return []
    ids = list(works)
    # Holds and gates are rare: whether there are any comes along with the jobs. (Not with the order: a row that was
    # waited for is read anew, what is joined to it is not.)
    held, gated = select(_holds(ids).exists()).scalar_subquery(), select(_gates(ids).exists()).scalar_subquery()
    with_flags = select(Job, held, gated).where(Job.order_id.in_(ids)).order_by(Job.seq, Job.id)
    any_held = any_gated = len(ids) > 1
    for job, has_holds, has_gates in await session.execute(with_flags.execution_options(populate_existing=True)):
        works[job.order_id].jobs[job.id] = job
        any_held, any_gated = any_held or has_holds, any_gated or has_gates
    if any_held:
        for hold in await session.scalars(_holds(ids)):
            works[hold.order_id].holds.append(hold)
    if any_gated:
        for gate in await session.scalars(_gates(ids)):
            works[gate.order_id].gates.append(gate)
    return list(works.values())


def _holds(ids: Sequence[UUID]) -> Select[Hold]:
    return select(Hold).where(Hold.order_id.in_(ids), Hold.released_at.is_(None))


def _gates(ids: Sequence[UUID]) -> Select[InspectionGate]:
    return select(InspectionGate).where(
        InspectionGate.order_id.in_(ids), InspectionGate.gate, InspectionGate.state.not_in(GATE_OPEN_STATES)
    )


__all__ = [
    "GATE_OPEN_STATES",
    "JOB",
    "Open",
    "Told",
    "Warned",
    "Work",
    "check_active",
    "check_job",
    "check_order",
    "load",
    "load_many",
    "load_of_job",
    "load_of_jobs",
    "open_nonconformance",
    "unknown_job",
]
