"""The solver in a process of its own, seen from an event loop that never waits for it."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from services.scheduling.solver.problem import Infeasible, Plan, Problem
from services.scheduling.solver.worker import HEAD, frame

if TYPE_CHECKING:
    from services.scheduling.solver.engine import Progress

logger = logging.getLogger(__name__)
_WORKER = "services.scheduling.solver.worker"
_OVER = 2.0
"""Seconds beyond its limit after which a run is ended by force."""
_GRACE = 0.25
_ATTEMPTS = 3
_FIRST_PLAN_S, _BEGIN_S = 10.0, 60.0
_PATIENCE_S = 180.0


class Superseded(Exception):
    """The run was cancelled, or a newer one took its place, before it had a plan."""


class SolverFailed(Exception):
    """The worker failed or died again and again, without a plan."""


class Preparing(SolverFailed):
    """The worker is still being compiled, which happens once on a machine."""


class _Died(Exception):
    """The worker is gone."""


@dataclass(eq=False, slots=True)
class _Run:
    number: int
    on_plan: Callable[[Plan], None] | None
    ended: asyncio.Future[Any]
    best: Plan | None = None
    asked: bool = False
    progress: Progress | None = None
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    planned: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, event: asyncio.Event | None, seconds: float) -> None:
        """Until the event, the end of the run, a cancellation that is new, or the time is over."""
        if event is not None and event.is_set():
            return
        events = [each for each in (event, self.cancelled) if each is not None and not each.is_set()]
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(each.wait()) for each in events]
        try:
            await asyncio.wait([self.ended, *waits], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def offer(self, plan: Plan, *, tell: bool) -> None:
        """Keep a plan that is better than what is known."""
        if self.best is None or plan.score.key() < self.best.score.key():
            self.best = plan
            self.planned.set()
            if tell and self.on_plan is not None:
                self.on_plan(plan)


class SolverProcess:
    """A worker, kept warm: started ahead, started again when it dies. One run at a time, the newest request counts.

    answering: set while it is at a question.
    """

    def __init__(self) -> None:
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._run: _Run | None = None
        self._runs = 0
        self._idle = asyncio.Event()
        self.answering = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the worker; None while there is none."""
        return self._process.pid if self._process else None

    @property
    def progress(self) -> Progress | None:
        """How the run in progress goes; None without one, or before it told."""
        return self._run.progress if self._run else None

    async def start(self) -> None:
        """Start the worker; it loads OR-Tools by itself meanwhile."""
        if self._process is None:
            # The worker finds what this process finds, however this one was started.
            paths = os.pathsep.join(path for path in sys.path if path)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", _WORKER, stdin=PIPE, stdout=PIPE, env={**os.environ, "PYTHONPATH": paths}
            )
            self._idle.set()
            self._reader = asyncio.create_task(self._listen(self._process), name="solver")

    async def stop(self) -> None:
        """End the worker. A run in progress ends with the best plan so far."""
        if self._run is not None:
            self._run.cancelled.set()
            if self._run.asked and not self._run.ended.done():
                self._run.ended.set_exception(SolverFailed("the solver is stopped"))
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 1.0)
        except TimeoutError:
            _kill(process)
            await process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def cancel(self) -> None:
        """End the run in progress; its `solve` returns the best plan so far, or raises Superseded without one."""
        if self._run is not None:
            self._run.cancelled.set()

    async def solve(
        self, problem: Problem, *, seconds: float, seed: int = 1, on_plan: Callable[[Plan], None] | None = None
    ) -> Plan:
        """The best plan that is found in so many seconds; on_plan hears of each better one. Ends the run before.

        Raises Infeasible, Superseded, SolverFailed.
        """
        self._runs += 1
        number = self._runs
        await self.cancel()
        async with self._lock:
            if number != self._runs:
                raise Superseded
            self._run = _Run(number, on_plan, asyncio.get_running_loop().create_future())
            try:
                return await self._attempts(self._run, problem, seconds, seed)
            finally:
                # Also if the caller is cancelled: the worker must not go on for nobody.
                if not self._idle.is_set():
                    self._send("stop", number)
                self._run = None

    async def ask(self, name: str, *arguments: Any, patience: float = _PATIENCE_S) -> Any:
        """An answer of `desk.ANSWERS`; questions wait for each other. Raises Infeasible, Preparing, SolverFailed.

        For a process of its own: a question would keep a search waiting, and a search would supersede it. patience:
        seconds after which a worker that does not answer is ended - but not one that is still being compiled.
        """
        async with self._lock:
            for _ in range(_ATTEMPTS):
                if self._process is not None and self._process.returncode is None and not self._idle.is_set():
                    # Of all runs, only a question that was given up before it began leaves the worker at work.
                    raise Preparing("the solver is being prepared")
                try:
                    return await self._question(name, arguments, patience)
                except _Died:
                    logger.warning("the solver process died over a question; it is started again")
        raise SolverFailed("the solver process died repeatedly")

    async def _question(self, name: str, arguments: Sequence[Any], patience: float) -> Any:
        self._runs += 1
        run = self._run = _Run(self._runs, None, asyncio.get_running_loop().create_future(), asked=True)
        try:
            await self._ready()
            message = await asyncio.to_thread(frame, ("ask", run.number, name, arguments))
            self._idle.clear()
            self._write(message)
            async with asyncio.timeout(patience):
                return await run.ended
        except TimeoutError as error:
            if not run.begun.is_set():
                raise Preparing("the solver is being prepared") from error
            await self._end()
            raise SolverFailed(f"no answer to {name} within {patience:g} s") from error
        except asyncio.CancelledError:
            # Nobody waits for the answer; the next question shall not either.
            await self._end()
            raise
        finally:
            self._run = None
            self.answering.clear()

    async def _attempts(self, run: _Run, problem: Problem, seconds: float, seed: int) -> Plan:
        until = monotonic() + seconds
        for _ in range(_ATTEMPTS):
            left = until - monotonic()
            if run.best is not None and left < 1.0:
                break
            run.ended = asyncio.get_running_loop().create_future()
            try:
                return await self._attempt(run, problem, max(left, 0.1), seed)
            except _Died:
                logger.warning("the solver process died during a run; it is started again")
            if run.cancelled.is_set():
                break
        if run.best is None:
            if run.cancelled.is_set():
                raise Superseded
            raise SolverFailed("the solver process died repeatedly")
        return run.best

    async def _attempt(self, run: _Run, problem: Problem, seconds: float, seed: int) -> Plan:
        await self._ready()
        # A large problem takes a while to pickle.
        message = await asyncio.to_thread(frame, ("solve", run.number, problem, seconds, seed))
        self._idle.clear()
        self._write(message)
        run.begun.clear()
        # A cold worker first loads OR-Tools, which is not the run's time.
        await run.wait(run.begun, _BEGIN_S)
        if not run.cancelled.is_set():
            await run.wait(None, seconds + _OVER)
        if not run.cancelled.is_set():
            await run.wait(run.planned, _FIRST_PLAN_S)
        if run.cancelled.is_set() and not run.ended.done():
            self._send("stop", run.number)
            # The worker's own answer is complete; what was streamed does if it takes long.
            await run.wait(None, _GRACE)
            await run.wait(run.planned, _OVER)
        return await self._outcome(run)

    async def _outcome(self, run: _Run) -> Plan:
        if run.ended.done():
            plan = run.ended.result()
            # A worker that was started again may have come less far than the one before.
            return plan if run.best is None or plan.score.key() <= run.best.score.key() else run.best
        if not run.cancelled.is_set():
            logger.warning("the solver did not keep its limit; it is ended and started again")
            await self._restart()
        if run.best is None:
            raise Superseded if run.cancelled.is_set() else SolverFailed("no plan within the limit")
        return run.best

    async def _ready(self) -> None:
        """A worker that is there and has nothing to do."""
        if self._process is None or self._process.returncode is not None:
            await self._restart()
        try:
            await asyncio.wait_for(self._idle.wait(), _OVER)
        except TimeoutError:
            await self._restart()

    async def _restart(self) -> None:
        await self._end()
        await self.start()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _kill(process)
            await process.wait()

    def _send(self, *message: object) -> None:
        self._write(frame(message))

    def _write(self, message: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            # Not drained: the worker always reads, and whether it lives shows in what it answers.
            with suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(message)

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - for the type
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))[0]
                body = await process.stdout.readexactly(size)
                self._heard(*await asyncio.to_thread(pickle.loads, body))
        await process.wait()
        if process is not self._process:
            # Ended on purpose.
            return
        self._idle.set()
        if self._run is not None and not self._run.ended.done():
            self._run.ended.set_exception(_Died())
            # Whoever waits may have left already.
            self._run.ended.exception()

    def _heard(self, kind: str, number: int, content: Any) -> None:
        if kind in ("done", "infeasible", "failed"):
            self._idle.set()
        run = self._run
        if run is None or run.number != number or run.ended.done():
            return
        if kind == "begun":
            run.begun.set()
            if run.asked:
                self.answering.set()
        elif kind == "progress":
            run.progress = content
        elif kind == "plan":
            run.offer(content, tell=not run.cancelled.is_set())
        elif kind == "done" and run.asked:
            run.ended.set_result(content)
        elif kind == "done":
            run.offer(content, tell=True)
            run.ended.set_result(content)
        else:
            run.ended.set_exception(_error(kind, content))


def _error(kind: str, content: Any) -> Exception:
    if kind == "infeasible":
        conflicts: Sequence[tuple[str, str, Mapping[str, str]]] = content
        return Infeasible(conflicts)
    return SolverFailed(content)


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
