"""The template: every sheet with its titles, an example that can be imported, drop-down lists and explanations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from mes.i18n import t
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from services.order.workbook.kinds import Choice, Minutes, Number, Whole, YesNo
from services.order.workbook.problems import word_title
from services.order.workbook.sheets import LEVELS_BY_NAME, SHEETS, Column, Sheet
from services.order.workbook.writing import BOLD, HEAD, column_title, saved, sheet_title

EXAMPLE = Font(color="7A7A7A", italic=True)
_LAST_ROW = 2000
# What an XML file of Excel takes as a list of words.
_MOST_LIST = 255

# Small, but whole: a product in two operations, one of them outside, that can be imported and planned.
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "materials": [
        {"no": "RM-01", "name_zh": "冷轧板 1.5", "name_en": "Sheet 1.5", "stock_uom": "kg", "uom_digits": 3},
        {
            "no": "P-100", "name_zh": "支架", "name_en": "Bracket", "stock_uom": "kg", "order_uom": "pcs",
            "report_uom": "pcs", "order_factor": 0.085, "report_factor": 0.085, "tracking": "lot",
        },
    ],
    "calendars": [
        {
            "calendar": "DAY", "name_zh": "白班", "name_en": "Day shift", "time_zone": "Asia/Shanghai", "shift": "D",
            "shift_zh": "白班", "shift_en": "Day", "weekdays": "1-5", "start": "08:00", "end": "17:30",
            "breaks": "12:00-13:30",
        }
    ],
    "calendar_exceptions": [{"calendar": "DAY", "date": "2026-10-01", "working": "no", "reason": "国庆节"}],
    "work_centres": [{"no": "PRESS", "name_zh": "冲压", "name_en": "Stamping", "area": "A", "calendar": "DAY"}],
    "equipment": [
        {"no": "P-01", "name_zh": "110吨冲床", "name_en": "Press 110 t", "work_centre": "PRESS", "efficiency": 1},
        {"no": "P-02", "name_zh": "63吨冲床", "name_en": "Press 63 t", "work_centre": "PRESS", "efficiency": 0.85},
    ],
    "setup_matrix": [
        {"work_centre": "PRESS", "from_family": "*", "to_family": "DIE-A", "minutes": 45, "priority": 5}
    ],
    "reasons": [
        {"code": "S-DIM", "name_zh": "尺寸超差", "name_en": "Out of tolerance", "kind": "scrap",
         "scrap_class": "operator"},
        {"code": "D-MECH", "name_zh": "机械故障", "name_en": "Breakdown", "kind": "downtime",
         "category": "UNPLANNED_DOWN"},
    ],
    "workers": [
        {"code": "W-017", "name_zh": "陈志强", "name_en": "Chen Zhiqiang", "skills": "PRESS"},
        {"code": "W-018", "name_zh": "黄丽华", "name_en": "Huang Lihua", "skills": "PRESS;WELD:2027-12-31"},
    ],
    "inspection_plans": [
        {
            "plan": "IP-1", "plan_zh": "冲压检验", "plan_en": "Stamping", "stage": "FAI", "trigger": "first_off",
            "sampling": "fixed", "sample_size": 3, "gate": "yes", "characteristic": "HOLE", "name_zh": "孔距",
            "name_en": "Hole distance", "kind": "variable", "unit": "mm", "importance": "SC", "lsl": 31.9,
            "target": 32, "usl": 32.1,
        }
    ],
    "routings": [
        {
            "product": "P-100", "revision": "A", "status": "Accepted", "seq": 10, "kind": "internal",
            "name_zh": "冲压", "name_en": "Stamp", "alternatives": "P-01:2.4:45:1;P-02:3:60:2",
            "setup_family": "DIE-A", "move_min": 10, "inspection_plan": "IP-1", "skill": "PRESS",
            "first_article": "yes",
        },
        {
            "product": "P-100", "seq": 20, "kind": "outside", "name_zh": "镀锌", "name_en": "Zinc plating",
            "predecessors": "10", "supplier": "恒发电镀厂", "lead_days": 3,
        },
    ],
    "orders": [
        {
            "no": "MO-0001", "material": "P-100", "qty": 500, "uom": "pcs", "priority": 5,
            "due_at": "2026-12-18 17:00", "deadline_type": "Soft", "customer": "顺德门控",
        }
    ],
}  # fmt: skip


@lru_cache(maxsize=4)
def template_book(language: str, zone: ZoneInfo) -> bytes:
    """The template in a language."""
    book = Workbook()
    book.remove(book.worksheets[0])
    book.properties.creator = "Lingnan MES"
    _write_help(book.create_sheet(t("workbook.help", language)), language)
    for sheet in SHEETS:
        _write_sheet(book.create_sheet(sheet_title(sheet, language)), sheet, language, zone)
    return saved(book)


def _write_sheet(made: Worksheet, sheet: Sheet, language: str, zone: ZoneInfo) -> None:
    columns = [column for column in sheet.columns if not column.only_read]
    examples = [{"key": "time_zone", "value": zone.key}] if sheet.key == "site" else EXAMPLES[sheet.key]
    made.freeze_panes = "B2"
    for number, column in enumerate(columns, start=1):
        title = column_title(sheet, column.key, language)
        cell = made.cell(1, number, f"{title}*" if column.required else title)
        cell.font, cell.fill = BOLD, HEAD
        shown = [_example(column, row.get(column.key), language) for row in examples]
        for place, value in enumerate(shown, start=2):
            made.cell(place, number, value).font = EXAMPLE
        # Chinese characters are two wide.
        widest = max(len(str(value or "")) + sum(ord(sign) > 0x2E80 for sign in str(value or "")) for value in
                     (title, *shown))  # fmt: skip
        made.column_dimensions[get_column_letter(number)].width = min(40, widest + 4)
        if rule := _validation(sheet, column, language):
            letter = get_column_letter(number)
            rule.add(f"{letter}2:{letter}{_LAST_ROW}")
            made.add_data_validation(rule)


def _example(column: Column, value: Any, language: str) -> Any:
    if isinstance(column.kind, Choice) and value:
        return word_title(column.kind.key, str(value), language)
    if isinstance(column.kind, YesNo) and value:
        return word_title("yes_no", str(value), language)
    return value


def _validation(sheet: Sheet, column: Column, language: str) -> DataValidation | None:
    """A drop-down list or check, with the column's explanation beside the cell."""
    rule = _rule(column, language)
    if rule is None:
        return None
    rule.showErrorMessage = True
    rule.errorTitle = column_title(sheet, column.key, language)[:30]
    rule.error = t("workbook.template.choose", language)[:220]
    rule.showInputMessage = True
    rule.promptTitle = rule.errorTitle
    rule.prompt = t(f"workbook.about.{sheet.key}.{column.key}", language)[:250]
    return rule


