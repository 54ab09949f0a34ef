"""Events that were read already are applied again: what has had its effect is skipped, what has not has it now.

For a service that was restored from a backup older than the log, or whose handler ignored events by mistake. The
group's offsets stay as they are, so this works while every replica goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mes.bus import Bus, Received
from mes.errors import NotFound
from mes.inbox import meta_of

if TYPE_CHECKING:
    from mes.runtime import ServiceRuntime

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """Which records of a topic: from an offset on, of one partition or of all, or events since a business time."""

    topic: str
    from_offset: int = 0
    partition: int | None = None
    since: datetime | None = None

    def covers(self, record: Received) -> bool:
        """Whether a record is meant."""
        if record.offset < self.from_offset or self.partition not in (None, record.partition):
            return False
        if self.since is None:
            return True
        try:
            return meta_of(record).time >= self.since
        except (KeyError, ValueError):
            return False


@dataclass(frozen=True, slots=True)
class Redelivered:
    """read: records that were meant; applied: those that have their effect only now."""

    read: int
    applied: int


async def pages(bus: Bus, topic: str, *, start: int = 0) -> AsyncIterator[list[Received]]:
    """All records of a topic from an offset on, a page after the other, each partition in its order."""
    nexts: dict[int, int] = {}
    while records := await bus.read(topic, after=lambda number: nexts.get(number, start), limit=_PAGE):
        yield records
        for record in records:
            nexts[record.partition] = record.offset + 1


async def redeliver(running: ServiceRuntime, wish: Wish) -> Redelivered:
    """Apply again what the group has read already. Raises NotFound for a topic that the service does not listen to."""
    if wish.topic not in running.topics:
        raise NotFound("redelivery.topic", topic=wish.topic, known=", ".join(running.topics))
    positions = await running.bus.positions(running.group, [wish.topic])
    committed = {number: each.committed for (_, number), each in positions.items()}
    read = applied = 0
    async for page in pages(running.bus, wish.topic, start=wish.from_offset):
        # What the group has not read yet comes to it in any case, and in its order.
        meant = [each for each in page if each.offset < committed.get(each.partition, 0) and wish.covers(each)]
        read += len(meant)
        if meant:
            applied += await running.loop.apply(meant)
    return Redelivered(read, applied)
