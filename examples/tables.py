"""A shop as tables - sheet name -> rows of named cells - and tables as a workbook whose bytes depend on them alone.

Lists within a cell are separated by ";", the parts of one element by ":" ("P-01:2.4:45:1" is machine, seconds per
piece, setup minutes, preference).
"""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

Row = dict[str, Any]
Tables = dict[str, list[Row]]

_ALWAYS_THE_SAME = datetime(2026, 1, 1)  # noqa: DTZ001 - a workbook's own times have no zone


def joined(elements: list[Any], between: str = ";") -> str:
    """A list as one cell; the parts of its elements joined by ":"."""
    return between.join(":".join(map(str, each)) if isinstance(each, tuple | list) else str(each) for each in elements)


def write_workbook(tables: Tables, path: Path) -> None:
    """Write one sheet per table, its first row the names of the columns; the same tables give the same bytes."""
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    workbook.properties.creator = "Lingnan MES"
    workbook.properties.created = workbook.properties.modified = _ALWAYS_THE_SAME
    for name, rows in tables.items():
        sheet = workbook.create_sheet(name)
        columns = list(rows[0]) if rows else []
        sheet.append(columns)
        for row in rows:
            sheet.append([row[column] for column in columns])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for number, column in enumerate(columns, start=1):
            widest = max(len(str(row[column] or "")) for row in rows)
            sheet.column_dimensions[get_column_letter(number)].width = min(40, max(len(column), widest) + 3)
        sheet.freeze_panes = "B2"
    raw = io.BytesIO()
    workbook.save(raw)
    path.write_bytes(_without_times(raw.getvalue()))


def _without_times(raw: bytes) -> bytes:
    """The same archive with every entry's time fixed, and the time of saving in the properties too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "docProps/core.xml":
                content = _fixed_modified(content)
            target.writestr(zipfile.ZipInfo(entry.filename, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _fixed_modified(core: bytes) -> bytes:
    start, end = core.index(b"<dcterms:modified"), core.index(b"</dcterms:modified>")
    opened = core.index(b">", start) + 1
    return core[:opened] + b"2026-01-01T00:00:00Z" + core[end:]
