"""Events enter a service through its inbox: in one transaction their ids are recorded and their effects made.

Delivery is at least once; the inbox makes the effect exactly once. An event that cannot be applied is tried again, then
its key is parked in order while other keys flow on, and a copy goes to the dead-letter topic.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
from google.protobuf.message import Message
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from mes import crash, metrics, outbox
from mes import logging as mes_logging
from mes.bus import Batch, Fenced, Place, Received, Subscription, ends_of
from mes.context import Context
from mes.db import Database
from mes.ids import new_id

log = logging.getLogger(__name__)

_SPEC_VERSION = "1.0"
# What a dead letter carries at most, so that a log takes it whatever it came with. The whole stays parked.
_MOST_DEAD_BYTES, _MOST_DEAD_HEADERS, _MOST_DEAD_HEADER = 800_000, 40, 2_000

# How long a partition is left alone whose records could not be applied, in real seconds.
_PAUSE_S = 0.2

# Handlers differ in their event type, which a mapping cannot say.
Handler = Callable[[AsyncSession, Context, Any, "Meta"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Meta:
    """Headers of an event. time: business time at which it happened; sequence: +1 per aggregate and source."""

    event_id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    sequence: int
    actor: str
    site_id: UUID
    traceparent: str


class Consumers:
    """What a service listens to: handlers by message class, called in order of the log."""

    def __init__(self) -> None:
        self.handlers: dict[str, tuple[type[Message], Handler]] = {}
        self.every: Handler | None = None

    def on(self, *types: type[Message]) -> Callable[[Handler], Handler]:
        """Decorator: `@consumers.on(OrderReleased)`, `async def on_order_released(session, ctx, event, meta)`."""

        def register(handler: Handler) -> Handler:
            for each in types:
                name = each.DESCRIPTOR.full_name
                if name in self.handlers:
                    raise ValueError(f"two handlers for {name}")
                self.handlers[name] = (each, handler)
            return handler

        return register

    def only(self, *types: type[Message]) -> Consumers:
        """The handlers of these types alone."""
        made = Consumers()
        made.handlers = {each.DESCRIPTOR.full_name: self.handlers[each.DESCRIPTOR.full_name] for each in types}
        return made

    def on_every(self, handler: Handler) -> Handler:
        """Decorator: called for every event of the topics, also unknown ones, before the event's own handler."""
        self.every = handler
        return handler

    def wants(self, record: Received) -> bool:
        """Whether a record has any effect here: its type is handled, or it is no event and has to be set aside. A type
        that is not known here is left out: it may come from a newer producer."""
        if self.every is not None or record.headers.get("ce_type", "") in self.handlers:
            return True
        try:
            meta_of(record)
        except (KeyError, ValueError):
            return True
        return False


def meta_of(record: Received) -> Meta:
    """The CloudEvents headers of a record. Raises KeyError or ValueError when one is missing or wrong."""
    h = record.headers
    if h["ce_specversion"] != _SPEC_VERSION or not h["ce_type"] or not h["ce_source"]:
        raise ValueError(f"no event of CloudEvents {_SPEC_VERSION}: {h['ce_type']} of {h['ce_source']}")
    return Meta(
        UUID(h["ce_id"]),
        h["ce_source"],
        h["ce_type"],
        h.get("ce_subject", record.key),
        datetime.fromisoformat(h["ce_time"]),
        int(h.get("ce_sequence", "0")),
        h.get("ce_actor", ""),
        UUID(h["ce_site"]),
        h.get("traceparent", ""),
    )


def identity_of(record: Received) -> tuple[str, UUID]:
    """By what a record is known again when it is delivered again: source and id, or its place if it is no event."""
    try:
        meta = meta_of(record)
        return meta.source, meta.event_id
    except (KeyError, ValueError):
        place = f"{record.topic}/{record.partition}"
        return place, uuid5(NAMESPACE_URL, f"{place}/{record.offset}")


_SEEN = text(
    "INSERT INTO inbox (source, event_id) SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[])) "
    "ON CONFLICT DO NOTHING RETURNING source, event_id"
)
# What is new, and which keys of which topics are parked, in one round trip.
_LOOK = text(
    f"WITH fresh AS ({_SEEN.text}) "  # noqa: S608
    "SELECT source, event_id, NULL AS topic, NULL AS key FROM fresh UNION ALL "
    "SELECT DISTINCT NULL, CAST(NULL AS uuid), topic, key FROM parked_event WHERE (topic, key) IN "
    "(SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:keys AS text[])))"
)
_PARK = text(
    "INSERT INTO parked_event (topic, partition, record_offset, key, payload, headers, error) "
    "VALUES (:topic, :partition, :record_offset, :key, :payload, CAST(:headers AS jsonb), :error)"
)


