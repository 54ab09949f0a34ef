"""Events leave a service through its outbox: row and event commit in one transaction, a relay sends them afterwards."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from google.protobuf.message import Message
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from mes import crash
from mes.bus import Bus, Record
from mes.context import Context

CONTENT_TYPE = "application/protobuf"
# Kafka takes records up to 1 MB by default, headers included.
MOST_BYTES = 1_000_000
_PENDING = "mes.outbox"


@dataclass(slots=True)
class _Pending:
    event_id: UUID
    topic: str
    key: str
    payload: bytes
    headers: dict[str, str]

    @property
    def counted_as(self) -> str:
        """What its sequence counts: dead letters of an aggregate leave no gap among the service's own events of it."""
        return f"{self.topic} {self.key}" if self.topic else self.key


def publish(session: AsyncSession, ctx: Context, message: Message, *, key: str | UUID) -> UUID:
    """Publish an event with the session's transaction; returns its id (`ce_id`).

    key: id of the aggregate; events of one key keep their order. The topic follows from the session's service.
    Raises ValueError beyond `MOST_BYTES`: a log would refuse it later, when nobody is there to hear.
    """
    event_id, payload = ctx.new_id(), message.SerializeToString(deterministic=True)
    if len(payload) > MOST_BYTES:
        raise ValueError(f"{message.DESCRIPTOR.full_name} of {key} has {len(payload)} bytes; send it in parts")
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_type": message.DESCRIPTOR.full_name,
        "ce_time": ctx.now.isoformat(),
        "ce_subject": str(key),
        "ce_actor": ctx.actor,
        "ce_site": str(ctx.site_id),
        "content-type": CONTENT_TYPE,
    }
    if ctx.causation_id:
        headers["ce_causationid"] = ctx.causation_id
    if ctx.traceparent:
        headers["traceparent"] = ctx.traceparent
    pending = session.info.setdefault(_PENDING, [])
    pending.append(_Pending(event_id, "", str(key), payload, headers))
    return event_id


def publish_raw(
    session: AsyncSession, topic: str, key: str, payload: bytes, headers: dict[str, str], new_id: UUID
) -> None:
    """Publish bytes to a named topic (dead letters); CloudEvents headers that are given stay as they are."""
    session.info.setdefault(_PENDING, []).append(_Pending(new_id, topic, key, payload, headers))


# One statement: the upsert of the sequences takes each aggregate's row lock, in key order against deadlocks, before the
# outbox rows get their positions; so positions of one key are in commit order.
_INSERT = text(
    """
    WITH bumped AS (
        INSERT INTO aggregate_sequence AS s (key, last)
        SELECT k, n FROM unnest(CAST(:keys AS text[]), CAST(:counts AS bigint[])) AS t(k, n) ORDER BY k
        ON CONFLICT (key) DO UPDATE SET last = s.last + excluded.last
        RETURNING s.key, s.last
    )
    INSERT INTO outbox (event_id, topic, key, payload, headers)
    SELECT e.event_id, e.topic, e.key, e.payload,
           jsonb_build_object('ce_sequence', (b.last - e.back)::text) || e.headers
    FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:event_keys AS text[]), CAST(:payloads AS bytea[]),
                CAST(:headers AS jsonb[]), CAST(:counted AS text[]), CAST(:backs AS bigint[])) WITH ORDINALITY
         AS e(event_id, topic, key, payload, headers, counted, back, ord)
    JOIN bumped b ON b.key = e.counted
    ORDER BY e.ord
    """
)


async def flush(session: AsyncSession) -> int:
    """Write what was published in this session to the outbox table; returns how many. Called by the commit."""
    pending: list[_Pending] = session.info.pop(_PENDING, [])
    if not pending:
        return 0
    counts = Counter(event.counted_as for event in pending)
    left = Counter(counts)
    backs = []
    for event in pending:
        left[event.counted_as] -= 1
        backs.append(left[event.counted_as])
    keys = sorted(counts)
    await session.execute(
        _INSERT,
        {
            "keys": keys,
            "counts": [counts[key] for key in keys],
            "ids": [event.event_id for event in pending],
            "topics": [event.topic for event in pending],
            "event_keys": [event.key for event in pending],
            "payloads": [event.payload for event in pending],
            "headers": [json.dumps(event.headers) for event in pending],
            "counted": [event.counted_as for event in pending],
            "backs": backs,
        },
    )
    return len(pending)


def discard(session: AsyncSession) -> None:
    """Forget what was published (the transaction is rolled back)."""
    session.info.pop(_PENDING, None)


_UNSENT = """
SELECT position, topic, key, payload, headers FROM outbox WHERE sent_at IS NULL ORDER BY position LIMIT $1
"""
_MARK = "UPDATE outbox SET sent_at = clock_timestamp() WHERE position = ANY($1::bigint[])"


async def relay_batch(
    connection: asyncpg.Connection[Any], bus: Bus, *, source: str, topic: str, limit: int = 500
) -> int:
    """Send up to `limit` unsent rows in order and mark them sent; returns how many.

    Only one relay of a service may do so at a time. When it dies between sending and marking, the rows are sent again
    and the consumers' inbox skips them.
    """
    rows = await connection.fetch(_UNSENT, limit)
    if rows:
        crash.reached("relay.read")
        await bus.append([_record(row, source, topic) for row in rows])
        crash.reached("relay.sent")
        await connection.execute(_MARK, [row["position"] for row in rows])
        crash.reached("relay.marked")
    return len(rows)


def _record(row: Any, source: str, topic: str) -> Record:
    headers = {"ce_source": source, **json.loads(row["headers"])}
    return Record(row["topic"] or topic, row["key"], row["payload"], headers)
