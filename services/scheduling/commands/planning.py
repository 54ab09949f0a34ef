"""A run from its request to its end: what the planning task does to the database, step by step."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mes import outbox
from mes.context import Context
from mes.errors import Conflict, NotFound
from mes.events.v1 import scheduling_pb2
from sqlalchemy import Uuid, all_, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.commands.publishing import POLICY, Result, promise, publish
from services.scheduling.domain import differences
from services.scheduling.domain.changes import FORCING, Why
from services.scheduling.domain.exclusion import Reason
from services.scheduling.domain.facts import BEGUN, OVER, OrderFacts, Placed, Shop
from services.scheduling.models import Planning, PlanningSettings, ScheduleRun, Unplanned
from services.scheduling.queries.shop import placed
from services.scheduling.queries.state import settings_of
from services.scheduling.solver.problem import Operation, Plan, Planned, Problem

try:
    VERSION = importlib.metadata.version("lingnan-mes")
except importlib.metadata.PackageNotFoundError:
    VERSION = ""
# The reason of a run whose reasons a stop swallowed.
RESTART = "restart"
# Orders to which nothing is promised any more.
_ENDED_ORDERS = frozenset({"Completed", "Closed", "Cancelled", "Aborted", "Rejected", "Superseded"})
_STANDING = text("SELECT requested, planned, drift_due FROM planning WHERE site_id = :site")
_STATES = text("SELECT id, state, equipment_id FROM job WHERE id = ANY(CAST(:ids AS uuid[]))")
_UNPLANNED = text(
    """
    INSERT INTO unplanned AS u (site_id, job_id, order_id, code, params, since)
    SELECT :site, t.job, t.ord, t.code, CAST(t.params AS jsonb), :now
    FROM unnest(CAST(:jobs AS uuid[]), CAST(:orders AS uuid[]), CAST(:codes AS text[]), CAST(:params AS text[]))
         AS t(job, ord, code, params)
    ON CONFLICT (site_id, job_id) DO UPDATE SET code = excluded.code, params = excluded.params
    """
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that is being worked on. forced: what stands is wrong, so its repair is published at once."""

    request: int
    run_id: UUID
    reasons: Sequence[str]
    forced: bool
    settings: PlanningSettings


async def locked_planning(session: AsyncSession, site: UUID) -> Planning | None:
    """The planning row of a site, locked; None before the first request."""
    return await session.scalar(
        select(Planning).where(Planning.site_id == site).with_for_update().execution_options(populate_existing=True)
    )


async def abandon(session: AsyncSession, ctx: Context) -> None:
    """Runs that a stop cut short are over; what they were to answer is still asked."""
    await session.execute(
        update(ScheduleRun)
        .where(ScheduleRun.site_id == ctx.site_id, ScheduleRun.status.in_(("Queued", "Solving")))
        .values(status="Cancelled", reason="interrupted", finished_at=ctx.now)
    )


async def is_due(session: AsyncSession, site: UUID, now: datetime) -> tuple[int, bool]:
    """The number of the last request, and whether a new plan is due."""
    row = (await session.execute(_STANDING, {"site": site})).first()
    if row is None:
        return 0, False
    return row.requested, row.requested > row.planned or (row.drift_due is not None and row.drift_due <= now)


async def take(session: AsyncSession, ctx: Context) -> Ticket | None:
    """Begin to answer what is asked; None when nothing is."""
    planning = await locked_planning(session, ctx.site_id)
    if planning is None:
        return None
    drifted = planning.drift_due is not None and planning.drift_due <= ctx.now
    if planning.requested <= planning.planned and not drifted:
        return None
    reasons = [*planning.reasons, *([Why.DRIFT.value] if drifted else [])] or [RESTART]
    planning.reasons, planning.drift_due = [], None
    settings = await settings_of(session, ctx.site_id)
    last = await session.scalar(select(func.max(ScheduleRun.no)).where(ScheduleRun.site_id == ctx.site_id))
    run = ScheduleRun(
        id=ctx.new_id(), site_id=ctx.site_id, no=(last or 0) + 1, status="Solving", trigger=reasons,
        request=planning.requested, input_hash="", seed=settings.seed, settings=as_json(settings), operations=0,
        solver="", score={}, rules={}, conflicts=[], reason="", seconds=0.0, started_at=ctx.now, engine=VERSION,
    )  # fmt: skip
    session.add(run)
    forced = planning.version_id is None or any(why in FORCING or why == RESTART for why in reasons)
    return Ticket(planning.requested, run.id, reasons, forced, settings)


def as_json(settings: PlanningSettings) -> dict[str, Any]:
    """Settings as a run keeps them."""
    return {
        "frozen_window_s": settings.frozen_window_s, "improvement_s": settings.improvement_s,
        "stability_threshold_s": settings.stability_threshold_s, "repair_estimate_s": settings.repair_estimate_s,
        "drift_threshold_s": settings.drift_threshold_s, "stability": settings.stability,
        "seed": settings.seed, "accept_moved": settings.accept_moved, "accept_harmed": settings.accept_harmed,
    }  # fmt: skip


