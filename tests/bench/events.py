"""How long an event takes from the commit of its outbox row to the handler of a consumer, on the two small services."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from mes import outbox
from mes.config import Settings
from mes.context import Context
from mes.embedded import EmbeddedServer
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.integration.platform.tiny import TABLES, mirror, shop

DATABASES = (*TABLES, "log")


@dataclass(slots=True)
class Latencies:
    """Seconds from commit to handler, one event at a time; and events per second when many are committed at once."""

    alone: list[float]
    per_second: float


class _Clocked:
    """A mirror that notes when it holds an event."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}
        self.wake = asyncio.Event()
        self.consumers = Consumers()
        self.consumers.on(order_pb2.ReportRecorded)(self._on_reported)

    async def _on_reported(self, session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
        self.heard[str(meta.event_id)] = time.perf_counter()
        self.wake.set()

    async def wait_for(self, count: int) -> None:
        """Until so many were heard."""
        while len(self.heard) < count:
            self.wake.clear()
            await self.wake.wait()


async def make_tables(settings: Settings) -> None:
    """The tables of the two small services."""
    for name, metadata in TABLES.items():
        engine = create_async_engine(settings.service_url(name))
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        await engine.dispose()


async def measure_events(server: EmbeddedServer, *, alone: int = 500, many: int = 20_000) -> Latencies:
    """Run the two services against the server and measure."""
    settings = server.settings(Settings())
    await make_tables(settings)
    clocked = _Clocked()
    runtime = Runtime(settings, [shop, replace(mirror, consumers=clocked.consumers)])
    await runtime.start()
    try:
        # What the first ones cost (connections, plans) is not what is asked for.
        await _one_at_a_time(runtime, clocked, 50)
        latencies = await _one_at_a_time(runtime, clocked, alone)
        return Latencies(latencies, await _at_once(runtime, clocked, many))
    finally:
        await runtime.stop()


async def _one_at_a_time(runtime: Runtime, clocked: _Clocked, count: int) -> list[float]:
    running = runtime.services["shop"]
    found: list[float] = []
    for _ in range(count):
        heard = len(clocked.heard)
        async with running.transaction() as session:
            event_id = outbox.publish(session, running.context(), order_pb2.ReportRecorded(), key=uuid4())
        committed = time.perf_counter()
        await clocked.wait_for(heard + 1)
        found.append(clocked.heard[str(event_id)] - committed)
    return found


async def _at_once(runtime: Runtime, clocked: _Clocked, count: int) -> float:
    running, heard = runtime.services["shop"], len(clocked.heard)
    began = time.perf_counter()
    for _ in range(count // 100):
        async with running.transaction() as session:
            for _ in range(100):
                outbox.publish(session, running.context(), order_pb2.ReportRecorded(), key=uuid4())
    await clocked.wait_for(heard + count)
    return count / (time.perf_counter() - began)
