"""Notices a consumer that stands still although there is work for it, and says so.

Standing still: records of its own partitions wait, and none has taken effect for a while. First it is told to join its
group again, which ends whatever it hangs on; if that does not help, the process is not ready. A log or a database that
does not answer is no standing still: whoever waits for them goes on by itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mes import metrics

if TYPE_CHECKING:
    from mes.runtime import ServiceRuntime

log = logging.getLogger(__name__)

_LOOKS = 6
_ANSWER_S = 5.0


class Watchdog:
    """Watches one service's consumer of this process."""

    def __init__(self, running: ServiceRuntime, patience_s: float) -> None:
        self._running = running
        self._patience_s = patience_s
        self._seen: object = None
        self._since = 0.0
        self._joined_again = False
        # Why the consumer is thought to stand still; empty when it is not.
        self.stalled = ""

    async def watch(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._patience_s / _LOOKS)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    waiting = await self._waiting()
            except Exception as error:
                log.debug("the log does not say how far it is", extra={"error": repr(error)})
                continue
            self._judge(waiting, asyncio.get_running_loop().time())

    async def _waiting(self) -> int | None:
        owned = set(self._running.owned())
        if not owned:
            return None
        positions = await self._running.bus.positions(self._running.group, self._running.topics)
        return sum(each.end - each.committed for place, each in positions.items() if place in owned)

    def _judge(self, waiting: int | None, now: float) -> None:
        """waiting: records of its partitions; None when it has none, which is neither progress nor standing still."""
        done = self._running.loop.taken
        if waiting is None:
            self._since = now
            self._tell("")
        elif not waiting or done != self._seen:
            self._seen, self._since, self._joined_again = done, now, False
            self._tell("")
        elif now - self._since > self._patience_s:
            if not self._joined_again:
                self._joined_again, self._since = True, now
                log.error("the consumer stands still, joining again", extra={"service": self._running.service.name})
                self._running.join_again()
            else:
                self._tell(f"{waiting} records of {self._running.group} wait and none takes effect")

    def _tell(self, reason: str) -> None:
        if reason and not self.stalled:
            log.critical("the consumer stands still", extra={"service": self._running.service.name, "reason": reason})
        self.stalled = reason
        metrics.CONSUMER_STALLED.labels(self._running.service.name).set(1 if reason else 0)
