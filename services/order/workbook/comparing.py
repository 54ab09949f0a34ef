"""What would change: thing by thing, field by field, old and new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mes.i18n import t

from services.order.workbook.documents import Document
from services.order.workbook.kinds import Setting
from services.order.workbook.merging import Wish
from services.order.workbook.sheets import LEVELS_BY_NAME, Key


@dataclass(frozen=True, slots=True)
class Change:
    """A change. action: added | changed | removed; field and values only for changed. row: where the file says it."""

    sheet: str
    level: str
    key: str
    action: str
    row: int = 0
    column: str = ""
    field: str = ""
    old: str = ""
    new: str = ""

    def render(self, language: str) -> dict[str, Any]:
        """As the API shows it."""
        title = t(f"workbook.column.{LEVELS_BY_NAME[self.level][0].key}.{self.field}", language) if self.field else ""
        shown = {"what": t(f"workbook.level.{self.level}", language), "key": self.key, "field": title}
        return {
            "sheet": self.sheet,
            "row": self.row or None,
            "column": self.column or None,
            "kind": self.level,
            "key": self.key,
            "action": self.action,
            "field": self.field or None,
            "old": self.old if self.field else None,
            "new": self.new if self.field else None,
            "message": t(
                f"workbook.change.{self.action}", language, **shown, old=self.old or "—", new=self.new or "—"
            ),
        }  # fmt: skip


def changes_of(wish: Wish, setting: Setting) -> Iterator[Change]:
    """What differs between a wish and what is stored; a new definition is one change."""
    if wish.old is None:
        thing = wish.first
        outer = next(iter(LEVELS_BY_NAME[thing.level.name][0].levels))
        if wish.kind != "setup_matrix":
            yield Change(thing.layout.raw.name, outer.name, wish.no, "added", thing.row)
            return
    for name in wish.document.things:
        yield from _level_changes(wish, name, wish.old or Document(), setting)


def _level_changes(wish: Wish, name: str, old: Document, setting: Setting) -> Iterator[Change]:
    sheet, level = LEVELS_BY_NAME[name]
    before, after = old.level(name), wish.document.level(name)
    for key, values in after.items():
        thing = wish.things.get((name, key))
        place = thing.layout.raw.name if thing else sheet.key
        row = thing.row if thing else 0
        if key not in before:
            yield Change(place, name, shown_key(key), "added", row)
            continue
        for column in sheet.own(level):
            if column.key == "remove" or column.only_read or before[key].get(column.key) == values[column.key]:
                continue
            show = column.kind.show
            yield Change(
                place, name, shown_key(key), "changed", thing.rows.get(column.key, row) if thing else 0,
                thing.layout.title(column.key) if thing else column.key, column.key,
                show(before[key].get(column.key), setting), show(values[column.key], setting),
            )  # fmt: skip
    for key in before:
        if key not in after:
            yield Change(sheet.key, name, shown_key(key), "removed")


def shown_key(key: Key) -> str:
    """What a thing is called in a list."""
    return " / ".join(map(str, key))
