"""What only the log on Kafka has: settings of topics, static members."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from mes.bus.kafka import KafkaBus, KafkaSubscription
from mes.bus.kafka.cluster import TopicShape
from mes.errors import Unavailable

from tests.contract.logs import PARTITIONS, KafkaLog
from tests.contract.reading import Effects, drain, numbered, step


@pytest.fixture
async def kafka_log(kafka: str) -> Any:
    made = KafkaLog(kafka)
    yield made
    await made.close()


async def configs_of(bootstrap: str, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {name: value for name, value, *_ in answer.resources[0][4]}
    finally:
        await admin.close()


async def test_a_topic_keeps_everything_unless_told(kafka: str, kafka_log: KafkaLog, topic: str) -> None:
    await (await kafka_log.connect()).create_topics([topic])
    configs = await configs_of(kafka, topic)
    assert (configs["retention.ms"], configs["retention.bytes"], configs["cleanup.policy"]) == ("-1", "-1", "delete")
    hours = KafkaBus(kafka_log.connection, shape=TopicShape(2, retention_ms=3_600_000))
    await hours.start()
    await hours.create_topics([f"{topic}.short"])
    await hours.close()
    assert (await configs_of(kafka, f"{topic}.short"))["retention.ms"] == "3600000"


async def test_a_topic_that_cannot_be_made_is_named(kafka_log: KafkaLog, topic: str) -> None:
    bus = KafkaBus(kafka_log.connection, shape=TopicShape(1, replication=99))
    await bus.start()
    with pytest.raises(Unavailable) as refused:
        await bus.create_topics([topic])
    await bus.close()
    assert refused.value.params["topic"] == topic
    assert "99" in refused.value.params["reason"]


async def test_a_static_member_that_comes_back_disturbs_nobody(kafka_log: KafkaLog, topic: str, group: str) -> None:
    one, two = await kafka_log.connect(instance_id="mes-0"), await kafka_log.connect(instance_id="mes-1")
    staying, leaving = await one.subscribe(group, [topic]), await two.subscribe(group, [topic])
    assert isinstance(staying, KafkaSubscription)
    async with asyncio.timeout(30):
        while len(share := set(staying.owned())) != PARTITIONS // 2:
            await step(staying, Effects())
    generation = staying._generation
    await leaving.close()
    again = await (await kafka_log.connect(instance_id="mes-1")).subscribe(group, [topic])
    await one.append(numbered(topic, keys=40, each=1))
    kept = sum((topic, each.partition) in share for each in await one.read(topic))
    await drain(staying, kept)
    await drain(again, 40 - kept)
    assert (staying._generation, set(staying.owned())) == (generation, share)


async def test_two_processes_of_one_name_are_noticed(kafka_log: KafkaLog, topic: str, group: str) -> None:
    noticed = asyncio.Event()
    clients = [await kafka_log.connect(instance_id="mes-0", on_twin=noticed.set) for _ in range(2)]
    twins = [await client.subscribe(group, [topic]) for client in clients]
    async with asyncio.timeout(60):
        while not noticed.is_set():
            await clients[0].append(numbered(topic, keys=20, each=1))
            for twin in twins:
                with contextlib.suppress(KafkaError):
                    await step(twin, Effects())
