"""Kinds of cells: how each is read into a value, and a value written back so that reading gives the same value."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from mes.i18n import LANGUAGES

from services.order.workbook.normalising import (
    Cell,
    DateOrder,
    moment_text,
    narrow,
    plain_text,
    to_date,
    to_decimal,
    to_moment,
    to_time,
)
from services.order.workbook.problems import CellError, word_title

UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Setting:
    """What the meaning of a cell depends on: the zone of local times, the order of numbers in dates."""

    zone: ZoneInfo = UTC
    date_order: DateOrder = "ymd"


class Kind(ABC):
    """A kind of cell. `name` is its key in the catalogues, `blank` the value of an empty cell."""

    name: str
    blank: Any = None

    @abstractmethod
    def read(self, cell: Cell, setting: Setting) -> Any:
        """The value of a cell that is not empty. Raises CellError."""

    def write(self, value: Any, setting: Setting) -> Cell:
        """The cell of a value."""
        return value  # type: ignore[no-any-return]

    def show(self, value: Any, setting: Setting) -> str:
        """A value in a list of changes."""
        cell = self.write(value, setting)
        return "" if cell is None else str(cell)


@dataclass(frozen=True)
class Text(Kind):
    """Names and remarks: kept as they are written."""

    most: int = 200
    name = "text"
    blank = ""

    def read(self, cell: Cell, setting: Setting) -> str:
        text = plain_text(cell)
        if len(text) > self.most:
            raise CellError("workbook.too_long", value=text, most=self.most)
        return text


@dataclass(frozen=True)
class Code(Text):
    """Numbers of things, units: at normal width, on one line. apart: what may not be in it, because lists use it."""

    most: int = 60
    apart: str = ";:"
    name = "code"

    def read(self, cell: Cell, setting: Setting) -> str:
        text = Text.read(self, narrow(cell), setting)
        for each in ("\n", *self.apart):
            if each in text:
                raise CellError("workbook.not_in_code", value=text, sign="↵" if each == "\n" else each)
        return text


@dataclass(frozen=True)
class Number(Kind):
    """A decimal that NUMERIC(18,6) holds. above: it must be more; low, high: inclusive borders."""

    low: Decimal | None = Decimal(0)
    high: Decimal = Decimal(10) ** 11
    above: Decimal | None = None
    places: int = 6
    blank: Any = None
    name = "number"

    def read(self, cell: Cell, setting: Setting) -> Any:
        if isinstance(cell, str) and narrow(cell).endswith("%"):
            number = to_decimal(narrow(cell)[:-1]) / 100
        else:
            number = to_decimal(cell)
        self._check(number, cell)
        return number

    def _check(self, number: Decimal, cell: Cell) -> None:
        shown = plain_text(cell)
        if self.above is not None and number <= self.above:
            raise CellError("workbook.not_above", value=shown, above=str(self.above))
        if self.low is not None and number < self.low:
            code = "workbook.negative" if self.low == 0 else "workbook.too_small"
            raise CellError(code, value=shown, low=str(self.low))
        if number > self.high or number < -self.high:
            raise CellError("workbook.too_large", value=shown, high=format(self.high, "f"))
        if number != round(number, self.places):
            raise CellError("workbook.too_precise", value=shown, places=self.places)

    def write(self, value: Any, setting: Setting) -> Cell:
        if value is None:
            return None
        if value == value.to_integral_value():
            return int(value)
        # A sheet's numbers are binary: only what survives that is written as one.
        as_float = float(value)
        return as_float if Decimal(format(as_float, ".15g")) == value else format(value, "f")


POSITIVE = Number(low=None, above=Decimal(0))


@dataclass(frozen=True)
class Whole(Number):
    """A whole number."""

    high: Decimal = Decimal(2**31 - 1)
    blank: Any = 0
    name = "whole"

    def read(self, cell: Cell, setting: Setting) -> int:
        number = to_decimal(cell)
        self._check(number, cell)
        return int(number)

    def _check(self, number: Decimal, cell: Cell) -> None:
        Number._check(self, number, cell)
        if number != number.to_integral_value():
            raise CellError("workbook.not_whole", value=plain_text(cell))

    def write(self, value: Any, setting: Setting) -> Cell:
        return int(value)


@dataclass(frozen=True)
class Measure(Number):
    """A measured value: binary, as measurements are."""

    low: Decimal | None = None
    name = "measure"

    def read(self, cell: Cell, setting: Setting) -> float:
        number = to_decimal(cell)
        if abs(number) > self.high:
            raise CellError("workbook.too_large", value=plain_text(cell), high=format(self.high, "f"))
        return float(number)

    def write(self, value: Any, setting: Setting) -> Cell:
        return None if value is None else float(value)


@dataclass(frozen=True)
class Minutes(Number):
    """Minutes in the cell, whole seconds as value."""

    high: Decimal = Decimal(1_000_000)
    blank: Any = 0
    name = "minutes"

    def read(self, cell: Cell, setting: Setting) -> int:
        number = to_decimal(cell)
        # Not `places`: a third of a minute is 20 seconds however many digits it is written with.
        self._check(round(number, self.places), cell)
        return int((number * 60).to_integral_value())

    def write(self, value: Any, setting: Setting) -> Cell:
        minutes = Decimal(value) / 60
        return int(minutes) if minutes == int(minutes) else float(round(minutes, 6))


_TRUE = {"yes", "y", "true", "t", "1", "on", "是", "有", "对", "真", "√", "✓", "✔", "☑", "v"}
_FALSE = {"no", "n", "false", "f", "0", "off", "否", "无", "不", "非", "假", "×", "✗", "✘", "x", "☐", "-"}


@dataclass(frozen=True)
class YesNo(Kind):
    """yes or no in many words."""

    blank: bool = False
    name = "yes_no"

    def read(self, cell: Cell, setting: Setting) -> bool:
        word = narrow(cell).casefold()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise CellError("workbook.unknown_word", value=plain_text(cell), allowed=["yes", "no"], choice="yes_no")

    def write(self, value: Any, setting: Setting) -> Cell:
        return "yes" if value else "no"


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words, also as the catalogues title them, or by an alias. key: its part of the catalogues' codes."""

    key: str
    words: tuple[str, ...]
    blank: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    name = "choice"

    @cached_property
    def _known(self) -> dict[str, str]:
        known = {_folded(alias): word for alias, word in self.aliases.items()}
        for word in self.words:
            known |= {_folded(word_title(self.key, word, language)): word for language in LANGUAGES}
        return known | {_folded(word): word for word in self.words}

    def read(self, cell: Cell, setting: Setting) -> str:
        word = self._known.get(_folded(narrow(cell)))
        if word is None:
            raise CellError("workbook.unknown_word", value=plain_text(cell), allowed=list(self.words), choice=self.key)
        return word


