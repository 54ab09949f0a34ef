"""Events that could not be applied wait here in order, with all that follow of their key, until somebody lets them go.

Replaying applies them one after the other, each with its effects in one transaction in which it also leaves. Consumers
park what comes meanwhile behind them: whoever parks or replays holds the key's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf import json_format
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from mes.bus import Received
from mes.db import Database
from mes.errors import NotFound
from mes.inbox import ConsumerLoop, Consumers, hold_key, is_transient

_KEYS = text(
    """
    SELECT topic, key, count(*) AS events, min(position) AS first, min(parked_at) AS since,
        (array_agg(headers ->> 'ce_type' ORDER BY position))[1] AS type,
        (array_agg(error ORDER BY position))[1] AS error
    FROM parked_event GROUP BY topic, key ORDER BY min(position) LIMIT :most
    """
)
_EVENTS = text("SELECT * FROM parked_event WHERE topic = :topic AND key = :key ORDER BY position LIMIT :most")
_FIRST = text("SELECT * FROM parked_event WHERE topic = :topic AND key = :key ORDER BY position LIMIT 1 FOR UPDATE")
_LEAVE = text("DELETE FROM parked_event WHERE position = :position")
_TRIES = 5
_WHY = text("UPDATE parked_event SET error = :error WHERE position = :position")


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """An aggregate whose events wait. type, error: of the first one, which keeps the others waiting."""

    topic: str
    key: str
    events: int
    since: datetime
    type: str
    error: str


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """One event that waits. payload: as JSON where its type is known here, else None."""

    position: int
    type: str
    error: str
    parked_at: datetime
    headers: dict[str, str]
    payload: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """applied: how many took effect; left: how many wait still; error: why the first of these does."""

    applied: int
    left: int
    error: str = ""


async def parked_keys(session: AsyncSession, *, most: int = 200) -> list[ParkedKey]:
    """The keys that wait, those parked first before others."""
    rows = await session.execute(_KEYS, {"most": most})
    return [ParkedKey(row.topic, row.key, row.events, row.since, row.type or "", row.error) for row in rows]


async def parked_events(
    session: AsyncSession, consumers: Consumers, topic: str, key: str, *, most: int = 200
) -> list[ParkedEvent]:
    """The events of a key in their order. Raises NotFound when none wait."""
    rows = (await session.execute(_EVENTS, {"topic": topic, "key": key, "most": most})).all()
    if not rows:
        raise NotFound("parking.nothing", topic=topic, key=key)
    return [
        ParkedEvent(
            row.position, row.headers.get("ce_type", ""), row.error, row.parked_at, row.headers,
            _readable(consumers, row.headers.get("ce_type", ""), bytes(row.payload)),
        )
        for row in rows
    ]  # fmt: skip


def _readable(consumers: Consumers, name: str, payload: bytes) -> dict[str, Any] | None:
    known = consumers.handlers.get(name)
    if known is None:
        return None
    try:
        return dict(json_format.MessageToDict(known[0].FromString(payload), preserving_proto_field_name=True))
    except Exception:  # hostile bytes are what may lie here
        return None


async def replay(database: Database, loop: ConsumerLoop, topic: str, key: str) -> Replayed:
    """Apply the events of a key in their order, as far as they can be applied. Raises NotFound when none wait."""
    applied, tries = 0, 0
    while True:
        row: Any = None
        try:
            async with database.transaction() as session:
                await hold_key(session, topic, key)
                row = (await session.execute(_FIRST, {"topic": topic, "key": key})).first()
                if row is None:
                    break
                await loop.apply_parked(session, _received(row))
                await session.execute(_LEAVE, {"position": row.position})
            applied, tries = applied + 1, 0
        except Exception as error:
            if row is None:
                raise
            if is_transient(error) and (tries := tries + 1) < _TRIES:
                continue
            return await _stopped(database, topic, key, row.position, applied, repr(error)[:2000])
    if applied == 0:
        raise NotFound("parking.nothing", topic=topic, key=key)
    return Replayed(applied, 0)


async def _stopped(database: Database, topic: str, key: str, position: int, applied: int, error: str) -> Replayed:
    async with database.transaction() as session:
        await session.execute(_WHY, {"position": position, "error": error})
        left: Sequence[Any] = (await session.execute(_EVENTS, {"topic": topic, "key": key, "most": None})).all()
    return Replayed(applied, len(left), error)


def _received(row: Any) -> Received:
    return Received(row.topic, row.partition, row.record_offset, row.key, bytes(row.payload), row.headers)
