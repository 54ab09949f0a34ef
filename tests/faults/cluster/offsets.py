"""Every offset that a group has ever committed: none is lower than the one before."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from io import BytesIO

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from mes.config import Settings
from mes.embedded import EmbeddedServer

_READ_S = 60.0
# Kafka keeps commits as records of a topic, in the order in which they were taken. Keys up to this version are those of
# offsets, others those of groups (its OffsetCommitKey.json).
_TOPIC, _KEY_VERSION = "__consumer_offsets", 1

# What the log in PostgreSQL keeps of an offset is the last one only: the database itself notes each step back.
_NOTE = """
CREATE TABLE step_back ("group" text, topic text, partition int, was bigint, became bigint);
CREATE FUNCTION note_step_back() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.step_back VALUES (NEW."group", NEW.topic, NEW.partition, OLD."offset", NEW."offset");
    RETURN NULL;
END $$;
CREATE TRIGGER note_step_back AFTER UPDATE ON group_offset
    FOR EACH ROW WHEN (NEW."offset" < OLD."offset") EXECUTE FUNCTION note_step_back();
"""

_Place = tuple[str, str, int]


@asynccontextmanager
async def watched(settings: Settings, server: EmbeddedServer) -> AsyncIterator[list[str]]:
    """Every step back of a committed offset, in words; filled in when the block ends."""
    found: list[str] = []
    if settings.bus == "kafka":
        yield found
        async with asyncio.timeout(_READ_S):
            found += await _of_kafka(settings)
        return
    async with _log(server) as connection:
        await connection.execute(_NOTE)
    yield found
    async with _log(server) as connection:
        rows = await connection.fetch("SELECT * FROM step_back")
    found += [_said((row["group"], row["topic"], row["partition"]), row["was"], row["became"]) for row in rows]


@asynccontextmanager
async def _log(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(server.admin_address("log"))
    try:
        yield connection
    finally:
        await connection.close()


async def _of_kafka(settings: Settings) -> list[str]:
    consumer = AIOKafkaConsumer(
        _TOPIC, bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        last: dict[_Place, int] = {}
        found: list[str] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    _follow(record, last, found)
        return found
    finally:
        await consumer.stop()


def _follow(record: ConsumerRecord[bytes, bytes], last: dict[_Place, int], found: list[str]) -> None:
    place = _place(record.key)
    if place is None:
        return
    if record.value is None:
        last.pop(place, None)
        return
    _, offset = struct.unpack(">hq", record.value[:10])
    if offset < last.get(place, 0):
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        found.append(f"{_said(place, last[place], offset)} at {at.isoformat(timespec='milliseconds')}")
    last[place] = offset


def _place(key: bytes) -> _Place | None:
    with closing(BytesIO(key)) as rest:
        (version,) = struct.unpack(">h", rest.read(2))
        if version > _KEY_VERSION:
            return None
        group, topic = (rest.read(struct.unpack(">h", rest.read(2))[0]).decode() for _ in range(2))
        return group, topic, struct.unpack(">i", rest.read(4))[0]


def _said(place: _Place, was: int, became: int) -> str:
    return f"{place}: from {was} to {became}"
