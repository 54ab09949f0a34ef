"""An edited file is a list of changes; what the file does not say stays; bad rows take along only what needs them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from services.order.workbook.documents import MESSAGES
from services.order.workbook.orders import StoredOrder

from .conftest import book, codes

if TYPE_CHECKING:
    from examples.tables import Tables
    from services.order.workbook.preparing import Prepared

    from .conftest import Office


def _edits(prepared: Prepared) -> list[tuple[str, str, str, str, str]]:
    return [(each.action, each.key, each.field, each.old, each.new) for each in prepared.changes]


def test_changes_are_told_field_by_field(stocked: Office) -> None:
    seen = stocked.look_at(
        orders=[{"no": "MO-1", "material": "P-1", "qty": 120, "due_at": "2026-03-12 17:00", "customer": "甲"}],
        equipment=[{"no": "M1", "work_centre": "PRESS", "efficiency": "0.9"}],
        routings=[{"product": "P-1", "seq": 10, "alternatives": "M1:2.5:10:1;M2:3"}],
    )
    assert _edits(seen) == [
        ("changed", "M1", "efficiency", "1", "0.9"),
        ("changed", "P-1 / A / 10", "alternatives", "M1:2:10:1;M2:3:0:1", "M1:2.5:10:1;M2:3:0:1"),
        ("changed", "MO-1", "qty", "100", "120"),
        ("changed", "MO-1", "due_at", "2026-03-10 17:00", "2026-03-12 17:00"),
        ("changed", "MO-1", "customer", "", "甲"),
    ]
    shown = seen.changes[3].render("zh-CN")
    assert shown["message"] == "订单 MO-1：交期 2026-03-10 17:00 → 2026-03-12 17:00"
    assert (shown["sheet"], shown["row"], shown["column"]) == ("orders", 2, "due_at")


def test_what_a_worker_is_qualified_for_is_edited_as_one_cell(office: Office) -> None:
    first = office.load_tables(人员=[{"工号": "W-1", "姓名": "关铭锋", "技能": "CNC；WELD：2026-12-31", "停用": ""}])
    assert [(each.action, each.level, each.key) for each in first.changes] == [("added", "worker", "W-1")]
    spec = office.specs["worker", "W-1"]
    skills = [{"skill": "CNC", "valid_to": ""}, {"skill": "WELD", "valid_to": "2026-12-31"}]
    assert (spec["code"], spec["name"], spec["skills"]) == ("W-1", {"zh": "关铭锋", "en": ""}, skills)
    again = office.look(b"code,skills\nW-1,CNC;WELD:2027-12-31\n", "workers.csv")
    assert _edits(again) == [("changed", "W-1", "skills", "CNC;WELD:2026-12-31", "CNC;WELD:2027-12-31")]
    assert again.changes[0].render("zh-CN")["message"] == "人员 W-1：技能 CNC;WELD:2026-12-31 → CNC;WELD:2027-12-31"
    assert office.look(b'{"workers": [{"code": "W-2", "skills": "BEND"}]}', "people.json").changes[0].key == "W-2"


def test_a_missing_row_or_column_changes_nothing(stocked: Office) -> None:
    before = {key: dict(spec) for key, spec in stocked.specs.items()}
    seen = stocked.load_tables(
        orders=[{"no": "MO-1", "qty": 100}],
        routings=[{"product": "P-1", "seq": 20, "skill": "PRESS"}],
        materials=[{"no": "P-1", "name_zh": "支架"}],
    )
    assert _edits(seen) == [
        ("changed", "P-1", "name_zh", "", "支架"), ("changed", "P-1 / A / 20", "skill", "", "PRESS"),
    ]  # fmt: skip
    assert len(stocked.specs["routing", "P-1/A"]["operations"]) == 2
    changed = {key for key, spec in stocked.specs.items() if spec != before[key]}
    assert changed == {("material", "P-1"), ("routing", "P-1/A")}


def test_ids_stay_with_their_things(stocked: Office) -> None:
    def ids() -> list[str]:
        spec = stocked.specs["routing", "P-1/A"]
        return [spec["routing_revision_id"], *(each["routing_operation_id"] for each in spec["operations"])]

    before = ids()
    stocked.load_tables(routings=[{"product": "P-1", "seq": 15, "alternatives": "M1:1", "predecessors": "10"}])
    after = ids()
    assert [after[0], after[1], after[3]] == before


def test_an_empty_cell_is_an_edit_and_an_absent_column_is_none(stocked: Office) -> None:
    assert _edits(stocked.look_at(orders=[{"no": "MO-1", "due_at": None}])) == [
        ("changed", "MO-1", "due_at", "2026-03-10 17:00", "")
    ]
    assert _edits(stocked.look_at(orders=[{"no": "MO-1", "uom": None}])) == []


def test_a_row_of_json_may_say_less_than_another(stocked: Office) -> None:
    rows = [{"no": "MO-1", "priority": 1}, {"no": "MO-2", "material": "P-1", "qty": 5, "customer": "甲"}]
    seen = stocked.look(json.dumps({"orders": rows}).encode(), "edit.json")
    assert (seen.errors, [(each.key, each.field) for each in seen.changes]) == (
        [], [("MO-1", "priority"), ("MO-2", "")],
    )  # fmt: skip
    rows.append({"no": "MO-3", "material": "P-1"})
    assert codes(stocked.look(json.dumps({"orders": rows}).encode(), "edit.json")) == [
        ("orders", 3, "qty", "required"),
    ]  # fmt: skip


def test_parts_go_only_when_it_is_said(stocked: Office) -> None:
    rows = [{"product": "P-1", "seq": 20, "predecessors": None, "remove": "是"}]
    seen = stocked.load_tables(routings=rows)
    assert _edits(seen) == [("removed", "P-1 / A / 20", "", "", "")]
    assert [each["seq"] for each in stocked.specs["routing", "P-1/A"]["operations"]] == [10]
    assert _edits(stocked.look_at(routings=rows)) == []
    rows = [{"product": "P-1", "seq": 10, "remove": "yes"}]
    assert codes(stocked.look_at(routings=rows)) == [("routings", 2, "seq", "no_operations")]


def test_a_newly_accepted_revision_takes_the_place_of_the_one_before(stocked: Office) -> None:
    rows = [{"product": "P-1", "revision": "B", "status": "Accepted", "seq": 10, "alternatives": "M1:2"}]
    seen = stocked.load_tables(routings=rows)
    assert _edits(seen) == [("added", "P-1/B", "", "", ""), ("changed", "P-1 / A", "status", "Accepted", "Outdated")]
    assert stocked.look_at(routings=rows).changes == []
    both = [{**rows[0], "revision": revision} for revision in "CD"]
    assert codes(stocked.look_at(routings=both)) == [("routings", 3, "status", "two_accepted")]


def test_orders_that_are_over_may_come_back_but_not_change(stocked: Office) -> None:
    order = stocked.orders["MO-1"]
    stocked.orders["MO-1"] = StoredOrder(order.id, "Closed", order.values)
    row = {"no": "MO-1", "material": "P-1", "qty": 100, "due_at": "2026-03-10 17:00", "state": "Draft"}
    assert (codes(stocked.look_at(orders=[row])), stocked.look_at(orders=[row]).changes) == ([], [])
    assert codes(stocked.look_at(orders=[{**row, "qty": 90}])) == [("orders", 2, "qty", "order_over")]


def test_material_and_unit_of_an_order_are_fixed(stocked: Office) -> None:
    assert codes(stocked.look_at(orders=[{"no": "MO-1", "material": "RM"}])) == [
        ("orders", 2, "material", "order_fixed"), ("orders", 2, "uom", "unknown_word"),
    ]  # fmt: skip
    assert codes(stocked.look_at(orders=[{"no": "MO-1", "uom": "kg"}])) == [("orders", 2, "uom", "order_fixed")]


def test_good_rows_leave_out_what_needs_a_bad_one(office: Office) -> None:
    content = book({
        "materials": [{"no": "A", "stock_uom": "pcs"}, {"no": "B", "stock_uom": "pcs", "uom_digits": "?"}],
        "work_centres": [{"no": "W"}, {"no": "V", "calendar": "NONE"}],
        "equipment": [{"no": "M1", "work_centre": "W"}, {"no": "M2", "work_centre": "V"}],
        "routings": [
            {"product": "A", "seq": 10, "alternatives": "M1:1"}, {"product": "A", "seq": 20, "alternatives": "M1:1"},
            {"product": "B", "seq": 10, "alternatives": "M1:1"},
            {"product": "A", "revision": "B", "status": "Draft", "seq": 10, "alternatives": "M1:1;M2:2"},
            {"product": "A", "revision": "C", "status": "Draft", "seq": 10, "alternatives": "M1:1"},
            {"product": "A", "revision": "C", "status": "Draft", "seq": 20, "alternatives": "M1:?"},
        ],
        "orders": [
            {"no": "O-1", "material": "A", "qty": 1}, {"no": "O-2", "material": "B", "qty": 1},
            {"no": "O-3", "material": "A", "qty": 1, "component_orders": "O-2"},
            {"no": "O-4", "material": "A", "qty": 1, "component_orders": "O-1"},
        ],
        "setup_matrix": [{"to_family": "F", "minutes": 5}, {"to_family": "G", "minutes": "?"}],
    })  # fmt: skip
    seen = office.load(content)
    assert codes(seen) == [
        ("materials", 3, "uom_digits", "not_a_number"), ("work_centres", 3, "calendar", "unknown_reference"),
        ("routings", 7, "alternatives", "not_a_number"), ("setup_matrix", 3, "minutes", "not_a_number"),
    ]  # fmt: skip
    assert [(each.sheet, each.row, each.code.removeprefix("workbook.")) for each in seen.skipped] == [
        ("equipment", 3, "waits_for"), ("routings", 4, "waits_for"), ("routings", 5, "waits_for"),
        ("routings", 6, "skipped_whole"), ("orders", 3, "waits_for"), ("orders", 4, "waits_for"),
    ]  # fmt: skip
    assert set(office.specs) == {
        ("material", "A"), ("work_centre", "W"), ("equipment", "M1"), ("routing", "A/A"), ("setup_matrix", "site"),
    }  # fmt: skip
    assert list(office.orders) == ["O-1", "O-4"]
    words = seen.skipped[0].render("zh-CN")["message"]
    assert "工作中心" in words and "V" in words
    # The rest comes when it is mended.
    mended = book({
        "materials": [{"no": "B", "stock_uom": "pcs", "uom_digits": 0}],
        "orders": [{"no": "O-2", "material": "B", "qty": 1}],
    })  # fmt: skip
    assert [each.key for each in office.load(mended).changes] == ["B", "O-2"]


def test_the_token_names_exactly_these_changes(stocked: Office) -> None:
    def token(qty: int) -> str:
        return stocked.look_at(orders=[{"no": "MO-1", "qty": qty}]).token()

    assert token(120) == token(120) != token(121)
    before = token(120)
    order = stocked.orders["MO-1"]
    stocked.orders["MO-1"] = StoredOrder(order.id, "Released", {**order.values, "qty": Decimal(110)})
    assert token(120) != before


def test_a_definition_older_than_a_field_of_the_contract_is_read(stocked: Office) -> None:
    for each in ("area", "signal_timeout_s"):
        del stocked.specs["equipment", "M1"][each]
    assert stocked.look(stocked.export()).changes == []


def test_every_field_of_the_contracts_is_in_the_sample(office: Office, sample: Tables) -> None:
    office.load(book(sample))
    for (kind, no), spec in office.specs.items():
        assert set(spec) == {each.name for each in MESSAGES[kind].DESCRIPTOR.fields}, f"{kind} {no}"
    plan = office.specs["inspection_plan", "IP-PRESS"]["stages"][1]["characteristics"][0]
    assert (plan["lsl"], plan["target"], plan["usl"], plan["rules_hold"]) == (31.9, 32.0, 32.1, [1])
    assert office.specs["inspection_plan", "IP-PRESS"]["stages"][0]["characteristics"][0]["limit_cl"] is None
    operation = office.specs["routing", "FG-001/A"]["operations"][0]
    assert operation["component_qty_per"] == ["2", "1"]
    assert operation["alternatives"][0]["work_centre_id"] == str(office.ids["work_centre", "ASSY"])
    entries = office.specs["setup_matrix", "site"]["entries"]
    assert entries[-1] == {
        "work_centre_id": "", "from_family": "*", "to_family": "*", "seconds": 1200, "cost_minor": 500, "priority": 9,
    }  # fmt: skip
