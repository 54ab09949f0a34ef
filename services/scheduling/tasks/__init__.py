"""The planning task: waits until a new plan is due, lets a burst of requests settle, and plans."""

from __future__ import annotations

import asyncio
import contextlib
import time

from mes.runtime import ServiceRuntime

from services.scheduling.commands import planning
from services.scheduling.commands.requests import note_lateness
from services.scheduling.queries.desk import DESK, Desk, desk_of
from services.scheduling.tasks import desk
from services.scheduling.tasks.planner import Planner
from services.scheduling.tasks.solving import Solving

_POLL_S, _POLL_STEPPED_S = 0.2, 0.5
_LATE_EVERY_S = 1.0
# Requests settle when none came for so long, and are answered after so long in any case.
_QUIET_S, _AT_MOST_S = 0.3, 2.0
_QUIET_STEPPED_S = 0.03
_WAKE, _SOLVING, _BUSY = "wake", "solving", "busy"


def wake(running: ServiceRuntime) -> None:
    """Look at once whether a new plan is due."""
    event = running.state.get(_WAKE)
    if event is not None:
        event.set()


async def start(running: ServiceRuntime) -> None:
    """Before anything else; the worker process starts with the first problem."""
    running.state[_WAKE] = asyncio.Event()
    running.state.setdefault(_SOLVING, Solving())
    running.state.setdefault(DESK, Desk(running))


async def stop(running: ServiceRuntime) -> None:
    """End the worker processes."""
    await running.state[_SOLVING].stop()
    await desk_of(running).stop()


async def busy(running: ServiceRuntime) -> str | None:
    """What planning still has to do."""
    if running.state.get(_BUSY):
        return "a plan is being made"
    async with running.read() as session:
        _, due = await planning.is_due(session, running.site_id, running.clock.now())
    if due:
        wake(running)
        return "a new plan is due"
    return await desk.busy(running)


async def plan(running: ServiceRuntime) -> None:
    """Plan whenever it is due, for ever."""
    planner = Planner(running, running.state[_SOLVING])
    async with running.transaction() as session:
        await planning.abandon(session, running.context())
    patience = _AT_MOST_S
    while True:
        await _until_due(running)
        running.state[_BUSY] = True
        try:
            await _settle(running, patience)
            began = time.monotonic()
            await planner.run()
            # Planning a large shop takes its time: then more may gather before it is done again.
            patience = max(_AT_MOST_S, 2 * (time.monotonic() - began))
        finally:
            running.state[_BUSY] = False


async def _until_due(running: ServiceRuntime) -> None:
    event: asyncio.Event = running.state[_WAKE]
    looked = 0.0
    while True:
        event.clear()
        if time.monotonic() - looked >= _LATE_EVERY_S:
            looked = time.monotonic()
            async with running.transaction() as session:
                await note_lateness(session, running.context())
        async with running.read() as session:
            _, due = await planning.is_due(session, running.site_id, running.clock.now())
        if due:
            return
        # While the clock is stepped, whoever waits for the instance to be idle wakes us.
        pause = _POLL_STEPPED_S if running.clock.state.mode == "stepped" else _POLL_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), pause)


async def _settle(running: ServiceRuntime, at_most: float) -> None:
    """Wait until no request came for a moment and, while the clock is stepped, nothing is left to consume."""
    began = quiet_since = time.monotonic()
    last = -1
    while time.monotonic() - began < at_most:
        stepped = running.clock.state.mode == "stepped"
        behind = stepped and (await running.bus.lag({running.group: running.topics}))[running.group].behind > 0
        async with running.read() as session:
            requested, _ = await planning.is_due(session, running.site_id, running.clock.now())
        now = time.monotonic()
        if requested != last or behind:
            last, quiet_since = requested, now
        elif now - quiet_since >= (_QUIET_STEPPED_S if stepped else _QUIET_S):
            return
        await asyncio.sleep(0.01 if stepped else 0.05)
