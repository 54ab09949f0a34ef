"""Bytes that no service of ours would send: each is set aside as a dead letter, once, and nothing waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from mes import outbox
from mes.bus import Record
from mes.config import Settings
from mes.events.v1 import order_pb2
from mes.ids import site_id
from mes.runtime import Runtime
from mes.testing import TestDatabases
from sqlalchemy import text

from tests.integration.platform.tiny import TABLES, mirror, shop

KNOWN = order_pb2.ReportRecorded.DESCRIPTOR.full_name
LARGEST = 1_040_000


def headers(**changes: str) -> dict[str, str]:
    """Those of an event of ours, changed."""
    return {
        "ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_source": "mes.shop", "ce_type": KNOWN, "ce_sequence": "1",
        "ce_time": datetime.now(UTC).isoformat(), "ce_site": str(site_id("main")), **changes,
    }  # fmt: skip


async def tell(runtime: Runtime, order: UUID) -> None:
    running = runtime.services["shop"]
    async with running.transaction() as session:
        event = order_pb2.ReportRecorded(report=order_pb2.Report(order_id=str(order), good_qty="1"))
        outbox.publish(session, running.context(), event, key=order)


async def parked(runtime: Runtime) -> list[str]:
    """Keys of what is set aside, in order."""
    async with runtime.services["mirror"].read() as session:
        rows = (await session.execute(text("SELECT key FROM parked_event ORDER BY position"))).all()
    return [row.key for row in rows]


async def events_of(runtime: Runtime, order: UUID) -> int:
    async with runtime.services["mirror"].read() as session:
        found = await session.execute(text("SELECT events FROM seen WHERE id = :id"), {"id": order})
        return int(found.scalar_one_or_none() or 0)


@pytest.fixture
async def on_kafka(databases: TestDatabases, kafka: str) -> AsyncIterator[Runtime]:
    settings = await databases.settings(
        [], tables=TABLES, bus="kafka", kafka_bootstrap=kafka, topic_prefix=f"mes-{uuid4().hex[:8]}", consumer_tries=1
    )
    runtime = Runtime(settings, [shop, mirror])
    await runtime.start()
    yield runtime
    await runtime.stop()


async def send(
    settings: Settings, value: bytes | None, key: bytes | None, *raw: tuple[str, bytes], **known: str
) -> None:
    """Send whatever it is to the topic of the shop."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, max_request_size=2 * LARGEST)
    await producer.start()
    try:
        carried = [*((name, each.encode()) for name, each in known.items()), *raw]
        await producer.send_and_wait(f"{settings.topic_prefix}.shop.v1", value, key=key, headers=carried)
    finally:
        await producer.stop()


HOSTILE: Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes]], dict[str, str]]] = [
    (b"\xff\xff\xff\xff", b"bytes", [], headers()),
    (b"\xff" * LARGEST, b"large", [], headers()),
    (b"", b"version", [], headers(ce_specversion="9.0", ce_type="mes.events.v9.Unknown")),
    (b"", b"time", [], headers(ce_time="yesterday")),
    (b"x", None, [], {}),
    (None, b"null", [("ce_id", b"\x00\xff"), ("\x00", b"\xc3\x28")], {}),
    (b"", b"\x00\xff\xfe", [("ce_specversion", b"1.0")], {}),
    (b"", b"k" * 9000, [], {}),
    (b"", b"many", [(f"h{n}", b"\x00" * 9000) for n in range(90)], {}),
]


async def test_each_is_a_dead_letter_once_and_other_keys_flow_on(on_kafka: Runtime) -> None:
    order = uuid4()
    settings = on_kafka.settings
    for value, key, raw, known in HOSTILE:
        await send(settings, value, key, *raw, **known)
        await tell(on_kafka, order)
    assert await on_kafka.wait_idle(60) == []
    assert await events_of(on_kafka, order) == len(HOSTILE)
    keys = await parked(on_kafka)
    assert len(keys) == len(HOSTILE)
    assert keys.count("") == 1
    dead = await on_kafka.bus.read(f"{settings.topic_prefix}.mirror.dlq.v1", limit=1000)
    assert len(dead) == len(HOSTILE)
    assert {each.headers["mes_topic"] for each in dead} == {f"{settings.topic_prefix}.shop.v1"}
    (large,) = [each for each in dead if each.key == "large"]
    assert (len(large.value), large.headers["mes_bytes"]) == (800_000, str(LARGEST))


async def test_a_type_that_is_not_known_is_left_to_newer_services(on_kafka: Runtime) -> None:
    await send(on_kafka.settings, b"\xff", b"new", **headers(ce_type="mes.events.v1.NotYetInvented"))
    assert await on_kafka.wait_idle(60) == []
    assert await parked(on_kafka) == []


async def test_what_is_delivered_again_is_not_set_aside_again(on_kafka: Runtime) -> None:
    settings = on_kafka.settings
    await send(settings, b"\xff\xff", b"k1", **headers())
    await send(settings, b"", b"k2")
    assert await on_kafka.wait_idle(60) == []
    running = on_kafka.services["mirror"]
    again = await on_kafka.bus.read(f"{settings.topic_prefix}.shop.v1", limit=1000)
    await running.loop.apply(again)
    assert sorted(await parked(on_kafka)) == ["k1", "k2"]


async def test_the_log_in_tables_sets_the_same_aside(databases: TestDatabases) -> None:
    settings = await databases.settings([], tables=TABLES, consumer_tries=1)
    runtime = Runtime(settings, [shop, mirror])
    await runtime.start()
    try:
        order = uuid4()
        for key, carried in (("bytes", headers()), ("version", headers(ce_specversion="9.0")), ("", {})):
            await runtime.bus.append([Record("mes.shop.v1", key, b"\xff\xff", carried)])
            await tell(runtime, order)
        assert await runtime.wait_idle(30) == []
        assert await events_of(runtime, order) == 3
        assert sorted(await parked(runtime)) == ["", "bytes", "version"]
    finally:
        await runtime.stop()
