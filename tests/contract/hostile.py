"""A log that does to its users everything that the contract allows: late and short batches, gaps between offsets,
partitions lost and found again between two fetches, commits that fail although they took effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from mes.bus import Batch, Bus, Fenced, Lag, Offsets, Place, Position, Received, Record, Subscription

_STRIDE, _FIRST = 3, 1


def _shown(record: Received) -> Received:
    return replace(record, offset=record.offset * _STRIDE + _FIRST)


def _true_offset(shown: int) -> int:
    """The inner offset from which to go on when the user says to go on from `shown`."""
    return -(-(shown - _FIRST) // _STRIDE) if shown > _FIRST else 0


class HostileBus:
    """Wraps a log."""

    def __init__(self, inner: Bus, random: Random) -> None:
        self._inner = inner
        self._random = random

    async def start(self) -> None:
        await self._inner.start()

    async def append(self, records: Sequence[Record]) -> None:
        # In pieces: an append is no transaction.
        rest = list(records)
        while rest:
            size = self._random.randint(1, len(rest))
            await self._late()
            await self._inner.append(rest[:size])
            rest = rest[size:]

    async def create_topics(self, topics: Sequence[str]) -> None:
        await self._inner.create_topics(topics)

    async def subscribe(self, group: str, topics: Sequence[str]) -> HostileSubscription:
        await self._late()
        return HostileSubscription(await self._inner.subscribe(group, topics), Random(self._random.random()))

    async def lag(self, groups: Mapping[str, Sequence[str]]) -> dict[str, Lag]:
        return await self._inner.lag(groups)

    async def positions(self, group: str, topics: Sequence[str]) -> dict[Place, Position]:
        found = await self._inner.positions(group, topics)
        return {
            place: Position(each.committed * _STRIDE + _FIRST, each.end * _STRIDE + _FIRST)
            for place, each in found.items()
        }

    async def read(self, topic: str, *, after: Callable[[int], int] | None = None, limit: int = 1000) -> list[Received]:
        def begin(partition: int) -> int:
            return _true_offset(after(partition)) if after else 0

        return [_shown(each) for each in await self._inner.read(topic, after=begin, limit=limit)]

    async def close(self) -> None:
        await self._inner.close()

    async def _late(self) -> None:
        await asyncio.sleep(self._random.choice((0, 0, 0.001, 0.005)))


class HostileSubscription:
    """Wraps a member of a group."""

    def __init__(self, inner: Subscription, random: Random) -> None:
        self.inner = inner
        self._random = random
        self._fetched: set[Place] = set()
        self._held: Batch = {}
        self._paused: set[Place] = set()

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability

    async def fetch(self, *, limit: int, wait: float) -> Batch:
        await asyncio.sleep(self._random.choice((0, 0, 0.001, 0.005)))
        if self._happens(0.1):
            self.rewind(self._some(self._fetched))
        if self._happens(0.1):
            return {}
        batch = {place: self._held.pop(place) for place in list(self._held) if place not in self._paused}
        if not batch:
            found = await self.inner.fetch(limit=limit, wait=wait)
            batch = {place: [_shown(each) for each in records] for place, records in found.items()}
        if self._happens(0.3):
            batch = self._shortened(batch)
        self._fetched |= batch.keys()
        return batch

    def _shortened(self, batch: Batch) -> Batch:
        short: Batch = {}
        for place, records in batch.items():
            size = self._random.randint(0, len(records))
            if size:
                short[place] = records[:size]
            if records[size:]:
                self._held[place] = records[size:]
        return short

    def _some(self, places: Iterable[Place]) -> set[Place]:
        return {place for place in sorted(places) if self._happens(0.5)}

    async def commit(self, offsets: Offsets) -> None:
        fenced = self._some(offsets) if self._happens(0.15) else set()
        if fenced and self._happens(0.5):
            # Nothing of these was committed; otherwise all was, but the answer got lost.
            self.rewind(fenced)
        try:
            await self.inner.commit({place: _true_offset(offset) for place, offset in offsets.items()})
        except Fenced as error:
            fenced |= error.places
        if fenced:
            self.rewind(fenced)
            raise Fenced("hostile", fenced)

    def owned(self) -> Iterable[Place]:
        return self.inner.owned()

    def rewind(self, places: Iterable[Place]) -> None:
        chosen = set(places)
        self.inner.rewind(chosen)
        self._fetched -= chosen
        for place in chosen:
            self._held.pop(place, None)

    def pause(self, places: Iterable[Place]) -> None:
        chosen = set(places)
        self._paused |= chosen
        self.inner.pause(chosen)

    def resume(self, places: Iterable[Place]) -> None:
        chosen = set(places)
        self._paused -= chosen
        self.inner.resume(chosen)

    async def close(self) -> None:
        await self.inner.close()
