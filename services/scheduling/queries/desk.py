"""The planner's desk: why, and by when. Answers come from a solver process of its own, beside planning's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mes.errors import Unavailable
from mes.runtime import ServiceRuntime

from services.scheduling.domain.decisions import NEW_ORDER, Decision, applied
from services.scheduling.domain.facts import Shop
from services.scheduling.queries.feasible import Facts, Feasible, facts_of, feasible, policy_of
from services.scheduling.queries.problem import Built
from services.scheduling.solver.desk import Explanation
from services.scheduling.solver.problem import Plan
from services.scheduling.solver.process import SolverFailed, SolverProcess
from services.scheduling.solver.promise import Offer

DESK = "desk"
# A request's transaction may not rest for a minute.
_PATIENCE_S = 45.0


@dataclass(frozen=True, slots=True)
class Promised:
    """Answer to an inquiry: offers in seconds from the origin, the first harms nobody."""

    origin: datetime
    offers: Sequence[Offer]

    def at(self, seconds: int) -> datetime:
        """A moment of an offer."""
        return self.origin + timedelta(seconds=seconds)


class Desk:
    """Answers questions about a site's plan; its process starts with the first."""

    def __init__(self, running: ServiceRuntime) -> None:
        self._running = running
        self.process = SolverProcess()
        self.wake = asyncio.Event()

    async def stop(self) -> None:
        """End the process."""
        await self.process.stop()

    async def explain(self, order: UUID | None) -> tuple[Facts, Built, Explanation]:
        """Why orders are late by the published plan, with what is known now. Raises Unavailable."""
        facts = await facts_of(self._running)

        async def attempt(built: Built) -> Explanation:
            found: Explanation = await self._ask("explained", built.problem, str(order or ""))
            return found

        async def is_beyond(built: Built, found: Explanation) -> bool:
            return any(late.end > built.problem.horizon for late in found.late)

        made = await feasible(facts.shop, facts.now, policy_of(facts.settings), attempt, is_beyond)
        return facts, made.built, made.answer

    async def promise(self, body: Mapping[str, Any]) -> Promised:
        """Dates for an order that is not there yet. Raises Unavailable, Infeasible."""
        facts = await facts_of(self._running)
        shop = applied(facts.shop, [Decision(NEW_ORDER, body)])

        async def attempt(built: Built) -> list[Offer]:
            found: list[Offer] = await self._ask("promised", built.problem, body["order_id"])
            return found

        async def is_beyond(built: Built, offers: list[Offer]) -> bool:
            return any(offer.end > built.problem.horizon for offer in offers)

        asked = [each["id"] for each in body["operations"]]
        made = await feasible(shop, facts.now, policy_of(facts.settings), attempt, is_beyond, asked=asked)
        return Promised(made.built.problem.origin, made.answer)

    async def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return await self.process.ask(name, *arguments, patience=_PATIENCE_S)
        except SolverFailed as error:
            raise Unavailable("scheduling.no_answer") from error

    async def propose(self, facts: Facts, shop: Shop, seconds: float, seed: int) -> Feasible[tuple[Plan, Plan]]:
        """What stands and what is best in a shop like this one. Raises Infeasible, SolverFailed."""

        async def attempt(built: Built) -> tuple[Plan, Plan]:
            found: tuple[Plan, Plan] = await self.process.ask("proposed", built.problem, seconds, seed)
            return found

        async def is_beyond(built: Built, plans: tuple[Plan, Plan]) -> bool:
            return any(plan.beyond_horizon for plan in plans)

        new = shop.reserved - facts.shop.reserved
        asked = [job.id for job in shop.jobs.values() if job.order in new]
        return await feasible(shop, facts.now, policy_of(facts.settings), attempt, is_beyond, asked=asked)


def desk_of(running: ServiceRuntime) -> Desk:
    """The desk of a running service."""
    desk: Desk = running.state[DESK]
    return desk
