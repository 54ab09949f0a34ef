"""Reads of definitions, by number and by id."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mes.errors import NotFound
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Definition


def _of(site_id: UUID, kind: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Definition.site_id == site_id, Definition.kind == kind


async def definitions(
    session: AsyncSession, site_id: UUID, kind: str, *, outdated: bool | None = None, limit: int = 100, offset: int = 0
) -> Sequence[Definition]:
    """Definitions of a kind by their numbers. outdated: only such, or only others."""
    query = select(Definition).where(*_of(site_id, kind)).order_by(Definition.no).limit(limit).offset(offset)
    if outdated is not None:
        query = query.where(Definition.outdated.is_(outdated))
    return (await session.scalars(query)).all()


async def definition(session: AsyncSession, site_id: UUID, kind: str, no: str) -> Definition:
    """One definition by its number, or by its id. Raises NotFound."""
    row = await session.scalar(select(Definition).where(*_of(site_id, kind), Definition.no == no))
    if row is None and (definition_id := _uuid(no)):
        row = await session.scalar(select(Definition).where(*_of(site_id, kind), Definition.id == definition_id))
    if row is None:
        raise NotFound("workbook.definition_unknown", kind=kind, no=no)
    return row


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def all_definitions(session: AsyncSession, site_id: UUID) -> Sequence[Definition]:
    """Every definition of a site, by kind and number."""
    query = select(Definition).where(Definition.site_id == site_id).order_by(Definition.kind, Definition.no)
    return (await session.scalars(query)).all()
