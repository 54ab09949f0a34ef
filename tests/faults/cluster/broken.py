"""The product with one thing broken on purpose: the count has to find each of them out, or it proves nothing.

`MES_BROKEN=name python -m tests.faults.cluster.broken serve order` runs like `python -m services serve order`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from mes import inbox, outbox, runtime
from mes.bus import Batch, Bus, Offsets, Subscription, ends_of
from mes.bus.kafka.subscription import KafkaSubscription

from services.cli.app import main


def commit_before_effect() -> None:
    """The offset is committed first: what dies in between is never applied."""

    async def take(self: inbox.ConsumerLoop, subscription: Subscription, batches: Batch) -> None:
        await subscription.commit(ends_of(batches))
        # As long as a larger effect takes.
        await asyncio.sleep(0.05)
        await self.apply([record for records in batches.values() for record in records])

    inbox.ConsumerLoop._take = take  # type: ignore[method-assign]


def auto_commit() -> None:
    """The client commits whatever it has fetched, every now and then."""
    before = KafkaSubscription.__init__

    def init(self: KafkaSubscription, *args: Any, **options: Any) -> None:
        before(self, *args, **options)
        self._options |= {"enable_auto_commit": True, "auto_commit_interval_ms": 50}

    async def commit(self: KafkaSubscription, offsets: Offsets) -> None:
        return

    async def take(self: inbox.ConsumerLoop, subscription: Subscription, batches: Batch) -> None:
        await asyncio.sleep(0.15)
        await self.apply([record for records in batches.values() for record in records])

    KafkaSubscription.__init__ = init  # type: ignore[method-assign]
    KafkaSubscription.commit = commit  # type: ignore[method-assign]
    inbox.ConsumerLoop._take = take  # type: ignore[method-assign]


def blind_commit_retry() -> None:
    """A commit that fails is tried again until it works, whoever has worked on the partitions since.

    Told by SIGUSR1, the process stops itself (SIGSTOP) between an effect and its commit.
    """
    told = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: told.set())

    async def commit(self: KafkaSubscription, offsets: Offsets) -> None:
        if told.is_set():
            told.clear()
            os.kill(os.getpid(), signal.SIGSTOP)
        ends = {TopicPartition(*place): OffsetAndMetadata(offset, "") for place, offset in offsets.items()}
        for _ in range(30):
            try:
                # As it stands, with whatever generation there is by now.
                await self._consumer._coordinator._do_commit_offsets(None, ends)
                return
            except Exception:
                await asyncio.sleep(0.1)

    KafkaSubscription.commit = commit  # type: ignore[method-assign]


def two_relays() -> None:
    """Every replica relays, each taking the rows that no other one has locked."""

    async def lead_on(self: runtime.ServiceRuntime, connection: asyncpg.Connection[Any]) -> None:
        self.is_leader = True
        works = [asyncio.create_task(self._keep(name, task)) for name, task in self.service.leader_tasks.items()]
        try:
            await self._relay(connection)
        finally:
            await runtime.ended(works)

    async def relay_batch(
        connection: asyncpg.Connection[Any], bus: Bus, *, source: str, topic: str, limit: int = 500
    ) -> int:
        async with connection.transaction():
            rows = await connection.fetch(f"{outbox._UNSENT} FOR UPDATE SKIP LOCKED", min(limit, 3))
            if rows:
                # A network has its moments.
                await asyncio.sleep(random.uniform(0, 0.05))
                await bus.append([outbox._record(row, source, topic) for row in rows])
                await connection.execute(outbox._MARK, [row["position"] for row in rows])
        # As much as was asked for: there may be more.
        return limit if rows else 0

    runtime.ServiceRuntime._lead_on = lead_on  # type: ignore[method-assign]
    outbox.relay_batch = relay_batch


BROKEN: Mapping[str, Callable[[], None]] = {
    "commit_before_effect": commit_before_effect,
    "auto_commit": auto_commit,
    "blind_commit_retry": blind_commit_retry,
    "two_relays": two_relays,
}

if __name__ == "__main__":
    BROKEN[os.environ["MES_BROKEN"]]()
    main()
