"""One run: facts, problem, rules, publication, improvement."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from mes import crash
from mes.runtime import ServiceRuntime
from sqlalchemy.exc import DBAPIError

from services.scheduling import metrics
from services.scheduling.commands import planning, scenarios
from services.scheduling.commands.planning import Outcome, Overtaken, Ticket
from services.scheduling.domain.facts import Shop
from services.scheduling.queries.comparison import Comparison, compare, within
from services.scheduling.queries.feasible import Facts, facts_of, feasible, policy_of, verify
from services.scheduling.queries.problem import Built
from services.scheduling.solver.engine import stand
from services.scheduling.solver.problem import Infeasible, Plan
from services.scheduling.tasks.solving import Begun, Solving

log = logging.getLogger(__name__)

# So often a plan is made anew because the shop was faster.
_OVERTAKEN = 3
_LOOK_S = 0.1
_TELL_EVERY = 10


@dataclass(frozen=True, slots=True)
class _Made:
    """The problem and the first plan that was made of the facts."""

    shop: Shop
    built: Built
    begun: Begun
    conflicts: Sequence[Mapping[str, Any]]
    digest: str

    @property
    def plan(self) -> Plan:
        """The first plan."""
        return self.begun.first


class Planner:
    """Plans one site."""

    def __init__(self, running: ServiceRuntime, solving: Solving) -> None:
        self._running = running
        self._solving = solving
        self._overtaken = 0

    async def run(self) -> None:
        """Answer the request that is due, if one is."""
        began = time.monotonic()
        async with self._running.transaction() as session:
            ticket = await planning.take(session, self._running.context())
        if ticket is None:
            return
        try:
            await self._answer(ticket, began)
            self._overtaken = 0
        except Overtaken as overtaken:
            # The next look plans again, in the end whatever begins meanwhile.
            self._overtaken += 1
            async with self._running.transaction() as session:
                await planning.retry(session, self._running.context(), ticket, "overtaken_by_shop")
            log.info("the shop was faster than the plan", extra={"job": str(overtaken)})
        except (OSError, DBAPIError):
            # The database does not answer: nothing could be written down, and all that is asked stays asked.
            raise
        except Infeasible as infeasible:
            await self._end(ticket, "Infeasible", str(infeasible)[:500], began)
        except Exception as error:
            log.exception("planning failed")
            await self._end(ticket, "Failed", repr(error)[:500], began)

    async def _answer(self, ticket: Ticket, began: float) -> None:
        facts = await facts_of(self._running)
        if not facts.shop.jobs and not facts.shop.current:
            async with self._running.transaction() as session:
                await planning.drop(session, self._running.context(), ticket)
            return
        made = await self._first(ticket, facts)
        proposed = made.plan
        try:
            if (beyond := await self._beyond(ticket, made, proposed)) is not None:
                made = await self._repaired(made)
            final = made.begun.rest is None
            outcome = Outcome(
                made.plan.status, seconds=time.monotonic() - began, digest=made.digest, problem=made.built.problem,
                plan=made.plan, conflicts=made.conflicts, unplanned=made.built.unplanned, final=final,
            )  # fmt: skip
            if ticket.forced or final:
                await self._conclude(ticket, made.shop, outcome)
            if beyond is not None:
                await self._propose(ticket, made, proposed, beyond)
            if made.begun.rest is not None:
                await self._improve(ticket, made, made.begun.rest, outcome, began)
        finally:
            await made.begun.abandon()

    async def _conclude(self, ticket: Ticket, shop: Shop, outcome: Outcome) -> UUID | None:
        crash.reached("plan.solved")
        async with self._running.transaction() as session:
            insist = self._overtaken >= _OVERTAKEN
            context = self._running.context()
            version = await planning.conclude(session, context, ticket, shop, outcome, insist=insist)
        if outcome.final:
            metrics.RUNS.labels(outcome.status).inc()
            metrics.SECONDS.observe(outcome.seconds)
        return version

    async def _end(self, ticket: Ticket, status: str, reason: str, began: float) -> None:
        await self._conclude(ticket, Shop(), Outcome(status, reason, time.monotonic() - began))

    # ---- the first plan ----

    async def _first(self, ticket: Ticket, facts: Facts) -> _Made:
        """A first plan. What an engine finds impossible is left out and named, the rest is planned."""
        seconds = self._improvement(ticket, len(facts.shop.jobs))

        async def attempt(built: Built) -> Begun:
            return await self._solving.begin(built.problem, seconds, ticket.settings.seed)

        async def is_beyond(built: Built, begun: Begun) -> bool:
            if begun.first.beyond_horizon:
                await begun.abandon()
            return begun.first.beyond_horizon

        made = await feasible(facts.shop, facts.now, policy_of(ticket.settings), attempt, is_beyond)
        await verify(made.built, made.answer.first)
        digest = await asyncio.to_thread(made.built.digest)
        return _Made(facts.shop, made.built, made.answer, made.conflicts, digest)

    # ---- a planner's limits ----

    async def _beyond(self, ticket: Ticket, made: _Made, plan: Plan) -> Comparison | None:
        """The difference of a plan to doing nothing, if it is beyond what planners let pass; None if it may pass."""
        limits, problem = ticket.settings, made.built.problem
        if not problem.current or (limits.accept_moved is None and limits.accept_harmed is None):
            return None
        nothing = await asyncio.to_thread(stand, problem)
        found = await asyncio.to_thread(compare, problem, nothing, plan)
        if within(found, limits.accept_moved, limits.accept_harmed) or plan.score.key() >= nothing.score.key():
            return None
        return found

    async def _propose(self, ticket: Ticket, made: _Made, plan: Plan, found: Comparison) -> None:
        """Put a plan before the planner."""
        problem = made.built.problem
        positions = scenarios.stored(planning.positions(problem, plan))
        async with self._running.transaction() as session:
            context = self._running.context()
            row = await planning.locked_planning(session, context.site_id)
            await scenarios.propose(
                session, context, found, problem, positions, base=row.version_id if row else None, digest=made.digest,
                settings=planning.as_json(ticket.settings), solver=plan.solver,
            )  # fmt: skip

    async def _repaired(self, made: _Made) -> _Made:
        """What stands, mended as far as it must be: that is published without asking."""
        nothing = await asyncio.to_thread(stand, made.built.problem)
        await verify(made.built, nothing)
        return replace(made, begun=Begun(nothing, made.begun.rest))

    # ---- improvement ----

    def _improvement(self, ticket: Ticket, operations: int) -> float:
        """Real seconds for a better plan: more for larger shops, none while the clock is stepped."""
        if self._running.clock.state.mode == "stepped" or not operations:
            return 0.0
        return ticket.settings.improvement_s * min(4.0, max(1.0, operations / 200))

    async def _improve(
        self, ticket: Ticket, made: _Made, rest: asyncio.Task[Plan], outcome: Outcome, began: float
    ) -> None:
        beyond: Comparison | None = None
        overtaken = await self._watch(rest, ticket)
        better = await rest
        spent = time.monotonic() - began
        if overtaken:
            # What stands is published already, or the newer request will look at it.
            outcome = replace(outcome, status="Cancelled", reason="newer_request", plan=None)
        elif better.score.key() < made.plan.score.key():
            await verify(made.built, better)
            if (beyond := await self._beyond(ticket, made, better)) is None:
                outcome = replace(outcome, plan=better, status=better.status)
            else:
                outcome = replace(outcome, plan=None, status=better.status, reason="needs_confirmation")
        elif ticket.forced:
            outcome = replace(outcome, plan=None, status=better.status)
        await self._finish(ticket, made, replace(outcome, seconds=spent, final=True))
        if beyond is not None:
            await self._propose(ticket, made, better, beyond)

    async def _finish(self, ticket: Ticket, made: _Made, outcome: Outcome) -> None:
        try:
            await self._conclude(ticket, made.shop, outcome)
        except Overtaken:
            if not ticket.forced:
                raise
            late = replace(outcome, plan=None, status="Cancelled", reason="overtaken_by_shop")
            await self._conclude(ticket, made.shop, late)

    async def _watch(self, work: asyncio.Task[Plan], ticket: Ticket) -> bool:
        """Wait for the work; end it when there is a newer request, or the clock is stepped. Whether that was so."""
        looks, stop = 0, False
        while not work.done():
            await asyncio.wait({work}, timeout=_LOOK_S)
            looks += 1
            async with self._running.read() as session:
                requested, due = await planning.is_due(session, self._running.site_id, self._running.clock.now())
                stop = await planning.is_stopped(session, ticket.run_id)
            if looks % _TELL_EVERY == 0 and (progress := self._solving.progress) is not None:
                async with self._running.transaction() as session:
                    await planning.note_progress(session, ticket.run_id, asdict(progress))
            newer = due and requested > ticket.request
            if newer or stop or self._running.clock.state.mode == "stepped":
                await self._solving.cancel()
                await asyncio.wait({work})
                return newer
        return False
