"""What is wrong in a file, by sheet, row and column, in words of both languages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mes.i18n import catalogue, t

# Parameters that are words of a choice; "" are the kinds of things.
_NAMED_WORDS = (("kind", ""), ("kind", "characteristic_kind"), ("state", "order_state"), ("trigger", "trigger"))

_TYPED = ("value", "before", "key", "no", "old")


class CellError(Exception):
    """A cell's content cannot be taken. `code` names the message, `params` fill it in."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code, params)
        self.code, self.params = code, params


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file. Row 0: the sheet as a whole; sheet "": the file. `field`: our key of the column."""

    sheet: str
    row: int
    column: str
    code: str
    params: dict[str, Any] = field(default_factory=dict)
    field: str = ""

    def render(self, language: str) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "sheet": self.sheet,
            "row": self.row or None,
            "column": self.column or None,
            "field": self.field or None,
            "code": self.code,
            "params": {name: value for name, value in self.params.items() if name != "choice"},
            "message": message(self.code, self.params, language),
        }


def message(code: str, params: dict[str, Any], language: str) -> str:
    """The words of a problem; the words that a cell may have are named as the reader calls them."""
    # What people typed may be anything; what is ours is meant to be read.
    shown = {name: shorten(value) if name in _TYPED else value for name, value in params.items()}
    if "allowed" in params:
        choice = params.get("choice", "")
        shown["allowed"] = ", ".join(_word(choice, each, language) for each in params["allowed"])
    for name, choice in _NAMED_WORDS:
        if name in shown:
            shown[name] = word_title(choice, str(shown[name]), language)
    return t(code, language, **shown)


def _word(choice: str, word: str, language: str) -> str:
    title = word_title(choice, word, language)
    return word if title == word else f"{word} ({title})"


def word_title(choice: str, word: str, language: str) -> str:
    """What readers call a word of a choice; the word itself where they call it so."""
    code = f"workbook.word.{choice}.{word}" if choice else f"workbook.level.{word}"
    return catalogue(language).get(code, word)


def shorten(value: Any, most: int = 80) -> Any:
    """A cell's content fit for a message."""
    text = str(value)
    return f"{text[:most]}…" if len(text) > most else value
