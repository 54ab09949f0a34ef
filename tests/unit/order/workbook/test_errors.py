"""Every kind of error is told by sheet, row and column, in plain words, all at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mes.i18n import catalogue

from services.equipment.domain import states
from services.order.workbook.sheets import AQLS, MAPPINGS, SHEETS
from services.quality.domain import sampling

from .conftest import book, codes

if TYPE_CHECKING:
    from .conftest import Office


ORDER = {"no": "MO-2", "material": "P-1", "qty": 10}
OPERATION = {"product": "P-1", "revision": "B", "status": "Draft", "seq": 10, "alternatives": "M1:2"}
MATERIAL = {"no": "N", "stock_uom": "pcs"}
SHIFT = {"calendar": "C", "shift": "D", "weekdays": "1-5", "start": "08:00", "end": "17:00"}
PLAN = {"plan": "IP", "stage": "FAI", "trigger": "first_off", "characteristic": "X"}
REASON = {"code": "R", "kind": "scrap"}


@pytest.mark.parametrize(
    ("sheet", "row", "changes", "column", "code"),
    [
        ("orders", ORDER, {"qty": "many"}, "qty", "not_a_number"),
        ("orders", ORDER, {"qty": -5}, "qty", "not_above"),
        ("orders", ORDER, {"qty": 0}, "qty", "not_above"),
        ("orders", ORDER, {"qty": None}, "qty", "required"),
        ("orders", ORDER, {"qty": "1.0000001"}, "qty", "too_precise"),
        ("orders", ORDER, {"qty": 1e15}, "qty", "too_large"),
        ("orders", ORDER, {"qty": "#REF!"}, "qty", "excel_error"),
        ("orders", ORDER, {"qty": "2.5"}, "qty", "order.qty_digits"),
        ("orders", ORDER, {"no": None}, "no", "key_empty"),
        ("orders", ORDER, {"no": "x" * 61}, "no", "too_long"),
        ("orders", ORDER, {"no": "A;B"}, "no", "not_in_code"),
        ("orders", ORDER, {"material": "P-9"}, "material", "unknown_reference"),
        ("orders", ORDER, {"uom": "boxes"}, "uom", "unknown_word"),
        ("orders", ORDER, {"priority": 10}, "priority", "too_large"),
        ("orders", ORDER, {"priority": 1.5}, "priority", "not_whole"),
        ("orders", ORDER, {"due_at": "next week"}, "due_at", "not_a_date"),
        ("orders", ORDER, {"due_at": "2026-02-30"}, "due_at", "not_a_date"),
        ("orders", ORDER, {"due_at": 12}, "due_at", "not_a_date"),
        ("orders", ORDER, {"due_at": "2026-03-01", "release_at": "2026-03-02"}, "due_at", "due_before_release"),
        ("orders", ORDER, {"deadline_type": "Whenever"}, "deadline_type", "unknown_word"),
        ("orders", ORDER, {"deadline_type": "Hard"}, "due_at", "hard_without_due"),
        ("orders", ORDER, {"component_orders": "MO-9"}, "component_orders", "unknown_reference"),
        ("orders", ORDER, {"component_orders": "MO-2"}, "component_orders", "cycle"),
        ("orders", ORDER, {"component_orders": "MO-1;MO-1"}, "component_orders", "twice_in_list"),
        ("materials", MATERIAL, {"stock_uom": " "}, "stock_uom", "required"),
        ("materials", MATERIAL, {"order_factor": 0}, "order_factor", "not_above"),
        ("materials", MATERIAL, {"order_factor": 2}, "order_factor", "factor_of_same_unit"),
        ("materials", MATERIAL, {"uom_digits": 7}, "uom_digits", "too_large"),
        ("materials", MATERIAL, {"uom_digits": -1}, "uom_digits", "negative"),
        ("materials", MATERIAL, {"tracking": "maybe"}, "tracking", "unknown_word"),
        ("materials", MATERIAL, {"outdated": "perhaps"}, "outdated", "unknown_word"),
        ("calendars", SHIFT, {"time_zone": "Mars/Phobos"}, "time_zone", "not_a_zone"),
        ("calendars", SHIFT, {"weekdays": "1-8"}, "weekdays", "outside"),
        ("calendars", SHIFT, {"weekdays": "often"}, "weekdays", "not_whole"),
        ("calendars", SHIFT, {"weekdays": None}, "weekdays", "required"),
        ("calendars", SHIFT, {"start": "25:00"}, "start", "not_a_time"),
        ("calendars", SHIFT, {"end": "08:00"}, "end", "shift_without_length"),
        ("calendars", SHIFT, {"breaks": "12:00"}, "breaks", "break_form"),
        ("calendars", SHIFT, {"breaks": "18:00-18:30"}, "breaks", "break_outside"),
        ("calendar_exceptions", {"calendar": "DAY"}, {"date": "someday"}, "date", "not_a_date"),
        ("calendar_exceptions", {"date": "2026-10-01"}, {"calendar": "NIGHT"}, "calendar", "unknown_reference"),
        ("calendar_exceptions", {"calendar": "DAY", "date": "2026-10-01"}, {"shifts": "N"}, "shifts", "unknown_shift"),
        ("work_centres", {"no": "W"}, {"calendar": "NONE"}, "calendar", "unknown_reference"),
        ("equipment", {"no": "M9"}, {"work_centre": "NONE"}, "work_centre", "unknown_reference"),
        ("equipment", {"no": "M9", "work_centre": "PRESS"}, {"efficiency": 0}, "efficiency", "not_above"),
        ("equipment", {"no": "M9"}, {"work_centre": None}, "work_centre", "required"),
        ("equipment", {"no": "M9", "work_centre": "PRESS"}, {"mapping": "PackML 3"}, "mapping", "unknown_mapping"),
        ("setup_matrix", {"to_family": "F"}, {"work_centre": "NONE", "minutes": 5}, "work_centre", "unknown_reference"),
        ("setup_matrix", {"to_family": "F"}, {"minutes": -5}, "minutes", "negative"),
        ("reasons", REASON, {"kind": "mood"}, "kind", "unknown_word"),
        ("reasons", REASON, {"parent": "NONE"}, "parent", "unknown_reference"),
        ("workers", {"code": "W-1"}, {"skills": "CNC:"}, "skills", "skill_form"),
        ("workers", {"code": "W-1"}, {"skills": ":2026-12-31"}, "skills", "skill_form"),
        ("workers", {"code": "W-1"}, {"skills": "CNC;WELD:forever"}, "skills", "not_a_date"),
        ("workers", {"code": "W-1"}, {"skills": "WELD:2026-02-30"}, "skills", "not_a_date"),
        ("workers", {"code": "W-1"}, {"skills": "CNC;CNC:2026-12-31"}, "skills", "twice_in_list"),
        ("workers", {"code": "W;1"}, {"skills": "CNC"}, "code", "not_in_code"),
        ("workers", {"code": None}, {"skills": "CNC"}, "code", "key_empty"),
        ("inspection_plans", PLAN, {"stage": "LUNCH"}, "stage", "unknown_word"),
        ("inspection_plans", PLAN, {"trigger": "every_n"}, "every", "every_missing"),
        ("inspection_plans", PLAN, {"sampling": "aql"}, "aql", "aql_missing"),
        ("inspection_plans", PLAN, {"sampling": "aql", "aql": 1.2}, "aql", "aql_unknown"),
        ("inspection_plans", PLAN, {"lsl": 2, "usl": 1}, "target", "limits_order"),
        ("inspection_plans", PLAN, {"limit_lcl": 2, "limit_cl": 1}, "limit_cl", "limits_order"),
        ("inspection_plans", PLAN, {"kind": "attribute", "chart": "i_mr"}, "chart", "chart_of_other_kind"),
        ("inspection_plans", PLAN, {"chart": "xbar_r", "subgroup_size": 1}, "subgroup_size", "outside"),
        ("inspection_plans", PLAN, {"rules_signal": "9"}, "rules_signal", "outside"),
        ("inspection_plans", PLAN, {"characteristic": None}, "characteristic", "key_empty"),
        ("routings", OPERATION, {"product": "P-9"}, "product", "unknown_reference"),
        ("routings", OPERATION, {"seq": "first"}, "seq", "not_a_number"),
        ("routings", OPERATION, {"seq": 0}, "seq", "too_small"),
        ("routings", OPERATION, {"alternatives": None}, "alternatives", "no_place"),
        ("routings", OPERATION, {"alternatives": "M9:2"}, "alternatives", "unknown_place"),
        ("routings", OPERATION, {"alternatives": "M1"}, "alternatives", "place_form"),
        ("routings", OPERATION, {"alternatives": "M1:fast"}, "alternatives", "not_a_number"),
        ("routings", OPERATION, {"alternatives": "M1:2;M1:3"}, "alternatives", "twice_in_list"),
        ("routings", OPERATION, {"predecessors": "5"}, "predecessors", "unknown_operation"),
        ("routings", OPERATION, {"predecessors": "10"}, "predecessors", "cycle"),
        ("routings", OPERATION, {"inspection_plan": "NONE"}, "inspection_plan", "unknown_reference"),
        ("routings", OPERATION, {"components": "P-1:2"}, "components", "part_of_itself"),
        ("routings", OPERATION, {"components": "X-1:2"}, "components", "unknown_reference"),
        ("routings", OPERATION, {"components": "RM:0"}, "components", "not_above"),
        ("routings", OPERATION, {"kind": "outside", "alternatives": None}, "lead_days", "outside_without_days"),
        ("routings", OPERATION, {"nc_level": 3}, "nc_level", "too_large"),
        ("routings", OPERATION, {"name_zh": "a\x07b"}, "name_zh", "control_character"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_named(
    stocked: Office, sheet: str, row: dict[str, Any], changes: dict[str, Any], column: str, code: str
) -> None:
    content = json.dumps({sheet: [{**row, **changes}]}).encode()
    seen = stocked.look(content, "book.json")
    assert codes(seen) == [(sheet, 1, column, code)]
    assert seen.changes == []
    for language in ("zh-CN", "en"):
        words = seen.errors[0].render(language)["message"]
        assert words != f"workbook.{code}"
        assert not {"{", "—"} & set(words)


def test_pieces_are_whole_and_kilograms_as_the_material_says(stocked: Office) -> None:
    stocked.load_tables(materials=[{"no": "OIL", "stock_uom": "kg", "uom_digits": 1}])
    rows = [
        {"no": "A", "material": "OIL", "qty": 2.5},
        {"no": "B", "material": "OIL", "qty": 2.55},
        {"no": "C", "material": "P-1", "qty": 2.5, "uom": "kg"},
        {"no": "MO-1", "material": "P-1", "qty": 99.5},
    ]
    seen = stocked.look_at(orders=rows)
    assert codes(seen) == [("orders", 3, "qty", "order.qty_digits"), ("orders", 5, "qty", "order.qty_digits")]
    # The digits may come with the same file.
    material = {"no": "OIL", "stock_uom": "kg", "uom_digits": 2}
    assert codes(stocked.look_at(materials=[material], orders=rows[:3])) == []


@pytest.mark.parametrize(
    ("aql", "nearest"),
    [("1.2", "1.0 / 1.5"), ("0.001", "0.010"), ("2000", "1000"), ("7", "6.5 / 10"), ("300", "250 / 400")],
)
def test_an_aql_beside_the_series_names_the_nearest_that_are_in_it(stocked: Office, aql: str, nearest: str) -> None:
    seen = stocked.look_at(inspection_plans=[{**PLAN, "sampling": "aql", "aql": aql}])
    assert [each.params["nearest"] for each in seen.errors] == [nearest]
    assert f"AQL {aql}" in seen.errors[0].render("zh-CN")["message"]
    # A fixed sample does not use it.
    assert codes(stocked.look_at(inspection_plans=[{**PLAN, "sampling": "fixed", "aql": aql}])) == []


def test_the_series_is_that_of_the_quality_service(stocked: Office) -> None:
    assert tuple(format(each, "f") for each in AQLS) == sampling.AQLS
    rows = [{**PLAN, "plan": f"IP-{each}", "sampling": "aql", "aql": each} for each in sampling.AQLS]
    assert codes(stocked.look_at(inspection_plans=rows)) == []


def test_signal_mappings_are_those_of_the_equipment_service_or_a_workshops_own(stocked: Office) -> None:
    assert set(MAPPINGS) == set(states.BUILT_IN) - {""}
    for name in (*MAPPINGS, "", "own-press-line"):
        assert codes(stocked.look_at(equipment=[{"no": "M1", "mapping": name}])) == []
    seen = stocked.look_at(equipment=[{"no": "M1", "mapping": "towerlight"}])
    assert all(name in seen.errors[0].render("en")["message"] for name in (*MAPPINGS, "own-"))


def test_what_was_stored_before_a_rule_comes_back_but_is_not_made_anew(stocked: Office) -> None:
    plan = {**PLAN, "sampling": "aql", "aql": "1.5"}
    stocked.load_tables(inspection_plans=[plan])
    stocked.specs["inspection_plan", "IP"]["stages"][0]["aql"] = "1.2"
    stocked.specs["equipment", "M1"]["mapping"] = "plc-line-1"
    seen = stocked.look(stocked.export())
    assert (seen.errors, seen.changes) == ([], [])
    assert codes(stocked.look_at(inspection_plans=[{**plan, "aql": "1.3"}])) == [
        ("inspection_plans", 2, "aql", "aql_unknown")
    ]


def test_all_errors_come_at_once_with_their_rows(stocked: Office) -> None:
    seen = stocked.look_at(
        materials=[{"no": "A", "stock_uom": "pcs"}, {"no": "A", "stock_uom": "pcs"}, {"no": "B", "uom_digits": "x"}],
        orders=[
            {"no": "MO-5", "material": "A", "qty": "?", "due_at": "?", "priority": "?"},
            {"no": "MO-6", "material": "NONE", "qty": 1, "due_at": None, "priority": None},
            {"no": "MO-7", "material": "P-1", "qty": 1, "due_at": None, "priority": None},
        ],
    )
    assert codes(seen) == [
        ("materials", 3, "no", "duplicate"),
        ("materials", 4, "uom_digits", "not_a_number"),
        ("materials", 4, "stock_uom", "required"),
        ("orders", 2, "qty", "not_a_number"),
        ("orders", 2, "priority", "not_a_number"),
        ("orders", 2, "due_at", "not_a_date"),
        ("orders", 3, "material", "unknown_reference"),
    ]
    assert [each.key for each in seen.changes] == ["MO-7"]


def test_words_that_are_allowed_are_listed_in_the_readers_language(stocked: Office) -> None:
    error = stocked.look_at(materials=[{**MATERIAL, "tracking": "maybe"}]).errors[0]
    assert "none, lot, serial" in error.render("en")["message"]
    assert "lot (按批)" in error.render("zh-CN")["message"]


def test_predecessors_in_a_circle_are_named(stocked: Office) -> None:
    rows = [{**OPERATION, "seq": seq, "predecessors": before} for seq, before in ((10, "30"), (20, "10"), (30, "20"))]
    seen = stocked.look_at(routings=rows)
    assert [each.code for each in seen.errors] == ["workbook.cycle"]
    assert seen.errors[0].params == {"path": "10 → 30 → 20 → 10"}


def test_orders_that_need_each_other_are_named(stocked: Office) -> None:
    rows = [{**ORDER, "no": f"MO-{n}", "component_orders": f"MO-{other}"} for n, other in ((7, 8), (8, 7), (9, 8))]
    seen = stocked.look_at(orders=rows)
    assert codes(seen) == [("orders", 2, "component_orders", "cycle")]
    assert [(each.row, each.code) for each in seen.skipped] == [(3, "workbook.waits_for"), (4, "workbook.waits_for")]
    assert seen.orders == []


def test_rows_of_one_routing_have_to_agree(stocked: Office) -> None:
    rows = [{**OPERATION, "seq": 10, "status": "Draft"}, {**OPERATION, "seq": 20, "status": "Accepted"}]
    assert codes(stocked.look_at(routings=rows)) == [("routings", 3, "status", "contradicts")]
    rows[1]["status"] = None
    assert codes(stocked.look_at(routings=rows)) == []


def test_a_work_centre_without_machines_is_no_place(stocked: Office) -> None:
    centre = {"no": "EMPTY"}
    seen = stocked.look_at(work_centres=[centre], routings=[{**OPERATION, "alternatives": "EMPTY:2"}])
    assert codes(seen) == [("routings", 2, "alternatives", "no_machines")]
    assert [each.code for each in seen.notes] == ["workbook.no_machines"]
    seen = stocked.look_at(
        work_centres=[centre],
        equipment=[{"no": "M9", "work_centre": "EMPTY"}],
        routings=[{**OPERATION, "alternatives": "EMPTY:2"}],
    )
    assert (codes(seen), seen.notes) == ([], [])


def test_an_order_without_a_routing_is_only_noted(stocked: Office) -> None:
    seen = stocked.look_at(orders=[{"no": "MO-3", "material": "RM", "qty": 1}])
    assert (codes(seen), [each.code for each in seen.notes]) == ([], ["workbook.no_routing"])


def test_skills_that_nobody_has_are_noted_once_each(stocked: Office) -> None:
    rows = [{**OPERATION, "seq": seq, "skill": skill} for seq, skill in ((10, "WELD"), (20, "CNC"), (30, "WELD"))]
    seen = stocked.look_at(routings=[*rows, {**OPERATION, "seq": 40}])
    assert codes(seen) == []
    assert [(each.row, each.column, each.code) for each in seen.notes] == [
        (2, "skill", "workbook.skill_of_nobody"), (3, "skill", "workbook.skill_of_nobody"),
    ]  # fmt: skip
    assert "“WELD”" in seen.notes[0].render("zh-CN")["message"]
    worker = {"code": "W-1", "skills": "WELD:2026-12-31"}
    assert [each.row for each in stocked.look_at(routings=rows, workers=[worker]).notes] == [3]
    stocked.load_tables(workers=[worker])
    assert [each.row for each in stocked.look_at(routings=rows).notes] == [3]
    gone = stocked.look_at(routings=rows, workers=[{**worker, "outdated": "yes"}])
    assert [each.row for each in gone.notes] == [2, 3]


def test_missing_and_unknown_columns(stocked: Office) -> None:
    seen = stocked.look_at(
        orders=[{"no": "MO-2", "material": "P-1", "quantitty": 5}, {"no": "MO-3", "material": "P-1", "quantitty": 5}]
    )
    assert codes(seen) == [("orders", 1, "qty", "column_missing")]
    assert [(each.column, each.code) for each in seen.notes] == [("quantitty", "workbook.column_unknown")]
    seen = stocked.look_at(orders=[{"material": "P-1", "qty": 5}])
    assert codes(seen) == [("orders", 1, "no", "column_missing")]
    seen = stocked.look_at(orders=[{"no": "MO-2", "订单编号": "MO-3", "material": "P-1", "qty": 5}])
    assert ("orders", 1, "订单编号", "column_twice") in codes(seen)


def test_unknown_sheets_are_noted_and_a_file_without_known_ones_is_wrong(stocked: Office) -> None:
    seen = stocked.look(book({"orders": [{**ORDER}], "my notes": [{"a": 1}]}))
    assert (codes(seen), [each.code for each in seen.notes]) == ([], ["workbook.sheet_unknown"])
    seen = stocked.look(book({"my notes": [{"a": 1}], "others": [{"b": 1}]}))
    assert codes(seen) == [("", 0, "", "nothing_known")]
    seen = stocked.look(book({"orders": [], "materials": []}))
    assert codes(seen)[0][3] in {"nothing_known", "no_rows"}


def test_every_sheet_column_and_word_has_a_title_in_both_languages() -> None:
    for language in ("zh-CN", "en"):
        known = catalogue(language)
        for sheet in SHEETS:
            assert f"workbook.sheet.{sheet.key}" in known
            for level in sheet.levels:
                assert f"workbook.level.{level.name}" in known
            titles = [known[f"workbook.column.{sheet.key}.{column.key}"] for column in sheet.columns]
            assert len(set(titles)) == len(titles), f"{sheet.key}: two columns with one title"
            for column in sheet.columns:
                assert known[f"workbook.about.{sheet.key}.{column.key}"]
                for word in getattr(column.kind, "words", ()) if column.kind.name == "choice" else ():
                    assert known[f"workbook.word.{column.kind.key}.{word}"]
