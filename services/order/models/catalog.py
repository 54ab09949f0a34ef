"""Definitions as commands and queries need them: parsed once per process and version.

What is asked for often (places and their calendars, people and their skills) is read again only when a definition of
those kinds changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from mes.errors import Conflict, Invalid, NotFound
from mes.events.v1 import order_pb2
from mes.shifts import Calendar, calendar_of
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.domain.quantity import Units
from services.order.domain.skills import People
from services.order.models.definitions import Definition
from services.order.models.guards import GuardSetting

Kind = TypeVar("Kind", bound=Message)

_parsed: dict[tuple[UUID, int, datetime], Message] = {}
_MOST_PARSED = 20_000


def parsed(row: Definition, kind: type[Kind]) -> Kind:
    """A definition's message. It is shared: do not change it."""
    # A change that was rolled back leaves its version free for another one: the moment tells them apart.
    key = (row.id, row.version, row.changed_at)
    found = _parsed.get(key)
    if not isinstance(found, kind):
        if len(_parsed) > _MOST_PARSED:
            _parsed.clear()
        found = ParseDict(row.spec, kind(), ignore_unknown_fields=True)
        _parsed[key] = found
    return found


async def definition(session: AsyncSession, site: UUID, definition_id: UUID, kind: str) -> Definition | None:
    """A definition of a kind by its id, outdated or not."""
    row = await session.get(Definition, definition_id)
    return row if row is not None and row.site_id == site and row.kind == kind else None


async def material(session: AsyncSession, site: UUID, material_id: UUID) -> order_pb2.MaterialDefined:
    """A material. Raises NotFound."""
    row = await definition(session, site, material_id, "material")
    if row is None:
        raise NotFound("order.material_unknown", material=str(material_id))
    return parsed(row, order_pb2.MaterialDefined)


# Built once: to build a statement costs as much as to run it.
_MATERIAL_BY_NO = select(Definition).where(
    Definition.site_id == bindparam("site_id"), Definition.kind == "material", Definition.no == bindparam("no")
)


async def material_by_no(session: AsyncSession, site: UUID, no: str) -> order_pb2.MaterialDefined:
    """A material by its number. Raises Invalid: the number came from a caller."""
    row = await session.scalar(_MATERIAL_BY_NO, {"site_id": site, "no": no})
    if row is None or row.outdated:
        raise Invalid("order.material_unknown", field="material_no", material=no)
    return parsed(row, order_pb2.MaterialDefined)


def units_of(material: order_pb2.MaterialDefined) -> Units:
    """The units of a material; factors that are not given are 1."""
    report = material.report_uom or material.stock_uom
    return Units(
        material.stock_uom,
        material.order_uom or report,
        report,
        Decimal(material.order_factor or "1"),
        Decimal(material.report_factor or "1"),
        material.uom_digits,
    )


async def accepted_routing(session: AsyncSession, site: UUID, material_id: UUID) -> order_pb2.RoutingRevisionDefined:
    """The newest accepted routing revision of a material. Raises NotFound, Conflict without one."""
    no = (await material(session, site, material_id)).no
    # Routings are numbered material/revision and "0" follows "/": the unique index finds those of one material.
    rows = await session.scalars(
        select(Definition).where(
            Definition.site_id == site,
            Definition.kind == "routing",
            Definition.no > f"{no}/",
            Definition.no < f"{no}0",
            Definition.outdated.is_(False),
            Definition.spec["material_id"].astext == str(material_id),
            Definition.spec["status"].astext == "Accepted",
        )
    )
    revisions = [parsed(row, order_pb2.RoutingRevisionDefined) for row in rows]
    if not revisions:
        raise Conflict("order.no_routing", state="Draft", legal=["change", "reject", "cancel"])
    return max(revisions, key=lambda each: each.revision)


async def has_gate(session: AsyncSession, site: UUID, plan_id: UUID | None, stage: str) -> bool:
    """Whether an inspection plan has a stage that is a gate."""
    row = await definition(session, site, plan_id, "inspection_plan") if plan_id else None
    if row is None:
        return False
    plan = parsed(row, order_pb2.InspectionPlanDefined)
    return any(each.stage == stage and each.gate for each in plan.stages)


