"""What every event log must do, and no more: Kafka's semantics, as far as services rely on them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import pytest
from mes.bus import Bus, Fenced, Lag, Received, Record, Subscription, murmur2, partition_of

from tests.contract.conftest import PARTITIONS, Log

TOPIC = "mes.test.v1"


def record(key: str, value: str, **headers: str) -> Record:
    return Record(TOPIC, key, value.encode(), headers)


def numbered(keys: int, each: int, name: str = "") -> list[Record]:
    return [record(f"{name}k{key}", str(n)) for n in range(each) for key in range(keys)]


async def drain(member: Subscription, count: int, *, commit: bool = True, limit: int = 100) -> list[Received]:
    """Fetch until so many records came."""
    got: list[Received] = []
    async with asyncio.timeout(20):
        while len(got) < count:
            for (topic, partition), records in (await member.fetch(limit=limit, wait=1)).items():
                got += records
                if commit:
                    await member.commit({(topic, partition): records[-1].offset + 1})
    return got


def by_key(records: Sequence[Received]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for each in records:
        values[each.key].append(each.value.decode())
    return values


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


async def test_a_record_comes_back_as_it_was_given(bus: Bus) -> None:
    await bus.append([record("k", "数控车床", ce_type="a.b", actor="张三")])
    await bus.append([Record(TOPIC, "k", b"\x00\xff", {})])
    first, second = await bus.read(TOPIC)
    assert (first.key, first.value.decode(), dict(first.headers)) == (
        "k",
        "数控车床",
        {"ce_type": "a.b", "actor": "张三"},
    )
    assert (second.value, dict(second.headers)) == (b"\x00\xff", {})
    assert first.topic == TOPIC
    assert first.partition == second.partition == partition_of("k", PARTITIONS)
    assert first.offset < second.offset


async def test_records_of_a_key_keep_their_order(bus: Bus) -> None:
    sent = numbered(keys=20, each=30)
    for start in range(0, len(sent), 70):
        await bus.append(sent[start : start + 70])
    member = await bus.subscribe("g", [TOPIC])
    got = await drain(member, len(sent), limit=13)
    assert by_key(got) == {f"k{key}": [str(n) for n in range(30)] for key in range(20)}
    assert {each.partition for each in got} == set(range(PARTITIONS))


async def test_offsets_become_visible_in_order_while_many_append(log: Log) -> None:
    writers = [await log.connect() for _ in range(4)]
    reader = await log.connect()
    await reader.create_topics([TOPIC])
    seen: dict[int, set[int]] = {partition: set() for partition in range(PARTITIONS)}
    late: list[tuple[int, int]] = []
    total = 4 * 40 * 6

    async def write(number: int, bus: Bus) -> None:
        for n in range(40):
            await bus.append([record(f"w{number}-{key}", str(n)) for key in range(6)])

    async def read() -> None:
        while sum(map(len, seen.values())) < total:
            last = {partition: max(offsets, default=-1) for partition, offsets in seen.items()}
            for each in await reader.read(TOPIC, limit=100_000):
                if each.offset not in seen[each.partition]:
                    seen[each.partition].add(each.offset)
                    # Below what was visible before: a consumer would have gone past it.
                    if each.offset <= last[each.partition]:
                        late.append((each.partition, each.offset))

    async with asyncio.timeout(30):
        await asyncio.gather(read(), *(write(number, bus) for number, bus in enumerate(writers)))
    assert late == []
    assert by_key(await reader.read(TOPIC, limit=100_000)) == {
        f"w{number}-{key}": [str(n) for n in range(40)] for number in range(4) for key in range(6)
    }


async def test_a_new_group_begins_with_the_earliest_record(bus: Bus) -> None:
    await bus.append(numbered(keys=5, each=3))
    for group in ("one", "two"):
        member = await bus.subscribe(group, [TOPIC])
        assert len(await drain(member, 15)) == 15


async def test_a_member_hears_of_what_another_process_appends(log: Log) -> None:
    here, there = await log.connect(), await log.connect()
    member = await here.subscribe("g", [TOPIC])
    assert await member.fetch(limit=10, wait=0.01) == {}
    waiting = asyncio.create_task(drain(member, 1))
    await there.append([record("k", "x")])
    assert [each.value for each in await waiting] == [b"x"]


async def test_what_was_not_committed_is_delivered_again(bus: Bus) -> None:
    await bus.append([record("k", str(n)) for n in range(10)])
    first = await bus.subscribe("g", [TOPIC])
    got = await drain(first, 10, commit=False)
    await first.commit({(TOPIC, got[0].partition): got[4].offset + 1})
    await first.close()
    second = await bus.subscribe("g", [TOPIC])
    assert [each.value for each in await drain(second, 5)] == [b"5", b"6", b"7", b"8", b"9"]
    await second.close()
    third = await bus.subscribe("g", [TOPIC])
    assert await third.fetch(limit=10, wait=0.05) == {}


async def test_a_fetch_goes_on_where_the_last_one_ended(bus: Bus) -> None:
    await bus.append([record("k", str(n)) for n in range(6)])
    member = await bus.subscribe("g", [TOPIC])
    got = await drain(member, 4, commit=False, limit=2) + await drain(member, 2, commit=False, limit=2)
    assert [each.value.decode() for each in got] == [str(n) for n in range(6)]


async def test_a_rewound_partition_is_read_from_the_committed_offset(bus: Bus) -> None:
    await bus.append([record("k", str(n)) for n in range(6)])
    member = await bus.subscribe("g", [TOPIC])
    got = await drain(member, 6, commit=False)
    await member.commit({(TOPIC, got[0].partition): got[1].offset + 1})
    member.rewind([(TOPIC, got[0].partition)])
    assert [each.value.decode() for each in await drain(member, 4)] == ["2", "3", "4", "5"]


async def test_a_stale_member_cannot_commit(log: Log) -> None:
    mine, theirs = await log.connect(), await log.connect()
    await mine.append([record("k", str(n)) for n in range(6)])
    stale = await mine.subscribe("g", [TOPIC])
    got = await drain(stale, 6, commit=False)
    await log.cut_off(stale)
    fresh = await theirs.subscribe("g", [TOPIC])
    taken = await drain(fresh, 6, commit=False)
    assert [each.value for each in taken] == [each.value for each in got]
    with pytest.raises(Fenced):
        await stale.commit({(TOPIC, got[0].partition): got[-1].offset + 1})
    await fresh.commit({(TOPIC, got[0].partition): got[2].offset + 1})
    assert await theirs.lag({"g": [TOPIC]}) == {"g": Lag(6, 3)}


async def shared_out(bus: Bus, members: Sequence[Subscription]) -> list[Received]:
    """Append and consume until the members have equal shares; what they consumed until then, once each."""
    got: list[Received] = []
    shares: list[int] = []
    sent = 0
    async with asyncio.timeout(30):
        while shares != [PARTITIONS // len(members)] * len(members):
            await bus.append(numbered(keys=20, each=1, name=f"{sent}-"))
            sent += 20
            batches = [await _committed(member) for member in members]
            got += [each for batch in batches for each in batch]
            shares = [len({each.partition for each in batch}) for batch in batches]
    assert len(got) == len({each.key for each in got}) == sent
    return got


async def _committed(member: Subscription) -> list[Received]:
    """One fetch of a member, as far as it could commit it."""
    done: list[Received] = []
    try:
        fetched = await member.fetch(limit=1000, wait=0.1)
        for (topic, partition), records in fetched.items():
            await member.commit({(topic, partition): records[-1].offset + 1})
            done += records
    except Fenced:
        pass
    except Exception as error:
        # A connection that died is noticed by its next use, in the client's own words.
        assert "connection" in str(error).lower()
    return done


async def test_two_members_share_the_partitions(log: Log) -> None:
    first, second = await log.connect(), await log.connect()
    members = [await first.subscribe("g", [TOPIC]), await second.subscribe("g", [TOPIC])]
    await shared_out(first, members)
    await first.append(numbered(keys=40, each=1, name="later-"))
    batches = [await drain(member, 1) for member in members]
    assert sorted(each.key for batch in batches for each in batch) == sorted(f"later-k{key}" for key in range(40))


async def test_a_member_that_was_cut_off_joins_again(log: Log) -> None:
    first, second = await log.connect(), await log.connect()
    lost = await first.subscribe("g", [TOPIC])
    await log.cut_off(lost)
    other = await second.subscribe("g", [TOPIC])
    await first.append(numbered(keys=20, each=1))
    assert len(await drain(other, 20)) == 20
    await shared_out(first, [lost, other])


async def test_a_member_that_leaves_gives_its_share_to_the_others(log: Log) -> None:
    bus = await log.connect()
    leaving = await (await log.connect()).subscribe("g", [TOPIC])
    staying = await bus.subscribe("g", [TOPIC])
    await leaving.close()
    await bus.append(numbered(keys=30, each=1))
    assert len(await drain(staying, 30)) == 30


async def test_lag_counts_what_is_not_committed(bus: Bus) -> None:
    member = await bus.subscribe("g", [TOPIC])
    assert await bus.lag({"g": [TOPIC]}) == {"g": Lag(0, 0)}
    await bus.append(numbered(keys=7, each=2))
    assert await bus.lag({"g": [TOPIC], "nobody": [TOPIC], "elsewhere": ["mes.other.v1"]}) == {
        "g": Lag(14, 14), "nobody": Lag(14, 14), "elsewhere": Lag(0, 0),
    }  # fmt: skip
    await drain(member, 14, commit=False)
    assert (await bus.lag({"g": [TOPIC]}))["g"].behind == 14
    await member.close()
    await drain(await bus.subscribe("g", [TOPIC]), 14)
    assert await bus.lag({"g": [TOPIC]}) == {"g": Lag(14, 0)}


async def test_reading_without_a_group_starts_where_it_is_told(bus: Bus) -> None:
    await bus.append([record("k", str(n)) for n in range(5)])
    place = partition_of("k", PARTITIONS)
    some = await bus.read(TOPIC, limit=2)
    assert [each.value for each in some] == [b"0", b"1"]
    rest = await bus.read(TOPIC, after=lambda partition: some[-1].offset + 1 if partition == place else 0)
    assert [each.value for each in rest] == [b"2", b"3", b"4"]
    assert await bus.lag({"g": [TOPIC]}) == {"g": Lag(5, 5)}


async def test_big_records_pass(bus: Bus) -> None:
    # Kafka takes up to 1 MB by default; ours must be no better and no worse.
    value = bytes(range(256)) * 3600
    await bus.append([Record(TOPIC, "k", value, {}), Record(TOPIC, "k", b"small", {})])
    member = await bus.subscribe("g", [TOPIC])
    assert [each.value for each in await drain(member, 2)] == [value, b"small"]


async def test_one_append_may_span_topics(bus: Bus) -> None:
    await bus.create_topics([TOPIC, "mes.other.v1"])
    await bus.append([record("k", "1"), Record("mes.other.v1", "k", b"2", {}), record("k", "3")])
    assert [each.value for each in await bus.read(TOPIC)] == [b"1", b"3"]
    assert [each.value for each in await bus.read("mes.other.v1")] == [b"2"]


async def test_appending_nothing_is_nothing(bus: Bus) -> None:
    await bus.append([])
    assert await bus.read(TOPIC) == []
