"""What was imported comes back by the export, and importing that changes nothing."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mes.i18n import t
from openpyxl import load_workbook

from examples.tables import Tables
from services.order.workbook.kinds import Breaks, Minutes, Moment, Number, Parts, Places, Setting, Skills, Wholes
from services.order.workbook.template import template_book

from .conftest import Office, book

ZONE = ZoneInfo("Asia/Shanghai")
CODE = st.text("ABCXYZ0123456789-_.甲乙", min_size=1, max_size=8).map(str.strip).filter(bool)
# What begins with "=" would be written as a formula, as by somebody who types it.
NAME = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=20).filter(
    lambda text: not text.startswith("=") and not text.strip().startswith("#")
)
QUANTITY = st.decimals("0.000001", "99999999", places=6)
SMALL = st.decimals("0.001", "1000", places=3)
FLAG = st.sampled_from(["yes", "no", "是", "否", "√", "×", True, False])
MINUTES = st.integers(0, 600)
SKILLS = st.lists(
    st.tuples(CODE, st.just("") | st.dates(date(2000, 1, 1), date(2100, 1, 1)).map(date.isoformat)),
    max_size=4, unique_by=lambda each: each[0],
)  # fmt: skip


def _named(row: dict[str, Any], draw: Any) -> dict[str, Any]:
    return {**row, "name_zh": draw(NAME), "name_en": draw(NAME)}


@st.composite
def shops(draw: Any) -> dict[str, list[dict[str, Any]]]:
    """Tables of a small shop with anything in its cells that is allowed."""
    materials = draw(st.lists(CODE, min_size=1, max_size=4, unique_by=lambda code: code))
    machines = draw(st.lists(CODE.map(lambda code: f"M{code}"), min_size=1, max_size=4, unique=True))
    place = st.tuples(st.sampled_from(machines), SMALL, MINUTES, st.integers(1, 9))
    operations = [
        _named({
            "product": product, "revision": "A", "status": "Accepted", "seq": seq,
            "predecessors": draw(st.sampled_from(["", *map(str, range(10, seq, 10))])),
            "alternatives": ";".join(":".join(map(str, each)) for each in draw(
                st.lists(place, min_size=1, max_size=3, unique_by=lambda each: each[0])
            )),
            "queue_min": draw(st.decimals(0, 100, places=2)), "overlap_qty": draw(st.none() | QUANTITY),
            "interruptible": draw(FLAG), "over_tolerance": draw(st.sampled_from(["0.05", "5%", 0, ""])),
        }, draw)
        for product in materials for seq in range(10, 10 * draw(st.integers(2, 4)), 10)
    ]  # fmt: skip
    return {
        "materials": [
            _named({"no": no, "stock_uom": "kg", "order_uom": "pcs", "report_uom": "pcs", "uom_digits": 6,
                    "order_factor": draw(QUANTITY), "report_factor": draw(QUANTITY),
                    "tracking": draw(st.sampled_from(["none", "按批", "Serial", ""])), "outdated": draw(FLAG)}, draw)
            for no in materials
        ],
        "work_centres": [_named({"no": "WC"}, draw)],
        "equipment": [
            _named({"no": no, "work_centre": "WC", "efficiency": draw(st.decimals("0.1", 2, places=2)),
                    "is_networked": draw(FLAG), "counter_modulus": draw(st.none() | st.integers(2, 10**6))}, draw)
            for no in machines
        ],
        "setup_matrix": [
            {"from_family": draw(CODE), "to_family": f"F{n}", "minutes": draw(st.decimals(0, 90, places=3)),
             "cost_minor": draw(st.integers(0, 10**6))} for n in range(draw(st.integers(0, 3)))
        ],
        "workers": [
            _named({"code": code, "skills": ";".join(":".join(filter(None, each)) for each in draw(SKILLS)),
                    "outdated": draw(FLAG)}, draw)
            for code in draw(st.lists(CODE, max_size=3, unique=True))
        ],
        "routings": operations,
        "orders": [
            {"no": f"MO-{n}", "material": draw(st.sampled_from(materials)), "qty": draw(QUANTITY),
             "priority": draw(st.integers(1, 9)), "customer": draw(NAME),
             "due_at": draw(st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))}  # noqa: DTZ001
            for n in range(draw(st.integers(0, 4)))
        ],
    }  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(shops())
def test_importing_an_export_changes_nothing(tables: dict[str, list[dict[str, Any]]]) -> None:
    office = Office()
    outdated = {row["no"] for row in tables["materials"] if row["outdated"] in {"yes", "是", "√", True}}
    tables["orders"] = [row for row in tables["orders"] if row["material"] not in outdated]
    first = office.load(book({name: rows for name, rows in tables.items() if rows}))
    assert first.errors == []
    assert office.look(book(tables)).changes == []
    for language in ("", "zh-CN", "en"):
        again = office.look(office.export(language))
        assert (again.errors, again.changes, again.notes) == ([], [], first.notes)


def test_the_sample_comes_back_in_every_language(office: Office, sample: Tables) -> None:
    first = office.load(book(sample))
    assert (first.errors, first.notes) == ([], [])
    specs = dict(office.specs)
    for language in ("", "zh-CN", "en"):
        again = office.load(office.export(language))
        assert (again.errors, again.changes) == ([], [])
    other = Office()
    assert other.load(office.export()).errors == []
    assert len(other.specs) == len(specs)


def test_rows_in_another_order_change_nothing(office: Office, sample: Tables) -> None:
    office.load(book(sample))
    turned = {name: list(reversed(rows)) for name, rows in reversed(sample.items())}
    again = office.look(book(turned))
    assert (again.errors, again.changes) == ([], [])


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_template_can_be_imported(office: Office, language: str) -> None:
    content = template_book(language, ZONE)
    seen = office.load(content)
    assert (seen.errors, seen.notes, seen.skipped) == ([], [], [])
    assert {kind for kind, _ in office.specs} == {
        "calendar", "material", "work_centre", "equipment", "setup_matrix", "reason", "worker", "inspection_plan",
        "routing",
    }  # fmt: skip
    assert list(office.orders) == ["MO-0001"]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_template_offers_what_a_cell_may_be(language: str) -> None:
    book = load_workbook(io.BytesIO(template_book(language, ZONE)))
    offered = {}
    for sheet in book.worksheets:
        titles = {str(cell.coordinate).rstrip("1"): cell.value for cell in sheet[1]}
        for rule in sheet.data_validations.dataValidation:
            if rule.type == "list":
                letter = str(rule.sqref).partition("2:")[0]
                offered[sheet.title, str(titles[letter]).rstrip("*")] = rule.formula1
    plans, machines = (t(f"workbook.sheet.{each}", language) for each in ("inspection_plans", "equipment"))
    aql, level = (t(f"workbook.column.inspection_plans.{each}", language) for each in ("aql", "inspection_level"))
    assert offered[plans, aql].startswith('"0.010,0.015,') and offered[plans, aql].endswith(',650,1000"')
    assert offered[plans, level] == '"I,II,III,S-1,S-2,S-3,S-4"'
    mapping = t("workbook.column.equipment.mapping", language)
    assert offered[machines, mapping] == '"tower_light,packml,mtconnect"'
    # Excel takes no more in a list of words.
    assert all(len(each) <= 255 for each in offered.values())


@given(st.decimals("-99999999999", "99999999999", places=6))
def test_numbers_survive_a_sheet(number: Decimal) -> None:
    kind, setting = Number(low=None), Setting()
    assert kind.read(kind.write(number, setting), setting) == number


@given(st.integers(0, 10**7))
def test_seconds_survive_as_minutes(seconds: int) -> None:
    kind, setting = Minutes(), Setting()
    assert kind.read(kind.write(seconds, setting), setting) == seconds


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC"]),
)
def test_moments_survive_in_any_zone(moment: datetime, zone: str) -> None:
    kind, setting = Moment(), Setting(ZoneInfo(zone))
    assert kind.read(kind.write(moment, setting), setting) == moment


@given(st.lists(st.tuples(CODE, SMALL, st.integers(0, 10**5), st.integers(1, 99)), max_size=4,
                unique_by=lambda each: each[0]))  # fmt: skip
def test_places_survive(value: list[Any]) -> None:
    kind, setting = Places(), Setting()
    assert kind.read(kind.write(tuple(value), setting), setting) == tuple(value)


@given(st.lists(st.tuples(CODE, QUANTITY), max_size=4, unique_by=lambda each: each[0]))
def test_parts_survive(value: list[Any]) -> None:
    kind, setting = Parts(), Setting()
    assert kind.read(kind.write(tuple(value), setting), setting) == tuple(value)


@given(SKILLS)
def test_skills_survive(value: list[Any]) -> None:
    kind, setting = Skills(), Setting()
    assert kind.read(kind.write(tuple(value), setting), setting) == tuple(value)


def test_lists_in_many_forms() -> None:
    setting = Setting()
    assert Wholes(1, 8).read("1-3；5、7", setting) == (1, 2, 3, 5, 7)
    assert Wholes(1, 7).read(3.0, setting) == (3,)
    assert Breaks().read("09:30～9:40； 11:30–12:00", setting) == (("09:30", "09:40"), ("11:30", "12:00"))
    assert Places().read(" P-01：2.4：45：1；P-02:3 ", setting) == (
        ("P-01", Decimal("2.4"), 2700, 1), ("P-02", Decimal(3), 0, 1),
    )  # fmt: skip
    assert Skills().read(" CNC；WELD：2026/12/31、焊接 ", setting) == (
        ("CNC", ""),
        ("WELD", "2026-12-31"),
        ("焊接", ""),
    )
    assert Parts().read("SA-011:2;SA-012", setting) == (("SA-011", Decimal(2)), ("SA-012", Decimal(1)))