async def scrap_class(session: AsyncSession, site: UUID, code: str) -> str:
    """The class of a scrap reason; "" for a code that nobody defined: the words of the floor are facts too."""
    row = await session.scalar(
        select(Definition).where(Definition.site_id == site, Definition.kind == "reason", Definition.no == code)
    )
    return parsed(row, order_pb2.ReasonDefined).scrap_class if row is not None else ""


# ---- places and people ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Places:
    """Machines and the calendars that hold for them. calendar: of the site, where no machine is involved."""

    equipment: Mapping[UUID, order_pb2.EquipmentDefined]
    machines_of: Mapping[str, tuple[UUID, ...]]
    calendars: Mapping[UUID, Calendar]
    calendar: Calendar | None

    def production_date(self, equipment_id: UUID | None, moment: datetime) -> tuple[date, str]:
        """Production date and shift of a moment; outside all shifts the local day and no shift."""
        calendar = self.calendars.get(equipment_id, self.calendar) if equipment_id else self.calendar
        if calendar is None:
            return moment.astimezone(UTC).date(), ""
        shift = calendar.at(moment)
        if shift is None:
            return moment.astimezone(calendar.zone).date(), ""
        return shift.production_date, shift.shift


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What holds for a whole site: its places, its people, and guards that do not have their default level."""

    places: Places
    people: People
    guards: Mapping[str, str]


# By database: a process may work on several (tests do).
_known: WeakKeyDictionary[Any, dict[UUID, tuple[tuple[Any, ...], Places, People]]] = WeakKeyDictionary()
_KINDS = ("calendar", "work_centre", "equipment", "worker")


async def site_facts(session: AsyncSession, site: UUID) -> SiteFacts:
    """The facts of a site in one statement; places and people are read again only when a definition changed."""
    wanted = Definition.site_id == site, Definition.kind.in_(_KINDS)
    guards = select(func.jsonb_object_agg(GuardSetting.guard, GuardSetting.level)).where(GuardSetting.site_id == site)
    row = (
        await session.execute(
            select(
                func.count(), func.sum(Definition.version), func.max(Definition.changed_at), guards.scalar_subquery()
            ).where(*wanted)
        )
    ).one()
    mark, levels = tuple(row[:3]), row[3] or {}
    known = _known.setdefault(session.get_bind(), {})
    if site not in known or known[site][0] != mark:
        rows = (await session.scalars(select(Definition).where(*wanted).order_by(Definition.no))).all()
        by_kind: dict[str, list[Definition]] = {}
        for each in rows:
            by_kind.setdefault(each.kind, []).append(each)
        known[site] = (mark, _make_places(by_kind), _make_people(by_kind.get("worker", ())))
    return SiteFacts(known[site][1], known[site][2], levels)


async def places(session: AsyncSession, site: UUID) -> Places:
    """The places of a site."""
    return (await site_facts(session, site)).places


def _make_people(rows: Iterable[Definition]) -> People:
    skills: dict[str, dict[str, date | None]] = {}
    registered: set[str] = set()
    for row in rows:
        worker = parsed(row, order_pb2.WorkerDefined)
        held = {each.skill: date.fromisoformat(each.valid_to) if each.valid_to else None for each in worker.skills}
        registered |= held.keys()
        if not row.outdated:
            skills[row.no] = held
    return People(skills, registered)


def _make_places(by_kind: Mapping[str, Sequence[Definition]]) -> Places:
    calendars = {
        str(row.id): calendar_of(parsed(row, order_pb2.CalendarDefined)) for row in by_kind.get("calendar", [])
    }
    centres = {
        str(row.id): parsed(row, order_pb2.WorkCentreDefined).calendar_id for row in by_kind.get("work_centre", [])
    }
    equipment: dict[UUID, order_pb2.EquipmentDefined] = {}
    machines: dict[str, list[UUID]] = {}
    used: dict[UUID, Calendar] = {}
    for row in by_kind.get("equipment", []):
        each = equipment[row.id] = parsed(row, order_pb2.EquipmentDefined)
        if not row.outdated:
            machines.setdefault(each.work_centre_id, []).append(row.id)
        calendar = calendars.get(each.calendar_id or centres.get(each.work_centre_id, ""))
        if calendar is not None:
            used[row.id] = calendar
    first = next(iter(calendars.values()), None)
    return Places(equipment, {centre: tuple(ids) for centre, ids in machines.items()}, used, first)
