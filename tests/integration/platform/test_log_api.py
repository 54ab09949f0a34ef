"""Events are read again without repeated effects, and a projection is made anew while the service goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from mes import outbox
from mes.events.v1 import order_pb2
from mes.rebuild import Projection, tables_of
from mes.runtime import Runtime
from mes.testing import TestDatabases
from mes.web import service_app
from sqlalchemy import text

from tests.integration.platform.tiny import TABLES, Seen, mirror, mirror_consumers, shop

CONSUMERS = mirror_consumers()
PROJECTIONS = {"seen": Projection(tables_of(Seen), CONSUMERS.only(order_pb2.OrderCreated, order_pb2.ReportRecorded))}
SERVICES = [shop, replace(mirror, consumers=CONSUMERS, projections=PROJECTIONS)]


@pytest.fixture
async def running(log: dict[str, Any], databases: TestDatabases) -> AsyncIterator[Runtime]:
    runtime = Runtime(await databases.settings([], tables=TABLES, **log), SERVICES)
    await runtime.start()
    yield runtime
    await runtime.stop()


@pytest.fixture(params=["postgres", "kafka"])
def log(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of the log that the test is for."""
    if request.param == "postgres":
        return {}
    bootstrap = request.getfixturevalue("kafka")
    return {"bus": "kafka", "kafka_bootstrap": bootstrap, "topic_prefix": f"mes-{uuid4().hex[:8]}"}


async def tell(runtime: Runtime, *orders: UUID) -> None:
    shop_ = runtime.services["shop"]
    async with shop_.transaction() as session:
        for order in orders:
            event = order_pb2.ReportRecorded(report=order_pb2.Report(order_id=str(order), good_qty="1"))
            outbox.publish(session, shop_.context(), event, key=order)


async def rows(runtime: Runtime, statement: str) -> list[Any]:
    async with runtime.services["mirror"].read() as session:
        return list((await session.execute(text(statement))).all())


async def change(runtime: Runtime, statement: str, **parameters: Any) -> None:
    async with runtime.services["mirror"].transaction() as session:
        await session.execute(text(statement), parameters)


async def seen(runtime: Runtime) -> set[tuple[Any, ...]]:
    return {(row.id, row.events, row.last, row.disorder) for row in await rows(runtime, "SELECT * FROM seen")}


async def idle(runtime: Runtime) -> None:
    assert await runtime.wait_idle(60) == []


async def post(runtime: Runtime, path: str, body: Any = None) -> httpx.Response:
    app = service_app(runtime.services["mirror"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as http:
        return await http.post(path, json=body, headers={"Idempotency-Key": str(uuid4())})


def topic_of(runtime: Runtime) -> str:
    return runtime.services["mirror"].topics[0]


async def test_what_has_had_its_effect_is_skipped(running: Runtime) -> None:
    orders = [uuid4() for _ in range(12)]
    for _ in range(3):
        await tell(running, *orders)
    await idle(running)
    before = await seen(running)
    done = (await post(running, "/redelivery", {"topic": topic_of(running)})).json()
    assert done == {"read": 36, "applied": 0}
    assert await seen(running) == before


async def test_what_was_lost_has_its_effect_then(running: Runtime) -> None:
    kept, lost = uuid4(), uuid4()
    await tell(running, kept, lost, lost)
    await idle(running)
    before = await seen(running)
    # As a backup that is older than the log would be.
    await change(running, "DELETE FROM seen WHERE id = :id", id=lost)
    ids = [each.headers["ce_id"] for each in await running.bus.read(topic_of(running)) if each.key == str(lost)]
    await change(running, "DELETE FROM inbox WHERE event_id = ANY(CAST(:ids AS uuid[]))", ids=ids)
    done = (await post(running, "/redelivery", {"topic": topic_of(running)})).json()
    assert done == {"read": 3, "applied": 2}
    assert await seen(running) == before


async def test_from_an_offset_or_a_time_on(running: Runtime) -> None:
    order = uuid4()
    await tell(running, *[order] * 5)
    await idle(running)
    records = await running.bus.read(topic_of(running))
    third = records[2]
    body = {"topic": topic_of(running), "partition": third.partition, "from_offset": third.offset}
    assert (await post(running, "/redelivery", body)).json() == {"read": 3, "applied": 0}
    other = {**body, "partition": (third.partition + 1) % 4}
    assert (await post(running, "/redelivery", other)).json() == {"read": 0, "applied": 0}
    last = max(each.headers["ce_time"] for each in records)
    since = {"topic": topic_of(running), "since": last}
    assert (await post(running, "/redelivery", since)).json()["read"] == sum(
        each.headers["ce_time"] == last for each in records
    )
    later = {"topic": topic_of(running), "since": "2999-01-01T00:00:00Z"}
    assert (await post(running, "/redelivery", later)).json() == {"read": 0, "applied": 0}


async def test_a_topic_that_the_service_does_not_listen_to_is_refused(running: Runtime) -> None:
    refused = await post(running, "/redelivery", {"topic": "mes.weather.v1"})
    assert (refused.status_code, refused.json()["code"]) == (404, "redelivery.topic")
    assert topic_of(running) in refused.json()["detail"]


async def test_a_projection_is_as_it_was_and_nothing_is_published(running: Runtime) -> None:
    orders = [uuid4() for _ in range(12)]
    for _ in range(3):
        await tell(running, *orders)
    await idle(running)
    before = await seen(running)
    published = await rows(running, "SELECT count(*) FROM outbox")
    await change(running, "UPDATE seen SET events = 99")
    await change(running, "DELETE FROM seen WHERE id = :id", id=orders[0])
    done = await post(running, "/projections/seen/rebuild")
    assert done.json() == {"events": 36}
    assert await seen(running) == before
    assert await rows(running, "SELECT count(*) FROM outbox") == published


async def test_events_that_come_meanwhile_are_neither_lost_nor_applied_twice(running: Runtime) -> None:
    order = uuid4()
    await tell(running, *[order] * 30)

    async def keep_telling() -> None:
        for _ in range(40):
            await tell(running, order)

    async def keep_rebuilding() -> None:
        for _ in range(5):
            assert (await post(running, "/projections/seen/rebuild")).is_success

    await asyncio.gather(keep_telling(), keep_rebuilding())
    await idle(running)
    # Disorder 1: the first report came without an order.
    assert await seen(running) == {(order, 70, 70, 1)}


async def test_a_projection_that_there_is_not_is_refused(running: Runtime) -> None:
    refused = await post(running, "/projections/sen/rebuild")
    assert (refused.status_code, refused.json()["code"]) == (404, "rebuild.unknown")
    assert "seen" in refused.json()["detail"]
