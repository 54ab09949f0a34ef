"""Reads .xlsx without trusting it: sizes are counted while unpacking, before any of it is parsed."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError, iterparse

from mes.errors import Invalid
from openpyxl import load_workbook
from openpyxl.utils import range_boundaries
from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.utils.exceptions import InvalidFileException

from services.order.workbook.normalising import Cell, Uncomputed, is_blank

MOST_UNPACKED = 100 * 1024 * 1024
# Of what is no sheet (shared texts, styles): it is all kept in memory.
MOST_OTHER = 32 * 1024 * 1024
_CHUNK, _TAIL = 1 << 20, 64
_ROW = re.compile(rb"<(?:\w+:)?row[\s>]")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]{0,40}?ref=\"([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})\"")
# The end of a cell with a formula and nothing after it: perhaps no value, perhaps an empty text.
_FORMULA_ONLY = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\s[^<>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.I)

# openpyxl has no error of its own for a broken file: whatever breaks inside means that it is one.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, ParseError, LookupError, ValueError, TypeError,
    AttributeError, EOFError, OSError, NotImplementedError, RuntimeError, OverflowError,
)  # fmt: skip

Rows = Sequence[tuple[int, Sequence[Cell]]]
# First row -> (last row, column), of the merged ranges of a sheet that are more than one row high.
_Merged = dict[int, list[tuple[int, int]]]
# Row -> columns, of the cells with a formula without its value.
_Formulas = dict[int, list[int]]


@dataclass(slots=True)
class _Seen:
    """What was seen of a sheet while it was unpacked."""

    merged: _Merged = field(default_factory=lambda: defaultdict(list))
    formulas: _Formulas = field(default_factory=lambda: defaultdict(list))


def read_xlsx(name: str, content: bytes, *, rows: int, columns: int, sheets: int) -> list[tuple[str, Rows]]:
    """Name and rows of every sheet, merged cells filled downwards. Raises Invalid for what is none or is too large."""
    try:
        seen = _look_through(name, content, rows)
        with warnings.catch_warnings():
            # About what openpyxl does not keep: this only reads values.
            warnings.simplefilter("ignore")
            return _read(name, content, seen, rows=rows, columns=columns, sheets=sheets)
    except _BROKEN as error:
        raise Invalid("workbook.not_xlsx", field="file", file=name) from error


def _look_through(name: str, content: bytes, most_rows: int) -> dict[str, _Seen]:
    """What reading needs to know, by sheet path. Raises Invalid for a bomb, declared entities, too many rows."""
    unpacked = counted = 0
    seen: dict[str, _Seen] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            is_sheet = bool(_SHEET.fullmatch(entry.filename))
            found, tail, suspect = seen.setdefault(entry.filename, _Seen()), b"", False
            most = MOST_UNPACKED if is_sheet else unpacked + MOST_OTHER
            for chunk in _chunks(archive, entry):
                unpacked += len(chunk)
                text = tail + chunk
                if unpacked > min(most, MOST_UNPACKED):
                    raise Invalid("workbook.bomb", field="file", file=name, mb=MOST_UNPACKED >> 20)
                if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                    raise Invalid("workbook.not_xlsx", field="file", file=name)
                if is_sheet:
                    counted += len(_ROW.findall(chunk))
                    _note_merged(text, found.merged)
                    suspect = suspect or bool(_FORMULA_ONLY.search(text))
                tail = chunk[-_TAIL:]
            # Rows that only have a format are not what the limit is about.
            if counted > most_rows * 2:
                raise Invalid("workbook.too_many_rows", field="file", file=name, most=most_rows)
            if suspect:
                with archive.open(entry) as member:
                    # Its size is known by now, and that it declares no entities.
                    _note_formulas(iterparse(member), found.formulas)  # noqa: S314
    return seen


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(entry) as member:
        while chunk := member.read(_CHUNK):
            yield chunk


def _note_merged(text: bytes, found: _Merged) -> None:
    for each in _MERGED.finditer(text):
        column, first, _, last = range_boundaries(each[1].decode())
        if column and first and last and last > first:
            found[first].append((last, column))


def _note_formulas(elements: Iterable[tuple[str, Element]], found: _Formulas) -> None:
    """Find the formulas without a value. Few files have any: they are parsed a second time."""
    for _, element in elements:
        if element.tag.rpartition("}")[2] != "row":
            continue
        for cell in element:
            parts = {part.tag.rpartition("}")[2]: part.text or "" for part in cell}
            # An empty text is a value: what IF(..., "") says.
            empty_text = cell.get("t") == "str" and "v" in parts
            if "f" in parts and not parts.get("v") and not empty_text and (place := cell.get("r")):
                row, column = coordinate_to_tuple(place)
                found[row].append(column)
        element.clear()


def _read(
    name: str, content: bytes, seen: dict[str, _Seen], *, rows: int, columns: int, sheets: int
) -> list[tuple[str, Rows]]:
    book: Any = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        if len(book.worksheets) > sheets:
            raise Invalid("workbook.too_many_sheets", field="file", file=name, most=sheets)
        found: list[tuple[str, Rows]] = []
        left = rows
        for sheet in book.worksheets:
            # What a file says of its own size may be wrong.
            sheet.reset_dimensions()
            noted = seen.get(sheet._worksheet_path.lstrip("/"), _Seen())
            taken = list(_rows(sheet.iter_rows(values_only=True), noted, left + 2, columns))
            left -= max(0, len(taken) - 1)
            if left < 0:
                raise Invalid("workbook.too_many_rows", field="file", file=name, most=rows)
            found.append((sheet.title, taken))
        return found
    finally:
        book.close()


def _rows(
    source: Iterable[Sequence[Any]], seen: _Seen, most: int, columns: int
) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Up to `most` rows that have something of their own, every row of a merged range with the value that it shows."""
    showing: dict[int, tuple[int, Cell]] = {}
    given = 0
    for number, cells in enumerate(source, start=1):
        row = cells[:columns]
        if number in seen.formulas:
            row = _marked(row, seen.formulas[number])
        for last, column in seen.merged.get(number, ()):
            if column <= len(row):
                showing[column] = (last, row[column - 1])
        if all(is_blank(cell) for cell in row):
            continue
        yield number, _filled(number, row, showing) if showing else row
        given += 1
        if given >= most:
            return


def _marked(row: Sequence[Cell], columns: Sequence[int]) -> Sequence[Cell]:
    cells = list(row)
    for column in columns:
        if column <= len(cells):
            cells[column - 1] = Uncomputed("=")
    return cells


def _filled(number: int, row: Sequence[Cell], showing: dict[int, tuple[int, Cell]]) -> Sequence[Cell]:
    cells = list(row)
    for column, (last, value) in list(showing.items()):
        if number > last:
            del showing[column]
            continue
        cells += [None] * (column - len(cells))
        cells[column - 1] = value
    return cells
