"""The logs that the contract is held against: each empty for one test, reached by as many clients as it likes."""

from __future__ import annotations

import random
from typing import Any, Protocol

import asyncpg
from aiokafka.protocol.group import LeaveGroupRequest
from mes.bus import Bus, Subscription
from mes.bus.kafka import Connection, KafkaBus, KafkaSubscription
from mes.bus.kafka.cluster import TopicShape
from mes.bus.postgres import PostgresBus, PostgresSubscription

from tests.contract.hostile import HostileBus, HostileSubscription

PARTITIONS = 4
# The least that a broker allows whose settings are not ours.
SESSION_SECONDS = 6.0


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

    async def connect(self) -> Bus:
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


class KafkaLog:
    """Apache Kafka. The broker keeps what other tests wrote: topics and groups need names of the test's own."""

    def __init__(self, bootstrap: str) -> None:
        self.connection = Connection(bootstrap)
        self._clients: list[KafkaBus] = []

    async def connect(self, **options: Any) -> Bus:
        shape = TopicShape(PARTITIONS)
        bus = KafkaBus(self.connection, shape=shape, session_seconds=SESSION_SECONDS, patience=0, **options)
        await bus.start()
        self._clients.append(bus)
        return bus

    async def cut_off(self, member: Subscription) -> None:
        assert isinstance(member, KafkaSubscription)
        coordinator = member._consumer._coordinator
        gone = coordinator.member_id
        beat = coordinator._do_heartbeat

        async def silent() -> bool:
            # A process that stands still sends nothing; what it does once it goes on, it does as itself.
            return True if coordinator.member_id == gone else bool(await beat())

        coordinator._do_heartbeat = silent
        answer = await coordinator._send_req(LeaveGroupRequest(member._group, gone))
        assert answer.error_code == 0

    async def close(self) -> None:
        for bus in self._clients:
            await bus.close()


class HostileLog:
    """A log with everything that the contract allows it to do to its users."""

    def __init__(self, inner: Log, seed: int) -> None:
        self._inner = inner
        self._random = random.Random(seed)

    async def connect(self) -> Bus:
        return HostileBus(await self._inner.connect(), random.Random(self._random.random()))

    async def cut_off(self, member: Subscription) -> None:
        assert isinstance(member, HostileSubscription)
        await self._inner.cut_off(member.inner)

    async def close(self) -> None:
        await self._inner.close()