async def note_progress(session: AsyncSession, run_id: UUID, progress: Mapping[str, Any]) -> None:
    """Write down how the search of a run goes."""
    await session.execute(update(ScheduleRun).where(ScheduleRun.id == run_id).values(progress=dict(progress)))


async def is_stopped(session: AsyncSession, run_id: UUID) -> bool:
    """Whether a planner wants a run to end with the best plan so far."""
    return bool(await session.scalar(select(ScheduleRun.stop).where(ScheduleRun.id == run_id)))


async def stop(session: AsyncSession, ctx: Context, run_id: UUID) -> ScheduleRun:
    """Have a run end with the best plan so far. Raises NotFound, Conflict when it is over."""
    run = await session.get(ScheduleRun, run_id, with_for_update=True)
    if run is None or run.site_id != ctx.site_id:
        raise NotFound("scheduling.run_unknown", run=str(run_id))
    if run.status != "Solving":
        raise Conflict("scheduling.run_over", state=run.status, legal=["Solving"])
    run.stop = True
    return run


async def retry(session: AsyncSession, ctx: Context, ticket: Ticket, reason: str) -> None:
    """The run came to nothing, for a reason that another run may not meet: ask the same again."""
    planning = await locked_planning(session, ctx.site_id)
    run = await session.get(ScheduleRun, ticket.run_id)
    if planning is None or run is None:
        return
    planning.requested += 1
    planning.reasons = sorted({*planning.reasons, *ticket.reasons})
    run.status, run.reason, run.finished_at = "Cancelled", reason, ctx.now
    _announce(session, ctx, run)


async def drop(session: AsyncSession, ctx: Context, ticket: Ticket) -> None:
    """There is nothing to plan and nothing was planned: the request is answered, and the run never was."""
    planning = await locked_planning(session, ctx.site_id)
    if planning is not None:
        planning.planned = max(planning.planned, ticket.request)
    await session.execute(delete(ScheduleRun).where(ScheduleRun.id == ticket.run_id))


# ---- the end of a run ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run, or its first part, went. final: nothing more comes of it. plan: to be published if it matters."""

    status: str
    reason: str = ""
    seconds: float = 0.0
    digest: str = ""
    problem: Problem | None = None
    plan: Plan | None = None
    conflicts: Sequence[Mapping[str, Any]] = ()
    unplanned: Mapping[str, Reason] | None = None
    final: bool = True


class Overtaken(Exception):
    """What was planned has begun otherwise in the meantime."""


async def conclude(
    session: AsyncSession, ctx: Context, ticket: Ticket, shop: Shop, outcome: Outcome, *, insist: bool = False
) -> UUID | None:
    """Write down how the run went, and publish its plan if it has one that matters; returns the version's id then.

    Raises Overtaken when a job of the plan has begun elsewhere or long before - unless `insist`.
    """
    planning = await locked_planning(session, ctx.site_id)
    run = await session.get(ScheduleRun, ticket.run_id)
    if planning is None or run is None:
        return None
    version = None
    if outcome.plan is not None and outcome.problem is not None:
        candidate = _candidate(ticket, shop, outcome.problem, outcome.plan, outcome.unplanned or ())
        version = await offer(session, ctx, planning, run, candidate, insist=insist)
    planning.planned = max(planning.planned, ticket.request)
    planning.planned_at = ctx.now
    if outcome.unplanned is not None:
        await _put_unplanned(session, ctx, shop, outcome.unplanned)
    _describe(run, outcome)
    if outcome.final:
        run.finished_at = ctx.now
        _announce(session, ctx, run)
    return version


def _describe(run: ScheduleRun, outcome: Outcome) -> None:
    run.status = outcome.status if outcome.final else "Solving"
    run.seconds = outcome.seconds
    run.input_hash = outcome.digest or run.input_hash
    run.conflicts = list(outcome.conflicts) or run.conflicts
    if outcome.problem is not None:
        run.operations = len(outcome.problem.operations)
    if outcome.plan is not None:
        run.solver, run.score = outcome.plan.solver, asdict(outcome.plan.score)
        run.rules = {name: asdict(score) for name, score in outcome.plan.rules.items()}
    run.reason = outcome.reason or ("" if run.version_id or not outcome.final else "unchanged")