_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended(:topic || ' ' || :key, 7110908))")
_IS_PARKED = text("SELECT EXISTS (SELECT FROM parked_event WHERE topic = :topic AND key = :key)")


async def hold_key(session: AsyncSession, topic: str, key: str) -> None:
    """Be the only one to park or replay events of a key, until the transaction ends."""
    await session.execute(_HOLD, {"topic": topic, "key": key})


async def _look(
    session: AsyncSession, records: Sequence[Received], metas: Sequence[Meta]
) -> tuple[set[tuple[str, UUID]], set[tuple[str, str]]]:
    """Enter events into the inbox: those that are new, and the topics and keys among them that are parked."""
    found = await session.execute(
        _LOOK,
        {
            "sources": [meta.source for meta in metas],
            "ids": [meta.event_id for meta in metas],
            "topics": [record.topic for record in records],
            "keys": [record.key for record in records],
        },
    )
    rows = found.all()
    return (
        {(row.source, row.event_id) for row in rows if row.key is None},
        {(row.topic, row.key) for row in rows if row.key is not None},
    )


def is_transient(error: BaseException) -> bool:
    """Whether trying again without change can help: connection lost, deadlock, no free connection, shutdown."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        lost = isinstance(error, InterfaceError | OperationalError) or error.connection_invalidated
        return lost or state[:2] in {"08", "40", "53", "57"} or state == "55P03"
    return isinstance(error, OSError | TimeoutError | PoolTimeout | asyncpg.InterfaceError)


def is_unreachable(error: BaseException) -> bool:
    """Whether the database did not answer at all: what failed for one fails for everybody."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or not state or state[:2] in {"08", "53", "57"}
    return is_transient(error)


def _parts(batches: Batch, most: int) -> Iterator[Batch]:
    """What is applied together: whole partitions, about `most` records of them."""
    part: Batch = {}
    count = 0
    for place, records in batches.items():
        part[place] = records
        count += len(records)
        if count >= most:
            yield part
            part, count = {}, 0
    if part:
        yield part


