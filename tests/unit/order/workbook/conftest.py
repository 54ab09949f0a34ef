"""An office without a database: what is stored is kept in memory, everything else is the real thing."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook

from examples.foshan.tables import make_tables
from examples.tables import Tables
from services.order.workbook.importing import definition_changes
from services.order.workbook.kinds import Setting
from services.order.workbook.layout import FileMapping
from services.order.workbook.orders import StoredOrder
from services.order.workbook.preparing import Prepared, Stored, prepare, understand
from services.order.workbook.sheets import ORDERS
from services.order.workbook.writing import definition_rows, write_book

ZONE = ZoneInfo("Asia/Shanghai")


def book(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """Sheets as .xlsx bytes; columns are the keys of all rows."""
    made = Workbook()
    made.remove(made.worksheets[0])
    for name, rows in tables.items():
        sheet = made.create_sheet(name)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        sheet.append(columns)
        for row in rows:
            sheet.append([row.get(column) for column in columns])
    raw = io.BytesIO()
    made.save(raw)
    return raw.getvalue()


class Office:
    """Stored definitions and orders, and imports into them."""

    def __init__(self) -> None:
        self.site = uuid4()
        self.ids: dict[tuple[str, str], UUID] = {}
        self.specs: dict[tuple[str, str], Any] = {}
        self.orders: dict[str, StoredOrder] = {}

    def look(self, content: bytes, name: str = "book.xlsx", mapping: FileMapping | None = None) -> Prepared:
        """What an import would do."""
        said = understand(name, content, mapping, ZONE)
        return prepare(said, Stored(self.site, self.ids, self.specs, self.orders), uuid4)

    def look_at(self, **tables: Sequence[Mapping[str, Any]]) -> Prepared:
        """The same with sheets by name."""
        return self.look(book(tables))

    def load(self, content: bytes, name: str = "book.xlsx", mapping: FileMapping | None = None) -> Prepared:
        """Import all rows that can be taken."""
        prepared = self.look(content, name, mapping)
        for each in definition_changes(prepared):
            self.ids[each.kind, each.no] = each.id
            self.specs[each.kind, each.no] = each.spec
        for wish in prepared.orders:
            state = wish.stored.state if wish.stored else "Draft"
            self.orders[wish.no] = StoredOrder(wish.stored.id if wish.stored else uuid4(), state, wish.values)
        return prepared

    def load_tables(self, **tables: Sequence[Mapping[str, Any]]) -> Prepared:
        """The same with sheets by name; there must be no error."""
        prepared = self.load(book(tables))
        assert prepared.errors == []
        return prepared

    def export(self, language: str = "") -> bytes:
        """Everything back as a workbook."""
        setting = Setting(ZONE)
        rows = definition_rows(
            self.site, ((kind, no, self.ids[kind, no], spec) for (kind, no), spec in self.specs.items()), setting
        )
        rows["orders"] = [
            {"no": no, "state": order.state}
            | {name: ORDERS.by_key[name].kind.write(value, setting) for name, value in order.values.items()}
            for no, order in self.orders.items()
        ]
        return write_book(rows, language)


@pytest.fixture
def office() -> Office:
    """An empty office."""
    return Office()


@pytest.fixture(scope="session")
def sample() -> Tables:
    """The tables of the sample workshop."""
    return make_tables()


@pytest.fixture
def stocked(office: Office) -> Office:
    """A small shop: two presses, one product in two operations, one order."""
    office.load_tables(
        materials=[
            {"no": "P-1", "stock_uom": "kg", "order_uom": "pcs", "report_uom": "pcs", "order_factor": "0.1",
             "report_factor": "0.1"},
            {"no": "RM", "stock_uom": "kg"},
        ],
        calendars=[{"calendar": "DAY", "time_zone": "Asia/Shanghai", "shift": "D", "weekdays": "1-5",
                    "start": "08:00", "end": "17:00", "breaks": "12:00-13:00"}],
        work_centres=[{"no": "PRESS", "calendar": "DAY"}],
        equipment=[{"no": "M1", "work_centre": "PRESS"}, {"no": "M2", "work_centre": "PRESS"}],
        routings=[
            {"product": "P-1", "revision": "A", "status": "Accepted", "seq": 10, "alternatives": "M1:2:10:1;M2:3"},
            {"product": "P-1", "revision": "A", "status": "Accepted", "seq": 20, "alternatives": "PRESS:1",
             "predecessors": "10"},
        ],
        orders=[{"no": "MO-1", "material": "P-1", "qty": 100, "due_at": "2026-03-10 17:00"}],
    )  # fmt: skip
    return office


def codes(prepared: Prepared) -> list[tuple[str, int, str, str]]:
    """Every error as sheet, row, column and code, without the prefix."""
    return [(each.sheet, each.row, each.column, each.code.removeprefix("workbook.")) for each in prepared.errors]
