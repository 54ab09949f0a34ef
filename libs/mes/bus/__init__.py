"""The port to the event log: what a service needs of Kafka, and no more.

Two implementations: `mes.bus.postgres` (tables in the PostgreSQL server) and `mes.bus.kafka`. Records of one key keep
their order; delivery is at least once; offsets of a partition grow but may have gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """A record to append. key: aggregate id. headers: CloudEvents binary mode, text values."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """A record as it stands in the log."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


# Topic and partition.
Place = tuple[str, int]
Batch = dict[Place, list[Received]]
# The offset behind the last record that took effect.
Offsets = Mapping[Place, int]


class Fenced(Exception):
    """This member lost partitions to another one: what it fetched of them must not be committed."""

    def __init__(self, message: str, places: Iterable[Place] = ()) -> None:
        super().__init__(message)
        self.places = set(places)


def ends_of(batch: Batch) -> Offsets:
    """What to commit when all records of a batch took effect."""
    return {place: records[-1].offset + 1 for place, records in batch.items()}


class Subscription(Protocol):
    """One member of a consumer group."""

    async def fetch(self, *, limit: int, wait: float) -> Batch:
        """Next records by (topic, partition), each list in offset order; empty after `wait` seconds without any."""

    async def commit(self, offsets: Offsets) -> None:
        """Record that everything before these offsets took effect. Raises Fenced if a partition was lost; the others
        are committed then all the same."""

    def owned(self) -> Iterable[Place]:
        """The partitions that this member has at the moment."""

    def rewind(self, places: Iterable[Place]) -> None:
        """Forget the positions: the next fetch starts at the committed offsets again."""

    def pause(self, places: Iterable[Place]) -> None:
        """Fetch nothing of these partitions until `resume`. They stay this member's; when the group shares out anew
        they may come back unpaused."""

    def resume(self, places: Iterable[Place]) -> None:
        """Fetch of these partitions again; those that are not paused, or not this member's, play no part."""

    async def close(self) -> None:
        """Leave the group."""


@dataclass(frozen=True, slots=True)
class Lag:
    """end: sum of the end offsets of the group's topics; behind: records that the group has not committed yet."""

    end: int
    behind: int


@dataclass(frozen=True, slots=True)
class Position:
    """committed: the offset from which a group goes on in a partition; end: the one that the next record gets."""

    committed: int
    end: int


class Bus(Protocol):
    """The event log."""

    async def start(self) -> None:
        """Connect; the other methods work only afterwards."""

    async def append(self, records: Sequence[Record]) -> None:
        """Append durably, in order; returns when it is safe. On an error or timeout the outcome is unknown."""

    async def create_topics(self, topics: Sequence[str]) -> None:
        """Make the topics that are missing."""

    async def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        """Join a group, from the earliest record where it has no committed offset."""

    async def lag(self, groups: Mapping[str, Sequence[str]]) -> dict[str, Lag]:
        """Lag of each group (group -> its topics), all seen at one moment."""

    async def positions(self, group: str, topics: Sequence[str]) -> dict[Place, Position]:
        """How far a group is in every partition of its topics. Raises when the log does not answer in time."""

    async def read(self, topic: str, *, after: Callable[[int], int] | None = None, limit: int = 1000) -> list[Received]:
        """Records of a topic from the start of each partition (or `after(partition)`), without a group."""

    async def close(self) -> None:
        """Free connections."""


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key (org.apache.kafka.common.utils.Utils.murmur2), as unsigned 32 bits."""
    length = len(data)
    h = 0x9747B28C ^ length
    m = 0x5BD1E995
    for i in range(0, length - length % 4, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = k * m & 0xFFFFFFFF
        k = (k ^ k >> 24) * m & 0xFFFFFFFF
        h = h * m & 0xFFFFFFFF ^ k
    tail = data[length - length % 4 :]
    if len(tail) == 3:
        h ^= tail[2] << 16
    if len(tail) >= 2:
        h ^= tail[1] << 8
    if tail:
        h = (h ^ tail[0]) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return h ^ h >> 15


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, as Kafka's default partitioner chooses it."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
