"""Definitions as documents (messages of the event contracts) and as things of the workbook's levels, both ways.

`things_of(kind, no, spec)` and `message_of(kind, ...)` are inverse to each other but for ids: those of routing
operations and characteristics stay with the key of their thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from google.protobuf.message import Message
from mes.events.v1 import order_pb2

from services.order.workbook.sheets import LEVELS_BY_NAME, Key, Values

ANY = "*"
SETUPS = "site"
"""The number of the one setup matrix."""

MESSAGES: dict[str, type[Message]] = {
    "calendar": order_pb2.CalendarDefined,
    "material": order_pb2.MaterialDefined,
    "work_centre": order_pb2.WorkCentreDefined,
    "equipment": order_pb2.EquipmentDefined,
    "setup_matrix": order_pb2.SetupMatrixDefined,
    "reason": order_pb2.ReasonDefined,
    "worker": order_pb2.WorkerDefined,
    "inspection_plan": order_pb2.InspectionPlanDefined,
    "routing": order_pb2.RoutingRevisionDefined,
}
ID_FIELDS = {
    "calendar": "calendar_id",
    "material": "material_id",
    "work_centre": "work_centre_id",
    "equipment": "equipment_id",
    "reason": "reason_id",
    "worker": "worker_id",
    "inspection_plan": "inspection_plan_id",
    "routing": "routing_revision_id",
}


@dataclass(slots=True)
class Document:
    """A definition as things: values by level and key, and the ids of its parts that have one."""

    things: dict[str, dict[Key, Values]] = field(default_factory=dict)
    part_ids: dict[tuple[str, Key], str] = field(default_factory=dict)

    def level(self, name: str) -> dict[Key, Values]:
        """Things of a level, in their order."""
        return self.things.get(name, {})


class Names:
    """Numbers and ids of all definitions, stored and new, each way."""

    def __init__(self, site_id: UUID, new_id: Callable[[], UUID], stored: Iterable[tuple[str, str, UUID]]) -> None:
        self._new_id = new_id
        self._ids = {(kind, no): str(each) for kind, no, each in stored}
        self._nos = {each: no for (_, no), each in self._ids.items()}
        # There is one matrix a site, and its events are keyed by the site.
        self._ids.setdefault(("setup_matrix", SETUPS), str(site_id))

    def id(self, kind: str, no: str) -> str:
        """Id of a definition, made for a new one; "" for no number."""
        if not no:
            return ""
        if (kind, no) not in self._ids:
            self._ids[kind, no] = made = str(self._new_id())
            self._nos[made] = no
        return self._ids[kind, no]

    def no(self, each: str) -> str:
        """Number of a definition, "" for no id."""
        return self._nos.get(each, each)

    def knows(self, kind: str, no: str) -> bool:
        """Whether there is such a definition."""
        return (kind, no) in self._ids

    def new_id(self) -> str:
        """An id for a part."""
        return str(self._new_id())


def owner_of(level: str, key: Key) -> tuple[str, str]:
    """Kind and number of the definition that a thing is or belongs to."""
    kind = LEVELS_BY_NAME[level][1].of
    if kind == "setup_matrix":
        return kind, SETUPS
    return kind, f"{key[0]}/{key[1]}" if kind == "routing" else str(key[0])


def spec_of(message: Message) -> dict[str, Any]:
    """A message as JSON with the field names of `proto/`: every field, numbers as numbers, None for an absent one."""
    return {each.name: _field(message, each) for each in _fields(message.DESCRIPTOR)}


class _Field(NamedTuple):
    name: str
    repeated: bool
    nested: Any
    optional: bool
    default: Any


@cache
def _fields(descriptor: Any) -> tuple[_Field, ...]:
    """What is asked of a descriptor for every message, asked once."""
    return tuple(
        _Field(each.name, each.is_repeated, each.message_type, each.has_presence and not each.message_type,
               None if each.is_repeated or each.message_type else each.default_value)
        for each in descriptor.fields
    )  # fmt: skip


def _field(message: Message, each: _Field) -> Any:
    value = getattr(message, each.name)
    if each.repeated:
        return [spec_of(one) for one in value] if each.nested else list(value)
    if each.optional and not message.HasField(each.name):
        return None
    return spec_of(value) if each.nested else value


def completed(descriptor: Any, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A stored spec with every field of today's contract: one that is older than a field has its default."""
    return {each.name: _completed_field(each, spec.get(each.name)) for each in _fields(descriptor)}


