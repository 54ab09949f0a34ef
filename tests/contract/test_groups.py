"""What every event log must do for groups of consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from mes.bus import Bus, Fenced, Lag, Subscription, ends_of, partition_of

from tests.contract.logs import PARTITIONS, Log
from tests.contract.reading import (
    Effects,
    by_key,
    commit_behind,
    drain,
    fetch,
    nothing_comes,
    numbered,
    record,
    step,
)


async def test_records_of_a_key_come_in_order(bus: Bus, topic: str, group: str) -> None:
    await bus.append(numbered(topic, keys=20, each=30))
    got = await drain(await bus.subscribe(group, [topic]), 600, limit=13)
    assert by_key(got.records) == {f"k{key}": [str(n) for n in range(30)] for key in range(20)}


async def test_a_new_group_begins_with_the_earliest_record(bus: Bus, topic: str, group: str) -> None:
    await bus.append(numbered(topic, keys=5, each=3))
    for name in ("one", "two"):
        member = await bus.subscribe(f"{group}-{name}", [topic])
        assert len(await drain(member, 15)) == 15


async def test_groups_know_nothing_of_each_other(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(4)])
    one, two = await bus.subscribe(f"{group}-one", [topic]), await bus.subscribe(f"{group}-two", [topic])
    await drain(one, 4)
    assert (await drain(two, 4)).values == ["0", "1", "2", "3"]


async def test_a_member_hears_of_what_another_process_appends(log: Log, topic: str, group: str) -> None:
    here, there = await log.connect(), await log.connect()
    member = await here.subscribe(group, [topic])
    assert await member.fetch(limit=10, wait=0.01) == {}
    waiting = asyncio.create_task(drain(member, 1))
    await there.append([record(topic, "k", "x")])
    assert (await waiting).values == ["x"]


async def test_a_member_hears_of_several_topics(bus: Bus, topic: str, group: str) -> None:
    topics = [topic, f"{topic}.b", f"{topic}.c"]
    member = await bus.subscribe(group, topics)
    await bus.append([record(each, "k", each) for each in topics])
    assert sorted((await drain(member, 3)).values) == topics
    assert await bus.lag({group: topics}) == {group: Lag(3, 0)}


async def test_a_batch_is_no_longer_than_asked_for(bus: Bus, topic: str, group: str) -> None:
    await bus.append(numbered(topic, keys=30, each=5))
    member = await bus.subscribe(group, [topic])
    seen = 0
    async with asyncio.timeout(30):
        while seen < 150:
            batch = await member.fetch(limit=7, wait=0.1)
            assert all(0 < len(records) <= 7 for records in batch.values())
            seen += sum(map(len, batch.values()))


async def test_what_was_not_committed_is_delivered_again(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(10)])
    first = await bus.subscribe(group, [topic])
    got = await fetch(first, 10)
    await commit_behind(first, got.records[4])
    await first.close()
    second = await bus.subscribe(group, [topic])
    assert (await drain(second, 5)).values == ["5", "6", "7", "8", "9"]
    await second.close()
    third = await bus.subscribe(group, [topic])
    assert await nothing_comes(third)


async def test_a_fetch_goes_on_where_the_last_one_ended(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(6)])
    got = await fetch(await bus.subscribe(group, [topic]), 6, limit=2)
    assert got.values == [str(n) for n in range(6)]


async def test_a_fetch_that_is_cancelled_loses_nothing(bus: Bus, topic: str, group: str) -> None:
    member = await bus.subscribe(group, [topic])
    effects = Effects()
    async with asyncio.timeout(30):
        for n in range(20):
            fetching = asyncio.create_task(member.fetch(limit=10, wait=5))
            await bus.append([record(topic, "k", str(n))])
            fetching.cancel()
            (came,) = await asyncio.gather(fetching, return_exceptions=True)
            for records in came.values() if isinstance(came, dict) else ():
                effects.take(records)
        while len(effects) < 20:
            await step(member, effects)
    assert effects.values == [str(n) for n in range(20)]


async def test_a_rewound_partition_is_read_from_the_committed_offset(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(6)])
    member = await bus.subscribe(group, [topic])
    got = await fetch(member, 6)
    await commit_behind(member, got.records[1])
    member.rewind([(topic, got.records[0].partition)])
    assert (await fetch(member, 4)).values == ["2", "3", "4", "5"]


async def test_what_was_never_committed_is_rewound_to_the_earliest(bus: Bus, topic: str, group: str) -> None:
    await bus.append(numbered(topic, keys=12, each=2))
    member = await bus.subscribe(group, [topic])
    await fetch(member, 24)
    member.rewind([(topic, number) for number in range(PARTITIONS)])
    assert len(await drain(member, 24)) == 24
    assert await bus.lag({group: [topic]}) == {group: Lag(24, 0)}


async def test_a_rewind_leaves_other_partitions_alone(bus: Bus, topic: str, group: str) -> None:
    keys = {partition_of(f"k{n}", PARTITIONS): f"k{n}" for n in range(40)}
    member = await bus.subscribe(group, [topic])
    await bus.append([record(topic, key, "1") for key in keys.values()])
    await drain(member, PARTITIONS)
    await bus.append([record(topic, key, "2") for key in keys.values()])
    await fetch(member, PARTITIONS)
    member.rewind([(topic, 0)])
    assert [(each.partition, each.value) for each in (await fetch(member, 1)).records if each.partition == 0] == [
        (0, b"2")
    ]


async def test_what_was_fetched_before_a_rewind_is_not_committed(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(3)])
    member = await bus.subscribe(group, [topic])
    got = await fetch(member, 3)
    place = (topic, got.records[0].partition)
    member.rewind([place])
    with pytest.raises(Fenced) as fenced:
        await member.commit({place: got.records[-1].offset + 1})
    assert fenced.value.places == {place}
    assert (await fetch(member, 3)).values == ["0", "1", "2"]


async def test_one_commit_takes_many_partitions(bus: Bus, topic: str, group: str) -> None:
    await bus.append(numbered(topic, keys=24, each=3))
    member = await bus.subscribe(group, [topic])
    assert len(await drain(member, 72, limit=1000)) == 72
    assert await bus.lag({group: [topic]}) == {group: Lag(72, 0)}


async def test_a_lost_partition_does_not_keep_others_from_being_committed(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(3)])
    member = await bus.subscribe(group, [topic])
    foreign = (f"{topic}.b", 0)
    async with asyncio.timeout(30):
        while (await bus.lag({group: [topic]}))[group].behind:
            batch = await member.fetch(limit=10, wait=0.1)
            if batch:
                with pytest.raises(Fenced) as fenced:
                    await member.commit({**ends_of(batch), foreign: 5})
                assert foreign in fenced.value.places
                member.rewind(fenced.value.places)


async def test_commits_outlive_the_client(log: Log, topic: str, group: str) -> None:
    gone = await log.connect()
    await gone.append(numbered(topic, keys=9, each=2))
    await drain(await gone.subscribe(group, [topic]), 18)
    await gone.close()
    bus = await log.connect()
    assert await bus.lag({group: [topic]}) == {group: Lag(18, 0)}
    assert await nothing_comes(await bus.subscribe(group, [topic]))


async def test_a_stale_member_cannot_commit(log: Log, topic: str, group: str) -> None:
    mine, theirs = await log.connect(), await log.connect()
    await mine.append([record(topic, "k", str(n)) for n in range(6)])
    stale = await mine.subscribe(group, [topic])
    got = await fetch(stale, 6)
    await log.cut_off(stale)
    fresh = await theirs.subscribe(group, [topic])
    taken = await fetch(fresh, 6)
    assert taken.values == got.values
    place = (topic, got.records[0].partition)
    with pytest.raises(Fenced) as fenced:
        await stale.commit({place: got.records[-1].offset + 1})
    assert fenced.value.places == {place}
    assert await theirs.lag({group: [topic]}) == {group: Lag(6, 6)}


async def test_a_stale_member_does_not_set_the_group_back(log: Log, topic: str, group: str) -> None:
    mine, theirs = await log.connect(), await log.connect()
    await mine.append([record(topic, "k", str(n)) for n in range(6)])
    stale = await mine.subscribe(group, [topic])
    got = await fetch(stale, 6)
    await log.cut_off(stale)
    fresh = await theirs.subscribe(group, [topic])
    await drain(fresh, 6)
    for _ in range(3):
        # However often it tries, also after it has joined again.
        with pytest.raises(Fenced):
            await stale.commit({(topic, got.records[0].partition): got.records[2].offset + 1})
        assert await theirs.lag({group: [topic]}) == {group: Lag(6, 0)}
        await stale.fetch(limit=10, wait=0.1)


async def shared_out(bus: Bus, topic: str, members: Sequence[Subscription]) -> Effects:
    """Append and consume until no member has two partitions more than another one; what they have seen until then."""
    effects = Effects()
    shares: list[int] = []
    sent = 0
    async with asyncio.timeout(60):
        while sum(shares) != PARTITIONS or max(shares) > min(shares) + 1:
            await bus.append(numbered(topic, keys=20, each=1, name=f"{sent}-"))
            sent += 20
            steps = [await step(member, effects) for member in members]
            shares = [len(each.came - each.fenced) for each in steps]
        while len(effects) < sent:
            for member in members:
                await step(member, effects)
    assert len({each.key for each in effects.records}) == len(effects) == sent
    return effects


async def test_a_paused_partition_waits_while_the_others_flow(bus: Bus, topic: str, group: str) -> None:
    member = await bus.subscribe(group, [topic])
    await bus.append(numbered(topic, keys=40, each=1))
    await drain(member, 40)
    paused = partition_of("k0", PARTITIONS)
    member.pause([(topic, paused), ("another", 0)])
    await bus.append(numbered(topic, keys=40, each=1, name="b-"))
    effects = Effects()
    async with asyncio.timeout(30):
        waiting = sum(partition_of(f"b-k{key}", PARTITIONS) == paused for key in range(40))
        while len(effects) < 40 - waiting:
            await step(member, effects)
    for _ in range(3):
        await step(member, effects)
    assert waiting > 0
    assert len(effects) == 40 - waiting
    assert paused not in {each.partition for each in effects.records}
    assert (topic, paused) in set(member.owned())
    member.resume([(topic, paused), ("another", 0)])
    rest = await drain(member, waiting)
    assert {each.partition for each in rest.records} == {paused}


async def test_two_members_share_the_partitions(log: Log, topic: str, group: str) -> None:
    first, second = await log.connect(), await log.connect()
    members = [await first.subscribe(group, [topic]), await second.subscribe(group, [topic])]
    await shared_out(first, topic, members)


async def test_members_of_one_process_share_too(bus: Bus, topic: str, group: str) -> None:
    await shared_out(bus, topic, [await bus.subscribe(group, [topic]) for _ in range(3)])


async def test_a_member_more_than_partitions_has_none(log: Log, topic: str, group: str) -> None:
    clients = [await log.connect() for _ in range(2)]
    members = [await clients[n % 2].subscribe(group, [topic]) for n in range(PARTITIONS + 1)]
    await shared_out(clients[0], topic, members)


async def test_what_a_member_had_not_committed_goes_to_the_new_owner(log: Log, topic: str, group: str) -> None:
    first, second = await log.connect(), await log.connect()
    await first.append(numbered(topic, keys=24, each=1))
    slow = await first.subscribe(group, [topic])
    held = await fetch(slow, 24)
    quick = await second.subscribe(group, [topic])
    effects = Effects()
    async with asyncio.timeout(30):
        while not effects:
            await slow.fetch(limit=100, wait=0.05)
            await step(quick, effects)
        moved = {(each.topic, each.partition) for each in effects.records}
        with pytest.raises(Fenced) as fenced:
            await slow.commit({(each.topic, each.partition): each.offset + 1 for each in held.records})
        assert moved <= fenced.value.places
        slow.rewind(fenced.value.places)
        while (await first.lag({group: [topic]}))[group].behind:
            for member in (quick, slow):
                await step(member, effects)
    for records in (held.records, effects.records):
        assert {each.key for each in records} <= {f"k{n}" for n in range(24)}
    assert len({each.key for each in (*held.records, *effects.records)}) == 24


async def test_a_member_that_was_cut_off_joins_again(log: Log, topic: str, group: str) -> None:
    first, second = await log.connect(), await log.connect()
    lost = await first.subscribe(group, [topic])
    await log.cut_off(lost)
    other = await second.subscribe(group, [topic])
    await first.append(numbered(topic, keys=20, each=1, name="before-"))
    effects = Effects()
    async with asyncio.timeout(30):
        while len(effects) < 20:
            await step(other, effects)
    shared: list[set[int]] = [set(), set()]
    sent = 0
    async with asyncio.timeout(60):
        while not all(shared):
            await first.append(numbered(topic, keys=20, each=1, name=f"{sent}-"))
            sent += 20
            for member, partitions in zip((lost, other), shared, strict=True):
                done = await step(member, effects)
                partitions |= {number for _, number in done.came - done.fenced}
        while len(effects) < 20 + sent:
            for member in (lost, other):
                await step(member, effects)
    assert len({each.key for each in effects.records}) == 20 + sent


async def test_a_member_that_leaves_gives_its_share_to_the_others(log: Log, topic: str, group: str) -> None:
    bus = await log.connect()
    leaving = await (await log.connect()).subscribe(group, [topic])
    staying = await bus.subscribe(group, [topic])
    await leaving.close()
    await bus.append(numbered(topic, keys=30, each=1))
    assert len(await drain(staying, 30)) == 30


async def test_closing_twice_is_closing(log: Log, topic: str, group: str) -> None:
    bus = await log.connect()
    member = await bus.subscribe(group, [topic])
    await member.close()
    await member.close()
    assert not member.owned()
    await bus.close()
    await bus.close()


async def test_lag_counts_what_is_not_committed(bus: Bus, topic: str, group: str) -> None:
    member = await bus.subscribe(group, [topic])
    assert await bus.lag({group: [topic]}) == {group: Lag(0, 0)}
    await bus.append(numbered(topic, keys=7, each=2))
    groups = {group: [topic], f"{group}-nobody": [topic], f"{group}-elsewhere": [f"{topic}.none"]}
    assert list((await bus.lag(groups)).values()) == [Lag(14, 14), Lag(14, 14), Lag(0, 0)]
    await fetch(member, 14)
    assert (await bus.lag({group: [topic]}))[group].behind == 14
    await member.close()
    await drain(await bus.subscribe(group, [topic]), 14)
    assert await bus.lag({group: [topic]}) == {group: Lag(14, 0)}


async def test_lag_of_no_groups_is_nothing(bus: Bus) -> None:
    assert await bus.lag({}) == {}


async def test_reading_changes_no_group(bus: Bus, topic: str, group: str) -> None:
    await bus.append([record(topic, "k", str(n)) for n in range(5)])
    await bus.read(topic)
    assert await bus.lag({group: [topic]}) == {group: Lag(5, 5)}
