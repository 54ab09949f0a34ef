"""Consumers as services are: an effect first, once for each record, then the commit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg
from mes.bus import Fenced, Place, Received, Record, Subscription, ends_of


class Effects:
    """What consumers of a group have seen, each record once, in the order in which it came first."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int, int], Received] = {}
        # Behind the last record seen, and behind the last one committed.
        self.ends: dict[Place, int] = {}
        self.committed: dict[Place, int] = {}

    def take(self, records: Iterable[Received]) -> None:
        """Records of one partition."""
        for record in records:
            place = (record.topic, record.partition)
            self._seen.setdefault((*place, record.offset), record)
            self.ends[place] = max(self.ends.get(place, 0), record.offset + 1)

    @property
    def all_committed(self) -> bool:
        return all(self.committed.get(place) == end for place, end in self.ends.items())

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def records(self) -> list[Received]:
        return list(self._seen.values())

    @property
    def values(self) -> list[str]:
        return [record.value.decode() for record in self._seen.values()]


@dataclass
class Step:
    """Partitions of which records came, and those of them that could not be committed."""

    came: set[Place] = field(default_factory=set)
    fenced: set[Place] = field(default_factory=set)


async def step(member: Subscription, effects: Effects, *, limit: int = 1000, wait: float = 0.1) -> Step:
    """Fetch once, take effect, commit."""
    try:
        batch = await member.fetch(limit=limit, wait=wait)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
        # A connection that died is noticed by its next use.
        return Step()
    for records in batch.values():
        effects.take(records)
    fenced: set[Place] = set()
    try:
        if batch:
            await member.commit(ends_of(batch))
    except Fenced as error:
        fenced = error.places
        member.rewind(fenced)
    effects.committed |= {place: end for place, end in ends_of(batch).items() if place not in fenced}
    return Step(set(batch), fenced)


async def drain(member: Subscription, count: int, *, limit: int = 100) -> Effects:
    """Fetch and commit until so many records came. What could not be committed comes again, unless it was after all."""
    effects = Effects()
    idle = 0
    async with asyncio.timeout(30):
        while len(effects) < count or not (effects.all_committed or idle >= 10):
            came = (await step(member, effects, limit=limit)).came
            idle = 0 if came else idle + 1
    return effects


async def fetch(member: Subscription, count: int, *, limit: int = 100) -> Effects:
    """Fetch until so many records came, without a commit."""
    effects = Effects()
    async with asyncio.timeout(30):
        while len(effects) < count:
            for records in (await member.fetch(limit=limit, wait=0.1)).values():
                effects.take(records)
    return effects


async def commit_behind(member: Subscription, record: Received) -> None:
    """Commit behind a record that was fetched, as often as the log wants it."""
    place, end = (record.topic, record.partition), record.offset + 1
    async with asyncio.timeout(30):
        while True:
            try:
                return await member.commit({place: end})
            except Fenced:
                member.rewind([place])
            next_ones = [await member.fetch(limit=100, wait=0.1) for _ in range(10)]
            again = [each for batch in next_ones for each in batch.get(place, [])]
            if not again or again[0].offset >= end:
                # It had been committed.
                return None


async def nothing_comes(member: Subscription) -> bool:
    """Whether several looks find nothing."""
    return not any([await member.fetch(limit=10, wait=0.05) for _ in range(3)])


def by_key(records: Iterable[Received]) -> dict[str, list[str]]:
    """Values of each key in their order."""
    values: dict[str, list[str]] = defaultdict(list)
    for each in records:
        values[each.key].append(each.value.decode())
    return values


def record(topic: str, key: str, value: str, **headers: str) -> Record:
    return Record(topic, key, value.encode(), headers)


def numbered(topic: str, *, keys: int, each: int, name: str = "") -> list[Record]:
    """`each` values 0, 1, ... for keys k0, k1, ..."""
    return [record(topic, f"{name}k{key}", str(n)) for n in range(each) for key in range(keys)]
