"""Events take effect once and in order; one that cannot takes its key out of the way, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from mes import outbox
from mes.bus import Record, partition_of
from mes.context import Context
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Handler, Meta
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.platform.conftest import TOPIC, House, Open
from tests.integration.platform.tiny import mirror_consumers, on_reported, shop

DEAD = "mes.mirror.dlq.v1"


def reporting(handler: Handler) -> Consumers:
    """A mirror whose only handler is this one."""
    made = Consumers()
    made.on(order_pb2.ReportRecorded)(handler)
    return made


async def seen(house: House) -> dict[str, tuple[int, int]]:
    """Events and last sequence by order."""
    return {str(row.id): (row.events, row.last) for row in await house.rows("mirror", "SELECT * FROM seen")}


async def parked(house: House) -> list[tuple[str, str]]:
    """Key and sequence of what was parked, in order."""
    rows = await house.rows("mirror", "SELECT key, headers FROM parked_event ORDER BY position")
    return [(row.key, row.headers["ce_sequence"]) for row in rows]


async def again(house: House) -> None:
    """Deliver the whole log once more, as a relay that died before it marked would."""
    await house.runtime.bus.append([Record(r.topic, r.key, r.value, r.headers) for r in await house.log()])
    await house.idle()


async def test_a_duplicate_is_skipped(house: House) -> None:
    first, second = uuid4(), uuid4()
    await house.tell(first, second, first)
    await house.idle()
    once = await seen(house)
    assert once == {str(first): (2, 2), str(second): (1, 1)}
    await again(house)
    assert await seen(house) == once


async def test_a_duplicate_within_one_batch_is_skipped(open_house: Open) -> None:
    asleep = await open_house(services=[shop])
    key = uuid4()
    await asleep.tell(key, key)
    await asleep.idle()
    await again(asleep)
    house = await open_house()
    await house.idle()
    assert await seen(house) == {str(key): (2, 2)}


def poisoned(bad: UUID, error: type[Exception] = RuntimeError) -> tuple[Consumers, Counter[str]]:
    """A mirror that chokes on the second event of one order, and how often each event was tried."""
    tries: Counter[str] = Counter()

    async def handle(session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
        tries[f"{meta.subject} {meta.sequence}"] += 1
        await on_reported(session, ctx, event, meta)
        if meta.subject == str(bad) and meta.sequence == 2:
            raise error("poison")

    return reporting(handle), tries


async def test_poison_parks_its_key_in_order_while_others_flow(open_house: Open) -> None:
    bad, good = uuid4(), uuid4()
    consumers, tries = poisoned(bad)
    house = await open_house(consumers)
    await house.tell(bad, good, bad, bad, good, good)
    await house.idle()
    await house.tell(bad, good)
    await house.idle()
    # What the poison did before it failed is undone; what came before it stays.
    assert await seen(house) == {str(bad): (1, 1), str(good): (4, 4)}
    assert await parked(house) == [(str(bad), "2"), (str(bad), "3"), (str(bad), "4")]
    # Three tries alone, after the one with its batch.
    assert tries[f"{bad} 2"] in (3, 4)
    assert tries[f"{bad} 3"] == tries[f"{bad} 4"] == 0
    errors = await house.rows("mirror", "SELECT error FROM parked_event ORDER BY position")
    assert "poison" in errors[0].error
    assert "earlier" in errors[1].error


_LOCK = 4711


async def _locking(session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
    await session.execute(text("SET LOCAL lock_timeout = '20ms'"))
    await session.execute(text(f"SELECT pg_advisory_xact_lock_shared({_LOCK}, hashtext('{meta.subject}'))"))
    await on_reported(session, ctx, event, meta)


async def test_a_partition_that_meets_a_lock_waits_alone(open_house: Open) -> None:
    """Both come in one batch: what waits for a lock does not keep another partition waiting, and parks nothing."""
    asleep = await open_house(services=[shop])
    held, free = uuid4(), uuid4()
    while _partition(asleep, free) == _partition(asleep, held):
        free = uuid4()
    await asleep.tell(held, free)
    await asleep.idle()
    house = await open_house(reporting(_locking))
    async with house.runtime.services["mirror"].transaction() as session:
        await session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK}, hashtext('{held}'))"))
        await _until_seen(house, {str(free): (1, 1)})
        await house.tell(free)
        await _until_seen(house, {str(free): (2, 2)})
    await _until_seen(house, {str(free): (2, 2), str(held): (1, 1)})
    assert await parked(house) == []


def _partition(house: House, key: UUID) -> int:
    return partition_of(str(key), house.runtime.settings.partitions)


async def _until_seen(house: House, wanted: dict[str, tuple[int, int]]) -> None:
    async with asyncio.timeout(20):
        while await seen(house) != wanted:  # noqa: ASYNC110 - only looking tells
            await asyncio.sleep(0.02)


async def test_a_parked_event_is_parked_once_however_often_it_comes(open_house: Open) -> None:
    bad = uuid4()
    house = await open_house(poisoned(bad)[0])
    await house.tell(bad, bad, bad)
    await house.idle()
    await again(house)
    assert await parked(house) == [(str(bad), "2"), (str(bad), "3")]


async def test_a_copy_goes_to_the_dead_letters_and_leaves_no_gap(open_house: Open) -> None:
    bad = uuid4()
    house = await open_house(poisoned(bad)[0])
    await house.tell(bad, bad, bad)
    await house.idle()
    told = {each.headers["ce_sequence"]: each for each in await house.log()}
    dead = await house.log(DEAD)
    assert [each.headers["ce_sequence"] for each in dead] == ["2", "3"]
    for each in dead:
        original = told[each.headers["ce_sequence"]]
        assert (each.key, each.value) == (str(bad), original.value)
        assert each.headers["ce_id"] == original.headers["ce_id"]
        assert each.headers["ce_source"] == "mes.shop"
        assert (each.headers["mes_topic"], each.headers["mes_offset"]) == (TOPIC, str(original.offset))
    assert "poison" in dead[0].headers["mes_error"]
    counted = await house.rows("mirror", "SELECT key FROM aggregate_sequence WHERE key = :key", key=str(bad))
    assert counted == []


async def test_an_event_that_makes_no_sense_is_parked(house: House) -> None:
    good = uuid4()
    await house.tell(good)
    await house.idle()
    (told,) = await house.log()

    def headers(**changes: str) -> dict[str, str]:
        return {**told.headers, "ce_id": str(uuid4()), **changes}

    nameless = headers()
    del nameless["ce_id"]
    wrong = [headers(ce_site="nowhere"), nameless, headers(ce_time="yesterday")]
    bus = house.runtime.bus
    await bus.append([Record(TOPIC, f"wrong-{n}", told.value, each) for n, each in enumerate(wrong)])
    await bus.append([Record(TOPIC, "garbled", b"\xff\xff\xff", headers())])
    await house.tell(good)
    await house.idle()
    keys = await house.rows("mirror", "SELECT key FROM parked_event ORDER BY key")
    assert [row.key for row in keys] == ["garbled", "wrong-0", "wrong-1", "wrong-2"]
    assert await seen(house) == {str(good): (2, 2)}


async def test_a_value_that_does_not_fit_is_poison_not_weather(open_house: Open) -> None:
    async def handle(session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
        if meta.sequence == 1:
            await session.execute(text("SELECT CAST(:n AS int)"), {"n": 2**40})
        await on_reported(session, ctx, event, meta)

    house, key = await open_house(reporting(handle)), uuid4()
    await house.tell(key)
    await house.idle()
    assert await parked(house) == [(str(key), "1")]


async def _cut(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def _serialisation(session: AsyncSession) -> None:
    await session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"))


async def _lock(session: AsyncSession) -> None:
    await session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'locked' USING ERRCODE = '55P03'; END $$"))


async def _refused(session: AsyncSession) -> None:
    raise ConnectionRefusedError


@pytest.mark.parametrize("trouble", [_cut, _serialisation, _lock, _refused])
async def test_bad_weather_is_waited_out(open_house: Open, trouble: Any) -> None:
    left = 6

    async def handle(session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
        nonlocal left
        await on_reported(session, ctx, event, meta)
        if left:
            left -= 1
            await trouble(session)

    house, key = await open_house(reporting(handle)), uuid4()
    await house.tell(key, key, key)
    await house.idle()
    assert left == 0
    assert await seen(house) == {str(key): (3, 3)}
    assert await parked(house) == []


async def test_no_free_connection_parks_nothing(open_house: Open) -> None:
    house, key = await open_house(pool_size=2), uuid4()
    mirror = house.runtime.services["mirror"]
    pool: Any = mirror.database.engine.pool
    pool._timeout = 0.05
    held = [await mirror.database.engine.connect() for _ in range(2)]
    ask, asked = mirror.database.transaction, asyncio.Event()
    left = 4

    def asking() -> Any:
        # Were it poison, the batch and three tries would have failed by now, and the next would park it.
        nonlocal left
        left -= 1
        if left < 0:
            asked.set()
            pool._timeout = 20
        return ask()

    mirror.database.transaction = asking  # type: ignore[method-assign]
    await house.tell(key)
    await asyncio.wait_for(asked.wait(), 20)
    for connection in held:
        await connection.close()
    await house.idle()
    assert await seen(house) == {str(key): (1, 1)}
    assert await parked(house) == []


async def test_types_without_a_handler_have_no_effect_and_on_every_sees_all(open_house: Open) -> None:
    heard: list[str] = []
    consumers = mirror_consumers()
    del consumers.handlers["mes.events.v1.OrderCreated"]

    @consumers.on_every
    async def every(session: AsyncSession, ctx: Context, record: Any, meta: Meta) -> None:
        heard.append(meta.type.rpartition(".")[2])

    house = await open_house(consumers)
    made = (await house.post("/orders", {"no": "A-1"})).json()["id"]
    await house.tell(UUID(made))
    await house.idle()
    assert heard == ["OrderCreated", "ReportRecorded"]
    assert await seen(house) == {made: (1, 2)}


async def test_what_a_handler_publishes_names_its_cause(open_house: Open) -> None:
    async def answer(session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
        outbox.publish(session, ctx, order_pb2.OrderClosed(), key=meta.subject)

    house, key = await open_house(reporting(answer)), uuid4()
    await house.tell(key)
    await house.idle()
    (told,), (answered,) = await house.log(), await house.log("mes.mirror.v1")
    assert answered.headers["ce_causationid"] == told.headers["ce_id"]
    assert answered.headers["ce_source"] == "mes.mirror"
    assert answered.headers["ce_actor"] == told.headers["ce_actor"]


async def test_two_replicas_share_the_work_and_count_once(open_house: Open) -> None:
    first, second = await open_house(), await open_house()
    keys = [uuid4() for _ in range(20)]
    for _ in range(10):
        await first.tell(*keys)
    await first.idle()
    await second.runtime.services["mirror"].stop()
    for _ in range(5):
        await first.tell(*keys)
    await first.idle()
    assert await seen(first) == {str(key): (15, 15) for key in keys}
    assert {row.disorder for row in await first.rows("mirror", "SELECT disorder FROM seen")} == {1}
