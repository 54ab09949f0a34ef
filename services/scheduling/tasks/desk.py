"""What if: questions that wait are answered one after the other, and decisions end when their time is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mes.runtime import ServiceRuntime
from sqlalchemy.exc import DBAPIError

from services.scheduling.commands import decisions, scenarios
from services.scheduling.commands.planning import positions
from services.scheduling.domain.decisions import Decision, applied
from services.scheduling.queries.comparison import as_json, compare
from services.scheduling.queries.conflicts import named
from services.scheduling.queries.desk import desk_of
from services.scheduling.queries.problem import Built
from services.scheduling.solver.checker import check
from services.scheduling.solver.problem import Infeasible, Plan

log = logging.getLogger(__name__)

_POLL_S, _POLL_STEPPED_S = 1.0, 0.5


async def serve(running: ServiceRuntime) -> None:
    """Answer questions, and end decisions whose time is over, for ever."""
    desk = desk_of(running)
    async with running.transaction() as session:
        await scenarios.abandon(session, running.context())
    while True:
        desk.wake.clear()
        async with running.transaction() as session:
            await decisions.expire(session, running.context())
        while await answer(running):
            pass
        pause = _POLL_STEPPED_S if running.clock.state.mode == "stepped" else _POLL_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(desk.wake.wait(), pause)


async def busy(running: ServiceRuntime) -> str | None:
    """What the desk still has to do."""
    async with running.read() as session:
        asked = await scenarios.waiting(session, running.site_id)
        over = await decisions.any_expired(session, running.site_id, running.clock.now())
    if not asked and not over:
        return None
    desk_of(running).wake.set()
    return "a scenario is being tried" if asked else "a decision has expired"


async def answer(running: ServiceRuntime) -> bool:
    """Answer the oldest question that waits; whether there was one."""
    async with running.transaction() as session:
        row = await scenarios.take(session, running.context())
    if row is None:
        return False
    try:
        found = await _tried(running, row.changes, row.seconds, row.seed)
    except Infeasible as infeasible:
        found = {"state": "Infeasible", "result": {"conflicts": named(infeasible)}}
    except (OSError, DBAPIError):
        raise
    except Exception as error:
        log.exception("a scenario failed")
        found = {"state": "Failed", "reason": repr(error)[:500]}
    async with running.transaction() as session:
        await scenarios.finish(session, running.context(), row.id, **found)
    return True


async def _tried(
    running: ServiceRuntime, changes: Sequence[Mapping[str, Any]], seconds: float, seed: int
) -> dict[str, Any]:
    facts = await desk_of(running).facts()
    shop = applied(facts.shop, [Decision(each["kind"], each["body"]) for each in changes])
    built, (nothing, proposal) = await desk_of(running).ask(facts, shop, "proposed", seconds, seed)
    for plan in (nothing, proposal):
        await _verify(built, plan)
    found = compare(built.problem, nothing, proposal)
    extra = sum((b - a).total_seconds() for machine in shop.machines.values() for a, b in machine.extra)
    result = {**as_json(found, built.problem), "solver": proposal.solver, "extra_s": round(extra)}
    made = positions(built.problem, proposal)
    return {
        "state": "Ready", "base": facts.version, "digest": await asyncio.to_thread(built.digest), "result": result,
        "plan": scenarios.stored(made),
    }  # fmt: skip


async def _verify(built: Built, plan: Plan) -> None:
    wrong = await asyncio.to_thread(check, built.problem, plan)
    if wrong:
        raise ValueError(f"plan refused by the checker: {len(wrong)} violations, first {wrong[0]}")
