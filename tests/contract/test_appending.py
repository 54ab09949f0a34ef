"""What every event log must do with records: Kafka's semantics, as far as services rely on them."""

from __future__ import annotations

import asyncio

import pytest
from mes.bus import Bus, Record, murmur2, partition_of

from tests.contract.logs import PARTITIONS, Log
from tests.contract.reading import by_key, numbered, record


# From Kafka's own test, org.apache.kafka.common.utils.UtilsTest.testMurmur2.
@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_a_key_is_hashed_as_kafka_does(key: str, hashed: int) -> None:
    assert murmur2(key.encode()) == hashed & 0xFFFFFFFF
    assert partition_of(key, 7) == (hashed & 0x7FFFFFFF) % 7


async def test_a_record_comes_back_as_it_was_given(bus: Bus, topic: str) -> None:
    await bus.append([record(topic, "k", "数控车床", ce_type="a.b", actor="张三")])
    await bus.append([Record(topic, "k", b"\x00\xff", {})])
    first, second = await bus.read(topic)
    assert (first.key, first.value.decode()) == ("k", "数控车床")
    assert dict(first.headers) == {"ce_type": "a.b", "actor": "张三"}
    assert (second.value, dict(second.headers)) == (b"\x00\xff", {})
    assert first.topic == topic
    assert first.partition == second.partition == partition_of("k", PARTITIONS)
    assert first.offset < second.offset


@pytest.mark.parametrize("key", ["", " ", "车间-1", "a" * 500, "018f0000-0000-7000-8000-000000000000"])
async def test_any_text_is_a_key(bus: Bus, topic: str, key: str) -> None:
    await bus.append([record(topic, key, "x")])
    (only,) = await bus.read(topic)
    assert (only.key, only.partition) == (key, partition_of(key, PARTITIONS))


async def test_values_and_headers_may_be_empty(bus: Bus, topic: str) -> None:
    await bus.append([Record(topic, "k", b"", {"empty": ""})])
    (only,) = await bus.read(topic)
    assert (only.value, dict(only.headers)) == (b"", {"empty": ""})


async def test_keys_are_placed_as_everybody_computes_it(bus: Bus, topic: str) -> None:
    await bus.append(numbered(topic, keys=200, each=1))
    found = await bus.read(topic)
    assert {each.key: each.partition for each in found} == {
        f"k{key}": partition_of(f"k{key}", PARTITIONS) for key in range(200)
    }


async def test_records_of_a_key_keep_their_order(bus: Bus, topic: str) -> None:
    sent = numbered(topic, keys=20, each=30)
    for start in range(0, len(sent), 70):
        await bus.append(sent[start : start + 70])
    assert by_key(await bus.read(topic)) == {f"k{key}": [str(n) for n in range(30)] for key in range(20)}


async def test_appends_of_one_client_at_once_keep_the_order_of_each(bus: Bus, topic: str) -> None:
    await bus.create_topics([topic])

    async def relay(name: str) -> None:
        for n in range(20):
            await bus.append([record(topic, f"{name}-{key}", str(n)) for key in range(5)])

    await asyncio.gather(*(relay(f"relay{number}") for number in range(4)))
    found = by_key(await bus.read(topic))
    assert len(found) == 20
    assert all(values == [str(n) for n in range(20)] for values in found.values())


async def test_offsets_become_visible_in_order_while_many_append(log: Log, topic: str) -> None:
    writers = [await log.connect() for _ in range(4)]
    reader = await log.connect()
    await reader.create_topics([topic])
    seen: dict[int, set[int]] = {partition: set() for partition in range(PARTITIONS)}
    late: list[tuple[int, int]] = []
    total = 4 * 40 * 6

    async def write(number: int, bus: Bus) -> None:
        for n in range(40):
            await bus.append([record(topic, f"w{number}-{key}", str(n)) for key in range(6)])

    async def read() -> None:
        while sum(map(len, seen.values())) < total:
            last = {partition: max(offsets, default=-1) for partition, offsets in seen.items()}
            for each in await reader.read(topic, limit=100_000):
                if each.offset not in seen[each.partition]:
                    seen[each.partition].add(each.offset)
                    # Below what was visible before: a consumer would have gone past it.
                    if each.offset <= last[each.partition]:
                        late.append((each.partition, each.offset))

    async with asyncio.timeout(60):
        await asyncio.gather(read(), *(write(number, bus) for number, bus in enumerate(writers)))
    assert late == []
    assert by_key(await reader.read(topic, limit=100_000)) == {
        f"w{number}-{key}": [str(n) for n in range(40)] for number in range(4) for key in range(6)
    }


