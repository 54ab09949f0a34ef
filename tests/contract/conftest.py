"""The logs that the contract is held against: each made empty for one test, reached by as many clients as it likes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import asyncpg
import pytest
from mes.bus import Bus, Subscription
from mes.bus.postgres import PostgresBus, PostgresSubscription
from mes.testing import TestDatabases

PARTITIONS = 4


class Log(Protocol):
    """One empty log. Every `connect` is a client as another process would be one."""

    async def connect(self) -> Bus: ...

    async def cut_off(self, member: Subscription) -> None:
        """Let the log believe that this member is gone, without the member noticing."""

    async def close(self) -> None: ...


class PostgresLog:
    """The log in PostgreSQL."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._clients: list[PostgresBus] = []

    async def connect(self) -> PostgresBus:
        bus = PostgresBus(self._dsn, partitions=PARTITIONS)
        await bus.start()
        self._clients.append(bus)
        return bus

    async def cut_off(self, member: Subscription) -> None:
        assert isinstance(member, PostgresSubscription)
        assert member._member is not None
        pid = member._member.get_server_pid()
        admin: asyncpg.Connection[Any] = await asyncpg.connect(self._dsn)
        try:
            assert await admin.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
        finally:
            await admin.close()

    async def close(self) -> None:
        for bus in self._clients:
            await bus.close()


@pytest.fixture(params=["postgres"])
async def log(request: pytest.FixtureRequest, databases: TestDatabases) -> AsyncIterator[Log]:
    """An empty log of each kind."""
    address = await databases.empty("log")
    made = PostgresLog(address.replace("postgresql+asyncpg", "postgresql"))
    yield made
    await made.close()


@pytest.fixture
async def bus(log: Log) -> Bus:
    """A client of the log."""
    return await log.connect()
