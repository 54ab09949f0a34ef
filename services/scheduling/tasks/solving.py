"""The solver as the planning task sees it: a first plan at once, and a search that goes on behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from services.scheduling.solver.engine import Progress, rules_plan
from services.scheduling.solver.problem import Plan, Problem
from services.scheduling.solver.process import SolverFailed, SolverProcess

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """first: a plan that can be used. rest: the search for better ones, None where there is none."""

    first: Plan
    rest: asyncio.Task[Plan] | None = None

    async def abandon(self) -> None:
        """Nobody wants the rest any more."""
        if self.rest is not None:
            self.rest.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self.rest


class Solving:
    """Keeps the worker process; it starts with the first search and is started again when it dies."""

    def __init__(self) -> None:
        self.process = SolverProcess()

    async def begin(self, problem: Problem, seconds: float, seed: int) -> Begun:
        """A first plan, and for so many seconds the search for a better one. Raises Infeasible.

        Without time for a search the plan is that of the rules, the same for the same problem.
        """
        if seconds <= 0:
            return Begun(await asyncio.to_thread(rules_plan, problem))
        first: asyncio.Future[Plan] = asyncio.get_running_loop().create_future()

        def hear(plan: Plan) -> None:
            if not first.done():
                first.set_result(plan)

        rest = asyncio.create_task(self._search(problem, seconds, seed, hear))
        try:
            await asyncio.wait({first, rest}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            rest.cancel()
            raise
        return Begun(first.result(), rest) if first.done() else Begun(await rest)

    async def _search(self, problem: Problem, seconds: float, seed: int, hear: Callable[[Plan], None]) -> Plan:
        try:
            return await self.process.solve(problem, seconds=seconds, seed=seed, on_plan=hear)
        except (SolverFailed, OSError) as error:
            # Whatever is wrong with the process, the shop gets a plan.
            log.error("the solver's process failed, rules only", extra={"error": str(error)[:500]})
            return await asyncio.to_thread(rules_plan, problem)

    @property
    def progress(self) -> Progress | None:
        """How the search goes; None without one."""
        return self.process.progress

    async def cancel(self) -> None:
        """End the search soon; it then answers with the best so far."""
        await self.process.cancel()

    async def stop(self) -> None:
        """End the worker process."""
        await self.process.stop()
