"""What people type, made plain: full-width characters, needless blanks, dates and times in their many forms."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal
from zoneinfo import ZoneInfo

from services.order.workbook.problems import CellError


class Uncomputed(str):
    """A formula whose value the file does not have: a program wrote it, and nothing has computed it since."""

    __slots__ = ()


Cell = str | int | float | bool | datetime | date | time | None
DateOrder = Literal["ymd", "dmy", "mdy"]

# U+FF01..U+FF5E are "!".."~" at full width; the others are blanks, or invisible.
_NARROW: dict[int, int | str | None] = {0xFF01 + place: 0x21 + place for place in range(94)}
_NARROW |= {0x3000: " ", 0x00A0: " ", 0x2007: " ", 0x202F: " ", 0x200B: None, 0xFEFF: None, 0x2212: "-"}
_INVISIBLE = {0x200B: None, 0xFEFF: None}
_BLANKS = " \t\r\n\u3000\u00a0\u2007\u202f"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_EXCEL_ERROR = re.compile(r"#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!)")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")


def plain_text(cell: Cell) -> str:
    """The text of a cell without blanks around it. Raises CellError for control characters and errors of Excel."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        # A code typed as a number: 1001.0 is "1001".
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else format(cell, ".15g")
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "minutes" if not cell.second else "seconds")
    if isinstance(cell, Uncomputed):
        raise CellError("workbook.formula_without_value")
    text = "" if cell is None else str(cell).translate(_INVISIBLE).replace("\r\n", "\n").replace("\r", "\n")
    text = text.strip(_BLANKS)
    if _CONTROL.search(text):
        raise CellError("workbook.control_character", value=_CONTROL.sub("�", text))
    if _EXCEL_ERROR.fullmatch(text):
        raise CellError("workbook.excel_error", value=text)
    return text


def narrow(cell: Cell) -> str:
    """The same with full-width letters, digits and punctuation made ASCII: for codes, numbers, dates and words."""
    return plain_text(cell).translate(_NARROW).strip()


def is_blank(cell: Cell) -> bool:
    """Whether a cell has nothing to see in it."""
    return cell is None or (isinstance(cell, str) and not cell.translate(_INVISIBLE).strip(_BLANKS))


def to_decimal(cell: Cell) -> Decimal:
    """A number, also as text with separators of thousands. Raises CellError."""
    if isinstance(cell, bool | datetime | date | time):
        raise CellError("workbook.not_a_number", value=plain_text(cell) if isinstance(cell, bool) else str(cell))
    if isinstance(cell, int):
        return Decimal(cell)
    if isinstance(cell, float):
        # 15 digits are what a sheet shows; the rest is dust of binary fractions.
        text = format(cell, ".15g")
    else:
        text = narrow(cell).replace(" ", "").replace("_", "x")
        if _THOUSANDS.fullmatch(text):
            text = text.replace(",", "")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise CellError("workbook.not_a_number", value=plain_text(cell)) from error
    if not number.is_finite():
        raise CellError("workbook.not_a_number", value=plain_text(cell))
    return number


# ---- dates and times ------------------------------------------------------------------------------------------------

_DATE = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?")
_DATE_BACKWARDS = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*(\d{4})")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(
    r"(?P<half>上午|下午|晚上|中午|凌晨|早上)?\s*(?P<h>\d{1,2})\s*[:时点]\s*(?P<m>\d{1,2})?\s*分?"
    r"(?:\s*:?\s*(?P<s>\d{1,2})(?P<f>\.\d{1,6})?\s*秒?)?\s*(?P<ampm>[AaPp]\.?[Mm]\.?)?"
)
_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
# Serial numbers of 1954-10-03 and 2119-01-21: nothing else in a workshop's sheet looks like them.
_FIRST_SERIAL, _LAST_SERIAL = 20000, 80000
_SERIAL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates have no zone


def to_date(cell: Cell, order: DateOrder = "ymd") -> date:
    """A date: of Excel, its serial number, or text (2026-3-2, 2026/3/2, 2026年3月2日, 20260302). Raises CellError."""
    moment, _ = _to_local(cell, order, midnight=True)
    return moment.date()


