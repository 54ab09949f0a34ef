"""Files as people have them: text dates, full-width digits, merged cells, GB18030; and files that mean no good."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from mes.errors import Invalid
from openpyxl import Workbook

from services.order.workbook import reading, xlsx
from services.order.workbook.layout import FileMapping, SheetMapping
from services.order.workbook.normalising import to_date, to_decimal, to_moment, to_time
from services.order.workbook.problems import CellError
from services.order.workbook.reading import read_file

from .conftest import Office, book, codes

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    "cell",
    [
        "2026/3/2", "2026-03-02", "2026.3.2", "2026年3月2日", "2026年03月02号", "20260302", 20260302, 46083, 46083.0,
        "46083", "２０２６／３／２", " 2026-3-2 ", date(2026, 3, 2), datetime(2026, 3, 2),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_dates_in_many_forms(cell: Any) -> None:
    assert to_date(cell) == date(2026, 3, 2)
    # Due on a day means until its end; released on a day means from its beginning.
    assert to_moment(cell, SHANGHAI) == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert to_moment(cell, SHANGHAI, end_of_day=True) == datetime(2026, 3, 2, 15, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [
        "2026/3/2 17:30", "2026-03-02T17:30:00", "2026-03-02T09:30:00Z", "2026-03-02 17:30+08:00", "20260302 17:30",
        "2026年3月2日 17时30分", "2026年3月2日下午5点30分", "2026-3-2 5:30 PM", "２０２６－３－２　１７：３０",
        46083.729166666664,
        datetime(2026, 3, 2, 17, 30),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_moments_in_many_forms(cell: Any) -> None:
    assert to_moment(cell, SHANGHAI, end_of_day=True) == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_the_order_of_day_and_month_is_never_guessed() -> None:
    assert to_date("3/2/2026", "mdy") == date(2026, 3, 2)
    assert to_date("2/3/2026", "dmy") == date(2026, 3, 2)
    for cell in ("3/2/2026", "26/3/2", "3月2日", 12345678, 5, True, "2026-13-01", "2026-02-29", ""):
        with pytest.raises(CellError):
            to_date(cell)


@pytest.mark.parametrize(
    "cell", ["7:30", "07:30:00", "７：３０", "7点30分", "上午7:30", "7:30 am", time(7, 30), 0.3125]
)
def test_times_of_day_in_many_forms(cell: Any) -> None:
    assert to_time(cell) == time(7, 30)


@pytest.mark.parametrize(
    "cell", ["1200", "1,200", "１，２００", "1 200", " 1200.00 ", "1200\u3000", 1200, 1200.0, "+1200"]
)
def test_numbers_in_many_forms(cell: Any) -> None:
    assert to_decimal(cell) == 1200


@pytest.mark.parametrize("cell", ["1,20", "12,00", "1.2.3", "12件", "", "nan", "inf", True, "1_000", "٣x"])
def test_what_is_no_number(cell: Any) -> None:
    with pytest.raises(CellError):
        to_decimal(cell)


def test_a_chinese_sheet_as_csv_in_gb18030(stocked: Office) -> None:
    text = "订单号,产品,数量,交期,优先级,客户\r\nＭＯ－２,P-1,“１，２００”,2026年3月20日,１,顺德门控（总部）\r\n"
    text = text.replace("“", '"').replace("”", '"')
    for coding in ("gb18030", "utf-8", "utf-8-sig", "utf-16"):
        seen = stocked.look(text.encode(coding), "三月计划.csv")
        assert (seen.errors, len(seen.orders)) == ([], 1)
        wish = seen.orders[0]
        assert (wish.no, wish.values["qty"], wish.values["priority"]) == ("MO-2", 1200, 1)
        assert wish.values["customer"] == "顺德门控（总部）"
        assert wish.values["due_at"] == datetime(2026, 3, 20, 15, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("orders.csv", "no,material,qty\nMO-2,P-1,5\n"),
        ("orders.csv", "no;material;qty;component_orders\nMO-2;P-1;5;MO-1\n"),
        ("orders.csv", "no\tmaterial\tqty\nMO-2\tP-1\t5\n"),
        ("anything.csv", "Order number,Material,Quantity\nMO-2,P-1,5\n"),
        ("生产订单.csv", "订单编号,物料,数量\nMO-2,P-1,5\n"),
        ("x.json", json.dumps({"orders": [{"no": "MO-2", "material": "P-1", "qty": 5}]})),
        ("x.json", json.dumps({"生产订单": [{"订单编号": "MO-2", "物料": "P-1", "数量": "５"}]})),
        ("orders.json", json.dumps([{"no": "MO-2", "material": "P-1", "qty": 5, "component_orders": ["MO-1"]}])),
    ],
)
def test_formats(stocked: Office, name: str, text: str) -> None:
    seen = stocked.look(text.encode(), name)
    assert (seen.errors, [each.no for each in seen.orders]) == ([], ["MO-2"])


def _plan() -> bytes:
    """A plan as a foreman keeps it: a title over all, merged cells, totals, remarks below."""
    made = Workbook()
    sheet = made.worksheets[0]
    sheet.title = "三月"
    rows: list[list[Any]] = [
        ["三月生产计划", None, None, None, None, None],
        [None, None, None, None, None, "单位：件"],
        ["产品", "单号", "数量", "完工日", "急否", "备注"],
        ["P-1", "A-1", "1,000 ", "2026/3/20", "加急", None],
        [None, "A-2", "５００", 46102, "", "第二批"],
        ["P-1", "A-3", 20, datetime(2026, 3, 22), None, None],  # noqa: DTZ001
        ["合计", None, 1520, None, None, None],
    ]
    for row in rows:
        sheet.append(row)
    sheet.merge_cells("A1:F1")
    sheet.merge_cells("A4:A5")
    raw = io.BytesIO()
    made.save(raw)
    return raw.getvalue()


def test_a_mapping_for_a_users_own_sheet(stocked: Office) -> None:
    mapping = FileMapping([
        SheetMapping(
            "三月", "orders",
            columns={"产品": "material", "单号": "no", "数量": "qty", "D": "due_at", "急否": "deadline_type"},
            constants={"source": "计划", "deadline_type": "Soft"}, words={"deadline_type": {"加急": "ASAP"}},
            skip_words=("合计",),
        )
    ])  # fmt: skip
    seen = stocked.look(_plan(), "计划.xlsx", mapping)
    assert (seen.errors, seen.notes) == ([], [])
    shown = ("material", "qty", "deadline_type")
    assert [(each.no, *(each.values[name] for name in shown)) for each in seen.orders] == [
        ("A-1", "P-1", 1000, "ASAP"), ("A-2", "P-1", 500, "Soft"), ("A-3", "P-1", 20, "Soft"),
    ]  # fmt: skip
    assert seen.orders[1].values["due_at"] == datetime(2026, 3, 21, 15, 59, tzinfo=UTC)
    assert seen.orders[0].values["source"] == "计划"
    # Errors name the user's own columns and rows.
    wrong = FileMapping([SheetMapping("三月", "orders", 3, {"产品": "material", "单号": "no", "备注": "qty"})])
    assert codes(stocked.look(_plan(), "计划.xlsx", wrong))[0] == ("三月", 4, "备注", "required")
    missing = FileMapping([SheetMapping("三月", "orders", 3, {"产品": "material", "单号": "no", "件数": "qty"})])
    assert ("三月", 3, "件数", "mapped_column_missing") in codes(stocked.look(_plan(), "计划.xlsx", missing))


def test_cells_merged_or_left_empty_below_mean_the_same(stocked: Office) -> None:
    made = Workbook()
    sheet = made.worksheets[0]
    sheet.title = "工艺路线"
    for row in (["产品编号", "工序号", "加工设备"], ["P-1", 30, "M1:1"], [None, 40, "M2:1"], ["RM", 10, "M1:1"]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    raw = io.BytesIO()
    made.save(raw)
    seen = stocked.look(raw.getvalue())
    assert (seen.errors, [each.key for each in seen.changes]) == ([], ["P-1 / A / 30", "P-1 / A / 40", "RM/A"])
    text = "产品编号,工序号,加工设备\nP-1,30,M1:1\n,40,M2:1\n"
    assert codes(stocked.look(text.encode(), "routings.csv")) == [("routings", 3, "产品编号", "key_empty")]
    mapping = FileMapping([
        SheetMapping(
            "routings", "routings", fill_down=("product",),
            columns={"产品编号": "product", "工序号": "seq", "加工设备": "alternatives"},
        )
    ])  # fmt: skip
    assert [each.key for each in stocked.look(text.encode(), "x.csv", mapping).changes] == [
        "P-1 / A / 30", "P-1 / A / 40",
    ]  # fmt: skip


def test_the_title_row_may_come_later(stocked: Office) -> None:
    made = Workbook()
    sheet = made.worksheets[0]
    sheet.title = "orders"
    for row in (["March"], [], ["no", "material", "qty", "数量备注"], ["MO-2", "P-1", 5, "x"]):
        sheet.append(row)
    raw = io.BytesIO()
    made.save(raw)
    seen = stocked.look(raw.getvalue())
    assert (seen.errors, [each.no for each in seen.orders]) == ([], ["MO-2"])
    assert seen.orders[0].thing.row == 4


# ---- files that mean no good ----------------------------------------------------------------------------------------


def _refused(content: bytes, name: str = "book.xlsx") -> str:
    with pytest.raises(Invalid) as caught:
        read_file(name, content)
    return caught.value.code.removeprefix("workbook.")


def _sheet_xml(xml: bytes) -> bytes:
    """A workbook whose first sheet is this."""
    source, target = io.BytesIO(book({"orders": [{"no": "A"}]})), io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry, xml if entry.filename == "xl/worksheets/sheet1.xml" else old.read(entry))
    return target.getvalue()


_SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData>%s</worksheet>'


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("book.xlsx", b"", "file_empty"),
        ("book.xlsx", b"   \n", "file_empty"),
        ("book.xlsx", b"no,material", "not_xlsx"),
        ("book.xlsx", b"PK\x03\x04 and then nothing", "not_xlsx"),
        ("book.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "not_xlsx"),
        ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not_text"),
        ("book.json", b"{", "not_json"),
        ("book.json", b'{"orders": 5}', "not_json_rows"),
        ("book.json", b'{"orders": [5]}', "not_json_rows"),
        ("book.json", b"[" * 100_000, "not_json"),
        ("orders.csv", b'no,material\n"A' + b"x" * 200_000, "not_csv"),
    ],
)
def test_what_is_no_workbook(name: str, content: bytes, code: str) -> None:
    assert _refused(content, name) == code


def test_a_zip_that_is_no_workbook() -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert _refused(raw.getvalue()) == "not_xlsx"


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_UNPACKED", 4 << 20)
    assert _refused(_sheet_xml(_SHEET % (b" " * (40 << 20), b""))) == "bomb"


def test_a_bomb_of_texts_is_not_unpacked() -> None:
    raw = io.BytesIO(_sheet_xml(_SHEET % (b"", b"")))
    with zipfile.ZipFile(raw, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/other.xml", b"<si><t/></si>" * (3 << 20))
    assert _refused(raw.getvalue()) == "bomb"


def test_declared_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + _SHEET % (b"", b"")
    assert _refused(_sheet_xml(bomb)) == "not_xlsx"


def test_a_sheet_that_lies_about_its_size_or_merges_everything() -> None:
    row = b'<row r="1"><c r="A1" t="inlineStr"><is><t>no</t></is></c></row><row r="2"><c r="A2"><v>1</v></c></row>'
    xml = _SHEET % (row, b'<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>')
    xml = xml.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>')
    (sheet,) = read_file("book.xlsx", _sheet_xml(xml))
    assert [number for number, _ in sheet.rows] == [1, 2]


def test_too_many_rows_are_refused_in_every_format(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 100_001))
    assert _refused(_sheet_xml(_SHEET % (rows.encode(), b""))) == "too_many_rows"
    assert _refused(b"no\n" + b"A\n" * 100_000, "orders.csv") == "too_many_rows"
    assert _refused(json.dumps({"orders": [{"no": "A"}] * 100_000}).encode(), "x.json") == "too_many_rows"
    monkeypatch.setattr(reading, "MOST_BYTES", 1000)
    assert _refused(b"no\n" + b"A\n" * 1000, "orders.csv") == "file_too_large"


def test_text_is_never_a_formula(office: Office) -> None:
    office.load_tables(materials=[{"no": "A", "stock_uom": "pcs", "name_zh": "-1+2"}])
    assert office.load(json.dumps({"materials": [{"no": "A", "name_zh": "=1+2"}]}).encode(), "x.json").errors == []
    again = office.look(office.export())
    assert (again.errors, again.changes) == ([], [])
    assert office.specs["material", "A"]["name"]["zh"] == "=1+2"


def _with_formulas(cells: dict[str, str]) -> bytes:
    """A sheet of orders with XML of our own for some cells, as other programs write it."""
    made = book({"orders": [{"no": "MO-2", "material": "P-1", "qty": 7, "priority": 5, "customer": "x"}]})
    raw = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made)) as old, zipfile.ZipFile(raw, "w") as new:
        for entry in old.infolist():
            text = old.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                for place, xml in cells.items():
                    text, count = re.subn(rb'<c r="%s".*?</c>' % place.encode(), xml.encode(), text)
                    assert count == 1, place
            new.writestr(entry, text)
    return raw.getvalue()


@pytest.mark.parametrize(
    "xml",
    ['<c r="C2"><f>A1*2</f></c>', '<c r="C2"><f>A1*2</f><v></v></c>', '<c r="C2"><f>A1*2</f><v/></c>',
     '<c r="C2"><f t="shared" si="0"/></c>', '<c r="C2" t="str"><f>A1*2</f></c>'],
)  # fmt: skip
def test_a_formula_without_a_value_says_what_to_do(stocked: Office, xml: str) -> None:
    seen = stocked.look(_with_formulas({"C2": xml}))
    assert codes(seen) == [("orders", 2, "qty", "formula_without_value")]
    assert "WPS" in seen.errors[0].render("zh-CN")["message"]


def test_formulas_with_a_value_are_that_value(stocked: Office) -> None:
    cells = {"C2": '<c r="C2"><f>3+4</f><v>7</v></c>', "E2": '<c r="E2" t="str"><f>IF(1,"","")</f><v></v></c>'}
    seen = stocked.look(_with_formulas(cells))
    assert codes(seen) == []
    assert [(each.values["qty"], each.values["customer"]) for each in seen.orders] == [(7, "")]


def test_rows_of_nothing_but_formulas_without_values_are_not_passed_over(stocked: Office) -> None:
    formula = {"no": "=Plan!A2", "material": "=Plan!B2", "qty": "=Plan!C2"}
    seen = stocked.look(book({"orders": [formula]}))
    assert [code for *_, code in codes(seen)] == ["formula_without_value"]
    assert [each.row for each in seen.errors] == [2]


def test_reading_is_quick_for_a_large_sheet() -> None:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [
        {"no": f"MO-{n}", "material": "P-1", "qty": n + 1, "due_at": f"{moment + timedelta(hours=n):%Y-%m-%d %H:%M}"}
        for n in range(2000)
    ]
    office = Office()
    seen = office.look(book({"materials": [{"no": "P-1", "stock_uom": "pcs"}], "orders": rows}))
    assert (seen.errors, len(seen.orders)) == ([], 2000)
