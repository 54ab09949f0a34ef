"""Definitions: put what is new or different, and tell everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from mes import outbox
from mes.context import Context
from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Definition
from services.order.models.definitions import KINDS

_MOST_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """A definition as it is to be. spec: the same as `message`, as JSON with the contracts' field names."""

    kind: str
    no: str
    id: UUID
    message: Message
    spec: dict[str, Any]

    @property
    def outdated(self) -> bool:
        """Whether it is for nothing new any more."""
        return bool(self.spec.get("outdated")) or self.spec.get("status") == "Outdated"


async def lock_definitions(session: AsyncSession, ctx: Context) -> None:
    """Let one transaction at a time decide about the site's definitions; released with the transaction."""
    key = {"key": f"definitions/{ctx.site_id}"}
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)


async def put_definitions(
    session: AsyncSession, ctx: Context, changes: Iterable[DefinitionChange]
) -> Sequence[Definition]:
    """Store and publish what is new or differs from what is stored, calendars first and routings last.

    Nothing is ever deleted. Jobs of released orders keep the snapshot that they were made with: a changed routing
    holds for what is released from now on. Returns the definitions that changed.
    """
    await lock_definitions(session, ctx)
    wanted = sorted(changes, key=lambda each: KINDS.index(each.kind))
    known = await _stored(session, ctx, wanted)
    changed: list[Definition] = []
    for each in wanted:
        row = known.get((each.kind, each.no))
        if row is not None and row.spec == each.spec:
            continue
        if row is None:
            row = Definition(id=each.id, site_id=ctx.site_id, kind=each.kind, no=each.no, version=1)
            session.add(row)
        else:
            row.version += 1
        row.spec, row.outdated = each.spec, each.outdated
        row.changed_at, row.changed_by = ctx.now, ctx.actor
        changed.append(row)
        outbox.publish(session, ctx, each.message, key=row.id)
    await session.flush()
    return changed


async def _stored(
    session: AsyncSession, ctx: Context, wanted: Sequence[DefinitionChange]
) -> dict[tuple[str, str], Definition]:
    found: dict[tuple[str, str], Definition] = {}
    for begin in range(0, len(wanted), _MOST_AT_ONCE):
        keys = [(each.kind, each.no) for each in wanted[begin : begin + _MOST_AT_ONCE]]
        query = (
            select(Definition)
            .where(Definition.site_id == ctx.site_id, tuple_(Definition.kind, Definition.no).in_(keys))
            .order_by(Definition.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        found |= {(row.kind, row.no): row for row in await session.scalars(query)}
    return found
