"""Which of a file's sheets and columns is which of ours: by their names in either language, or by a saved mapping."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from mes.i18n import LANGUAGES, t
from openpyxl.utils import column_index_from_string, get_column_letter

from services.order.workbook.normalising import Cell, DateOrder, is_blank, narrow
from services.order.workbook.problems import CellError, Problem, shorten
from services.order.workbook.reading import ABSENT, RawSheet
from services.order.workbook.sheets import BY_KEY, SHEETS, Column, Sheet
from services.order.workbook.titles import COLUMN_ALIASES, SHEET_ALIASES

HEADER_WITHIN = 20
HELP_SHEETS = {"help", "说明", "填写说明"}


@dataclass(frozen=True, slots=True)
class SheetMapping:
    """How one of a user's sheets is ours. header_row: 0 = find it; columns: their title, or letter -> our column.

    constants: our column -> what every row says there. words: our column -> their word -> ours.
    fill_down: our columns whose empty cells mean the same as above. skip_words: rows that begin so are no data (合计).
    """

    sheet: str
    to: str
    header_row: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fill_down: Sequence[str] = ()
    skip_words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FileMapping:
    """A user's own workbook. date_order: of dates like 3/2/2026."""

    sheets: Sequence[SheetMapping] = ()
    date_order: DateOrder = "ymd"


@dataclass(slots=True)
class Layout:
    """A sheet of the file with its place in ours. places: our column -> index of theirs."""

    sheet: Sheet
    raw: RawSheet
    header_row: int
    places: dict[str, int]
    titles: dict[str, str]
    mapping: SheetMapping | None = None

    def has(self, column: str) -> bool:
        """Whether the file says anything about a column."""
        return column in self.places or bool(self.mapping and column in self.mapping.constants)

    def title(self, column: str) -> str:
        """What the file calls one of our columns."""
        return self.titles.get(column, column)

    def problem(self, row: int, column: str, code: str, /, **params: Any) -> Problem:
        """A problem in this sheet, at one of our columns."""
        shown = self.title(column) if column else ""
        return Problem(self.raw.name, row, shown, code, params, column)

    def rows(self) -> Iterator[tuple[int, dict[str, Cell]]]:
        """Number and cells by our columns of every row that says anything; constants, words and blanks filled in."""
        places = list(self.places.items())
        above: dict[str, Cell] = {}
        for number, cells in self.raw.rows:
            if number <= self.header_row:
                continue
            row = {
                key: cells[place] if place < len(cells) else None
                for key, place in places
                if place >= len(cells) or cells[place] is not ABSENT
            }
            if all(map(is_blank, row.values())):
                continue
            if self.mapping is None:
                yield number, row
            elif not self._skipped(cells):
                yield number, self._mapped(row, above)

    def _skipped(self, cells: Sequence[Cell]) -> bool:
        words = self.mapping.skip_words if self.mapping else ()
        first = next((str(cell).strip() for cell in cells if cell is not ABSENT and not is_blank(cell)), "")
        return any(first.startswith(word) for word in words if word)

    def _mapped(self, row: dict[str, Cell], above: dict[str, Cell]) -> dict[str, Cell]:
        mapping = self.mapping
        if mapping is None:
            return row
        for key in mapping.fill_down:
            if is_blank(row.get(key)):
                row[key] = above.get(key)
            above[key] = row.get(key)
        for key, constant in mapping.constants.items():
            if is_blank(row.get(key)):
                row[key] = constant
        for key, words in mapping.words.items():
            said = folded(row.get(key))
            row[key] = next((ours for theirs, ours in words.items() if folded(theirs) == said), row.get(key))
        return row


def folded(title: Cell) -> str:
    """A title or word without what people vary: width, case, blanks, stars and brackets around units of help."""
    try:
        text = narrow(title)
    except CellError:
        return ""
    return re.sub(r"[\s_*:-]", "", text).casefold()


