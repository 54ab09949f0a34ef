"""Events leave with the row that they tell of, once and in order, whatever dies on the way."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from mes import outbox, retention
from mes.bus import Received, Record
from mes.bus.postgres import PostgresBus
from mes.events.v1 import order_pb2
from mes.runtime import ServiceRuntime
from sqlalchemy import text

from tests.integration.platform.conftest import House, Open, eventually
from tests.integration.platform.tiny import shop


def sequences(records: Sequence[Received]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for each in records:
        found[each.key].append(int(each.headers["ce_sequence"]))
    return found


async def test_each_aggregate_counts_its_own_events(house: House) -> None:
    first, second = uuid4(), uuid4()
    await house.tell(first, second, first)
    await house.tell(first)
    await house.idle()
    assert sequences(await house.log()) == {str(first): [1, 2, 3], str(second): [1]}


async def test_an_event_says_what_it_is(house: House) -> None:
    made = (await house.post("/orders", {"no": "A-1", "qty": "2.5"}, **{"X-Actor": "w7"})).json()
    await house.idle()
    (record,) = await house.log()
    headers = record.headers
    assert record.key == headers["ce_subject"] == made["id"]
    assert headers["ce_type"] == "mes.events.v1.OrderCreated"
    assert (headers["ce_source"], headers["ce_actor"], headers["ce_sequence"]) == ("mes.shop", "w7", "1")
    assert headers["ce_site"] == str(house.runtime.services["shop"].site_id)
    assert headers["traceparent"].startswith("00-")
    assert order_pb2.OrderCreated.FromString(record.value).order.qty == "2.5"


async def test_a_transaction_that_is_rolled_back_publishes_nothing_and_leaves_no_gap(house: House) -> None:
    running, key = house.runtime.services["shop"], uuid4()
    with pytest.raises(RuntimeError):
        async with running.transaction() as session:
            outbox.publish(session, running.context(), order_pb2.OrderClosed(), key=key)
            await outbox.flush(session)
            raise RuntimeError
    await house.tell(key)
    await house.idle()
    (record,) = await house.log()
    assert (record.headers["ce_type"], record.headers["ce_sequence"]) == ("mes.events.v1.ReportRecorded", "1")


async def test_an_event_too_big_for_a_log_is_refused_where_somebody_hears_it(house: House) -> None:
    running = house.runtime.services["shop"]
    big = order_pb2.OrderClosed(order=order_pb2.Order(customer="x" * outbox.MOST_BYTES))
    with pytest.raises(ValueError, match="parts"):
        async with running.transaction() as session:
            outbox.publish(session, running.context(), big, key=uuid4())


async def test_row_and_event_stand_and_fall_together(house: House) -> None:
    assert (await house.post("/orders", {"no": "A-1"})).status_code == 201
    assert (await house.post("/orders", {"no": "A-1"})).status_code == 409
    await house.idle()
    assert len(await house.log()) == 1
    assert len(await house.rows("shop", "SELECT 1 FROM shop_order")) == 1
    assert len(await house.rows("mirror", "SELECT 1 FROM seen")) == 1


async def test_events_of_an_aggregate_keep_the_order_of_their_commits(house: House) -> None:
    keys = [uuid4() for _ in range(5)]

    async def writer(seed: int) -> None:
        random = Random(seed)
        for _ in range(25):
            await house.tell(*random.choices(keys, k=3))

    async with asyncio.timeout(60):
        await asyncio.gather(*(writer(seed) for seed in range(6)))
        await house.idle()
    found = sequences(await house.log())
    assert sum(map(len, found.values())) == 6 * 25 * 3
    assert all(each == list(range(1, len(each) + 1)) for each in found.values())
    assert {row.disorder for row in await house.rows("mirror", "SELECT disorder FROM seen")} == {1}


class _DiesAfterSending(PostgresBus):
    """A log whose client dies when the records are safe, before anybody knows."""

    async def append(self, records: Sequence[Record]) -> None:
        await super().append(records)
        raise ConnectionError("killed")


async def _relayed_by_one_that_dies(running: ServiceRuntime, bus: PostgresBus) -> None:
    connection = await asyncpg.connect(running._dsn)
    with pytest.raises(ConnectionError):
        await outbox.relay_batch(connection, bus, source=running.group, topic=running.topic)
    await connection.close()


async def test_a_relay_that_dies_before_it_marks_sends_again_and_the_inbox_skips(open_house: Open) -> None:
    alone = await open_house(services=[shop])
    running, key = alone.runtime.services["shop"], uuid4()
    await alone.tell(key)
    await alone.idle()
    # Nobody relays but the one that dies.
    for task in running._tasks:
        task.cancel()
    await asyncio.gather(*running._tasks, return_exceptions=True)
    await alone.tell(key, key)
    dying = _DiesAfterSending(running.settings.log_dsn)
    await dying.start()
    await _relayed_by_one_that_dies(running, dying)
    await dying.close()
    assert await running.unsent() == 2
    await alone.runtime.stop()

    house = await open_house()
    await house.idle()
    assert sequences(await house.log()) == {str(key): [1, 2, 3, 2, 3]}
    assert await house.rows("mirror", "SELECT events, qty, last FROM seen") == [(3, 3, 3)]


async def test_without_the_inbox_the_same_death_counts_twice(open_house: Open) -> None:
    house = await open_house(inbox_enabled=False)
    key = uuid4()
    await house.tell(key)
    await house.idle()
    await house.runtime.bus.append(
        [Record(each.topic, each.key, each.value, each.headers) for each in await house.log()]
    )
    await house.idle()
    assert await house.rows("mirror", "SELECT events FROM seen") == [(2,)]


def _leads(house: House) -> bool:
    return house.runtime.services["shop"].is_leader


async def test_one_replica_leads_and_another_takes_over_when_its_connection_dies(open_house: Open) -> None:
    at_work: list[int] = []

    async def work(running: ServiceRuntime) -> None:
        at_work.append(id(running))
        try:
            await asyncio.Event().wait()
        finally:
            at_work.remove(id(running))

    leading = type(shop)("shop", shop.metadata, shop.router, leader_tasks={"work": work})
    first = await open_house(services=[leading])
    await eventually(lambda: _leads(first))
    second = await open_house(services=[leading])
    key = uuid4()
    # The second one's rows are found by the leader's poll.
    await second.tell(key)
    await second.idle()
    assert not _leads(second)
    assert at_work == [id(first.runtime.services["shop"])]

    await first.runtime.services["shop"].stop()
    await eventually(lambda: _leads(second))
    await second.tell(key)
    await second.idle()
    assert sequences(await second.log()) == {str(key): [1, 2]}
    await eventually(lambda: at_work == [id(second.runtime.services["shop"])])


_KILL_LEADER = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
WHERE locktype = 'advisory' AND objid = 7110903
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def test_a_leader_that_loses_its_lock_stops_its_work_before_it_leads_again(open_house: Open) -> None:
    life: list[str] = []

    async def work(running: ServiceRuntime) -> None:
        life.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            life.append("ended")

    house = await open_house(services=[type(shop)("shop", shop.metadata, shop.router, leader_tasks={"work": work})])
    await eventually(lambda: _leads(house))
    keys = [uuid4() for _ in range(3)]

    async def lose(nth: int) -> None:
        await eventually(lambda: life.count("begun") == nth)
        assert [row[0] for row in await house.rows("shop", _KILL_LEADER)] == [True]
        await house.tell(*keys)
        await eventually(lambda: life.count("ended") == nth)
        await house.idle()

    for nth in (1, 2, 3):
        await lose(nth)
    assert life[:6] == ["begun", "ended"] * 3
    assert sequences(await house.log()) == {str(key): [1, 2, 3] for key in keys}


async def _age(session: Any, table: str, column: str, days: int) -> None:
    await session.execute(text(f"UPDATE {table} SET {column} = now() - interval '{days} days'"))  # noqa: S608


async def test_old_answers_and_sent_rows_are_forgotten_and_unsent_rows_never(house: House) -> None:
    await house.post("/orders", {"no": "A-1"}, key="k")
    await house.idle()
    running = house.runtime.services["shop"]

    async def kept() -> list[Any]:
        return await house.rows("shop", "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM idempotency_key)")

    async with running.transaction() as session:
        await _age(session, "outbox", "sent_at", 6)
        await _age(session, "idempotency_key", "created_at", 29)
        await retention.forget(session)
    assert await kept() == [(1, 1)]
    async with running.transaction() as session:
        await _age(session, "outbox", "sent_at", 8)
        await _age(session, "idempotency_key", "created_at", 31)
        await session.execute(
            text("INSERT INTO outbox (event_id, topic, key, payload, headers, recorded_at) "
                 "SELECT event_id, 'mes.nobody.v1', key, payload, headers, now() - interval '1 year' FROM outbox")
        )  # fmt: skip
        await retention.forget(session)
        assert (await session.execute(text("SELECT count(*) FROM outbox"))).scalar_one() == 1
    assert (await kept())[0][1] == 0