class ConsumerLoop:
    """Reads one group's records and applies what comes together in one transaction."""

    def __init__(
        self,
        service: str,
        consumers: Consumers,
        database: Database,
        now: Callable[[], datetime],
        *,
        tries: int = 3,
        batch: int = 200,
        inbox_enabled: bool = True,
        dlq_topic: str = "",
    ) -> None:
        self._service = service
        self._consumers = consumers
        self._database = database
        self._now = now
        self._tries = tries
        self._batch = batch
        self._inbox_enabled = inbox_enabled
        self._dlq_topic = dlq_topic
        # Whether records are being applied at this moment, and how many batches were, with their offsets committed.
        self.at_work = False
        self.taken = 0
        # Until when partitions are paused, by the clock of the loop.
        self._paused: dict[Place, float] = {}

    async def run(self, subscription: Subscription) -> None:
        """Forever; ends by cancellation."""
        while True:
            try:
                batches = await subscription.fetch(limit=self._batch, wait=self._resume(subscription))
            except Exception as error:
                log.warning("fetching failed, trying again", extra={"service": self._service, "error": repr(error)})
                await asyncio.sleep(0.5)
                continue
            self.at_work = bool(batches)
            try:
                for part in _parts(batches, self._batch):
                    await self._take(subscription, part)
            finally:
                self.at_work = False

    def _resume(self, subscription: Subscription) -> float:
        """Let partitions go on whose pause is over; for how long the next fetch may wait."""
        now = asyncio.get_running_loop().time()
        over = [place for place, until in self._paused.items() if until <= now]
        subscription.resume(over)
        for place in over:
            del self._paused[place]
        return min([1.0, *(until - now for until in self._paused.values())])

    def _put_off(self, subscription: Subscription, places: Iterable[Place]) -> None:
        """Read from the committed offsets again, a little later."""
        chosen = set(places)
        subscription.rewind(chosen)
        subscription.pause(chosen)
        self._paused |= dict.fromkeys(chosen, asyncio.get_running_loop().time() + _PAUSE_S)

    async def _take(self, subscription: Subscription, batches: Batch) -> None:
        try:
            await self.apply([record for records in batches.values() for record in records])
            crash.reached("effect.committed")
            await subscription.commit(ends_of(batches))
            self.taken += 1
            crash.reached("offset.committed")
        except Fenced as fenced:
            log.warning("partitions lost", extra={"service": self._service, "places": sorted(fenced.places)})
            subscription.rewind(fenced.places)
        except Exception as error:
            if len(batches) > 1 and not is_unreachable(error):
                # One of them met a lock or a deadlock: the others need not wait for it.
                for place, records in batches.items():
                    await self._take(subscription, {place: records})
                return
            # Whatever it was, nothing was committed.
            log.warning(
                "applying failed, reading again",
                exc_info=not is_transient(error),
                extra={"service": self._service, "places": sorted(batches), "error": repr(error)},
            )
            self._put_off(subscription, batches)

    async def apply(self, records: list[Received]) -> int:
        """Make the effects of records, those of a partition in its order, and say how many were new; raises only what
        trying again can mend."""
        wanted = [record for record in records if self._consumers.wants(record)]
        if not wanted:
            return 0
        try:
            async with self._database.transaction() as session:
                new = await self._apply_in(session, wanted)
                crash.reached("effect.applied")
        except Exception as error:
            if is_transient(error):
                raise
            log.info("batch failed, one by one", extra={"service": self._service, "error": repr(error)})
            new = 0
            for record in wanted:
                new += await self._apply_alone(record)
        metrics.EVENTS.labels(self._service, "applied").inc(len(wanted))
        return new

    async def _apply_in(self, session: AsyncSession, records: list[Received]) -> int:
        metas = [meta_of(record) for record in records]
        fresh, parked = await _look(session, records, metas)
        new = 0
        for record, meta in zip(records, metas, strict=True):
            if self._inbox_enabled:
                if (meta.source, meta.event_id) not in fresh:
                    metrics.EVENTS.labels(self._service, "duplicate").inc()
                    continue
                fresh.discard((meta.source, meta.event_id))
            if (record.topic, record.key) in parked and await self._waits(session, record):
                await self._park(session, record, "an earlier event of this key is parked")
                continue
            await self._handle(session, record, meta)
            new += 1
        return new

    async def _waits(self, session: AsyncSession, record: Received) -> bool:
        """Whether events of the key are parked still: they may have been replayed since the look."""
        await hold_key(session, record.topic, record.key)
        found = await session.execute(_IS_PARKED, {"topic": record.topic, "key": record.key})
        return bool(found.scalar_one())

    async def apply_parked(self, session: AsyncSession, record: Received) -> None:
        """Make the effects of a record that is in the inbox already. Raises whatever its handler raises."""
        await self._handle(session, record, meta_of(record))

    async def _handle(self, session: AsyncSession, record: Received, meta: Meta) -> None:
        ctx = Context(
            meta.site_id,
            meta.actor or "system",
            self._now(),
            causation_id=str(meta.event_id),
            traceparent=meta.traceparent,
        )
        mes_logging.traceparent.set(meta.traceparent)
        event: Message | None = None
        known = self._consumers.handlers.get(meta.type)
        if known is not None:
            event = known[0].FromString(record.value)
        if self._consumers.every is not None:
            await self._consumers.every(session, ctx, record, meta)
        if known is not None:
            await known[1](session, ctx, event, meta)

    async def _apply_alone(self, record: Received) -> int:
        for attempt in range(1, self._tries + 1):
            try:
                async with self._database.transaction() as session:
                    return await self._apply_in(session, [record])
            except Exception as error:
                if is_transient(error):
                    raise
                if attempt == self._tries:
                    log.exception(
                        "event parked", extra={"service": self._service, "type": record.headers.get("ce_type")}
                    )
                    await self._park_alone(record, error)
                    return 0
                await asyncio.sleep(0.05 * attempt)
        return 0

    async def _park_alone(self, record: Received, error: Exception) -> None:
        source, event_id = identity_of(record)
        async with self._database.transaction() as session:
            new = await session.execute(_SEEN, {"sources": [source], "ids": [event_id]})
            if self._inbox_enabled and not new.all():
                return
            await self._park(session, record, repr(error))
        crash.reached("event.parked")
        metrics.EVENTS.labels(self._service, "parked").inc()

    async def _park(self, session: AsyncSession, record: Received, error: str) -> None:
        await session.execute(
            _PARK,
            {
                "topic": record.topic,
                "partition": record.partition,
                "record_offset": record.offset,
                "key": record.key,
                "payload": record.value,
                "headers": json.dumps(dict(record.headers)),
                "error": error[:2000],
            },
        )
        if self._dlq_topic:
            some = list(record.headers.items())[:_MOST_DEAD_HEADERS]
            headers = {
                **{name[:_MOST_DEAD_HEADER]: value[:_MOST_DEAD_HEADER] for name, value in some},
                "mes_error": error[:500],
                "mes_topic": record.topic,
                "mes_offset": str(record.offset),
            }
            payload = record.value
            if len(payload) > _MOST_DEAD_BYTES:
                headers["mes_bytes"], payload = str(len(payload)), payload[:_MOST_DEAD_BYTES]
            outbox.publish_raw(session, self._dlq_topic, record.key, payload, headers, new_id())


def topics_of(services: Iterable[str], prefix: str = "mes") -> list[str]:
    """The domain topics of the services named."""
    return [f"{prefix}.{service}.v1" for service in services]


def dead_letters_of(service: str, prefix: str = "mes") -> str:
    """The topic of copies of events that a service could not apply."""
    return f"{prefix}.{service}.dlq.v1"