@cache
def _sheet_names() -> dict[str, Sheet]:
    names = {folded(t(f"workbook.sheet.{sheet.key}", lang)): sheet for sheet in SHEETS for lang in LANGUAGES}
    names |= {folded(alias): BY_KEY[key] for key, aliases in SHEET_ALIASES.items() for alias in aliases}
    return names | {folded(sheet.key): sheet for sheet in SHEETS}


@cache
def column_names(sheet: Sheet) -> dict[str, Column]:
    """Columns of a sheet by everything that they may be called."""
    aliases = COLUMN_ALIASES.get(sheet.key, {})
    names = {folded(alias): sheet.by_key[key] for key, given in aliases.items() for alias in given}
    for language in LANGUAGES:
        names |= {folded(t(f"workbook.column.{sheet.key}.{each.key}", language)): each for each in sheet.columns}
    return names | {folded(each.key): each for each in sheet.columns}


def _column_of(sheet: Sheet, title: Cell) -> Column | None:
    """The column that a title names, also one in two languages: "数量 (qty)", "数量/qty"."""
    names = column_names(sheet)
    if (found := names.get(folded(title))) or title is None:
        return found
    parts = {names.get(folded(part)) for part in re.split(r"[\n/()（）|]", str(title))} - {None}
    return parts.pop() if len(parts) == 1 else None


# ---- finding out ----------------------------------------------------------------------------------------------------


def lay_out(
    sheets: Sequence[RawSheet], mapping: FileMapping | None
) -> tuple[list[Layout], list[Problem], list[Problem]]:
    """The sheets that are ours, what is wrong with them, and what is worth knowing but not wrong."""
    layouts: list[Layout] = []
    errors: list[Problem] = []
    notes: list[Problem] = []
    filled = [sheet for sheet in sheets if sheet.rows]
    for raw in filled:
        if folded(raw.name) in map(folded, HELP_SHEETS):
            continue
        mapped = _mapping_of(raw, mapping, alone=len(filled) == 1)
        sheet = BY_KEY[mapped.to] if mapped else _sheet_of(raw, alone=len(filled) == 1)
        if sheet is None:
            known = ", ".join(each.key for each in SHEETS)
            notes.append(Problem(raw.name, 0, "", "workbook.sheet_unknown", {"sheet": raw.name, "known": known}))
            continue
        layout = _lay_out_one(sheet, raw, mapped)
        layouts.append(layout)
        errors += _wrong_titles(layout)
        notes += _unknown_titles(layout)
    if not layouts:
        errors.append(Problem("", 0, "", "workbook.nothing_known", {"known": ", ".join(each.key for each in SHEETS)}))
    return layouts, errors, notes


def _mapping_of(raw: RawSheet, mapping: FileMapping | None, *, alone: bool) -> SheetMapping | None:
    given = mapping.sheets if mapping else ()
    found = next((each for each in given if folded(each.sheet) == folded(raw.name)), None)
    # A file of one sheet (CSV) is meant by a mapping of one sheet, whatever the file is called today.
    return found or (given[0] if alone and len(given) == 1 else None)


def _sheet_of(raw: RawSheet, *, alone: bool) -> Sheet | None:
    named = _sheet_names().get(folded(raw.name))
    if named or not alone:
        return named
    scores = sorted(((_score(sheet, raw), sheet.key) for sheet in SHEETS), reverse=True)
    best, second = scores[0], scores[1]
    return BY_KEY[best[1]] if best[0] >= 2 and best[0] > second[0] else None


def _score(sheet: Sheet, raw: RawSheet) -> int:
    """How many titles are columns of a sheet; 0 unless all its keys are among them."""
    _, titles = _header(sheet, raw, 0)
    known = {found.key for title in titles if (found := _column_of(sheet, title))}
    needed = {key for key in sheet.levels[0].key if sheet.by_key[key].default is None}
    return len(known) if needed <= known else 0


