"""Business time: the time of the workshop, which may run faster than the wall, or only when told.

Every process computes it from the same persisted row {business, real, factor, mode}; leases, retries and ages of the
platform use real and monotonic time instead.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from mes.errors import Conflict, Invalid

Mode = Literal["running", "stepped"]


@dataclass(frozen=True, slots=True)
class ClockState:
    """business: business time (UNIX seconds) at the moment `real`; factor: business seconds per real second."""

    business: float
    real: float
    factor: float
    mode: Mode = "running"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class BusinessClock:
    """The clock of a process. It never goes back."""

    def __init__(self, state: ClockState | None = None) -> None:
        self._state = state or ClockState(time.time(), time.time(), 1.0)
        self._latest = self._state.business
        self.changed = asyncio.Event()

    @property
    def state(self) -> ClockState:
        return self._state

    def set(self, state: ClockState) -> None:
        """Follow a new state; wakes whoever waits for `changed`."""
        self._state = state
        self._latest = state.business
        self.changed.set()
        self.changed = asyncio.Event()

    def now(self) -> datetime:
        """Business time, UTC, to the microsecond."""
        state = self._state
        if state.mode == "stepped":
            return datetime.fromtimestamp(state.business, UTC)
        seconds = state.business + (time.time() - state.real) * state.factor
        # The wall may be set back; what was told already stays told.
        self._latest = max(self._latest, seconds)
        return datetime.fromtimestamp(self._latest, UTC)

    def ahead(self, real_seconds: float) -> ClockState:
        """The state to persist: so far ahead that a restart after a crash cannot go back behind a time already used."""
        moment = self.now().timestamp()
        if self._state.mode == "stepped":
            return self._state
        return ClockState(moment + real_seconds * self._state.factor, time.time() + real_seconds, self._state.factor)

    def advanced(self, to: datetime) -> ClockState:
        """The stepped state at `to`. Raises Invalid if that lies behind."""
        if to.tzinfo is None:
            raise Invalid("clock.no_zone", field="to")
        if to < self.now():
            raise Invalid("clock.backwards", field="to", to=to.isoformat(), now=self.now().isoformat())
        return ClockState(to.timestamp(), time.time(), self._state.factor, "stepped")

    def running(self, factor: float) -> ClockState:
        """The running state from now on with another factor. Raises Conflict below or at zero."""
        if factor <= 0:
            raise Conflict("clock.factor", factor=factor)
        return ClockState(self.now().timestamp(), time.time(), factor)

    async def sleep(self, business: timedelta, *, poll: float = 0.05) -> None:
        """Wait for a span of business time, however the clock runs; `poll` is the least real wait in seconds."""
        until = self.now() + business
        while (left := (until - self.now()).total_seconds()) > 0:
            stepped = self._state.mode == "stepped"
            changed = self.changed
            wait = None if stepped else max(poll, left / self._state.factor)
            try:
                async with asyncio.timeout(wait):
                    await changed.wait()
            except TimeoutError:
                continue


def resumed(saved: dict[str, Any] | None, used: float | None, *, factor: float, start: datetime | None) -> ClockState:
    """The state at the start of the instance, from the state and the business time used last: on from where it stopped.

    Only a clock that showed real time (factor 1, never set) shows real time again.
    """
    now = time.time()
    if saved is None:
        return ClockState((start or datetime.fromtimestamp(now, UTC)).timestamp(), now, factor)
    state = ClockState(**saved)
    if state.mode == "stepped":
        return state
    if state.factor == 1.0 and abs(state.business - state.real) <= 1:
        return ClockState(now, now, 1.0)
    return ClockState(max(used or 0.0, state.business), now, state.factor)
