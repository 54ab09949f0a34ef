"""Watches the committed offsets of every group: they never go back."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self

import asyncpg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from mes.config import Settings
from mes.embedded import EmbeddedServer

from tests.faults.real_product import SERVICES

_LOOK_S = 0.1
_Committed = dict[tuple[str, str, int], int]


class OffsetWatch:
    """Looks at the offsets as long as its block lasts. rewound: each step back, in words."""

    # A broker that was killed shows offsets as old as its last checkpoint for a moment when it is back.
    paused = False

    def __init__(self, settings: Settings, server: EmbeddedServer) -> None:
        self._settings = settings
        self._server = server
        self._admin: Any = None
        self._highest: _Committed = {}
        self._task: asyncio.Task[None] | None = None
        self.rewound: list[str] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name="offsets")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._forget()

    async def _watch(self) -> None:
        while True:
            try:
                # What cannot be asked at the moment is asked later: a step back would still be seen as one.
                async with asyncio.timeout(5):
                    seen = await (self._of_kafka() if self._settings.bus == "kafka" else self._of_postgres())
                self._compare(seen)
            except Exception:
                await self._forget()
            await asyncio.sleep(_LOOK_S)

    def _compare(self, seen: _Committed) -> None:
        for place, offset in seen.items():
            if not self.paused and offset < self._highest.get(place, 0):
                self.rewound.append(f"{place}: from {self._highest[place]} to {offset}")
            self._highest[place] = offset

    async def _of_kafka(self) -> _Committed:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka_bootstrap, request_timeout_ms=3000)
            await self._admin.start()
        found: _Committed = {}
        for service in SERVICES:
            group = f"{self._settings.topic_prefix}.{service}"
            offsets: dict[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(group)
            for place, each in offsets.items():
                if each.offset >= 0:
                    found[group, place.topic, place.partition] = each.offset
        return found

    async def _of_postgres(self) -> _Committed:
        connection = await asyncpg.connect(self._server.admin_address("log"), timeout=3)
        try:
            rows = await connection.fetch('SELECT "group", topic, partition, "offset" FROM group_offset')
        finally:
            await connection.close()
        return {(row["group"], row["topic"], row["partition"]): row["offset"] for row in rows}

    async def _forget(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await admin.close()
