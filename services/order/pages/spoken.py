"""Errors in the words of the floor: no names of states, no times of machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mes.errors import DomainError

from services.order.queries.shopfloor import Reader

_TIMES = ("since", "expected", "time", "until")


def spoken(error: DomainError, reader: Reader) -> str:
    """What went wrong, in the reader's language."""
    return reader.say(error.code, **spoken_params(error.code, error.params, reader))


def spoken_params(code: str, params: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """Parameters of a message with states, verbs and times as people say them."""
    kind = "page.order" if code.startswith("order.") or "order_" in code else "page.job"
    said = dict(params)
    if "state" in said:
        said["state"] = reader.known(kind, str(said["state"]))
    verbs = "page.order_act" if code.startswith("order.") else "page.verb"
    if "verb" in said:
        said["verb"] = _verb(verbs, str(said["verb"]), reader)
    if isinstance(said.get("legal"), list):
        said["legal"] = _listed((_verb(verbs, each, reader) for each in said["legal"]), reader)
    for name in _TIMES:
        if isinstance(said.get(name), str) and said[name]:
            said[name] = _time(said[name], reader)
    return said


def _verb(prefix: str, verb: str, reader: Reader) -> str:
    return reader.known(prefix, verb.replace("-", "_"))


def _listed(words: Iterable[str], reader: Reader) -> str:
    return ("、" if reader.language.startswith("zh") else ", ").join(words) or "—"


def _time(text: str, reader: Reader) -> str:
    try:
        return reader.when(datetime.fromisoformat(text))
    except ValueError:
        return text
