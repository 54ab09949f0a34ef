"""How far a group is, partition by partition, and which of them a member has."""

from __future__ import annotations

import asyncio

from mes.bus import Bus, Position

from tests.contract.logs import PARTITIONS, Log
from tests.contract.reading import drain, fetch, numbered, record


async def test_a_group_that_has_read_nothing_is_at_the_beginning(bus: Bus, topic: str, group: str) -> None:
    await bus.create_topics([topic])
    before = await bus.positions(group, [topic])
    assert before.keys() == {(topic, number) for number in range(PARTITIONS)}
    assert all(each.committed == each.end for each in before.values())
    await bus.append(numbered(topic, keys=8, each=2))
    after = await bus.positions(group, [topic])
    assert {place: each.committed for place, each in after.items()} == {
        place: each.committed for place, each in before.items()
    }
    assert any(each.end > each.committed for each in after.values())


async def test_it_goes_on_with_what_is_committed_and_not_with_what_is_fetched(bus: Bus, topic: str, group: str) -> None:
    await bus.append(numbered(topic, keys=8, each=2))
    whole = await bus.positions(group, [topic])
    member = await bus.subscribe(group, [topic])
    await fetch(member, 16)
    assert await bus.positions(group, [topic]) == whole
    await member.close()
    again = await bus.subscribe(group, [topic])
    await drain(again, 16)
    assert await bus.positions(group, [topic]) == {place: Position(each.end, each.end) for place, each in whole.items()}


async def test_an_end_is_where_the_next_record_comes(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", "first")])
    ends = {place: each.end for place, each in (await bus.positions(group, [topic])).items()}
    await bus.append([record(topic, "k", "second")])
    (_, second) = await bus.read(topic)
    assert second.offset >= ends[topic, second.partition]


async def test_a_member_alone_has_every_partition_and_two_share_them(log: Log, topic: str, group: str) -> None:
    here, there = await log.connect(), await log.connect()
    await here.append(numbered(topic, keys=8, each=2))
    one = await here.subscribe(group, [topic])
    every = {(topic, number) for number in range(PARTITIONS)}
    async with asyncio.timeout(30):
        while set(one.owned()) != every:
            await one.fetch(limit=10, wait=0.05)
    two = await there.subscribe(group, [topic])
    async with asyncio.timeout(60):
        while not two.owned() or set(one.owned()) & set(two.owned()) or {*one.owned(), *two.owned()} != every:
            await asyncio.gather(one.fetch(limit=10, wait=0.05), two.fetch(limit=10, wait=0.05))
    assert set(one.owned()).isdisjoint(two.owned())
    assert one.owned()