def _announce(session: AsyncSession, ctx: Context, run: ScheduleRun) -> None:
    event = scheduling_pb2.ScheduleRunFinished(
        run_id=str(run.id), status=run.status, reason=run.reason, version_id=str(run.version_id or ""),
        operations=run.operations, seconds=run.seconds,
    )  # fmt: skip
    outbox.publish(session, ctx, event, key=ctx.site_id)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan that could be published. made: where it has each job; orders: of the facts that it was made of.

    incomplete: orders with jobs that it leaves out. threshold_s: smaller shifts of times alone are not worth it.
    """

    made: Mapping[str, Placed]
    orders: Mapping[str, OrderFacts]
    incomplete: set[str]
    score: Mapping[str, int]
    rules: Mapping[str, Mapping[str, int]]
    solver: str
    threshold_s: int


def _candidate(ticket: Ticket, shop: Shop, problem: Problem, plan: Plan, unplanned: Iterable[str]) -> Candidate:
    reserved = shop.reserved
    made = positions(problem, plan)
    return Candidate(
        {job: each for job, each in made.items() if each.order not in reserved},
        {name: order for name, order in shop.orders.items() if name not in reserved},
        {shop.jobs[job].order for job in unplanned if job in shop.jobs} - reserved,
        asdict(plan.score), {name: asdict(score) for name, score in plan.rules.items()}, plan.solver,
        ticket.settings.stability_threshold_s,
    )  # fmt: skip


async def offer(
    session: AsyncSession,
    ctx: Context,
    planning: Planning,
    run: ScheduleRun,
    candidate: Candidate,
    *,
    insist: bool = False,
    policy: str = POLICY,
) -> UUID | None:
    """Publish a plan if it matters; returns the version's id then. planning: the site's row, locked by the caller.

    Raises Overtaken when a job of the plan has begun elsewhere or long before - unless `insist`.
    """
    before = await placed(session, ctx.site_id, planning.version_id)
    made, orders = candidate.made, candidate.orders
    rows = await session.execute(_STATES, {"ids": [UUID(job) for job in {*before, *made}]})
    states = {str(row.id): (row.state, str(row.equipment_id or "")) for row in rows}
    over = {job for job, (state, _) in states.items() if state in OVER}
    if not insist:
        _look_for_begun(made, states, ctx.now + timedelta(seconds=max(candidate.threshold_s, 300)))
    ranked = differences.with_kept_ranks(before, (each for job, each in made.items() if job not in over))
    plan = {each.job: each for each in ranked}
    found = differences.difference(before, plan, over)
    live = _live(orders, candidate.incomplete)
    if planning.version_id is not None and not differences.matters(before, plan, found, candidate.threshold_s):
        # Due dates may be others, though.
        await promise(session, ctx, planning.version_id, differences.promises(before.values(), orders, live))
        return None
    promises = differences.promises(plan.values(), orders, live)
    result = Result(plan, before, found, promises, candidate.score, candidate.rules, candidate.solver, policy)
    return await publish(session, ctx, planning, run, result)


def _live(orders: Mapping[str, OrderFacts], named: set[str]) -> set[str]:
    return {one for one in named if one in orders and orders[one].state not in _ENDED_ORDERS}


def _look_for_begun(made: Mapping[str, Placed], states: Mapping[str, tuple[str, str]], latest: datetime) -> None:
    for job, each in made.items():
        state, machine = states.get(job, ("", ""))
        if each.fixing != "running" and state in BEGUN and (machine != each.machine or each.setup_start > latest):
            raise Overtaken(job)


def positions(problem: Problem, plan: Plan) -> dict[str, Placed]:
    """A plan in moments."""
    operations = {each.id: each for each in problem.operations}
    return {each.operation: _position(problem, operations[each.operation], each) for each in plan.operations}


def _position(problem: Problem, operation: Operation, each: Planned) -> Placed:
    def at(seconds: int) -> datetime:
        return problem.origin + timedelta(seconds=seconds)

    return Placed(
        each.operation, operation.order, each.machine, at(each.setup_start), at(each.start), at(each.end), each.rank,
        operation.fixing.value, each.cause, each.cause_ref, each.slack_s,
    )  # fmt: skip


async def _put_unplanned(session: AsyncSession, ctx: Context, shop: Shop, found: Mapping[str, Reason]) -> None:
    """Replace what is known to be unplanned; jobs of ended orders are nobody's concern."""
    kept = {
        job: reason
        for job, reason in found.items()
        if job in shop.jobs
        and shop.jobs[job].order not in shop.reserved
        and _live(shop.orders, {shop.jobs[job].order}) == {shop.jobs[job].order}
    }
    ids = [UUID(job) for job in kept]
    await session.execute(
        delete(Unplanned).where(Unplanned.site_id == ctx.site_id, Unplanned.job_id != all_(array(ids, type_=Uuid)))
    )
    if kept:
        await session.execute(
            _UNPLANNED,
            {
                "site": ctx.site_id, "now": ctx.now, "jobs": ids,
                "orders": [UUID(shop.jobs[job].order) for job in kept], "codes": [one.code for one in kept.values()],
                "params": [json.dumps(dict(one.params)) for one in kept.values()],
            },
        )  # fmt: skip