def _header(sheet: Sheet, raw: RawSheet, wanted: int) -> tuple[int, Sequence[Cell]]:
    """Number and cells of the row of titles: the one wanted, else the first of those with the most known titles."""
    if raw.header is not None:
        return 0, raw.header
    if wanted:
        return wanted, next((cells for number, cells in raw.rows if number == wanted), ())
    head = [(number, cells) for number, cells in raw.rows[:HEADER_WITHIN]]
    return max(head, key=lambda row: sum(_column_of(sheet, cell) is not None for cell in row[1]))


def _lay_out_one(sheet: Sheet, raw: RawSheet, mapped: SheetMapping | None) -> Layout:
    number, titles = _header_of_mapping(sheet, raw, mapped) if mapped else _header(sheet, raw, 0)
    places: dict[str, int] = {}
    named: dict[str, str] = {}
    for place, title in enumerate(titles):
        column = _mapped_column(sheet, mapped, place, title)
        if column and column.key not in places:
            places[column.key] = place
            named[column.key] = get_column_letter(place + 1) if is_blank(title) else str(title).strip()
    return Layout(sheet, raw, number, places, named, mapped)


def _header_of_mapping(sheet: Sheet, raw: RawSheet, mapped: SheetMapping) -> tuple[int, Sequence[Cell]]:
    if mapped.header_row or raw.header is not None:
        return _header(sheet, raw, mapped.header_row)
    wanted = set(map(folded, mapped.columns))
    head = raw.rows[:HEADER_WITHIN]
    return max(head, key=lambda row: len({folded(cell) for cell in row[1]} & wanted))


def _mapped_column(sheet: Sheet, mapped: SheetMapping | None, place: int, title: Cell) -> Column | None:
    if mapped is None:
        return _column_of(sheet, title)
    letter = get_column_letter(place + 1)
    for theirs, ours in mapped.columns.items():
        if folded(theirs) == folded(title) and not is_blank(title):
            return sheet.by_key.get(ours)
        if theirs.strip() == letter:
            return sheet.by_key.get(ours)
    return None


def _wrong_titles(layout: Layout) -> Iterator[Problem]:
    number, titles = layout.header_row, _titles(layout)
    seen: dict[str, str] = {}
    for place, title in enumerate(titles):
        column = _mapped_column(layout.sheet, layout.mapping, place, title)
        if column is None:
            continue
        if column.key in seen:
            yield Problem(
                layout.raw.name, number, str(title).strip(), "workbook.column_twice",
                {"first": seen[column.key], "second": str(title).strip()}, column.key,
            )  # fmt: skip
        seen.setdefault(column.key, str(title).strip())
    for key in layout.sheet.levels[0].key:
        if not layout.has(key) and layout.sheet.by_key[key].default is None:
            yield Problem(layout.raw.name, number, key, "workbook.column_missing", {"column": key}, key)
    if layout.mapping:
        there = {folded(title) for title in titles}
        for theirs in layout.mapping.columns:
            if folded(theirs) not in there and not _is_letter(theirs, len(titles)):
                yield Problem(layout.raw.name, number, theirs, "workbook.mapped_column_missing", {"column": theirs})


def _is_letter(text: str, width: int) -> bool:
    try:
        return bool(re.fullmatch(r"[A-Z]{1,3}", text)) and column_index_from_string(text) <= width
    except ValueError:
        return False


def _titles(layout: Layout) -> Sequence[Cell]:
    if layout.raw.header is not None:
        return layout.raw.header
    return next((cells for number, cells in layout.raw.rows if number == layout.header_row), ())


def _unknown_titles(layout: Layout) -> Iterator[Problem]:
    used = set(layout.places.values())
    for place, title in enumerate(_titles(layout)):
        known = _mapped_column(layout.sheet, layout.mapping, place, title)
        if place not in used and not is_blank(title) and known is None and layout.mapping is None:
            shown = str(shorten(title, 40))
            yield Problem(layout.raw.name, layout.header_row, shown, "workbook.column_unknown", {"column": shown})
