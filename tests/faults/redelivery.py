"""What a crash of the machine may do to the log and is allowed to: deliver again what was delivered, send again what
was sent. Done by hand while the product is dead, so that every run has plenty of it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
from mes.embedded import EmbeddedServer, look_at
from mes.events.v1 import order_pb2

from tests.faults.checker import Event

_REWIND = 'UPDATE group_offset SET "offset" = greatest(0, "offset" - $1)'
_UNSEND = (
    "UPDATE outbox SET sent_at = NULL WHERE position IN (SELECT position FROM outbox ORDER BY position DESC LIMIT $1)"
)
_READ = 'SELECT topic, partition, "offset", key, value, headers FROM record ORDER BY topic, partition, "offset"'


async def _connect(home: Path, database: str) -> asyncpg.Connection[Any]:
    server = EmbeddedServer(home)
    if not await asyncio.to_thread(server.attach):
        raise RuntimeError("the database does not run")
    return await asyncpg.connect(server.admin_address(database))


async def deliver_again(home: Path, records: int) -> None:
    """Every group forgets the offsets of so many records of each partition. Needs the database alone to run."""
    connection = await _connect(home, "log")
    try:
        await connection.execute(_REWIND, records)
    finally:
        await connection.close()


async def send_again(home: Path, service: str, rows: int) -> None:
    """The service's relay forgets that it sent its last rows."""
    connection = await _connect(home, service)
    try:
        await connection.execute(_UNSEND, rows)
    finally:
        await connection.close()


def database_runs(home: Path) -> bool:
    """Whether PostgreSQL outlived the product."""
    return look_at(home).pid is not None


async def read_log(home: Path) -> list[Event]:
    """Every record of the log, as a reader outside the system finds it."""
    connection = await _connect(home, "log")
    try:
        rows = await connection.fetch(_READ)
    finally:
        await connection.close()
    events = []
    for row in rows:
        headers = json.loads(row["headers"])
        events.append(
            Event(
                row["topic"], row["partition"], row["offset"], row["key"], headers["ce_source"], headers["ce_id"],
                headers["ce_type"], int(headers["ce_sequence"]), headers["ce_actor"],
                _verb(headers["ce_type"], row["value"]),
            )
        )  # fmt: skip
    return events


def _verb(kind: str, payload: bytes) -> str:
    if kind != order_pb2.JobChanged.DESCRIPTOR.full_name:
        return ""
    return order_pb2.JobChanged.FromString(payload).verb
