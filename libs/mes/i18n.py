"""Message catalogues: flat JSON files `locale/<language>.json` beside the code that raises the codes."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LANGUAGES = ("zh-CN", "en")


def _roots() -> list[Path]:
    # Found, not imported: this package knows no service.
    spec = find_spec("services")
    places = spec.submodule_search_locations if spec else None
    return [Path(__file__).resolve().parent, *(Path(place) for place in places or ())]


def catalogue_files(language: str) -> list[Path]:
    """All catalogues of one language."""
    return sorted(path for root in _roots() for path in root.rglob(f"locale/{language}.json"))


@cache
def catalogue(language: str) -> dict[str, str]:
    """Every message of a language by its code. Raises ValueError when two files define one code."""
    messages: dict[str, str] = {}
    for path in catalogue_files(language):
        for code, message in json.loads(path.read_text(encoding="utf-8")).items():
            if code in messages:
                raise ValueError(f"{code} is defined twice, again in {path}")
            messages[code] = message
    return messages


class _Shown(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "—"


# Parameters whose values are words of a state machine: people read them in their language, programs as they are.
_TERMS = frozenset({"state", "verb", "legal"})


def _in_words(name: str, value: Any, messages: dict[str, str], subject: str) -> Any:
    """subject: what the message is about; a word of its own goes first (to release an order, or a hold)."""
    if name not in _TERMS:
        return value
    if isinstance(value, str):
        word = value.replace("_", "-")
        return messages.get(f"term.{subject}.{word}") or messages.get(f"term.{word}", value)
    if isinstance(value, list | tuple | set | frozenset):
        between = "、" if messages.get("term.none") == "无" else ", "
        words = (
            str(_in_words(name, each, messages, subject))
            for each in (value if isinstance(value, list) else sorted(value))
        )
        return between.join(words) or messages.get("term.none", "")
    return value


def t(code: str, language: str = "zh-CN", **params: Any) -> str:
    """The message of a code in a language, filled in; the code itself where a catalogue lacks it."""
    messages = catalogue(language if language in LANGUAGES else "en")
    message = messages.get(code, code)
    subject = code.partition(".")[0]
    shown = {name: _in_words(name, value, messages, subject) for name, value in params.items()}
    try:
        return message.format_map(_Shown(shown))
    except (ValueError, IndexError, AttributeError):
        return message


def choose_language(accept: str | None, default: str = "zh-CN") -> str:
    """The best language of an Accept-Language header (RFC 9110), or of LANG (`zh_CN.UTF-8`)."""
    if not accept:
        return default
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.replace("_", "-").split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        wishes.append((-weight, place, tag.lower()))
    for _, _, tag in sorted(wishes):
        if tag.startswith("zh"):
            return "zh-CN"
        if tag.startswith("en"):
            return "en"
        if tag == "*":
            return default
    return default
