"""Saved mappings of the users' own sheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mes.context import Context
from mes.errors import Invalid, NotFound, Stale
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import ColumnMapping
from services.order.workbook.layout import FileMapping, SheetMapping
from services.order.workbook.sheets import BY_KEY, Sheet


async def _find(session: AsyncSession, ctx: Context, name: str, *, lock: bool = False) -> ColumnMapping | None:
    query = select(ColumnMapping).where(ColumnMapping.site_id == ctx.site_id, ColumnMapping.name == name)
    return await session.scalar(query.with_for_update() if lock else query)


async def mapping(session: AsyncSession, ctx: Context, name: str) -> ColumnMapping:
    """A saved mapping. Raises NotFound."""
    row = await _find(session, ctx, name)
    if row is None:
        raise NotFound("workbook.mapping_unknown", name=name)
    return row


async def find(session: AsyncSession, ctx: Context, name: str) -> FileMapping:
    """A saved mapping as the import needs it. Raises NotFound."""
    return file_mapping((await mapping(session, ctx, name)).spec)


async def mappings(session: AsyncSession, ctx: Context, limit: int, offset: int) -> Sequence[ColumnMapping]:
    """Saved mappings by name."""
    query = select(ColumnMapping).where(ColumnMapping.site_id == ctx.site_id).order_by(ColumnMapping.name)
    return (await session.scalars(query.limit(limit).offset(offset))).all()


async def version_of(session: AsyncSession, ctx: Context, name: str) -> int:
    """Version of a saved mapping, 0 for a new name."""
    row = await _find(session, ctx, name)
    return row.version if row else 0


async def save(session: AsyncSession, ctx: Context, name: str, spec: dict[str, Any], seen: int) -> ColumnMapping:
    """Save a mapping. seen: version that the caller saw, 0 for a new one. Raises Invalid, Stale."""
    if wrong := list(_wrong(spec)):
        raise Invalid("workbook.mapping_wrong", field="sheets", errors=wrong)
    row = await _find(session, ctx, name, lock=True)
    if (row.version if row else 0) != seen:
        raise Stale("http.stale")
    if row is None:
        row = ColumnMapping(id=ctx.new_id(), site_id=ctx.site_id, name=name, version=0)
        session.add(row)
    if row.version == 0 or row.spec != spec:
        row.spec, row.changed_at, row.changed_by = spec, ctx.now, ctx.actor
        row.version += 1
    await session.flush()
    return row


def file_mapping(spec: Mapping[str, Any]) -> FileMapping:
    """A mapping from its stored form."""
    return FileMapping([SheetMapping(**each) for each in spec["sheets"]], spec.get("date_order", "ymd"))


def _wrong(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything in a mapping that names nothing of ours."""
    for each in spec["sheets"]:
        sheet = BY_KEY.get(each["to"])
        if sheet is None:
            known = ", ".join(BY_KEY)
            params = {"sheet": each["to"], "known": known}
            yield {"field": "to", "code": "workbook.mapping_sheet_unknown", "params": params}
            continue
        yield from _wrong_columns(sheet, each)


def _wrong_columns(sheet: Sheet, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    named = [*spec["columns"].values(), *spec["constants"], *spec["words"], *spec["fill_down"]]
    for column in dict.fromkeys(named):
        if column not in sheet.by_key:
            params = {"column": column, "sheet": sheet.key, "known": ", ".join(sheet.by_key)}
            yield {"field": "columns", "code": "workbook.mapping_column_unknown", "params": params}
