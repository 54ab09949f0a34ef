"""Rows of cells as things with values: what the file says, and only what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from services.order.workbook.kinds import POSITIVE, Setting, Zone
from services.order.workbook.layout import Layout
from services.order.workbook.normalising import Cell, is_blank, plain_text, to_moment
from services.order.workbook.problems import CellError, Problem
from services.order.workbook.sheets import SITE, SITE_KEYS, Column, Key, Level, Values


class _Empty:
    """An empty cell: its column is there, and says nothing."""

    def __repr__(self) -> str:
        return "EMPTY"


EMPTY: Any = _Empty()


@dataclass(slots=True)
class Thing:
    """Something of one level that the file speaks of. said: its columns' values, EMPTY where the cell is."""

    level: Level
    layout: Layout
    key: Key
    row: int
    said: Values = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that said something other than the first row."""

    def problem(self, column: str, code: str, /, **params: Any) -> Problem:
        """A problem of this thing at one of its columns."""
        return self.layout.problem(self.rows.get(column, self.row), column, code, **params)


Things = dict[str, dict[Key, Thing]]


@dataclass(slots=True)
class Taken:
    """What a file says. bad: keys of things with a row that cannot be taken, by level, with that row."""

    things: Things = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)
    bad: dict[str, dict[Key, tuple[Layout, int]]] = field(default_factory=dict)
    site: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    setting: Setting = field(default_factory=Setting)
    sheets: list[str] = field(default_factory=list)
    lost_rows: set[tuple[str, int]] = field(default_factory=set)
    """Rows with an error in them."""


def take_rows(layouts: Sequence[Layout], setting: Setting) -> Taken:
    """All rows of all sheets; every error of every cell is in the result."""
    taken = Taken()
    for layout in layouts:
        if layout.sheet is SITE:
            _take_site(layout, taken)
    if zone := taken.site.get("time_zone"):
        setting = Setting(ZoneInfo(zone), setting.date_order)
    taken.setting, taken.sheets = setting, [layout.raw.name for layout in layouts]
    for layout in layouts:
        if layout.sheet is not SITE:
            _SheetReader(layout, setting, taken).read()
    return taken


def _take_site(layout: Layout, taken: Taken) -> None:
    for number, row in layout.rows():
        taken.rows += 1
        try:
            key, value = plain_text(row.get("key")), row.get("value")
            if key not in SITE_KEYS:
                raise CellError("workbook.unknown_word", value=key, allowed=list(SITE_KEYS), choice="site")
            taken.site[key] = _site_value(key, value)
        except CellError as error:
            column = "key" if error.code == "workbook.unknown_word" else "value"
            taken.errors.append(layout.problem(number, column, error.code, **error.params))
            taken.lost_rows.add((layout.raw.name, number))


def _site_value(key: str, value: Cell) -> str:
    if key == "time_zone":
        return Zone().read(value, Setting())
    if key == "clock_factor":
        return str(POSITIVE.read(value, Setting()))
    return to_moment(value, Setting().zone).isoformat()


class _SheetReader:
    def __init__(self, layout: Layout, setting: Setting, taken: Taken) -> None:
        self.layout, self.setting, self.taken = layout, setting, taken
        self.sheet = layout.sheet
        # The same words come again and again: what was read once need not be read again.
        self.known: dict[tuple[str, type, Cell], Any] = {}
        # Columns that the file has, by level, without the keys.
        self.own = {
            level.name: [each for each in self.sheet.own(level) if layout.has(each.key) and not each.only_read]
            for level in self.sheet.levels
        }

    def read(self) -> None:
        outer = self.sheet.levels[0].key
        if not all(self.layout.has(key) or self.sheet.by_key[key].default is not None for key in outer):
            # Reported as a missing column; without it no row can be told from another.
            return
        for number, row in self.layout.rows():
            self.taken.rows += 1
            self._read_row(number, row)

    def _read_row(self, number: int, row: dict[str, Cell]) -> None:
        before = len(self.taken.errors)
        keys: Values = {}
        for level in self.sheet.levels:
            if not self._read_key(number, row, level, keys):
                break
            said = {
                column.key: self._read_cell(number, row, column) for column in self.own[level.name] if column.key in row
            }
            self._add(number, level, tuple(keys[name] for name in level.key), said)
        if len(self.taken.errors) > before:
            self._lose(number, keys)

    def _read_key(self, number: int, row: dict[str, Cell], level: Level, keys: Values) -> bool:
        """Read the key columns of a level; False when the row says nothing of it or cannot."""
        for name in level.key:
            if name in keys:
                continue
            column = self.sheet.by_key[name]
            if is_blank(row.get(name)) and column.default is None:
                # A calendar without shifts, a sheet without the inner level's column: only the outer level is meant.
                if not (level.optional or not self.layout.has(name)):
                    self._wrong(number, name, CellError("workbook.key_empty"))
                return False
            value = self._read_cell(number, row, column)
            if value is None:
                return False
            keys[name] = column.empty(keys) if value is EMPTY else value
        return True

    def _read_cell(self, number: int, row: dict[str, Cell], column: Column) -> Any:
        cell = row.get(column.key)
        mark = (column.key, type(cell), cell)
        if mark in self.known:
            return self.known[mark]
        if is_blank(cell):
            return EMPTY
        try:
            value = column.kind.read(cell, self.setting)
        except CellError as error:
            self._wrong(number, column.key, error)
            return None
        self.known[mark] = value
        return value

    def _wrong(self, number: int, column: str, error: CellError) -> None:
        self.taken.errors.append(self.layout.problem(number, column, error.code, **error.params))

    def _lose(self, number: int, keys: Values) -> None:
        self.taken.lost_rows.add((self.layout.raw.name, number))
        for level in self.sheet.levels:
            if all(name in keys for name in level.key):
                key = tuple(keys[name] for name in level.key)
                self.taken.bad.setdefault(level.name, {}).setdefault(key, (self.layout, number))

    def _add(self, number: int, level: Level, key: Key, said: Values) -> None:
        things = self.taken.things.setdefault(level.name, {})
        known = things.get(key)
        if known is None:
            things[key] = Thing(level, self.layout, key, number, said)
        elif level is self.sheet.levels[-1]:
            shown = " / ".join(map(str, key))
            place = {"key": shown, "first": known.row, "sheet": known.layout.raw.name}
            self._wrong(number, level.key[-1], CellError("workbook.duplicate", **place))
        else:
            self._agree(number, known, said)

    def _agree(self, number: int, known: Thing, said: Values) -> None:
        """Rows of one routing say the same of it, or nothing."""
        for name, value in said.items():
            if value is EMPTY or value is None:
                continue
            before = known.said.get(name, EMPTY)
            if before is EMPTY or before is None:
                known.said[name] = value
                known.rows[name] = number
            elif before != value:
                show = self.sheet.by_key[name].kind.show
                params = {
                    "value": show(value, self.setting),
                    "before": show(before, self.setting),
                    "first": known.rows.get(name, known.row),
                }
                self._wrong(number, name, CellError("workbook.contradicts", **params))
