"""Brokers of our own: they survive what brokers must survive, and never their owner."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mes.bus import Fenced, Record, Subscription, ends_of, partition_of
from mes.bus.kafka import Connection, KafkaBus
from mes.bus.kafka.cluster import TopicShape
from mes.embedded.kafka import QUICK, KafkaCluster

from services.cli.serving import kept

pytestmark = pytest.mark.usefixtures("can_run_kafka")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    made = KafkaCluster(tmp_path / "kafka", settings=QUICK)
    made.start()
    yield made
    made.stop(kill=True)


async def test_a_killed_broker_loses_and_doubles_nothing(cluster: KafkaCluster) -> None:
    bus = KafkaBus(Connection(cluster.bootstrap))
    await bus.start()
    try:
        await bus.create_topics(["t"])

        async def restart() -> None:
            await asyncio.to_thread(cluster.kill_broker, 1)
            await asyncio.to_thread(cluster.start_broker, 1)

        async with asyncio.TaskGroup() as tasks:
            restarting = tasks.create_task(restart())
            sent = 0
            while not restarting.done() or sent < 300:
                await bus.append([Record("t", f"k{n % 7}", str(sent + n).encode(), {}) for n in range(50)])
                sent += 50
        found = await bus.read("t", limit=sent + 1000)
        assert sorted(int(each.value) for each in found) == list(range(sent))
        for key in range(7):
            values = [int(each.value) for each in found if each.key == f"k{key}"]
            assert values == sorted(values)
    finally:
        await bus.close()


@pytest.mark.parametrize("forgotten", [["__consumer_offsets"], ["__consumer_offsets", "t"]])
async def test_a_member_knows_what_it_has_committed_when_the_broker_does_not(
    cluster: KafkaCluster, forgotten: list[str]
) -> None:
    """Offsets alone: it goes on where it was. The records too: what is appended from then on is new to it."""
    bus = KafkaBus(Connection(cluster.bootstrap), session_seconds=3)
    await bus.start()
    try:
        await bus.create_topics(["t"])
        await bus.append([Record("t", f"k{n}", str(n).encode(), {}) for n in range(100)])
        subscription = await bus.subscribe("g", ["t"])
        assert await _taken(subscription, 100) == list(range(100))
        cluster.kill_broker(1)
        for topic in forgotten:
            for folder in cluster.folder.glob(f"broker-1/data/{topic}-[0-9]"):
                shutil.rmtree(folder)
        await asyncio.to_thread(cluster.start_broker, 1)
        # Less than before, so that a place of before lies behind the end.
        await bus.append([Record("t", f"k{n}", str(n).encode(), {}) for n in range(50)])
        assert await _taken(subscription, 50) == list(range(50))
    finally:
        await bus.close()


async def _taken(subscription: Subscription, count: int) -> list[int]:
    """What the next records hold, committed, and that nothing follows."""
    found: list[int] = []
    async with asyncio.timeout(60):
        empty = 0
        while len(found) < count or empty < 2:
            batch = {}
            with contextlib.suppress(Exception):
                batch = await subscription.fetch(limit=1000, wait=0.3)
            empty = 0 if batch else empty + 1
            if batch:
                try:
                    await subscription.commit(ends_of(batch))
                except Fenced as fenced:
                    subscription.rewind(fenced.places)
                    continue
                found += [int(each.value) for records in batch.values() for each in records]
    return sorted(found)


def test_a_broker_that_dies_is_started_again(cluster: KafkaCluster) -> None:
    before = cluster.pid(1)
    with kept("Kafka", cluster.revive):
        psutil.Process(before).kill()
        deadline = time.monotonic() + 60
        while cluster.pid(1) == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        cluster.wait_for([1])
    assert cluster.is_running(1)
    assert not cluster.revive()


@pytest.mark.slow
async def test_three_brokers_go_on_without_one(tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path / "kafka", brokers=3, settings=QUICK)
    cluster.start()
    bus = KafkaBus(Connection(cluster.bootstrap), shape=TopicShape(4, replication=3), session_seconds=6)
    try:
        await bus.start()
        await bus.create_topics(["t"])
        member = await bus.subscribe("g", ["t"])
        for round_ in range(2):
            if round_:
                cluster.kill_broker(1)
            await bus.append([Record("t", f"k{n % 7}", f"{round_}-{n}".encode(), {}) for n in range(100)])
        seen: set[bytes] = set()
        async with asyncio.timeout(60):
            while (await bus.lag({"g": ["t"]}))["g"].behind:
                batch = await member.fetch(limit=100, wait=0.5)
                seen |= {each.value for records in batch.values() for each in records}
                with contextlib.suppress(Fenced):
                    await member.commit(ends_of(batch))
        assert seen == {f"{round_}-{n}".encode() for round_ in range(2) for n in range(100)}
    finally:
        await bus.close()
        cluster.stop(kill=True)


async def test_data_outlives_a_clean_stop(tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path / "kafka", settings=QUICK)
    for round_ in range(2):
        cluster.start()
        try:
            bus = KafkaBus(Connection(cluster.bootstrap), shape=TopicShape(2))
            await bus.start()
            await bus.append([Record("t", "k", str(round_).encode(), {})])
            assert [each.value for each in await bus.read("t")] == [b"0", b"1"][: round_ + 1]
            assert (await bus.read("t"))[0].partition == partition_of("k", 2)
            await bus.close()
        finally:
            cluster.stop()


def test_a_killed_owner_leaves_no_broker_behind(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mes.embedded.kafka import KafkaCluster\n"
        "cluster = KafkaCluster(Path(sys.argv[1])); cluster.start()\n"
        "print(cluster.pid(1), flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "kafka")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        broker = psutil.Process(int(owner.stdout.readline()))
        assert broker.is_running()
        owner.kill()
    broker.wait(timeout=40)