def _rule(column: Column, language: str) -> DataValidation | None:
    kind = column.kind
    if isinstance(kind, Choice | YesNo):
        words = _words(column, language)
        listed = f'"{",".join(words)}"'
        return DataValidation(type="list", formula1=listed, allow_blank=True) if len(listed) <= _MOST_LIST else None
    if column.offers:
        rule = DataValidation(type="list", formula1=f'"{",".join(column.offers)}"', allow_blank=True)
        rule.errorStyle = "information"
        return rule
    if column.refers:
        target, level = next(each for each in LEVELS_BY_NAME.values() if each[1].of == column.refers)
        place = get_column_letter([each.key for each in target.columns].index(level.key[0]) + 1)
        name = quote_sheetname(sheet_title(target, language))
        rule = DataValidation(type="list", formula1=f"{name}!${place}$2:${place}${_LAST_ROW}", allow_blank=True)
        # The one meant may be stored already and not in this file.
        rule.errorStyle = "information"
        return rule
    if isinstance(kind, Whole):
        low, high = int(kind.low or 0), int(kind.high)
        return DataValidation(type="whole", operator="between", formula1=str(low), formula2=str(high), allow_blank=True)
    if type(kind) in {Number, Minutes}:
        operator: Literal["greaterThan", "greaterThanOrEqual"]
        operator = "greaterThan" if kind.above is not None else "greaterThanOrEqual"  # type: ignore[attr-defined]
        return DataValidation(type="decimal", operator=operator, formula1="0", allow_blank=True)
    return None


def _words(column: Column, language: str) -> list[str]:
    if isinstance(column.kind, Choice):
        return [word_title(column.kind.key, word, language) for word in column.kind.words]
    return [word_title("yes_no", word, language) for word in ("yes", "no")]


def _write_help(made: Worksheet, language: str) -> None:
    """What every sheet and column is for."""
    made.append([t("workbook.template.title", language)])
    made["A1"].font = Font(bold=True, size=14)
    for line in t("workbook.template.text", language).split("\n"):
        made.append([line])
    made.append([])
    made.append(
        [t(f"workbook.template.{name}", language) for name in ("sheet", "column", "key", "needed", "words", "about")]
    )
    for cell in made[made.max_row]:
        cell.font, cell.fill = BOLD, HEAD
    for cells in _help_lines(language):
        made.append(cells)
        for cell in made[made.max_row]:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for letter, width in zip("ABCDEF", (16, 18, 22, 8, 44, 70), strict=True):
        made.column_dimensions[letter].width = width


def _help_lines(language: str) -> Iterator[list[str]]:
    for sheet in SHEETS:
        for column in sheet.columns:
            words = _words(column, language) if isinstance(column.kind, Choice | YesNo) else []
            yield [
                sheet_title(sheet, language), column_title(sheet, column.key, language), column.key,
                word_title("yes_no", "yes", language) if column.required else "", " / ".join(words),
                t(f"workbook.about.{sheet.key}.{column.key}", language),
            ]  # fmt: skip
