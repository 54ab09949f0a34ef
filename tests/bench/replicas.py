"""Events at a steady pace to replicas that are processes of their own: latency, and how soon another one takes over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from mes import outbox
from mes.bus.kafka import Connection, KafkaBus
from mes.config import Settings
from mes.events.v1 import order_pb2
from mes.runtime import Runtime

from services.cli.cluster import environment
from tests.bench.events import make_tables
from tests.faults.cluster.member import ROOT
from tests.integration.platform.tiny import shop

PER_SECOND = 200


@dataclass
class Replica:
    """A consuming process and what it has said: when each event took effect there, by the shared clock."""

    process: subprocess.Popen[str]
    started: float
    imported: float = 0.0
    heard: dict[str, float] = field(default_factory=dict)

    @classmethod
    def start(cls, settings: Settings, instance: str = "") -> Replica:
        """Start one."""
        path = os.pathsep.join([str(ROOT), str(ROOT / "libs")])
        env = {**os.environ, **environment(settings), "PYTHONPATH": path, "MES_LOG_LEVEL": "ERROR"}
        if settings.bus == "kafka" and instance:
            env["MES_KAFKA_INSTANCE_ID"] = instance
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.replica"], cwd=ROOT, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        made = cls(process, time.monotonic())
        threading.Thread(target=made._listen, daemon=True).start()
        return made

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said:
            for line in said:
                word, _, when = line.partition(" ")
                if word == "imported":
                    self.imported = float(when)
                else:
                    self.heard.setdefault(word, float(when))

    def kill(self) -> None:
        """As a power cut would end it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def stop(self) -> None:
        """Ask it to end."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from commit to effect; and those of the bare client, from send to receipt."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Seconds. restarted: from the start of the process and from the end of its imports until it applies; left: until
    the others have what a killed one had, counted by the longest wait of an event."""

    restarted: float
    after_imports: float
    left: float


def _latency(seconds: Sequence[float]) -> Latency:
    found = sorted(seconds)
    return Latency(statistics.median(found), found[int(len(found) * 0.99)])


class Pace:
    """The shop, telling of reports at a steady pace; keys spread over all partitions."""

    def __init__(self, runtime: Runtime) -> None:
        self._running = runtime.services["shop"]
        self.committed: dict[str, float] = {}

    async def keep(self, seconds: float) -> None:
        """So many seconds; a commit that is late does not delay the next ones."""
        began, pending = time.monotonic(), set()
        for number in range(int(seconds * PER_SECOND)):
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            task = asyncio.create_task(self._tell())
            pending.add(task)
            task.add_done_callback(pending.discard)
        await asyncio.gather(*pending)

    async def _tell(self) -> None:
        async with self._running.transaction() as session:
            event_id = outbox.publish(session, self._running.context(), order_pb2.ReportRecorded(), key=uuid4())
        self.committed[str(event_id)] = time.monotonic()


@contextmanager
def _replicas(settings: Settings, count: int) -> Iterator[list[Replica]]:
    made = [Replica.start(settings, f"replica-{number}") for number in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.stop()


async def _all_at_work(pace: Pace, replicas: Sequence[Replica]) -> None:
    async with asyncio.timeout(180):
        while not all(each.heard for each in replicas):
            await pace.keep(0.25)
    await pace.keep(1)


async def measure_latency(settings: Settings, replicas: int, seconds: float) -> Latency:
    """Latency at `PER_SECOND` with so many replicas. settings: of an installation of the two small services."""
    await make_tables(settings)
    runtime = Runtime(settings, [shop])
    await runtime.start()
    try:
        with _replicas(settings, replicas) as processes:
            pace = Pace(runtime)
            await _all_at_work(pace, processes)
            pace.committed.clear()
            await pace.keep(seconds)
            await _heard(processes, pace)
            heard = {key: when for each in processes for key, when in each.heard.items()}
            return _latency([heard[key] - when for key, when in pace.committed.items()])
    finally:
        await runtime.stop()


async def _heard(processes: Sequence[Replica], pace: Pace) -> None:
    async with asyncio.timeout(60):
        while pace.committed.keys() - {key for each in processes for key in each.heard}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def measure_take_over(settings: Settings) -> TakeOver:
    """Kill one of two replicas: for good, then one that is started again at once."""
    await make_tables(settings)
    runtime = Runtime(settings, [shop])
    await runtime.start()
    try:
        with _replicas(settings, 2) as processes:
            pace = Pace(runtime)
            await _all_at_work(pace, processes)
            pace.committed.clear()
            processes[0].kill()
            await pace.keep(settings.kafka_session_s + 6)
            await _heard(processes, pace)
            heard = {key: when for each in processes for key, when in each.heard.items()}
            left = max(heard[key] - when for key, when in pace.committed.items())
            again = Replica.start(settings, "replica-0")
            processes[0] = again
            while not again.heard:
                await pace.keep(0.5)
            first = min(again.heard.values())
            return TakeOver(first - again.started, first - again.imported, left)
    finally:
        await runtime.stop()


async def measure_bare(bootstrap: str, seconds: float) -> Latency:
    """A record of 100 bytes from send to receipt by another client, at the same pace, nothing else done with it."""
    topic = f"bare-{uuid4().hex[:8]}"
    bus = KafkaBus(Connection(bootstrap))
    await bus.start()
    await bus.create_topics([topic])
    await bus.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100)
    await producer.start()
    sent: list[float] = []
    found: list[float] = []
    try:
        await producer.send_and_wait(topic, b"first")
        await consumer.start()
        await consumer.getone()

        async def receive() -> None:
            async for record in consumer:
                found.append(time.monotonic() - sent[int(record.value)])

        receiving = asyncio.create_task(receive())
        began = time.monotonic()
        for number in range(int(seconds * PER_SECOND)):
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            sent.append(time.monotonic())
            await producer.send(topic, str(number).encode())
        async with asyncio.timeout(30):
            while len(found) < len(sent):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        receiving.cancel()
        return _latency(found)
    finally:
        await consumer.stop()
        await producer.stop()
