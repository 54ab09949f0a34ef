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
from sqlalchemy import select, text

from services.scheduling.domain.decisions import NEW_ORDER, Decision, applied
from services.scheduling.domain.exclusion import Reason
from services.scheduling.domain.facts import Policy, Shop
from services.scheduling.models import Planning
from services.scheduling.queries.conflicts import left_out
from services.scheduling.queries.problem import Built, build
from services.scheduling.queries.shop import load_shop
from services.scheduling.queries.state import settings_of
from services.scheduling.solver.desk import Explanation
from services.scheduling.solver.problem import Infeasible
from services.scheduling.solver.process import SolverFailed, SolverProcess
from services.scheduling.solver.promise import Offer

_FURTHEST = 8
_ATTEMPTS = 20
DESK = "desk"


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one moment. version: that is published, None before the first."""

    shop: Shop
    policy: Policy
    now: datetime
    version: UUID | None


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

    async def facts(self) -> Facts:
        """One snapshot of the shop with what planners decided."""
        now, site = self._running.clock.now(), self._running.site_id
        async with self._running.read() as session:
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            shop = await load_shop(session, site, now)
            settings = await settings_of(session, site)
            version = await session.scalar(select(Planning.version_id).where(Planning.site_id == site))
        return Facts(
            shop, Policy(settings.frozen_window_s, settings.repair_estimate_s, settings.stability), now, version
        )

    async def ask(self, facts: Facts, shop: Shop, name: str, *arguments: Any) -> tuple[Built, Any]:
        """An answer about everything that can be planned. Raises Infeasible, SolverFailed."""
        given: dict[str, Reason] = {}
        stretch = 1
        for _ in range(_ATTEMPTS):
            built = await asyncio.to_thread(build, shop, facts.now, facts.policy, given=given, stretch=stretch)
            try:
                answer = await self.process.ask(name, built.problem, *arguments)
            except Infeasible as infeasible:
                left = left_out(shop, infeasible)
                # Of what is asked for itself, an impossibility is the answer.
                asked = {job.id for job in shop.jobs.values() if job.order in shop.reserved}
                if not left.keys() - given.keys() or left.keys() & asked:
                    raise
                given |= left
                continue
            plans = answer if isinstance(answer, tuple) else ()
            if any(plan.beyond_horizon for plan in plans) and stretch < _FURTHEST:
                stretch *= 2
                continue
            return built, answer
        raise SolverFailed("no end of conflicts")

    # ---- why ----

    async def explain(self, order: UUID | None) -> tuple[Facts, Built, Explanation]:
        """Why orders are late by the published plan, with what is known now. Raises Unavailable."""
        facts = await self.facts()
        try:
            built, answer = await self.ask(facts, facts.shop, "explained", str(order or ""))
        except SolverFailed as error:
            raise Unavailable("scheduling.no_answer") from error
        return facts, built, answer

    # ---- by when ----

    async def promise(self, body: Mapping[str, Any]) -> Promised:
        """Dates for an order that is not there yet. Raises Unavailable, Infeasible."""
        facts = await self.facts()
        shop = applied(facts.shop, [Decision(NEW_ORDER, body)])
        try:
            built, offers = await self.ask(facts, shop, "promised", body["order_id"])
        except SolverFailed as error:
            raise Unavailable("scheduling.no_answer") from error
        return Promised(built.problem.origin, offers)


def desk_of(running: ServiceRuntime) -> Desk:
    """The desk of a running service."""
    desk: Desk = running.state[DESK]
    return desk
