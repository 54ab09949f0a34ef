"""Problems and plans as JSON, version 1.

A problem is the fields of `problem.Problem` by their names, `current` as a list; what has its default may be left out.
A plan is the fields of `problem.Plan` and the `origin` that its seconds count from. Both carry "version" and "kind".
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.scheduling.solver.problem import (
    Alternative,
    During,
    Fixing,
    Machine,
    Need,
    Operation,
    Order,
    Plan,
    Planned,
    Predecessor,
    Price,
    Problem,
    Resource,
    Score,
    SetupRow,
    Supplier,
)

VERSION = 1
_NESTED: dict[tuple[type, str], type] = {
    (Operation, "alternatives"): Alternative,
    (Operation, "predecessors"): Predecessor,
    (Operation, "needs"): Need,
    (Problem, "resources"): Resource,
    (Problem, "suppliers"): Supplier,
    (Problem, "tariff"): Price,
    (Problem, "machines"): Machine,
    (Problem, "orders"): Order,
    (Problem, "operations"): Operation,
    (Plan, "operations"): Planned,
}


_CHOICES: dict[str, type[StrEnum]] = {"Fixing": Fixing, "During": During}
_LISTS: dict[str, type] = {"Sequence[str]": str, "Sequence[int]": int}
_NOT_NEGATIVE = {
    *((Alternative, name) for name in ("seconds", "setup_s")),
    *((Predecessor, name) for name in ("lag_s", "overlap_s", "tail_s")),
    *((Operation, name) for name in ("outside_s", "size", "lots")),
    *((Machine, name) for name in ("batch_capacity", "power_w")),
    *((SetupRow, name) for name in ("seconds", "cost")),
    *((Resource, name) for name in ("capacity",)),
    *((Supplier, name) for name in ("capacity",)),
    *((Need, name) for name in ("quantity",)),
    *((Order, name) for name in ("weight",)),
    *((Price, name) for name in ("price",)),
    *((Problem, name) for name in ("horizon", "machine_change_s")),
}
"""Numbers of which less than 0 makes no sense."""


class FormatError(ValueError):
    """The text is not of this form; the message says where and why."""


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """A problem as plain values for `json.dumps`."""
    return {
        "version": VERSION,
        "kind": "problem",
        **_plain(problem, leave_out=("setups", "current")),
        "origin": problem.origin.isoformat(),
        "setups": {name: [_plain(row) for row in rows] for name, rows in problem.setups.items()},
        "current": [_plain(each) for each in problem.current.values()],
    }


def problem_from_json(data: Any) -> Problem:
    """Read a problem. Raises FormatError naming the place that is wrong."""
    data = _of_kind(data, "problem")
    setups, current = data.pop("setups", {}), data.pop("current", [])
    if not isinstance(setups, Mapping):
        raise FormatError("setups: an object by setup class is expected")
    try:
        data["origin"] = datetime.fromisoformat(data["origin"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError("origin: a moment like 2026-03-02T00:00:00+00:00 is expected") from error
    planned = _read_all(Planned, current, "current")
    data["setups"] = {name: _read_all(SetupRow, rows, f"setups.{name}") for name, rows in setups.items()}
    data["current"] = {each.operation: each for each in planned}
    problem: Problem = _read(Problem, data, "problem")
    return problem


def plan_to_json(plan: Plan, origin: datetime) -> dict[str, Any]:
    """A plan as plain values for `json.dumps`."""
    return {
        "version": VERSION,
        "kind": "plan",
        "origin": origin.isoformat(),
        **_plain(plan, leave_out=("score", "rules")),
        "score": dataclasses.asdict(plan.score),
        "rules": {name: dataclasses.asdict(score) for name, score in plan.rules.items()},
    }


def plan_from_json(data: Any) -> Plan:
    """Read a plan. Raises FormatError naming the place that is wrong."""
    data = _of_kind(data, "plan")
    data.pop("origin", None)
    rules = data.pop("rules", {})
    data["score"] = _read(Score, data.get("score"), "score")
    data["rules"] = {name: _read(Score, score, f"rules.{name}") for name, score in rules.items()}
    plan: Plan = _read(Plan, data, "plan")
    return plan


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of both forms, with what fields mean as descriptions."""
    definitions: dict[str, Any] = {}
    for cls in (Problem, Plan):
        _define(cls, definitions)
    problem, plan = definitions["Problem"], definitions["Plan"]
    for form, kind in ((problem, "problem"), (plan, "plan")):
        form["properties"] |= {"version": {"const": VERSION}, "kind": {"const": kind}}
        form["required"] = ["version", "kind", *form["required"]]
    moment = {"type": "string", "format": "date-time", "description": "the moment that seconds count from"}
    problem["properties"]["origin"] = plan["properties"]["origin"] = moment
    problem["properties"]["setups"] = {"type": "object", "additionalProperties": _list_of("SetupRow")}
    problem["properties"]["current"] = _list_of("Planned")
    plan["properties"]["rules"] = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Score"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Scheduling problems and plans, version {VERSION}",
        "oneOf": [{"$ref": "#/$defs/Problem"}, {"$ref": "#/$defs/Plan"}],
        "$defs": definitions,
    }


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}