async def test_big_records_pass(bus: Bus, topic: str) -> None:
    # Kafka takes up to 1 MB by default; ours must be no better and no worse.
    value = bytes(range(256)) * 3600
    await bus.append([Record(topic, "k", value, {}), Record(topic, "k", b"small", {})])
    assert [each.value for each in await bus.read(topic)] == [value, b"small"]


async def test_an_append_may_be_larger_than_one_request(bus: Bus, topic: str) -> None:
    await bus.append([Record(topic, f"k{n % 50}", bytes(2000), {"n": str(n)}) for n in range(3000)])
    found = await bus.read(topic, limit=3000)
    assert len(found) == 3000
    for key in range(50):
        assert [each.headers["n"] for each in found if each.key == f"k{key}"] == [str(n) for n in range(key, 3000, 50)]


async def test_one_append_may_span_topics(bus: Bus, topic: str) -> None:
    await bus.append([record(topic, "k", "1"), record(f"{topic}.b", "k", "2"), record(topic, "k", "3")])
    assert [each.value for each in await bus.read(topic)] == [b"1", b"3"]
    assert [each.value for each in await bus.read(f"{topic}.b")] == [b"2"]


async def test_appending_nothing_is_nothing(bus: Bus, topic: str) -> None:
    await bus.append([])
    assert await bus.read(topic) == []


async def test_a_topic_is_made_when_it_is_first_used(bus: Bus, topic: str) -> None:
    await bus.append(numbered(topic, keys=50, each=1))
    assert {each.partition for each in await bus.read(topic)} == set(range(PARTITIONS))


async def test_making_topics_again_changes_nothing(log: Log, topic: str) -> None:
    clients = [await log.connect() for _ in range(3)]
    await asyncio.gather(*(client.create_topics([topic, f"{topic}.b"]) for client in clients))
    await clients[0].append([record(topic, "k", "1")])
    await (await log.connect()).create_topics([topic])
    assert [each.value for each in await clients[1].read(topic)] == [b"1"]


async def test_what_was_appended_outlives_its_client(log: Log, topic: str) -> None:
    gone = await log.connect()
    await gone.append([record(topic, "k", "1")])
    await gone.close()
    assert [each.value for each in await (await log.connect()).read(topic)] == [b"1"]


async def test_reading_starts_where_it_is_told(bus: Bus, topic: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(5)])
    place = partition_of("k", PARTITIONS)
    some = await bus.read(topic, limit=2)
    assert [each.value for each in some] == [b"0", b"1"]
    rest = await bus.read(topic, after=lambda partition: some[-1].offset + 1 if partition == place else 0)
    assert [each.value for each in rest] == [b"2", b"3", b"4"]
    end = rest[-1].offset + 1
    assert await bus.read(topic, after=lambda partition: end if partition == place else 0) == []


async def test_the_limit_of_reading_is_for_each_partition(bus: Bus, topic: str) -> None:
    await bus.append(numbered(topic, keys=40, each=5))
    found = await bus.read(topic, limit=3)
    assert len(found) == 3 * PARTITIONS
    assert [(each.partition, each.offset) for each in found] == sorted((each.partition, each.offset) for each in found)


async def test_an_empty_topic_is_read_as_nothing(bus: Bus, topic: str) -> None:
    await bus.create_topics([topic])
    assert await bus.read(topic) == []
