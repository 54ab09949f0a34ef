"""Appends records by an idempotent producer, so that a broker that fails leads neither to gaps nor to duplicates."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from mes import crash
from mes.bus import Record
from mes.bus.kafka.connection import REQUEST_SECONDS, Connection

log = logging.getLogger(__name__)

# Longer than a cluster of three needs to replace a broker.
_APPEND_SECONDS = 30.0
_STOP_SECONDS = 5.0
_AGAIN_SECONDS = 0.2
# What a relay sends at once should go in one request for each partition.
_BATCH_BYTES = 512 * 1024


def _retrieve(future: asyncio.Future[Any]) -> None:
    # Nobody waits for it any more; unseen errors would be complained about.
    if not future.cancelled():
        future.exception()


class Appender:
    """The producer of a process, made anew when it failed.

    The producer itself never gives up a record. When an append is given up, its records may still arrive, so whoever
    appends to the same topic next waits until their fate is known: records never overtake each other.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._unsettled: defaultdict[str, set[asyncio.Future[Any]]] = defaultdict(set)

    async def append(self, records: Sequence[Record]) -> None:
        """Send in order and wait until all are safe. Raises KafkaError or TimeoutError; the outcome is unknown then."""
        sent: list[tuple[str, asyncio.Future[Any]]] = []
        try:
            async with asyncio.timeout(_APPEND_SECONDS):
                await self._settled({record.topic for record in records})
                producer = await self._ready()
                try:
                    for record in records:
                        sent.append((record.topic, await self._send(producer, record)))
                    crash.reached("append.handed_over")
                    await asyncio.wait([future for _, future in sent])
                    errors = [error for _, future in sent if (error := future.exception())]
                    if errors:
                        raise errors[0]
                except KafkaError:
                    # After an error its sequence numbers may have a gap, which brokers refuse for ever.
                    await self._replace(producer)
                    raise
        finally:
            for topic, future in sent:
                if not future.done():
                    self._unsettled[topic].add(future)
                    future.add_done_callback(_retrieve)

    @staticmethod
    async def _send(producer: AIOKafkaProducer, record: Record) -> asyncio.Future[Any]:
        headers = [(name, value.encode()) for name, value in record.headers.items()]
        future: asyncio.Future[Any] = await producer.send(
            record.topic, record.value, key=record.key.encode(), headers=headers
        )
        return future

    async def _settled(self, topics: set[str]) -> None:
        for topic in topics:
            if waiting := self._unsettled.pop(topic, None):
                try:
                    await asyncio.wait(waiting)
                finally:
                    if left := {future for future in waiting if not future.done()}:
                        self._unsettled[topic] |= left

    async def _ready(self) -> AIOKafkaProducer:
        async with self._making:
            while self._producer is None:
                try:
                    self._producer = await self._started()
                except KafkaConnectionError as error:
                    # No broker at the moment; the append says how long that may last.
                    log.warning("no broker to append to, trying again", extra={"error": repr(error)})
                    await asyncio.sleep(_AGAIN_SECONDS)
            return self._producer

    async def _started(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            enable_idempotence=True,
            acks="all",
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            **self._connection.options(),
        )
        try:
            await producer.start()
        except BaseException:
            await _dispose(producer)
            raise
        return producer

    async def _replace(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            await _dispose(producer)

    async def close(self) -> None:
        """Send what is under way, for a moment, then end."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await producer.flush()
            await _dispose(producer)


async def _dispose(producer: AIOKafkaProducer) -> None:
    """End a producer whatever state it is in: `stop` alone waits for ever for records that cannot be sent."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            # All who wait for a record hear of it now.
            producer._message_accumulator.fail_all(KafkaError("the producer was given up"))
            if producer._sender.sender_task is not None:
                producer._sender.sender_task.cancel()
            await producer.client.close()
            await producer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("the producer did not end properly", extra={"error": repr(error)})
