"""What definitions would be if the file were taken: stored things, overlaid by what the file says of them.

A thing that the file does not name stays as it is, and so does a column that the file does not have. Parts go only by
`remove` = yes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.order.workbook.documents import Document, Names, owner_of, things_of
from services.order.workbook.problems import Problem
from services.order.workbook.rows import EMPTY, Taken, Thing
from services.order.workbook.sheets import LEVELS_BY_NAME, Key, Level, Values

ABSENT: Any = object()
Owner = tuple[str, str]


@dataclass(slots=True)
class Wish:
    """A definition that the file speaks of. things: those of the file, by level and key; document: the whole of it.

    faults: what is wrong with it. spoilt: a row of it with something wrong that is told elsewhere. lacking: why it
    cannot be taken although nothing of its own is wrong.
    """

    kind: str
    no: str
    old: Document | None
    document: Document
    things: dict[tuple[str, Key], Thing] = field(default_factory=dict)
    faults: list[Problem] = field(default_factory=list)
    spoilt: int | None = None
    lacking: Problem | None = None
    removed: list[tuple[str, Key]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether it can be taken."""
        return not self.faults and self.spoilt is None and self.lacking is None

    @property
    def first(self) -> Thing:
        """The thing of the file that came first."""
        return next(iter(self.things.values()))

    def fault(self, level: str, key: Key, column: str, code: str, **params: Any) -> None:
        """Note something wrong with one of its things; with the first of the file where it is not in the file."""
        thing = self.things.get((level, key), self.first)
        if thing.said.get(column, ABSENT) is None:
            # The cell itself is wrong, and that is told already.
            return
        self.faults.append(thing.problem(column, code, **params))

    def wait_for(self, thing: Thing, column: str, code: str, **params: Any) -> None:
        """Note why it cannot be taken although nothing of its own is wrong."""
        if self.lacking is None:
            self.lacking = thing.problem(column, code, **params)


def owners_of(taken: Taken) -> dict[Owner, list[Thing]]:
    """The things of the file by the definition that they belong to."""
    owners: dict[Owner, list[Thing]] = {}
    for name, things in taken.things.items():
        if not LEVELS_BY_NAME[name][1].of:
            continue
        for key, thing in things.items():
            owners.setdefault(owner_of(name, key), []).append(thing)
    return owners


class Merger:
    """Makes wishes. stored: specs of the definitions that there are."""

    def __init__(self, taken: Taken, stored: Mapping[Owner, Mapping[str, Any]], names: Names, zone: str) -> None:
        self.taken, self.stored, self.names, self.zone = taken, stored, names, zone
        self.errors: list[Problem] = []
        self.skipped: list[Problem] = []
        self._columns_missing: set[tuple[str, str]] = set()

    def wish(self, owner: Owner, things: list[Thing]) -> Wish:
        """The definition with what the file says of it."""
        kind, no = owner
        spec = self.stored.get(owner)
        old = things_of(kind, no, spec, self.names) if spec is not None else None
        document = Document()
        if old:
            document = Document({name: dict(each) for name, each in old.things.items()}, dict(old.part_ids))
        wish = Wish(kind, no, old, document)
        for thing in sorted(things, key=lambda each: len(each.key)):
            wish.things[thing.level.name, thing.key] = thing
        for thing in list(wish.things.values()):
            self._overlay(wish, thing)
        self._spread(wish)
        return wish

    def _overlay(self, wish: Wish, thing: Thing) -> None:
        level, place = thing.level, wish.document.things.setdefault(thing.level.name, {})
        if thing.said.get("remove") is True:
            if place.pop(thing.key, None) is not None:
                wish.removed.append((level.name, thing.key))
            return
        lost = self.taken.bad.get(level.name, {}).get(thing.key)
        before = len(self.errors)
        values = self._values(thing, place.get(thing.key))
        if values is None or lost or len(self.errors) > before:
            if level.whole:
                wish.spoilt = lost[1] if lost else thing.row
            else:
                # The rest of the calendar or matrix does not need this one.
                del wish.things[level.name, thing.key]
                return
        if values is not None:
            place[thing.key] = values

    def _values(self, thing: Thing, stored: Values | None) -> Values | None:
        """Values of a thing; None when its sheet lacks a column that a new one needs."""
        values: Values = dict(stored or {})
        for column in thing.layout.sheet.own(thing.level):
            said = thing.said.get(column.key, ABSENT)
            if column.key == "remove" or column.only_read:
                continue
            if said is ABSENT and stored is None and column.required:
                if not thing.layout.has(column.key):
                    self._column_missing(thing, column.key)
                    return None
                said = EMPTY
            if said is ABSENT or said is None:
                if stored is None:
                    values[column.key] = column.empty(values)
                continue
            values[column.key] = column.empty(values) if said is EMPTY else said
            if said is EMPTY and column.required:
                self.errors.append(thing.problem(column.key, "workbook.required"))
        if thing.level.name == "calendar":
            values["time_zone"] = values["time_zone"] or self.zone
        return values

    def _column_missing(self, thing: Thing, column: str) -> None:
        """Tell once a sheet that new things need a column."""
        place = (thing.layout.raw.name, column)
        if place not in self._columns_missing:
            self._columns_missing.add(place)
            row = thing.layout.header_row
            self.errors.append(thing.layout.problem(row, column, "workbook.column_missing", column=column))

    def _spread(self, wish: Wish) -> None:
        """A part without the whole: exceptions of a calendar that is nowhere."""
        outer = _outer(wish.kind)
        if outer.name == "setup" or wish.document.level(outer.name):
            return
        for thing in wish.things.values():
            if (wish.no,) in self.taken.bad.get(outer.name, {}):
                wish.wait_for(thing, "calendar", "workbook.waits_for", kind=wish.kind, no=wish.no)
            else:
                wish.faults.append(
                    thing.problem("calendar", "workbook.unknown_reference", kind=wish.kind, value=wish.no)
                )


def _outer(kind: str) -> Level:
    return next(level for _, level in LEVELS_BY_NAME.values() if level.of == kind)