def _completed_field(each: _Field, value: Any) -> Any:
    if each.repeated:
        found = value or []
        return [completed(each.nested, one) for one in found] if each.nested else found
    if each.nested:
        return completed(each.nested, value or {})
    return each.default if value is None and not each.optional else value


def _plain(number: Decimal | None) -> str:
    if number is None:
        return ""
    return format(number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize(), "f")


def _number(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


def _name(values: Values, zh: str = "name_zh", en: str = "name_en") -> dict[str, str]:
    return {"zh": values[zh], "en": values[en]}


def _names_of(spec: Mapping[str, Any], zh: str = "name_zh", en: str = "name_en") -> Values:
    return {zh: spec["name"]["zh"], en: spec["name"]["en"]}


# ---- from documents to things ---------------------------------------------------------------------------------------


def things_of(kind: str, no: str, spec: Mapping[str, Any], names: Names) -> Document:
    """A stored definition as things."""
    document = Document()
    _TO_THINGS[kind](document, no, completed(MESSAGES[kind].DESCRIPTOR, spec), names)
    return document


def _material(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    copied = ("stock_uom", "order_uom", "report_uom", "tracking", "uom_digits", "outdated")
    document.things["material"] = {(no,): {
        **_names_of(spec), **{each: spec[each] for each in copied},
        "order_factor": _number(spec["order_factor"]), "report_factor": _number(spec["report_factor"]),
    }}  # fmt: skip


def _calendar(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    outer = {**_names_of(spec), "time_zone": spec["time_zone"], "outdated": spec["outdated"]}
    document.things["calendar"] = {(no,): outer}
    document.things["shift"] = {
        (no, each["shift"]): {
            **_names_of(each, "shift_zh", "shift_en"), "weekdays": tuple(each["weekdays"]), "start": each["start"],
            "end": each["end"], "breaks": tuple((pause["start"], pause["end"]) for pause in each["breaks"]),
        }
        for each in spec["shifts"]
    }  # fmt: skip
    document.things["exception"] = {
        (no, each["date"]): {
            "working": each["working"], "shifts": tuple(each["shifts"]), "reason": each["reason"],
        }
        for each in spec["exceptions"]
    }  # fmt: skip


def _work_centre(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    document.things["work_centre"] = {(no,): {
        **_names_of(spec), "area": spec["area"], "calendar": names.no(spec["calendar_id"]),
        "outdated": spec["outdated"],
    }}  # fmt: skip


_EQUIPMENT = (
    "is_numerically_controlled", "is_networked", "initial_setup_family", "mapping", "signal_timeout_s", "area",
    "outdated",
)  # fmt: skip


def _equipment(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    document.things["equipment"] = {(no,): {
        **_names_of(spec), **{each: spec[each] for each in _EQUIPMENT},
        "work_centre": names.no(spec["work_centre_id"]), "calendar": names.no(spec["calendar_id"]),
        "efficiency": _number(spec["efficiency"]), "counter_modulus": _number(spec["counter_modulus"]),
    }}  # fmt: skip


def _setups(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    document.things["setup"] = {
        (names.no(each["work_centre_id"]) or ANY, each["from_family"], each["to_family"]): {
            "minutes": each["seconds"], "cost_minor": each["cost_minor"], "priority": each["priority"],
        }
        for each in spec["entries"]
    }  # fmt: skip


def _reason(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    document.things["reason"] = {(no,): {
        **_names_of(spec), **{each: spec[each] for each in ("kind", "scrap_class", "category", "outdated")},
        "parent": spec["parent_code"],
    }}  # fmt: skip


def _worker(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    document.things["worker"] = {(no,): {
        **_names_of(spec), "skills": tuple((each["skill"], each["valid_to"]) for each in spec["skills"]),
        "outdated": spec["outdated"],
    }}  # fmt: skip


_STAGE = ("trigger", "every", "sampling", "sample_size", "inspection_level", "gate")
_CHARACTERISTIC = (
    "kind", "unit", "chart", "subgroup_size", "importance", "lsl", "target", "usl", "limit_lcl", "limit_cl",
    "limit_ucl", "limit_sigma",
)  # fmt: skip
_RULES = ("rules_signal", "rules_hold")


def _plan(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    document.things["plan"] = {(no,): {**_names_of(spec, "plan_zh", "plan_en"), "outdated": spec["outdated"]}}
    document.things["stage"] = {
        (no, each["stage"]): {**{name: each[name] for name in _STAGE}, "aql": _number(each["aql"])}
        for each in spec["stages"]
    }
    document.things["characteristic"] = found = {}
    for stage in spec["stages"]:
        for each in stage["characteristics"]:
            key = (no, stage["stage"], each["no"])
            rules = {name: tuple(each[name]) for name in _RULES}
            found[key] = {**_names_of(each), **{name: each[name] for name in _CHARACTERISTIC}, **rules}
            document.part_ids["characteristic", key] = each["characteristic_id"]


_OPERATION = (
    "kind", "setup_family", "nc_level", "supplier", "lead_days", "skill", "is_key_process", "first_article",
    "interruptible", "optional",
)  # fmt: skip
_DECIMALS = ("overlap_qty", "pieces_per_count", "over_tolerance")


def _routing(document: Document, no: str, spec: Mapping[str, Any], names: Names) -> None:
    product, _, revision = no.rpartition("/")
    document.things["routing"] = {(product, revision): {"status": spec["status"]}}
    document.things["operation"] = found = {}
    for each in spec["operations"]:
        key = (product, revision, each["seq"])
        document.part_ids["operation", key] = each["routing_operation_id"]
        found[key] = {
            **_names_of(each), **{name: each[name] for name in _OPERATION},
            **{name: _number(each[name]) for name in _DECIMALS},
            "predecessors": tuple(each["predecessors"]), "queue_min": each["queue_s"], "move_min": each["move_s"],
            "inspection_plan": names.no(each["inspection_plan_id"]),
            "alternatives": tuple(_place(one, names) for one in each["alternatives"]),
            "components": tuple(
                (names.no(one), Decimal(qty))
                for one, qty in zip(each["component_material_ids"], each["component_qty_per"], strict=True)
            ),
        }  # fmt: skip


def _place(spec: Mapping[str, Any], names: Names) -> tuple[str, Decimal, int, int]:
    where = names.no(spec["equipment_id"] or spec["work_centre_id"])
    return where, Decimal(spec["run_s_per_unit"]), spec["setup_s"], spec["preference"]


_TO_THINGS: dict[str, Callable[[Document, str, Mapping[str, Any], Names], None]] = {
    "material": _material, "calendar": _calendar, "work_centre": _work_centre, "equipment": _equipment,
    "setup_matrix": _setups, "reason": _reason, "worker": _worker, "inspection_plan": _plan, "routing": _routing,
}  # fmt: skip


# ---- from things to documents ---------------------------------------------------------------------------------------


def message_of(kind: str, no: str, document: Document, names: Names) -> Message:
    """The event of a definition made of things that were checked."""
    spec = _TO_SPEC[kind](no, document, names)
    if kind in ID_FIELDS:
        spec[ID_FIELDS[kind]] = names.id(kind, no)
    return MESSAGES[kind](**spec)


def _only(document: Document, level: str) -> Values:
    return dict(next(iter(document.level(level).values())))


def _material_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    values = _only(document, "material")
    name = {"zh": values.pop("name_zh"), "en": values.pop("name_en")}
    factors = {each: _plain(values[each]) for each in ("order_factor", "report_factor")}
    return {**values, **factors, "no": no, "name": name}


def _calendar_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    outer = _only(document, "calendar")
    return {
        "no": no, "name": _name(outer), "time_zone": outer["time_zone"], "outdated": outer["outdated"],
        "shifts": [
            {
                "shift": key[1], "name": _name(each, "shift_zh", "shift_en"), "weekdays": list(each["weekdays"]),
                "start": each["start"], "end": each["end"],
                "breaks": [{"start": start, "end": end} for start, end in each["breaks"]],
            }
            for key, each in document.level("shift").items()
        ],
        "exceptions": [
            {"date": key[1], "working": each["working"], "shifts": list(each["shifts"]), "reason": each["reason"]}
            for key, each in sorted(document.level("exception").items())
        ],
    }  # fmt: skip


def _work_centre_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    values = _only(document, "work_centre")
    return {
        "no": no, "name": _name(values), "area": values["area"], "outdated": values["outdated"],
        "calendar_id": names.id("calendar", values["calendar"]),
    }  # fmt: skip


def _equipment_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    values = _only(document, "equipment")
    return {
        **{each: values[each] for each in _EQUIPMENT}, "no": no, "name": _name(values),
        "work_centre_id": names.id("work_centre", values["work_centre"]),
        "calendar_id": names.id("calendar", values["calendar"]),
        "efficiency": _plain(values["efficiency"]), "counter_modulus": _plain(values["counter_modulus"]),
    }  # fmt: skip


def _setups_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    return {
        "entries": [
            {
                "work_centre_id": "" if centre == ANY else names.id("work_centre", centre),
                "from_family": before, "to_family": after, "seconds": each["minutes"],
                "cost_minor": each["cost_minor"], "priority": each["priority"],
            }
            for (centre, before, after), each in document.level("setup").items()
        ]
    }  # fmt: skip


def _reason_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    values = _only(document, "reason")
    kept = {each: values[each] for each in ("kind", "scrap_class", "category", "outdated")}
    return {**kept, "code": no, "name": _name(values), "parent_code": values["parent"]}


def _worker_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    values = _only(document, "worker")
    return {
        "code": no, "name": _name(values), "outdated": values["outdated"],
        "skills": [{"skill": skill, "valid_to": valid_to} for skill, valid_to in values["skills"]],
    }  # fmt: skip


def _plan_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    outer = _only(document, "plan")
    stages: dict[str, dict[str, Any]] = {
        key[1]: {
            **{name: each[name] for name in _STAGE}, "stage": key[1], "aql": _plain(each["aql"]), "characteristics": [],
        }
        for key, each in document.level("stage").items()
    }  # fmt: skip
    for key, each in document.level("characteristic").items():
        stages[key[1]]["characteristics"].append({
            **{name: each[name] for name in _CHARACTERISTIC}, "no": key[2], "name": _name(each),
            **{name: list(each[name]) for name in _RULES},
            "characteristic_id": document.part_ids.get(("characteristic", key)) or names.new_id(),
        })  # fmt: skip
    # A stage whose last characteristic was removed goes with it.
    kept = [stage for stage in stages.values() if stage["characteristics"]]
    return {"no": no, "name": _name(outer, "plan_zh", "plan_en"), "outdated": outer["outdated"], "stages": kept}


def _routing_spec(no: str, document: Document, names: Names) -> dict[str, Any]:
    product, _, revision = no.rpartition("/")
    operations = sorted(document.level("operation").items())
    return {
        "material_id": names.id("material", product), "revision": revision,
        "status": _only(document, "routing")["status"],
        "operations": [_operation_spec(key, each, document, names) for key, each in operations],
    }  # fmt: skip


def _operation_spec(key: Key, each: Values, document: Document, names: Names) -> dict[str, Any]:
    return {
        **{name: each[name] for name in _OPERATION}, **{name: _plain(each[name]) for name in _DECIMALS},
        "routing_operation_id": document.part_ids.get(("operation", key)) or names.new_id(),
        "seq": key[2], "name": _name(each), "predecessors": list(each["predecessors"]),
        "queue_s": each["queue_min"], "move_s": each["move_min"],
        "inspection_plan_id": names.id("inspection_plan", each["inspection_plan"]),
        "alternatives": [_alternative_spec(one, names) for one in each["alternatives"]],
        "component_material_ids": [names.id("material", material) for material, _ in each["components"]],
        "component_qty_per": [_plain(qty) for _, qty in each["components"]],
    }  # fmt: skip


def _alternative_spec(place: tuple[str, Decimal, int, int], names: Names) -> dict[str, Any]:
    where, seconds, setup, preference = place
    kind = "equipment" if names.knows("equipment", where) else "work_centre"
    return {
        f"{kind}_id": names.id(kind, where), "run_s_per_unit": _plain(seconds), "setup_s": setup,
        "preference": preference,
    }  # fmt: skip


_TO_SPEC: dict[str, Callable[[str, Document, Names], dict[str, Any]]] = {
    "material": _material_spec, "calendar": _calendar_spec, "work_centre": _work_centre_spec,
    "equipment": _equipment_spec, "setup_matrix": _setups_spec, "reason": _reason_spec, "worker": _worker_spec,
    "inspection_plan": _plan_spec, "routing": _routing_spec,
}  # fmt: skip
