"""Plans that are tried, and plans that wait for a planner's word: from the question to the published version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from mes import outbox
from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from mes.events.v1 import scheduling_pb2
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.commands import decisions
from services.scheduling.commands.planning import Candidate, Overtaken, locked_planning, offer
from services.scheduling.domain.decisions import NEW_ORDER, Decision
from services.scheduling.domain.facts import Placed, Shop
from services.scheduling.models import Planning, Scenario, ScheduleRun
from services.scheduling.queries.comparison import Comparison, as_json
from services.scheduling.queries.shop import load_shop
from services.scheduling.queries.state import settings_of
from services.scheduling.solver.problem import Problem

WHAT_IF, PROPOSAL = "what_if", "proposal"
KEEP = 50
_MOMENTS = ("setup_start", "start", "end")


async def ask(
    session: AsyncSession, ctx: Context, name: str, changes: Sequence[Decision], seconds: float, seed: int
) -> Scenario:
    """A question: what if. It is answered in the background; see `take` and `finish`."""
    row = await _new(session, ctx, WHAT_IF, name)
    row.changes = [{"kind": each.kind, "body": dict(each.body)} for each in changes]
    row.seconds, row.seed = seconds, seed
    session.add(row)
    return row


async def _new(session: AsyncSession, ctx: Context, kind: str, name: str) -> Scenario:
    # The planning row orders what is numbered; before the first request there is none, and the index decides.
    await locked_planning(session, ctx.site_id)
    last = await session.scalar(select(func.max(Scenario.no)).where(Scenario.site_id == ctx.site_id)) or 0
    old = Scenario.site_id == ctx.site_id, Scenario.no <= last - KEEP
    await session.execute(update(Scenario).where(*old).values(plan=[]))
    return Scenario(
        id=ctx.new_id(), site_id=ctx.site_id, no=last + 1, kind=kind, name=name, state="Queued", changes=[],
        seconds=0.0, seed=1, base_version_id=None, input_hash="", reason="", result={}, plan=[], by=ctx.actor,
        at=ctx.now, finished_at=None,
    )  # fmt: skip


async def abandon(session: AsyncSession, ctx: Context) -> None:
    """What a stop cut short is asked still."""
    await session.execute(
        update(Scenario).where(Scenario.site_id == ctx.site_id, Scenario.state == "Solving").values(state="Queued")
    )


async def waiting(session: AsyncSession, site: UUID) -> bool:
    """Whether a question waits for its answer."""
    rows = select(Scenario.id).where(Scenario.site_id == site, Scenario.state.in_(("Queued", "Solving")))
    return await session.scalar(rows.limit(1)) is not None


async def take(session: AsyncSession, ctx: Context) -> Scenario | None:
    """The oldest question, which is being answered from now on; None without one."""
    row = await session.scalar(
        select(Scenario)
        .where(Scenario.site_id == ctx.site_id, Scenario.state == "Queued")
        .order_by(Scenario.no)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is not None:
        row.state = "Solving"
    return row


async def finish(
    session: AsyncSession,
    ctx: Context,
    scenario_id: UUID,
    *,
    state: str,
    reason: str = "",
    base: UUID | None = None,
    digest: str = "",
    result: Mapping[str, Any] | None = None,
    plan: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The answer. A question that was discarded meanwhile stays so."""
    row = await session.get(Scenario, scenario_id, with_for_update=True)
    if row is None or row.state != "Solving":
        return
    planning = await session.get(Planning, ctx.site_id)
    row.state, row.reason, row.base_version_id, row.input_hash = state, reason, base, digest
    if state == "Ready" and planning is not None and planning.version_id != base:
        row.state = "Outdated"
    row.result, row.plan, row.finished_at = dict(result or {}), list(plan), ctx.now
    _announce(session, ctx, row)


async def propose(
    session: AsyncSession, ctx: Context, found: Comparison, problem: Problem, plan: Sequence[Mapping[str, Any]],
    *, base: UUID | None, digest: str, settings: Mapping[str, Any], solver: str,
) -> Scenario:  # fmt: skip
    """Put a better plan before the planner, in the place of an earlier one."""
    row = await _new(session, ctx, PROPOSAL, "")
    open_ones = Scenario.site_id == ctx.site_id, Scenario.kind == PROPOSAL, Scenario.state == "Ready"
    await session.execute(update(Scenario).where(*open_ones).values(state="Outdated"))
    row.state, row.base_version_id, row.input_hash, row.finished_at = "Ready", base, digest, ctx.now
    row.seconds, row.seed = settings["improvement_s"], settings["seed"]
    row.result, row.plan = {**as_json(found, problem), "solver": solver}, list(plan)
    session.add(row)
    _announce(session, ctx, row)
    return row


def _announce(session: AsyncSession, ctx: Context, row: Scenario) -> None:
    event = scheduling_pb2.ScenarioFinished(
        scenario_id=str(row.id), kind=row.kind, state=row.state, base_version_id=str(row.base_version_id or ""),
        helped=row.result.get("helped", 0), harmed=row.result.get("harmed", 0),
        moved=row.result.get("proposal", {}).get("moved", 0),
    )  # fmt: skip
    outbox.publish(session, ctx, event, key=ctx.site_id)


async def _locked(session: AsyncSession, ctx: Context, scenario_id: UUID) -> Scenario:
    row = await session.get(Scenario, scenario_id, with_for_update=True)
    if row is None or row.site_id != ctx.site_id:
        raise NotFound("scenario.unknown", scenario=str(scenario_id))
    return row


