"""The port to the event log, on Kafka."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from mes.bus import Lag, Place, Position, Received, Record
from mes.bus.kafka.appender import Appender
from mes.bus.kafka.cluster import Cluster, TopicShape
from mes.bus.kafka.connection import REQUEST_SECONDS, Connection
from mes.bus.kafka.subscription import KafkaSubscription, end_process, received
from mes.config import Settings

log = logging.getLogger(__name__)

_READ_SECONDS = 60.0


class KafkaBus:
    """The log on a Kafka cluster.

    instance_id: see `Settings.kafka_instance_id`; on_twin: called when another process seems to have the same one.
    patience: seconds that `start` waits for brokers that do not answer yet.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        shape: TopicShape | None = None,
        session_seconds: float = 10.0,
        instance_id: str = "",
        patience: float = 30.0,
        on_twin: Callable[[], None] = end_process,
    ) -> None:
        self._connection = connection
        self._session_seconds = session_seconds
        self._instance_id = instance_id
        self._patience = patience
        self._on_twin = on_twin
        self._cluster = Cluster(connection, shape or TopicShape())
        self._appender = Appender(connection)
        self._members: weakref.WeakSet[KafkaSubscription] = weakref.WeakSet()

    @classmethod
    def of(cls, settings: Settings) -> KafkaBus:
        """The bus that the settings describe."""
        return cls(
            Connection.of(settings),
            shape=TopicShape(settings.partitions, settings.kafka_replication, settings.kafka_retention_ms),
            session_seconds=settings.kafka_session_s,
            instance_id=settings.kafka_instance_id,
        )

    async def start(self) -> None:
        """Connect; wait a while for brokers that are starting too. Raises Unavailable with what was found out."""
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                await self._cluster.start()
                return
            except (KafkaError, TimeoutError, OSError) as error:
                reason = await self._connection.explain(error)
                if asyncio.get_running_loop().time() >= deadline:
                    raise reason from error
                log.warning("Kafka does not answer, trying again", extra={"reason": str(reason)})
            await asyncio.sleep(0.5)

    async def close(self) -> None:
        await asyncio.gather(*(member.close() for member in self._members), return_exceptions=True)
        self._members.clear()
        await self._appender.close()
        await self._cluster.close()

    async def create_topics(self, topics: Sequence[str]) -> None:
        await self._cluster.ensure(topics)

    async def append(self, records: Sequence[Record]) -> None:
        if records:
            await self._cluster.ensure({record.topic for record in records})
            await self._appender.append(records)

    async def subscribe(self, group: str, topics: Sequence[str]) -> KafkaSubscription:
        await self._cluster.ensure(topics)
        member = KafkaSubscription(
            self._connection,
            group,
            topics,
            session_seconds=self._session_seconds,
            instance_id=self._instance_id,
            on_twin=self._on_twin,
        )
        await member.start()
        self._members.add(member)
        return member

    async def lag(self, groups: Mapping[str, Sequence[str]]) -> dict[str, Lag]:
        # Committed first, ends last: what was committed up to an end that is read later was so at that moment.
        places = {group: await self._cluster.places(topics) for group, topics in groups.items()}
        found = await asyncio.gather(*(self._cluster.committed(group, places[group]) for group in groups))
        committed = dict(zip(groups, found, strict=True))
        fresh = {place for group in groups for place in places[group] if place not in committed[group]}
        beginnings = await self._cluster.beginnings(sorted(fresh))
        ends = await self._cluster.ends(sorted({place for each in places.values() for place in each}))
        return {
            group: Lag(
                sum(ends[place] for place in places[group]),
                sum(ends[place] - committed[group].get(place, beginnings.get(place, 0)) for place in places[group]),
            )
            for group in groups
        }

    async def positions(self, group: str, topics: Sequence[str]) -> dict[Place, Position]:
        places = await self._cluster.places(topics)
        committed = await self._cluster.committed(group, places)
        beginnings = await self._cluster.beginnings([place for place in places if place not in committed])
        ends = await self._cluster.ends(places)
        return {
            (place.topic, place.partition): Position(committed.get(place, beginnings.get(place, 0)), ends[place])
            for place in places
        }

    async def read(self, topic: str, *, after: Callable[[int], int] | None = None, limit: int = 1000) -> list[Received]:
        await self._cluster.ensure([topic])
        places = await self._cluster.places([topic])
        beginnings, ends = await self._cluster.beginnings(places), await self._cluster.ends(places)
        starts = {place: max(beginnings[place], after(place.partition) if after else 0) for place in places}
        found: dict[int, list[Received]] = {place.partition: [] for place in places}
        left = {place for place in places if starts[place] < ends[place]}
        if not left:
            return []
        reader = AIOKafkaConsumer(group_id=None, fetch_max_wait_ms=100, **self._connection.options())
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await reader.start()
                reader.assign(sorted(left))
                for place in left:
                    reader.seek(place, starts[place])
                while left:
                    batch = await reader.getmany(*left, timeout_ms=int(REQUEST_SECONDS * 1000))
                    for place, records in batch.items():
                        found[place.partition] += [received(each) for each in records if each.offset < ends[place]]
                    left -= {
                        place
                        for place in left
                        if len(found[place.partition]) >= limit or await reader.position(place) >= ends[place]
                    }
        finally:
            await reader.stop()
        return [each for number in sorted(found) for each in found[number][:limit]]
