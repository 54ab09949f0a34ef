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
from services.scheduling.domain.decisions import EXTRA_TIME, Decision, applied, moment
from services.scheduling.queries.comparison import as_json, compare
from services.scheduling.queries.desk import desk_of
from services.scheduling.queries.feasible import facts_of, named, verify
from services.scheduling.solver.problem import Infeasible
from services.scheduling.solver.process import Preparing

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
    except Preparing:
        async with running.transaction() as session:
            await scenarios.abandon(session, running.context())
        return False
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
    facts = await facts_of(running)
    shop = applied(facts.shop, [Decision(each["kind"], each["body"]) for each in changes])
    made = await desk_of(running).propose(facts, shop, seconds, seed)
    problem, (nothing, proposal) = made.built.problem, made.answer
    for plan in (nothing, proposal):
        await verify(made.built, plan)
    spans = [each["body"] for each in changes if each["kind"] == EXTRA_TIME]
    extra = sum((moment(each["end"]) - moment(each["start"])).total_seconds() for each in spans)
    result = {
        **as_json(compare(problem, nothing, proposal), problem), "solver": proposal.solver, "extra_s": round(extra),
    }  # fmt: skip
    return {
        "state": "Ready", "base": facts.version, "digest": await asyncio.to_thread(made.built.digest),
        "result": result, "plan": scenarios.stored(positions(problem, proposal)),
    }  # fmt: skip
