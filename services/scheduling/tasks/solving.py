"""The worker process that solves, as the planning task sees it: started when needed, started again when it died."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.problem import Infeasible, Plan, Problem

log = logging.getLogger(__name__)

# Rules answer within seconds whatever the size; beyond this the worker hangs.
RULES_S = 120.0
# A worker that ran over its time by so much hangs.
GRACE_S = 30.0


class Process(Protocol):
    """A solver in a process of its own. solve: rules at once, then better plans for so many seconds; the best."""

    async def start(self) -> None: ...

    async def solve(self, problem: Problem, *, seconds: float, seed: int) -> Plan: ...

    def cancel(self) -> None: ...

    async def stop(self) -> None: ...


class Solving:
    """Keeps one worker process; `make` makes it."""

    def __init__(self, make: Callable[[], Process]) -> None:
        self._make = make
        self._process: Process | None = None

    async def solve(self, problem: Problem, *, seconds: float, seed: int, tries: int = 3) -> Plan:
        """The best plan in about so many seconds; 0: the rules' plan.

        A worker that dies is replaced and asked again, `tries` times in all; then rules are tried in this process.
        Raises Infeasible; TimeoutError when a worker hangs.
        """
        for attempt in range(1, tries + 1):
            try:
                return await self._ask(problem, seconds, seed)
            except (Infeasible, TimeoutError, asyncio.CancelledError):
                raise
            except Exception as error:
                log.warning("the solver's process failed", extra={"attempt": attempt, "error": repr(error)})
                await self.stop()
        return await asyncio.to_thread(rules_plan, problem)

    async def _ask(self, problem: Problem, seconds: float, seed: int) -> Plan:
        if self._process is None:
            process = self._make()
            await process.start()
            self._process = process
        limit = max(RULES_S, seconds + GRACE_S)
        try:
            return await asyncio.wait_for(self._process.solve(problem, seconds=seconds, seed=seed), limit)
        except (TimeoutError, asyncio.CancelledError):
            # Whatever it is still at, nobody waits for it.
            await self.stop()
            raise

    def cancel(self) -> None:
        """End what is being solved soon; `solve` then returns the best so far."""
        if self._process is not None:
            self._process.cancel()

    async def stop(self) -> None:
        """End the worker process; the next `solve` starts another."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()


class InThread:
    """Rules in a thread of this process."""

    async def start(self) -> None:
        """Nothing to start."""

    async def solve(self, problem: Problem, *, seconds: float, seed: int) -> Plan:
        """The rules' plan, whatever the time."""
        return await asyncio.to_thread(rules_plan, problem)

    def cancel(self) -> None:
        """Rules end by themselves."""

    async def stop(self) -> None:
        """Nothing to stop."""
