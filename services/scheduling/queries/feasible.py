"""Planning whatever can be planned: what an engine finds impossible is left out and named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from mes.runtime import ServiceRuntime
from sqlalchemy import select, text

from services.scheduling.domain.exclusion import Reason
from services.scheduling.domain.facts import Policy, Shop
from services.scheduling.models import Planning, PlanningSettings
from services.scheduling.queries.problem import Built, build
from services.scheduling.queries.shop import load_shop
from services.scheduling.queries.state import settings_of
from services.scheduling.solver.checker import check
from services.scheduling.solver.problem import Infeasible, Plan

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
# The calendars are laid out at most so many times as far as estimated.
_FURTHEST = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one moment. version: id of the plan that is published, None before the first."""

    shop: Shop
    settings: PlanningSettings
    now: datetime
    version: UUID | None


def policy_of(settings: PlanningSettings) -> Policy:
    """What planners set, as far as it makes the problem."""
    return Policy(settings.frozen_window_s, settings.repair_estimate_s, settings.stability)


async def facts_of(running: ServiceRuntime) -> Facts:
    """One snapshot of the shop with what planners decided."""
    now, site = running.clock.now(), running.site_id
    async with running.read() as session:
        # One snapshot for all statements.
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        version = await session.scalar(select(Planning.version_id).where(Planning.site_id == site))
        return Facts(await load_shop(session, site, now), await settings_of(session, site), now, version)


@dataclass(frozen=True, slots=True)
class Feasible(Generic[Answer]):
    """The problem that has an answer, the answer, and what made jobs impossible, as it is stored."""

    built: Built
    answer: Answer
    conflicts: Sequence[Mapping[str, Any]]


async def feasible(
    shop: Shop,
    now: datetime,
    policy: Policy,
    attempt: Callable[[Built], Awaitable[Answer]],
    is_beyond: Callable[[Built, Answer], Awaitable[bool]],
    *,
    asked: Collection[str] = (),
) -> Feasible[Answer]:
    """Attempt the problem of a shop until it has an answer. Raises Infeasible where leaving out does not help.

    is_beyond: whether the answer lies where calendars have ended, so that they have to be laid out further.
    asked: jobs whose impossibility is the answer.
    """
    given: dict[str, Reason] = {}
    conflicts: list[Mapping[str, Any]] = []
    stretch = 1
    while True:
        built = await asyncio.to_thread(build, shop, now, policy, given=given, stretch=stretch)
        try:
            answer = await attempt(built)
        except Infeasible as infeasible:
            conflicts += named(infeasible)
            left = left_out(shop, infeasible)
            if not left.keys() - given.keys() or left.keys() & set(asked):
                raise
            given |= left
            continue
        if stretch < _FURTHEST and await is_beyond(built, answer):
            stretch *= 2
            continue
        return Feasible(built, answer, conflicts)


async def verify(built: Built, plan: Plan) -> None:
    """Have the checker look at a plan before anybody sees it. Raises ValueError."""
    wrong = await asyncio.to_thread(check, built.problem, plan)
    if wrong:
        log.error("the engine's plan is wrong", extra={"first": [str(each) for each in wrong[:5]]})
        raise ValueError(f"plan refused by the checker: {len(wrong)} violations, first {wrong[0]}")


def named(infeasible: Infeasible) -> list[Mapping[str, Any]]:
    """Conflicts as they are stored."""
    return [{"id": one, "code": code, "params": dict(params)} for one, code, params in infeasible.conflicts]


def left_out(shop: Shop, infeasible: Infeasible) -> dict[str, Reason]:
    """Jobs named by the conflicts; of an order that is named, all of them."""
    found: dict[str, Reason] = {}
    for one, code, params in infeasible.conflicts:
        jobs = [one] if one in shop.jobs else [job.id for job in shop.jobs.values() if job.order == one]
        found |= {job: Reason("infeasible", {"conflict": code, **params}) for job in jobs}
    return found
