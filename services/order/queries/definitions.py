"""Reads of definitions, by number, by id, and the routing that holds for a material."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from google.protobuf.json_format import ParseDict
from mes.errors import Conflict, NotFound
from mes.events.v1.order_pb2 import RoutingRevisionDefined
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


async def routing_for(
    session: AsyncSession, site_id: UUID, material_id: UUID
) -> tuple[Definition, RoutingRevisionDefined]:
    """The accepted routing of a material, of several the last revision. Raises NotFound, Conflict without one."""
    material = await session.get(Definition, material_id)
    if material is None or material.site_id != site_id or material.kind != "material":
        raise NotFound("workbook.definition_unknown", kind="material", no=str(material_id))
    # Routings are numbered material/revision and "0" follows "/": the unique index finds those of one material.
    first, last = f"{material.no}/", f"{material.no}0"
    query = select(Definition).where(*_of(site_id, "routing"), Definition.no >= first, Definition.no < last)
    rows = [
        row
        for row in await session.scalars(query.order_by(Definition.no))
        if row.spec.get("material_id") == str(material_id) and row.spec.get("status") == "Accepted"
    ]
    if not rows:
        raise Conflict("workbook.no_accepted_routing", material=material.no, state="Draft", legal=[])
    return rows[-1], ParseDict(rows[-1].spec, RoutingRevisionDefined(), ignore_unknown_fields=True)