def to_moment(cell: Cell, zone: ZoneInfo, order: DateOrder = "ymd", *, end_of_day: bool = False) -> datetime:
    """A moment in UTC from local text, an Excel date or ISO 8601 with an offset. Raises CellError.

    end_of_day: a date without a time means its last minute (a due date), else its first.
    """
    moment, timed = _to_local(cell, order)
    if not timed and end_of_day:
        moment = moment.replace(hour=23, minute=59)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise CellError("workbook.not_a_date", value=str(cell)) from error


def moment_text(moment: datetime, zone: ZoneInfo) -> str:
    """Local "YYYY-MM-DD HH:MM" as `to_moment` reads it; finer, or with its offset, where that would lose something."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    text = local.isoformat(" ", "auto" if local.second or local.microsecond else "minutes")
    back = to_moment(text, zone)
    return text if back == moment else moment.astimezone(zone).isoformat(" ")


def _to_local(cell: Cell, order: DateOrder, *, midnight: bool = False) -> tuple[datetime, bool]:
    """A moment, without zone where none is said, and whether a time of day is said."""
    if isinstance(cell, datetime):
        # Excel has no dates, only moments: one at midnight is a date.
        return cell, cell.time() != time()
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day), False  # noqa: DTZ001
    if isinstance(cell, bool | time) or cell is None:
        raise CellError("workbook.not_a_date", value=str(cell))
    if isinstance(cell, int | float):
        return _serial(cell)
    return _parsed(narrow(cell), order)


def _serial(number: float) -> tuple[datetime, bool]:
    if float(number).is_integer() and _COMPACT.fullmatch(str(int(number))):
        return _parsed(str(int(number)), "ymd")
    if not _FIRST_SERIAL <= number <= _LAST_SERIAL:
        raise CellError("workbook.not_a_date", value=format(number, ".15g"))
    seconds = round((number - int(number)) * 86400)
    return _SERIAL_ZERO + timedelta(days=int(number), seconds=seconds), bool(seconds)


def _parsed(text: str, order: DateOrder) -> tuple[datetime, bool]:
    try:
        if re.fullmatch(r"\d{5}(\.\d+)?", text):
            return _serial(float(text))
        day, rest = _day(text, order)
        rest = rest.strip(" Tt,")
        if not rest:
            return datetime(*day), False  # noqa: DTZ001
        offset = _ZONE.search(rest)
        clock = to_time(rest[: offset.start()] if offset else rest, fraction=True)
        made = datetime(*day, clock.hour, clock.minute, clock.second, clock.microsecond)  # noqa: DTZ001
        if offset:
            made = datetime.fromisoformat(made.isoformat() + offset.group().replace("Z", "+00:00"))
        return made, True
    except (ValueError, CellError) as error:
        raise CellError("workbook.not_a_date", value=text) from error


def _day(text: str, order: DateOrder) -> tuple[tuple[int, int, int], str]:
    if found := _DATE.match(text) or _COMPACT.match(text):
        year, month, day = (int(part) for part in found.groups())
        return (year, month, day), text[found.end() :]
    if order != "ymd" and (found := _DATE_BACKWARDS.match(text)):
        first, second, year = (int(part) for part in found.groups())
        day, month = (first, second) if order == "dmy" else (second, first)
        return (year, month, day), text[found.end() :]
    raise ValueError(text)


def to_time(cell: Cell, *, fraction: bool = False) -> time:
    """A time of day: "7:30", "07:30:00", "下午3点30分", "3:30 PM", of Excel, or its part of a day. Raises CellError."""
    if isinstance(cell, datetime):
        return cell.time()
    if isinstance(cell, time):
        return cell
    if isinstance(cell, int | float) and not isinstance(cell, bool) and 0 <= cell < 1:
        return (_SERIAL_ZERO + timedelta(seconds=round(cell * 86400))).time()
    text = narrow(cell)
    found = _TIME.fullmatch(text)
    if found is None:
        raise CellError("workbook.not_a_time", value=text)
    hour, minute, second = (int(found[part] or 0) for part in ("h", "m", "s"))
    half = found["half"] or (found["ampm"] or "").replace(".", "").upper()
    if half in {"下午", "晚上", "PM"} and hour < 12:
        hour += 12
    elif half == "AM" and hour == 12:
        hour = 0
    micro = int((found["f"] or ".0")[1:].ljust(6, "0")) if fraction else 0
    try:
        # 24:00 is the end of a day, as a shift says it.
        return time(0 if (hour, minute, second) == (24, 0, 0) else hour, minute, second, micro)
    except ValueError as error:
        raise CellError("workbook.not_a_time", value=text) from error