def _folded(word: str) -> str:
    return re.sub(r"[\s_-]", "", word.casefold())


@dataclass(frozen=True)
class Day(Kind):
    """A date, as ISO text."""

    name = "date"
    blank = ""

    def read(self, cell: Cell, setting: Setting) -> str:
        return to_date(cell, setting.date_order).isoformat()


@dataclass(frozen=True)
class Moment(Kind):
    """A moment in UTC, local in the cell. end_of_day: a date alone means its last minute."""

    end_of_day: bool = False
    name = "moment"

    def read(self, cell: Cell, setting: Setting) -> Any:
        return to_moment(cell, setting.zone, setting.date_order, end_of_day=self.end_of_day)

    def write(self, value: Any, setting: Setting) -> Cell:
        return None if value is None else moment_text(value, setting.zone)


def _clock(cell: Cell) -> str:
    moment: time = to_time(cell)
    if moment.second:
        raise CellError("workbook.not_a_time", value=plain_text(cell))
    return moment.isoformat("minutes")


@dataclass(frozen=True)
class Clock(Kind):
    """A time of day "HH:MM"."""

    name = "clock"
    blank = ""

    def read(self, cell: Cell, setting: Setting) -> str:
        return _clock(cell)


@dataclass(frozen=True)
class Zone(Kind):
    """An IANA time zone."""

    name = "zone"
    blank = ""

    def read(self, cell: Cell, setting: Setting) -> str:
        text = narrow(cell)
        if text not in available_timezones():
            raise CellError("workbook.not_a_zone", value=text)
        return text


# ---- lists ----------------------------------------------------------------------------------------------------------


class List(Kind):
    """A list in one cell. Values are tuples."""

    blank = ()
    name = "codes"
    between = r"[;\n、]"

    def parts(self, cell: Cell) -> Iterator[str]:
        """The elements' texts."""
        for part in re.split(self.between, narrow(cell)):
            if part.strip():
                yield part.strip()

    def read(self, cell: Cell, setting: Setting) -> tuple[Any, ...]:
        made = tuple(self.element(part, setting) for part in self.parts(cell))
        seen = set()
        for each in made:
            key = each[0] if isinstance(each, tuple) else each
            if key in seen:
                raise CellError("workbook.twice_in_list", value=str(key))
            seen.add(key)
        return made

    @abstractmethod
    def element(self, part: str, setting: Setting) -> Any:
        """One element's value."""

    def write(self, value: Any, setting: Setting) -> Cell:
        return ";".join(self.shown(each) for each in value)

    def shown(self, element: Any) -> str:
        """One element's text."""
        return str(element)


@dataclass(frozen=True)
class Codes(List):
    """Codes, in the order given."""

    code: Code = Code()

    def element(self, part: str, setting: Setting) -> str:
        return self.code.read(part, setting)


