"""Signals taken in: stored once, folded in the same transaction, and what follows from them announced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Invalid
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.commands.alarms import take_alarms
from services.equipment.commands.current import locked, refresh_all
from services.equipment.commands.folding import fold_in
from services.equipment.domain.signals import Signal, SignalKind
from services.equipment.domain.timeline import number

# A gateway's clock may be ahead of ours by so much; what claims to come from later cannot be placed.
AHEAD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A signal of a batch and the machine that it is about."""

    equipment_id: UUID
    signal: Signal


@dataclass(frozen=True, slots=True)
class Taken:
    """accepted: new ones; duplicates: those that were there already."""

    accepted: int
    duplicates: int


_STREAMS = text(
    """
    INSERT INTO signal_stream (id, site_id, equipment_id, source, session, numbered)
    SELECT t.id, :site, t.e, t.source, t.session, t.numbered FROM unnest(CAST(:ids AS uuid[]),
      CAST(:equipment AS uuid[]), CAST(:sources AS text[]), CAST(:sessions AS text[]), CAST(:numbered AS bool[]))
      AS t(id, e, source, session, numbered) ON CONFLICT DO NOTHING
    """
)
_STREAM_IDS = text(
    "SELECT id, equipment_id, source, session, numbered FROM signal_stream "
    "WHERE site_id = :site AND equipment_id = ANY(CAST(:equipment AS uuid[])) "
    "AND source = ANY(CAST(:sources AS text[]))"
)
_SIGNALS = text(
    """
    INSERT INTO signal (id, site_id, equipment_id, stream_id, source, session, seq, at, kind, name, value, digest,
                        ingested_at)
    SELECT t.id, :site, t.e, t.stream, t.source, t.session, t.seq, t.at, t.kind, t.name, t.value, t.digest, :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:equipment AS uuid[]), CAST(:streams AS uuid[]), CAST(:sources AS text[]),
                CAST(:sessions AS text[]), CAST(:seqs AS bigint[]), CAST(:ats AS timestamptz[]), CAST(:kinds AS text[]),
                CAST(:names AS text[]), CAST(:values AS text[]), CAST(:digests AS text[]))
         AS t(id, e, stream, source, session, seq, at, kind, name, value, digest)
    ON CONFLICT DO NOTHING RETURNING id
    """
)


async def take_signals(session: AsyncSession, ctx: Context, batch: Sequence[Incoming]) -> Taken:
    """Store and fold a batch. Raises Invalid with one error per wrong item, by index, and changes nothing then."""
    machines = await locked(session, ctx, [each.equipment_id for each in batch])
    errors = [error for index, each in enumerate(batch) if (error := _error(index, each, set(machines), ctx.now))]
    if errors:
        raise Invalid("signal.batch_invalid", count=len(errors), errors=errors)
    fresh = await _store(session, ctx, batch)
    signals_of: dict[UUID, list[Signal]] = defaultdict(list)
    for each in fresh:
        signals_of[each.equipment_id].append(each.signal)
    # In the order in which they are locked.
    by_machine = {machine: signals_of[machine.id] for machine in machines.values() if machine.id in signals_of}
    if by_machine:
        await fold_in(session, ctx, by_machine)
        for equipment, signals in by_machine.items():
            await take_alarms(session, ctx, equipment, [each for each in signals if each.kind is SignalKind.ALARM])
        changed = {each: min(signal.time for signal in signals) for each, signals in by_machine.items()}
        await refresh_all(session, ctx, changed)
    return Taken(len(fresh), len(batch) - len(fresh))


def _error(index: int, each: Incoming, known: set[UUID], now: datetime) -> dict[str, Any] | None:
    signal = each.signal
    if each.equipment_id not in known:
        return _problem(index, "equipment_id", "equipment.unknown", equipment=str(each.equipment_id))
    if signal.time > now + AHEAD:
        return _problem(index, "time", "signal.from_the_future", time=signal.time.isoformat(), now=now.isoformat())
    if signal.kind is SignalKind.COUNTER and number(signal.value) is None:
        return _problem(index, "value", "signal.counter_value", value=signal.value)
    if signal.kind is SignalKind.ALARM and not signal.name:
        return _problem(index, "name", "signal.alarm_name")
    return None


def _problem(index: int, field: str, code: str, **params: str) -> dict[str, Any]:
    return {"index": index, "field": f"signals.{index}.{field}", "code": code, "params": params}


async def _store(session: AsyncSession, ctx: Context, batch: Sequence[Incoming]) -> list[Incoming]:
    """Insert what is not there yet; returns the new ones."""
    if not batch:
        return []
    streams = await _streams(session, ctx, batch)
    ids = [ctx.new_id() for _ in batch]
    signals = [each.signal for each in batch]
    rows = await session.execute(
        _SIGNALS,
        {
            "site": ctx.site_id,
            "now": ctx.now,
            "ids": ids,
            "equipment": [each.equipment_id for each in batch],
            "streams": [streams[(each.equipment_id, *each.signal.stream)] for each in batch],
            "sources": [each.source for each in signals],
            "sessions": [each.session for each in signals],
            "seqs": [each.seq for each in signals],
            "ats": [each.time.astimezone(UTC) for each in signals],
            "kinds": [each.kind.value for each in signals],
            "names": [each.name for each in signals],
            "values": [each.value for each in signals],
            "digests": [each.digest for each in signals],
        },
    )
    new = set(rows.scalars())
    return [each for each, row_id in zip(batch, ids, strict=True) if row_id in new]


async def _streams(
    session: AsyncSession, ctx: Context, batch: Sequence[Incoming]
) -> dict[tuple[UUID, str, str, bool], UUID]:
    keys = sorted({(each.equipment_id, *each.signal.stream) for each in batch})
    wanted = {"site": ctx.site_id, "equipment": [key[0] for key in keys], "sources": [key[1] for key in keys]}

    async def look() -> dict[tuple[UUID, str, str, bool], UUID]:
        rows = await session.execute(_STREAM_IDS, wanted)
        return {(row.equipment_id, row.source, row.session, row.numbered): row.id for row in rows}

    found = await look()
    missing = [key for key in keys if key not in found]
    if missing:
        new = {
            "site": ctx.site_id,
            "ids": [ctx.new_id() for _ in missing],
            "equipment": [key[0] for key in missing],
            "sources": [key[1] for key in missing],
            "sessions": [key[2] for key in missing],
            "numbered": [key[3] for key in missing],
        }
        await session.execute(_STREAMS, new)
        found = await look()
    return found