def _define(cls: Any, definitions: dict[str, Any]) -> None:
    if cls.__name__ in definitions:
        return
    form: dict[str, Any] = {"type": "object", "description": inspect.cleandoc(cls.__doc__ or ""), "properties": {}}
    definitions[cls.__name__] = form
    for each in dataclasses.fields(cls):
        if (nested := _NESTED.get((cls, each.name))) is not None:
            _define(nested, definitions)
            form["properties"][each.name] = _list_of(nested.__name__)
        else:
            form["properties"][each.name] = _form_of(cls, each.name, str(each.type))
    form["required"] = [
        each.name for each in dataclasses.fields(cls)
        if each.default is each.default_factory is dataclasses.MISSING
    ]  # fmt: skip
    form["additionalProperties"] = False
    if cls in (Problem, Plan):
        for nested in (SetupRow, Planned, Score):
            _define(nested, definitions)


def _form_of(cls: type, name: str, declared: str) -> dict[str, Any]:
    plain = declared.removesuffix(" | None")
    kinds = {"int": "integer", "str": "string", "bool": "boolean"}
    if name == "windows":
        pair = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
        found: dict[str, Any] = {"type": "array", "items": pair}
    elif plain in _LISTS:
        found = {"type": "array", "items": {"type": kinds[_LISTS[plain].__name__]}}
    elif plain in _CHOICES:
        found = {"enum": [each.value for each in _CHOICES[plain]]}
    elif plain == "Score":
        found = {"$ref": "#/$defs/Score"}
    else:
        found = {"type": kinds.get(plain, "object")}
    if (cls, name) in _NOT_NEGATIVE:
        found = {**found, "minimum": 0}
    return {"anyOf": [found, {"type": "null"}]} if declared.endswith("None") else found


def _of_kind(data: Any, kind: str) -> dict[str, Any]:
    if not isinstance(data, Mapping) or data.get("kind") != kind:
        raise FormatError(f"kind: {kind!r} is expected")
    if data.get("version") != VERSION:
        raise FormatError(f"version: {VERSION} is expected, not {data.get('version')!r}")
    return {name: value for name, value in data.items() if name not in ("version", "kind")}


def _plain(value: Any, leave_out: Sequence[str] = ()) -> Any:
    """Dataclasses as objects without what is at its default, tuples as lists."""
    if dataclasses.is_dataclass(value):
        return {
            each.name: _plain(getattr(value, each.name))
            for each in dataclasses.fields(value)
            if each.name not in leave_out and _told(getattr(value, each.name), each.default)
        }
    if isinstance(value, StrEnum):
        return value.value
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _told(value: Any, default: Any) -> bool:
    return list(value) != [] if isinstance(default, tuple) else value != default


def _read(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise FormatError(f"{where}: an object is expected")
    fields = {each.name: each for each in dataclasses.fields(cls)}
    if unknown := [name for name in data if name not in fields]:
        raise FormatError(f"{where}.{unknown[0]}: no such field")
    values = {name: _value(cls, name, str(fields[name].type), value, where) for name, value in data.items()}
    try:
        return cls(**values)
    except TypeError as error:
        missing = [
            name for name, each in fields.items()
            if name not in values and each.default is each.default_factory is dataclasses.MISSING
        ]  # fmt: skip
        raise FormatError(f"{where}: {', '.join(missing)} missing") from error


def _read_all(cls: type, data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise FormatError(f"{where}: a list is expected")
    return tuple(_read(cls, each, f"{where}[{at}]") for at, each in enumerate(data))


def _value(cls: type, name: str, declared: str, value: Any, where: str) -> Any:
    where = f"{where}.{name}"
    if nested := _NESTED.get((cls, name)):
        return _read_all(nested, value, where)
    if name == "windows":
        return _windows(value, where)
    if (choices := _CHOICES.get(declared)) is not None:
        if value not in list(choices):
            raise FormatError(f"{where}: one of {', '.join(choices)} is expected")
        return choices(value)
    if (kind := _LISTS.get(declared.removesuffix(" | None"))) is not None:
        return _several(kind, value, declared.endswith("None"), where)
    kinds = {"int": int, "str": str, "bool": bool}
    expected = kinds.get(declared.removesuffix(" | None"))
    if expected is None or (value is None and declared.endswith("None")):
        return value
    if expected is int and type(value) is int and (cls, name) in _NOT_NEGATIVE and value < 0:
        raise FormatError(f"{where}: {value} is less than 0")
    if type(value) is not expected:
        raise FormatError(f"{where}: {expected.__name__} is expected, not {value!r}")
    return value


def _several(kind: type, value: Any, none: bool, where: str) -> tuple[Any, ...] | None:
    if value is None and none:
        return None
    if not isinstance(value, list | tuple) or any(type(each) is not kind for each in value):
        raise FormatError(f"{where}: a list of {kind.__name__} is expected")
    return tuple(value)


def _windows(value: Any, where: str) -> tuple[tuple[int, int], ...] | None:
    if value is None:
        return None
    try:
        windows = tuple((begin, end) for begin, end in value)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: pairs of begin and end are expected") from error
    if any(type(moment) is not int for window in windows for moment in window):
        raise FormatError(f"{where}: whole seconds are expected")
    return windows
