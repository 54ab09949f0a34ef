"""A projection - what a service keeps of others' events - is made anew from the log, while the service goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from mes import outbox
from mes.bus import Received
from mes.errors import NotFound
from mes.inbox import ConsumerLoop, Consumers, identity_of
from mes.redelivery import pages

if TYPE_CHECKING:
    from mes.runtime import ServiceRuntime


@dataclass(frozen=True, slots=True)
class Projection:
    """tables: that hold it and nothing else; consumers: handlers that fill them and change nothing else."""

    tables: Sequence[Table]
    consumers: Consumers


def tables_of(*models: type[DeclarativeBase]) -> Sequence[Table]:
    """The tables of mapped classes."""
    return [cast(Table, model.__table__) for model in models]


_TAKEN = text(
    "SELECT source, event_id FROM inbox WHERE (source, event_id) IN "
    "(SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[])))"
)
_WAITING = text("SELECT partition, record_offset FROM parked_event WHERE topic = :topic")


async def rebuild(running: ServiceRuntime, name: str) -> int:
    """Empty the tables of a projection and apply every event again that was applied before; how many these were.

    Who writes to these tables waits meanwhile, who reads sees the old rows until the end. Which events belong to the
    past the inbox says, once nobody writes any more: all others are applied afterwards as usual. Nothing is published.
    Raises NotFound for a projection that there is not.
    """
    projection = running.service.projections.get(name)
    if projection is None:
        known = ", ".join(running.service.projections) or "-"
        raise NotFound("rebuild.unknown", service=running.service.name, name=name, known=known)
    loop = ConsumerLoop(running.service.name, projection.consumers, running.database, running.clock.now)
    applied = 0
    async with running.transaction() as session:
        names = ", ".join(f'"{table.name}"' for table in projection.tables)
        await session.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
        for table in projection.tables:
            await session.execute(table.delete())
        for topic in running.topics:
            async for page in pages(running.bus, topic):
                for record in await _of_the_past(session, projection.consumers, topic, page):
                    await loop.apply_parked(session, record)
                    applied += 1
                await session.flush()
                outbox.discard(session)
    return applied


async def _of_the_past(
    session: AsyncSession, consumers: Consumers, topic: str, page: Sequence[Received]
) -> list[Received]:
    """Events that had their effect: in the inbox, and not waiting for their cause to be mended."""
    wanted = [record for record in page if record.headers.get("ce_type") in consumers.handlers]
    known = [identity_of(record) for record in wanted]
    parameters = {"sources": [source for source, _ in known], "ids": [each for _, each in known]}
    taken = {(row.source, row.event_id) for row in await session.execute(_TAKEN, parameters)}
    waiting = {(row.partition, row.record_offset) for row in await session.execute(_WAITING, {"topic": topic})}
    found: list[Received] = []
    for record, identity in zip(wanted, known, strict=True):
        if identity in taken and (record.partition, record.offset) not in waiting:
            # Sent twice, applied once.
            taken.discard(identity)
            found.append(record)
    return found
