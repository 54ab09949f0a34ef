"""The workbook back: what is stored, in the columns that the import reads."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mes.config import Settings
from mes.context import Context
from mes.i18n import t
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Definition, ProductionOrder
from services.order.queries.definitions import all_definitions
from services.order.workbook.documents import Names, things_of
from services.order.workbook.importing import order_values
from services.order.workbook.kinds import Setting
from services.order.workbook.normalising import Cell
from services.order.workbook.sheets import LEVELS_BY_NAME, SHEETS, Key, Sheet, Values

HEAD = PatternFill("solid", fgColor="E8ECEF")
BOLD = Font(bold=True)
SITE = "site"

Rows = dict[str, list[dict[str, Cell]]]


async def export(session: AsyncSession, ctx: Context, settings: Settings, language: str = "") -> bytes:
    """Everything as .xlsx. language: of the names of sheets and columns, "" for their keys."""
    definitions = await all_definitions(session, ctx.site_id)
    query = select(ProductionOrder).where(ProductionOrder.site_id == ctx.site_id).order_by(ProductionOrder.no)
    orders = (await session.scalars(query)).all()
    return await asyncio.to_thread(_export, definitions, orders, ctx, settings, language)


def _export(
    definitions: Sequence[Definition],
    orders: Sequence[ProductionOrder],
    ctx: Context,
    settings: Settings,
    language: str,
) -> bytes:
    setting = Setting(ZoneInfo(settings.time_zone))
    rows = definition_rows(ctx.site_id, ((each.kind, each.no, each.id, each.spec) for each in definitions), setting)
    rows[SITE] = _site_rows(settings)
    rows["orders"] = list(_order_rows(orders, definitions, setting))
    return write_book(rows, language)


def _site_rows(settings: Settings) -> list[dict[str, Cell]]:
    values = {"business_epoch": settings.clock_start, "clock_factor": format(settings.clock_factor, "g"),
              "time_zone": settings.time_zone}  # fmt: skip
    return [
        {"key": key, "value": value}
        for key, value in values.items()
        if value and (key == "time_zone" or settings.clock_start)
    ]


def definition_rows(
    site_id: UUID, stored: Iterable[tuple[str, str, UUID, Mapping[str, Any]]], setting: Setting
) -> Rows:
    """Rows of the definitions' sheets."""
    found = list(stored)

    def no_new() -> UUID:
        raise LookupError("a stored definition names one that is not there")

    names = Names(site_id, no_new, ((kind, no, each) for kind, no, each, _ in found))
    rows: Rows = {sheet.key: [] for sheet in SHEETS}
    for kind, no, _, spec in found:
        document = things_of(kind, no, spec, names)
        for sheet in SHEETS:
            if any(level.of == kind for level in sheet.levels):
                rows[sheet.key] += _sheet_rows(sheet, document.things, setting)
    return rows


def _sheet_rows(
    sheet: Sheet, things: Mapping[str, Mapping[Key, Values]], setting: Setting
) -> Iterator[dict[str, Cell]]:
    """A row for every innermost thing; one without any keeps its outer thing."""
    inner = sheet.levels[-1]
    innermost = things.get(inner.name, {})
    for key, values in innermost.items():
        row: Values = {}
        for level in sheet.levels:
            part = key[: len(level.key)]
            row |= dict(zip(level.key, part, strict=True))
            row |= values if level is inner else things[level.name][part]
        yield _cells(sheet, row, setting)
    if not innermost and len(sheet.levels) > 1:
        for key, values in things.get(sheet.levels[0].name, {}).items():
            yield _cells(sheet, {**dict(zip(sheet.levels[0].key, key, strict=True)), **values}, setting)


def _cells(sheet: Sheet, values: Values, setting: Setting) -> dict[str, Cell]:
    return {
        column.key: column.kind.write(values[column.key], setting)
        for column in sheet.columns
        if values.get(column.key) is not None
    }


def _order_rows(
    orders: Sequence[ProductionOrder], definitions: Sequence[Definition], setting: Setting
) -> Iterator[dict[str, Cell]]:
    materials = {each.id: each.no for each in definitions if each.kind == "material"}
    nos = {each.id: each.no for each in orders}
    sheet = LEVELS_BY_NAME["order"][0]
    for order in orders:
        values = {"no": order.no, **order_values(order, materials, nos), "state": order.state}
        yield _cells(sheet, values, setting)


# ---- cells to file --------------------------------------------------------------------------------------------------


def sheet_title(sheet: Sheet, language: str) -> str:
    """Name of a sheet in a language, its key for ""."""
    return t(f"workbook.sheet.{sheet.key}", language) if language else sheet.key


def column_title(sheet: Sheet, key: str, language: str) -> str:
    """Title of a column in a language, its key for ""."""
    return t(f"workbook.column.{sheet.key}.{key}", language) if language else key


def write_book(rows: Rows, language: str) -> bytes:
    """One sheet per table, those without rows too, so that everybody sees what there could be."""
    book = Workbook(write_only=True)
    book.properties.creator = "Lingnan MES"
    for sheet in SHEETS:
        found = rows.get(sheet.key, [])
        made = book.create_sheet(sheet_title(sheet, language))
        made.freeze_panes = "B2"
        for number, column in enumerate(sheet.columns, start=1):
            title = column_title(sheet, column.key, language)
            widest = max((len(str(row.get(column.key, ""))) for row in found[:200]), default=0)
            made.column_dimensions[get_column_letter(number)].width = min(40, max(len(title) + 2, widest) + 2)
        made.append([head(made, column_title(sheet, each.key, language)) for each in sheet.columns])
        for row in found:
            made.append([text_cell(made, row.get(each.key)) for each in sheet.columns])
    return saved(book)


def head(sheet: Any, title: str) -> Any:
    """A cell of the row of titles."""
    cell = WriteOnlyCell(sheet, title)
    cell.font, cell.fill = BOLD, HEAD
    return cell


def text_cell(sheet: Any, value: Cell) -> Any:
    """A cell whose text is text: what begins with "=" is no formula."""
    if not value and isinstance(value, str):
        return None
    if not isinstance(value, str) or value[0] not in {"=", "#"}:
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    return cell


def saved(book: Workbook) -> bytes:
    """A workbook's bytes."""
    raw = io.BytesIO()
    book.save(raw)
    return raw.getvalue()
