"""What is asked of the brokers besides records: topics, and how far logs and groups are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from mes.bus.kafka.connection import REQUEST_SECONDS, Connection
from mes.errors import Unavailable

_SOON = 0.02


@dataclass(frozen=True, slots=True)
class TopicShape:
    """How a topic is made. retention_ms: -1 keeps everything."""

    partitions: int = 4
    replication: int = 1
    retention_ms: int = -1

    def named(self, name: str) -> NewTopic:
        """The request for one topic."""
        configs = {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "retention.bytes": "-1",
            # One copy may be missing; with fewer an acknowledged record could be lost.
            "min.insync.replicas": str(max(1, self.replication - 1)),
        }
        return NewTopic(name, self.partitions, self.replication, topic_configs=configs)


class Cluster:
    """An admin client and a consumer without partitions: one that fetches answers such questions 0.5 s late."""

    def __init__(self, connection: Connection, shape: TopicShape) -> None:
        self._connection = connection
        self._shape = shape
        self._admin: Any = None
        self._looker: Any = None
        self._counts: dict[str, int] = {}
        self._coordinators: dict[str, int] = {}

    async def start(self) -> None:
        """Connect. Raises KafkaError."""
        options = {**self._connection.options(), "request_timeout_ms": int(REQUEST_SECONDS * 1000)}
        admin, looker = AIOKafkaAdminClient(**options), AIOKafkaConsumer(group_id=None, **options)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await admin.start()
                await looker.start()
        except BaseException:
            await asyncio.gather(admin.close(), looker.stop(), return_exceptions=True)
            raise
        self._admin, self._looker = admin, looker

    async def close(self) -> None:
        """Disconnect."""
        if self._admin is not None:
            await asyncio.gather(self._admin.close(), self._looker.stop(), return_exceptions=True)
            self._admin = self._looker = None

    async def ensure(self, topics: Iterable[str]) -> None:
        """Make the topics that are missing, and wait until they can be used. Raises Unavailable with the reason."""
        wanted = set(topics)
        if wanted <= self._counts.keys():
            return
        async with asyncio.timeout(2 * REQUEST_SECONDS):
            if missing := wanted - await self._usable(wanted):
                await self._create(missing)
                while not wanted <= await self._usable(wanted):  # noqa: ASYNC110 - brokers tell nobody
                    await asyncio.sleep(_SOON)

    async def _usable(self, wanted: set[str]) -> set[str]:
        # All topics are listed: asking for one by name makes it on brokers that make topics by themselves.
        for topic in await self._admin.describe_topics():
            partitions = topic["partitions"]
            if topic["topic"] in wanted and partitions and all(each["leader"] >= 0 for each in partitions):
                self._counts[topic["topic"]] = len(partitions)
        return wanted & self._counts.keys()

    async def _create(self, names: Iterable[str]) -> None:
        # Answers come in the response only: nothing is raised.
        response = await self._admin.create_topics([self._shape.named(name) for name in sorted(names)])
        for name, code, *message in response.topic_errors:
            error = for_code(code)
            if error not in (NoError, TopicAlreadyExistsError):
                reason = (message[0] if message else None) or error.__name__
                raise Unavailable("kafka.topic_refused", topic=name, reason=reason)

    async def shapes(self, topics: Iterable[str]) -> dict[str, TopicShape]:
        """How the topics are that there are."""
        wanted = set(topics)
        found = {each["topic"]: each["partitions"] for each in await self._admin.describe_topics()}
        there = sorted(wanted & found.keys())
        if not there:
            return {}
        kept: dict[str, int] = {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
        for answer in await self._admin.describe_configs(resources):
            for _, _, _, name, entries in answer.resources:
                values = {each[0]: each[1] for each in entries}
                kept[name] = int(values.get("retention.ms", -1))
        return {
            name: TopicShape(len(found[name]), min(len(each["replicas"]) for each in found[name]), kept.get(name, -1))
            for name in there
        }

    async def brokers(self) -> int:
        """How many brokers there are."""
        return len((await self._admin.describe_cluster())["brokers"])

    async def places(self, topics: Iterable[str]) -> list[TopicPartition]:
        """The partitions of the topics that exist."""
        wanted = set(topics)
        if not wanted <= self._counts.keys():
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._usable(wanted)
        known = sorted(wanted & self._counts.keys())
        return [TopicPartition(topic, number) for topic in known for number in range(self._counts[topic])]

    async def ends(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offsets that the next records will get."""
        found: Mapping[TopicPartition, int] = await self._looker.end_offsets(places) if places else {}
        return found

    async def beginnings(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offsets of the earliest records kept."""
        found: Mapping[TopicPartition, int] = await self._looker.beginning_offsets(places) if places else {}
        return found

    async def committed(self, group: str, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """What a group has committed; places without are left out."""
        if not places:
            return {}
        async with asyncio.timeout(2 * REQUEST_SECONDS):
            while True:
                try:
                    if group not in self._coordinators:
                        self._coordinators[group] = await self._admin.find_coordinator(group)
                    found = await self._admin.list_consumer_group_offsets(
                        group, self._coordinators[group], list(places)
                    )
                    # A broker that is not the coordinator (any more) answers with nothing at all.
                    if len(found) == len(places):
                        return {place: each.offset for place, each in found.items() if each.offset >= 0}
                except KafkaError as error:
                    if not error.retriable:
                        raise
                self._coordinators.pop(group, None)
                await asyncio.sleep(_SOON)