async def discard(session: AsyncSession, ctx: Context, scenario_id: UUID) -> Scenario:
    """Nobody wants it any more. Raises NotFound, Conflict when it was promoted."""
    row = await _locked(session, ctx, scenario_id)
    if row.state == "Promoted":
        raise Conflict("scenario.state", state=row.state, legal=["Queued", "Solving", "Ready", "Outdated"])
    row.state = "Discarded"
    return row


async def again(session: AsyncSession, ctx: Context, scenario_id: UUID) -> Scenario:
    """Try the same changes once more, on the plan and with the facts of now. Raises NotFound, Conflict."""
    row = await _locked(session, ctx, scenario_id)
    if row.kind != WHAT_IF or row.state in ("Queued", "Solving", "Promoted"):
        raise Conflict("scenario.state", state=row.state, legal=["Ready", "Outdated", "Infeasible", "Discarded"])
    row.state, row.reason, row.result, row.plan, row.finished_at = "Queued", "", {}, [], None
    return row


async def promote(session: AsyncSession, ctx: Context, scenario_id: UUID) -> Scenario:
    """Publish its plan, and have what was changed in it hold from now on.

    Raises NotFound, Conflict when it is not Ready, when another plan was published since or the shop was faster.
    """
    # The planning row first: so does whoever publishes.
    planning = await locked_planning(session, ctx.site_id)
    row = await _locked(session, ctx, scenario_id)
    if row.state != "Ready" or planning is None:
        raise Conflict("scenario.state", state=row.state, legal=["Ready"])
    if planning.version_id != row.base_version_id or not row.plan:
        raise Conflict("scenario.outdated", scenario=row.no)
    for change in row.changes:
        body = change["body"]
        if change["kind"] == NEW_ORDER:
            body = {**body, "placed": [_promised(each) for each in row.plan if each["order"] == body["order_id"]]}
        await decisions.decide(session, ctx, change["kind"], body, note=row.name, scenario_id=row.id)
    await session.flush()
    shop = await load_shop(session, ctx.site_id, ctx.now)
    settings = await settings_of(session, ctx.site_id)
    made = [_placed(each) for each in row.plan]
    candidate = Candidate(
        {each.job: each for each in made if each.order not in shop.reserved},
        {name: order for name, order in shop.orders.items() if name not in shop.reserved},
        _incomplete(shop, made), row.result["proposal"]["score"], {}, row.result["solver"],
        settings.stability_threshold_s,
    )  # fmt: skip
    run = await _run(session, ctx, row, planning)
    row.state = "Promoted"
    try:
        await offer(session, ctx, planning, run, candidate, policy="manual")
    except Overtaken as error:
        raise Conflict("scenario.outdated", scenario=row.no) from error
    return row


def _promised(each: Mapping[str, Any]) -> dict[str, Any]:
    """Where an operation is kept a place (see `domain.decisions`)."""
    return {"id": each["job"], "equipment_id": each["machine"], "start": each["start"], "end": each["end"]}


def _incomplete(shop: Shop, made: Iterable[Placed]) -> set[str]:
    known = {each.job for each in made}
    return {job.order for job in shop.jobs.values() if job.id not in known} - shop.reserved


async def _run(session: AsyncSession, ctx: Context, row: Scenario, planning: Planning) -> ScheduleRun:
    last = await session.scalar(select(func.max(ScheduleRun.no)).where(ScheduleRun.site_id == ctx.site_id))
    run = ScheduleRun(
        id=ctx.new_id(), site_id=ctx.site_id, no=(last or 0) + 1, status="Feasible", trigger=[row.kind],
        request=planning.requested, input_hash=row.input_hash, seed=row.seed, settings={"improvement_s": row.seconds},
        operations=len(row.plan), solver=row.result["solver"], score=row.result["proposal"]["score"], rules={},
        conflicts=[], reason="", seconds=row.seconds, started_at=row.at, finished_at=ctx.now,
    )  # fmt: skip
    session.add(run)
    await session.flush()
    return run


# ---- plans as they are stored ----------------------------------------------------------------------------------------


def stored(made: Mapping[str, Placed]) -> list[dict[str, Any]]:
    """Positions as plain values."""
    return [{**asdict(each), **{name: getattr(each, name).isoformat() for name in _MOMENTS}} for each in made.values()]


def _placed(each: Mapping[str, Any]) -> Placed:
    return Placed(**{**each, **{name: datetime.fromisoformat(each[name]) for name in _MOMENTS}})


async def look_at_changes(session: AsyncSession, ctx: Context, changes: Sequence[Decision]) -> None:
    """Whether all orders and machines of a question are there. Raises Invalid with the first that is not."""
    shop = await load_shop(session, ctx.site_id, ctx.now)
    for at, each in enumerate(changes):
        order, machine = each.body.get("order_id"), each.body.get("equipment_id")
        if each.kind != NEW_ORDER and order is not None and order not in shop.orders:
            raise Invalid("scheduling.order_not_open", field=f"changes.{at}.order_id", order=order)
        ways = [way["equipment_id"] for one in each.body.get("operations", ()) for way in one["alternatives"]]
        for named in [*([machine] if machine else []), *ways]:
            if named not in shop.machines or shop.machines[named].outdated:
                raise Invalid("scheduling.machine_unknown", field=f"changes.{at}.equipment_id", equipment=named)
