"""A file as sheets of plain cells: .xlsx, .csv, .json - and a clear no to everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mes.errors import Invalid

from services.order.workbook.normalising import Cell, is_blank
from services.order.workbook.xlsx import read_xlsx

MOST_BYTES = 20 * 1024 * 1024
MOST_ROWS = 50_000
MOST_COLUMNS = 200
MOST_SHEETS = 60


ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()


@dataclass(frozen=True, slots=True)
class RawSheet:
    """A sheet as it is in the file: (row number, cells) of the rows that are not empty.

    header: names of the columns where the format has them apart (JSON), None where a row has them. There a row may lack
    a column that others have: its cell is ABSENT, which is not the same as empty.
    """

    name: str
    rows: Sequence[tuple[int, Sequence[Cell]]]
    header: tuple[str, ...] | None = None


def read_file(name: str, content: bytes) -> list[RawSheet]:
    """The sheets of a file, whatever its name ends with. Raises Invalid naming what is wrong with the file."""
    if not content.strip():
        raise Invalid("workbook.file_empty", field="file", file=name)
    if len(content) > MOST_BYTES:
        raise Invalid("workbook.file_too_large", field="file", file=name, mb=MOST_BYTES >> 20)
    if content.startswith(b"PK"):
        found = read_xlsx(name, content, rows=MOST_ROWS, columns=MOST_COLUMNS, sheets=MOST_SHEETS)
        return [RawSheet(sheet, rows) for sheet, rows in found]
    ending = PurePath(name).suffix.lower()
    if content.startswith(b"\xd0\xcf\x11\xe0") or ending in {".xlsx", ".xlsm", ".xls", ".et"}:
        raise Invalid("workbook.not_xlsx", field="file", file=name)
    text = _decoded(name, content)
    sheets = _json(name, text) if ending == ".json" or text.lstrip()[:1] in {"{", "["} else [_csv(name, text)]
    if sum(len(sheet.rows) for sheet in sheets) > MOST_ROWS:
        raise Invalid("workbook.too_many_rows", field="file", file=name, most=MOST_ROWS)
    return sheets


def _decoded(name: str, content: bytes) -> str:
    # UTF-8 first: text of GB18030 is practically never valid UTF-8, but the other way round it often is.
    codings = ["utf-16"] if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else ["utf-8-sig", "gb18030"]
    for coding in codings:
        try:
            text = content.decode(coding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Invalid("workbook.not_text", field="file", file=name)


def _csv(name: str, text: str) -> RawSheet:
    # Of the signs that may separate, the one that the first lines have most of; lists in cells use ";" too.
    head = text[:4000].splitlines()[:3]
    delimiter = max(",\t;，", key=lambda sign: sum(line.count(sign) for line in head[:1]))
    rows: list[tuple[int, Sequence[Cell]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        # Row numbers as a sheet shows them: a cell with line breaks is still one row.
        for number, row in enumerate(reader, start=1):
            if any(not is_blank(cell) for cell in row):
                rows.append((number, row[:MOST_COLUMNS]))
            if len(rows) > MOST_ROWS + 1:
                raise Invalid("workbook.too_many_rows", field="file", file=name, most=MOST_ROWS)
    except csv.Error as error:
        raise Invalid("workbook.not_csv", field="file", file=name, row=reader.line_num) from error
    return RawSheet(PurePath(name).stem, rows)


def _json(name: str, text: str) -> list[RawSheet]:
    try:
        # Decimal digits as they are written: 0.1 is not a binary fraction here.
        found = json.loads(text, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise Invalid("workbook.not_json", field="file", file=name) from error
    if isinstance(found, list):
        found = {PurePath(name).stem: found}
    if not isinstance(found, dict) or len(found) > MOST_SHEETS:
        raise Invalid("workbook.not_json", field="file", file=name)
    return [_json_sheet(name, str(sheet), rows) for sheet, rows in found.items()]


def _json_sheet(name: str, sheet: str, rows: Any) -> RawSheet:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid("workbook.not_json_rows", field="file", file=name, sheet=sheet)
    header = list(dict.fromkeys(key for row in rows for key in row))[:MOST_COLUMNS]
    numbered = [
        (number, [_json_cell(row.get(key, ABSENT)) for key in header]) for number, row in enumerate(rows, start=1)
    ]
    return RawSheet(sheet, numbered, tuple(header))


def _json_cell(value: Any) -> Cell:
    if isinstance(value, list):
        return ";".join(":".join(map(str, each)) if isinstance(each, list) else str(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return value  # type: ignore[no-any-return]
