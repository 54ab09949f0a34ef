"""The two small services at work, and clients of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from mes import outbox
from mes.bus import Received
from mes.config import Settings
from mes.events.v1 import order_pb2
from mes.inbox import Consumers
from mes.runtime import Runtime
from mes.service import Service
from mes.testing import TestDatabases
from mes.web import service_app
from sqlalchemy import text

from tests.integration.platform.tiny import TABLES, mirror, mirror_consumers, shop

TOPIC = "mes.shop.v1"


@dataclass
class House:
    """A running installation of the two services."""

    runtime: Runtime
    http: httpx.AsyncClient

    async def tell(self, *keys: UUID, qty: str = "1") -> None:
        """Publish one ReportRecorded per key, in one transaction of the shop."""
        running = self.runtime.services["shop"]
        async with running.transaction() as session:
            for key in keys:
                event = order_pb2.ReportRecorded(report=order_pb2.Report(order_id=str(key), good_qty=qty))
                outbox.publish(session, running.context(), event, key=key)

    async def idle(self) -> None:
        assert await self.runtime.wait_idle(20) == []

    async def log(self, topic: str = TOPIC) -> list[Received]:
        return await self.runtime.bus.read(topic, limit=100_000)

    async def rows(self, service: str, statement: str, **params: Any) -> list[Any]:
        async with self.runtime.services[service].read() as session:
            return list((await session.execute(text(statement), params)).all())

    async def post(self, path: str, body: Any, *, key: str = "", **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"Idempotency-Key": key or str(uuid4()), **headers})


async def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for what a background task brings about."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)


Open = Callable[..., Awaitable[House]]


@pytest.fixture
async def settings(databases: TestDatabases) -> Settings:
    """Settings of an installation with empty databases."""
    return await databases.settings([], tables=TABLES)


@pytest.fixture
async def open_house(settings: Settings) -> AsyncIterator[Open]:
    """Start an installation: `await open_house(handlers, services=..., clock_factor=...)`."""
    made: list[House] = []

    async def start(
        consumers: Consumers | None = None, *, services: Sequence[Service] | None = None, **changes: Any
    ) -> House:
        chosen = services or [shop, replace(mirror, consumers=consumers or mirror_consumers())]
        runtime = Runtime(settings.model_copy(update=changes), chosen)
        await runtime.start()
        app = service_app(next(iter(runtime.services.values())))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        house = House(runtime, httpx.AsyncClient(transport=transport, base_url="http://shop"))
        made.append(house)
        return house

    yield start
    for house in made:
        await house.http.aclose()
        await house.runtime.stop()


@pytest.fixture
async def house(open_house: Open) -> House:
    """The installation as it is."""
    return await open_house()
