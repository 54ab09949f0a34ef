"""Keeps the business clock of one process in step with all others, and over crashes.

Shared are the state as it was set, from which every process computes the same time, and how far time was used. One
process, the keeper, says the latter every second, ahead of what is used until it says it again; so whoever starts when
nobody runs goes on behind it. Who is the keeper is decided by a lock that ends with its connection.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any

import asyncpg

from mes.clock import BusinessClock, ClockState, resumed
from mes.shared_settings import SharedSettings

log = logging.getLogger(__name__)

STATE, USED = "business_clock", "business_clock_used"
_AHEAD_S = 3.0
_EVERY_S = 1.0
_KEEPER, _STARTING = 7110906, 7110907


class ClockKeeper:
    """A process's part in the shared clock."""

    def __init__(self, settings: SharedSettings, clock: BusinessClock) -> None:
        self._settings = settings
        self._clock = clock
        self._connection: asyncpg.Connection[Any] | None = None
        self.is_keeper = False

    async def start(self, *, factor: float, start: datetime | None) -> None:
        """Follow the others, or go on from where time was used up, or begin at `start` with the factor."""
        connection = await self._connected()
        await connection.execute("SELECT pg_advisory_lock($1)", _STARTING)
        try:
            saved = await self._settings.get(STATE)
            if await self._take_over() or saved is None:
                await self.set(resumed(saved, await self._settings.get(USED), factor=factor, start=start))
            else:
                self._clock.set(ClockState(**saved))
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _STARTING)

    async def set(self, state: ClockState) -> None:
        """Let the clocks of all processes follow a new state: of this one at once, of others within a second."""
        await self._settings.save(USED, BusinessClock(state).ahead(_AHEAD_S).business)
        await self._settings.save(STATE, state.as_json())
        self._clock.set(state)

    async def run(self) -> None:
        """For ever: follow what others set, and keep what is used."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.look()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("the business clock could not be kept", extra={"error": repr(error)})

    async def look(self) -> None:
        """One round of `run`."""
        known = self._clock.state
        saved = await self._settings.get(STATE)
        # What was set here meanwhile is newer than what was read.
        if saved is not None and self._clock.state is known and saved != known.as_json():
            self._clock.set(ClockState(**saved))
        await self._connected()
        if self.is_keeper or await self._take_over():
            await self._settings.save(USED, self._clock.ahead(_AHEAD_S).business)

    async def stop(self) -> None:
        """Leave the clock to the others; alone, say exactly how far time was used."""
        try:
            if self.is_keeper:
                await self._settings.save(USED, self._clock.ahead(0).business)
        finally:
            self.is_keeper = False
            if self._connection is not None:
                await self._connection.close(timeout=2)

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self.is_keeper = False
            self._connection = await self._settings.connect("mes-clock")
        return self._connection

    async def _take_over(self) -> bool:
        connection = await self._connected()
        self.is_keeper = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _KEEPER))
        return self.is_keeper