_WEEKDAYS = {word: day for day in range(1, 8) for word in (
    "一二三四五六日"[day - 1], "周" + "一二三四五六日"[day - 1], "星期" + "一二三四五六日"[day - 1],
    ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day - 1],
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")[day - 1],
)} | {"天": 7, "周天": 7, "星期天": 7}  # fmt: skip


@dataclass(frozen=True)
class Wholes(List):
    """Whole numbers low..high, sorted; "1-5" is 1, 2, 3, 4, 5."""

    low: int = 1
    high: int = 2**31 - 1
    words: Mapping[str, int] = field(default_factory=dict, hash=False)
    name = "wholes"
    between = r"[;\n、,]|\s+"

    def read(self, cell: Cell, setting: Setting) -> tuple[int, ...]:
        text = re.sub(r"\s*[-~至到]\s*", "-", narrow(cell))
        found: list[int] = []
        for part in self.parts(text):
            first, dash, last = part.partition("-")
            begin = self._one(first, part)
            found += range(begin, self._one(last, part) + 1) if dash else [begin]
        if len(set(found)) < len(found):
            raise CellError("workbook.twice_in_list", value=text)
        return tuple(sorted(found))

    def element(self, part: str, setting: Setting) -> int:
        return self._one(part, part)

    def _one(self, text: str, part: str) -> int:
        word = text.strip().casefold()
        if word in self.words:
            return self.words[word]
        if not re.fullmatch(r"\d{1,9}", word):
            raise CellError("workbook.not_whole", value=part)
        if not self.low <= int(word) <= self.high:
            raise CellError("workbook.outside", value=word, low=self.low, high=self.high)
        return int(word)


WEEKDAYS = Wholes(1, 7, _WEEKDAYS)
RULES = Wholes(1, 8)
SEQS = Wholes(1)


class Breaks(List):
    """Stretches of a day "09:30-09:40"; elements are (start, end)."""

    name = "breaks"
    between = r"[;\n、,]"

    def element(self, part: str, setting: Setting) -> tuple[str, str]:
        ends = re.split(r"\s*[-~–—～至到]\s*", part)
        if len(ends) != 2:
            raise CellError("workbook.break_form", value=part)
        start, end = _clock(ends[0]), _clock(ends[1])
        if start == end:
            raise CellError("workbook.break_form", value=part)
        return start, end

    def shown(self, element: Any) -> str:
        return "-".join(element)


_SECONDS = Number()
_SETUP = Minutes()
_PREFERENCE = Whole(low=Decimal(1), high=Decimal(99))


class Places(List):
    """Where an operation can be done: place:seconds a piece[:setup minutes[:preference]].

    Elements are (machine or work centre, seconds, setup seconds, preference).
    """

    name = "places"

    def element(self, part: str, setting: Setting) -> tuple[str, Decimal, int, int]:
        words = [word.strip() for word in part.split(":")]
        if not 2 <= len(words) <= 4 or not words[0]:
            raise CellError("workbook.place_form", value=part)
        setup = _SETUP.read(words[2], setting) if len(words) > 2 and words[2] else 0
        preference = _PREFERENCE.read(words[3], setting) if len(words) > 3 and words[3] else 1
        return Code().read(words[0], setting), _SECONDS.read(words[1], setting), setup, preference

    def shown(self, element: Any) -> str:
        place, seconds, setup, preference = element
        minutes = format(_written(_SETUP.write(setup, Setting())), "f")
        return f"{place}:{format(_written(seconds), 'f')}:{minutes}:{preference}"


class Parts(List):
    """What goes into a product: material:pieces for one; elements are (material, quantity)."""

    name = "parts"

    def element(self, part: str, setting: Setting) -> tuple[str, Decimal]:
        material, colon, quantity = part.partition(":")
        if not material.strip():
            raise CellError("workbook.part_form", value=part)
        number = POSITIVE.read(quantity, setting) if colon else Decimal(1)
        return Code().read(material.strip(), setting), number

    def shown(self, element: Any) -> str:
        return f"{element[0]}:{format(_written(element[1]), 'f')}"


_DAY = Day()


class Skills(List):
    """What somebody is qualified for: skill[:last day on which that holds]; elements are (skill, ISO date or "")."""

    name = "skills"

    def element(self, part: str, setting: Setting) -> tuple[str, str]:
        skill, colon, valid_to = (word.strip() for word in part.partition(":"))
        if not skill or (colon and not valid_to):
            raise CellError("workbook.skill_form", value=part)
        return Code().read(skill, setting), _DAY.read(valid_to, setting) if colon else ""

    def shown(self, element: Any) -> str:
        return ":".join(filter(None, element))


def _written(number: Any) -> Decimal:
    """A decimal without needless zeros."""
    value = Decimal(str(number))
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()
