"""Services on Kafka: replicas share the work, come and go, and every event has its effect once and in order."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from mes import outbox
from mes.events.v1 import order_pb2
from mes.runtime import Runtime
from mes.testing import TestDatabases
from sqlalchemy import text

from tests.integration.platform.tiny import TABLES, mirror, mirror_consumers, shop

SERVICES = [shop, replace(mirror, consumers=mirror_consumers())]


async def tell(runtime: Runtime, keys: list[UUID]) -> None:
    """Publish one report for each order."""
    running = runtime.services["shop"]
    async with running.transaction() as session:
        for key in keys:
            event = order_pb2.ReportRecorded(report=order_pb2.Report(order_id=str(key), good_qty="1"))
            outbox.publish(session, running.context(), event, key=key)


async def test_rolling_restarts_lose_and_double_nothing(databases: TestDatabases, kafka: str) -> None:
    prefix = f"mes-{uuid4().hex[:8]}"
    settings = await databases.settings(
        [], tables=TABLES, bus="kafka", kafka_bootstrap=kafka, topic_prefix=prefix, kafka_session_s=6
    )
    orders = [uuid4() for _ in range(20)]
    running = Runtime(settings, SERVICES)
    await running.start()
    try:
        for _ in range(4):
            for _ in range(10):
                await tell(running, orders)
            successor = Runtime(settings, SERVICES)
            await successor.start()
            for _ in range(10):
                await tell(running, orders)
            leaving, running = running, successor
            await leaving.stop()
        assert await running.wait_idle(60) == []
        async with running.services["mirror"].read() as session:
            rows = (await session.execute(text("SELECT id, events, last, disorder FROM seen"))).all()
        assert {row.id for row in rows} == set(orders)
        # Disorder 1: the first report came without an order.
        assert {(row.events, row.last, row.disorder) for row in rows} == {(80, 80, 1)}
    finally:
        await running.stop()


async def test_business_time_goes_on_whatever_carries_the_events(databases: TestDatabases, kafka: str) -> None:
    settings = await databases.settings([], tables=TABLES, clock_start="2031-05-05T08:00:00+08:00", clock_factor=60)
    on_tables = Runtime(settings, SERVICES)
    await on_tables.start()
    before = on_tables.clock.now()
    await on_tables.stop()
    moved = settings.model_copy(
        update={"bus": "kafka", "kafka_bootstrap": kafka, "topic_prefix": f"mes-{uuid4().hex[:8]}", "clock_start": ""}
    )
    on_kafka = Runtime(moved, SERVICES)
    await on_kafka.start()
    after = on_kafka.clock.now()
    await on_kafka.stop()
    assert after.year == 2031
    assert after >= before
