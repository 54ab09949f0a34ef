"""Definitions in the fields of the event contracts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import Response
from google.protobuf.descriptor import FieldDescriptor
from mes.web import Ctx, Paging, Session, service_router, set_etag
from pydantic import BaseModel, Field, create_model

from services.order.models import Definition
from services.order.queries import definitions as queries
from services.order.workbook.documents import MESSAGES

router = service_router(tags=["definitions"])

PATHS = {
    "calendars": "calendar",
    "materials": "material",
    "work-centres": "work_centre",
    "equipment": "equipment",
    "setup-matrix": "setup_matrix",
    "reasons": "reason",
    "workers": "worker",
    "inspection-plans": "inspection_plan",
    "routings": "routing",
}
_EXAMPLES: dict[str, Any] = {
    "no": "FG-001", "code": "S-DIM", "zh": "不锈钢弹簧铰链", "en": "Stainless spring hinge", "date": "2026-03-18",
    "time_zone": "Asia/Shanghai", "shift": "D", "start": "07:30", "end": "16:00", "revision": "A", "seq": 10,
    "status": "Accepted", "kind": "internal", "run_s_per_unit": "2.4", "setup_s": 2700, "efficiency": "1",
    "stock_uom": "kg", "WorkerDefined.code": "W-017", "skill": "WELD", "valid_to": "2026-12-31",
}  # fmt: skip
_SCALARS: dict[int, type] = {
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
}
_made: dict[str, type[BaseModel]] = {}


def model_of(descriptor: Any, more: dict[str, Any] | None = None) -> type[BaseModel]:
    """The response model of a message of the event contracts, so that the API says what the events say."""
    name = str(descriptor.name)
    if name not in _made:
        fields: dict[str, Any] = {each.name: (_type_of(each), _field_of(each)) for each in descriptor.fields}
        _made[name] = create_model(name, __doc__=f"{name} of the event contracts.", **fields, **(more or {}))
    return _made[name]


def _type_of(each: Any) -> Any:
    one: Any = model_of(each.message_type) if each.message_type else _SCALARS[each.cpp_type]
    if each.is_repeated:
        return list[one]
    return one | None if each.has_presence else one


def _field_of(each: Any) -> Any:
    example = _EXAMPLES.get(f"{each.containing_type.name}.{each.name}", _EXAMPLES.get(each.name))
    default = None if each.has_presence and not each.is_repeated else ...
    return Field(default, examples=[example]) if example is not None and not each.is_repeated else Field(default)


def shown(row: Definition) -> dict[str, Any]:
    """A definition as the API gives it."""
    spec = dict(row.spec)
    return {**spec, "version": row.version, "outdated": row.outdated, "changed_at": row.changed_at}


def _add_routes(path: str, kind: str) -> None:
    # Quoted types would be looked up in this module, where a made model is not: they are given as values.
    model = model_of(MESSAGES[kind].DESCRIPTOR, _more(kind))

    async def get_list(session: Session, ctx: Ctx, page: Paging, outdated: bool | None = None) -> list[dict[str, Any]]:
        rows = await queries.definitions(
            session, ctx.site_id, kind, outdated=outdated, limit=page.limit, offset=page.offset
        )
        return [shown(row) for row in rows]

    async def get_one(no: str, session: Session, ctx: Ctx, response: Response) -> dict[str, Any]:
        row = await queries.definition(session, ctx.site_id, kind, no)
        set_etag(response, row.version)
        return shown(row)

    words = path.replace("-", " ")
    _add(f"/definitions/{path}", get_list, list[model], f"All {words} with their versions", f"list_{kind}")  # type: ignore[valid-type]
    _add(f"/definitions/{path}/{{no:path}}", get_one, model, f"One of the {words}, by number or id", f"get_{kind}")


def _more(kind: str) -> dict[str, Any]:
    added: dict[str, Any] = {
        "version": (int, Field(examples=[1], description="raised by every change")),
        "changed_at": (datetime, Field(examples=["2026-03-02T00:00:00Z"])),
    }
    fields = {each.name for each in MESSAGES[kind].DESCRIPTOR.fields}
    if "outdated" not in fields:
        added["outdated"] = (bool, Field(examples=[False]))
    return added


def _add(path: str, endpoint: Callable[..., Any], model: Any, summary: str, name: str) -> None:
    router.add_api_route(path, endpoint, methods=["GET"], response_model=model, summary=summary, name=name)


for _path, _kind in PATHS.items():
    _add_routes(_path, _kind)
