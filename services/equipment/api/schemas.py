"""Shapes of answers. Times are UTC with zone; seconds, counts and ratios are decimal strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from services.equipment.domain.compose import Piece, Sourced
from services.equipment.domain.oee import Kpis, Output, Ranged, Times
from services.equipment.models import Equipment, OverlayRow


def plain(value: Decimal | None) -> str | None:
    """A decimal without exponent and needless zeros, at most nine places."""
    if value is None:
        return None
    shown = format(round(value, 9), "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


Number = Annotated[Decimal, PlainSerializer(plain, return_type=str | None)]


ID = "0198c1f0-0000-7000-8000-00000000000{}"
AT = "2026-11-23T08:0{}:00Z"


def shown(**example: Any) -> ConfigDict:
    """Configuration of a model: what it looks like, for the documentation."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class SignalsOut(BaseModel):
    """accepted: new ones; duplicates: known before."""

    model_config = shown(accepted=1, duplicates=0)
    accepted: int
    duplicates: int


class EquipmentOut(BaseModel):
    """A machine and its current state. age_s: seconds since its last signal, null where it never gave one."""

    model_config = shown(
        equipment_id=ID.format(1), no="P-02", name={"zh": "110吨冲床二号", "en": "Press 110 t no. 2"},
        work_centre_id=ID.format(2), is_networked=True, mapping="tower_light", category="PRODUCING", native="green",
        reason="", source="signal", since=AT.format(0), last_signal_at=AT.format(5), age_s="12.5",
    )  # fmt: skip
    equipment_id: UUID
    no: str
    name: dict[str, str]
    work_centre_id: UUID | None
    is_networked: bool
    mapping: str
    category: str
    native: str
    reason: str
    source: str
    since: datetime | None
    last_signal_at: datetime | None
    age_s: Number | None

    @staticmethod
    def of(row: Equipment, now: datetime) -> EquipmentOut:
        seen = datetime.fromisoformat(row.fold["seen"]) if row.fold and row.fold["seen"] else None
        age = Decimal(str((now - seen).total_seconds())) if seen else None
        return EquipmentOut(
            equipment_id=row.id, no=row.no, name={"zh": row.name_zh, "en": row.name_en},
            work_centre_id=row.work_centre_id, is_networked=row.is_networked, mapping=row.mapping,
            category=row.category, native=row.native, reason=row.reason, source=row.source, since=row.since,
            last_signal_at=seen, age_s=age,
        )  # fmt: skip


class RawOut(BaseModel):
    """An interval as the source said it. mapping: version that gave the category."""

    model_config = shown(
        interval_id="98bad389", start=AT.format(0), end=AT.format(5), category="PRODUCING",
        native="green", mapping=1, clamped=False, source="plc-1",
    )  # fmt: skip
    interval_id: str
    start: datetime
    end: datetime
    category: str
    native: str
    mapping: int
    clamped: bool
    source: str

    @staticmethod
    def of(each: Sourced) -> RawOut:
        part = each.interval
        return RawOut(
            interval_id=each.id, start=part.start, end=part.end, category=part.category, native=part.native,
            mapping=part.mapping, clamped=part.clamped, source=each.source,
        )  # fmt: skip


class PieceOut(BaseModel):
    """An interval of the composed timeline. ids: raw intervals, runs and what people laid over them."""

    model_config = shown(
        start=AT.format(0), end=AT.format(5), seconds="300", category="STANDBY", raw_category="STANDBY",
        native="yellow", reason="D-MATERIAL", source="signal", planned=True, outside_planned=False, clamped=False,
        auto_closed=False, shift="D", production_date="2026-11-23", order_ids=[ID.format(3)],
        ids=["98bad389-8ce4-563f-8436-a446be74f28a"],
    )  # fmt: skip
    start: datetime
    end: datetime
    seconds: Number
    category: str
    raw_category: str
    native: str
    reason: str
    source: str
    planned: bool
    outside_planned: bool
    clamped: bool
    auto_closed: bool
    shift: str
    production_date: str
    order_ids: list[str]
    ids: list[str]

    @staticmethod
    def of(each: Piece) -> PieceOut:
        return PieceOut(
            start=each.start, end=each.end, seconds=Decimal(str((each.end - each.start).total_seconds())),
            category=each.category, raw_category=each.raw, native=each.native, reason=each.reason, source=each.source,
            planned=each.planned, outside_planned=each.outside_planned, clamped=each.clamped,
            auto_closed=each.auto_closed, shift=each.shift, production_date=each.production_date,
            order_ids=sorted(str(order) for order in each.orders), ids=list(each.ids),
        )  # fmt: skip


class TimelineOut(BaseModel):
    """raw: what the source said; intervals: with calendar and people; by_shift: the same, cut at borders of shifts."""

    equipment_id: UUID
    start: datetime
    end: datetime
    raw: list[RawOut]
    intervals: list[PieceOut]
    by_shift: list[PieceOut]
    counts: dict[str, Number]


class RangeOut(BaseModel):
    """value: null while low and high differ, because there is time without data."""

    model_config = shown(value=None, low="0.82", high="0.85")
    value: Number | None
    low: Number | None
    high: Number | None

    @staticmethod
    def of(each: Ranged) -> RangeOut:
        return RangeOut(value=each.value, low=each.low, high=each.high)


_TIMES = (
    "apt", "aust", "adet", "adot", "aupt", "aubt", "pbt", "pot", "planned_down", "unknown", "bridged",
    "production_outside", "unplanned_down", "calendar", "aoet",
)  # fmt: skip
_MADE = ("produced", "good", "scrap", "rework", "standard_produced", "standard_good", "without_standard")


class KpisOut(BaseModel):
    """Key figures; null is unknown. times in seconds, quantities in pieces, ratios as fractions of one."""

    availability: RangeOut
    effectiveness: RangeOut
    quality: Annotated[Number | None, Field(examples=["0.95"])]
    oee: Annotated[Number | None, Field(examples=["0.76"])]
    plain_quality: Number | None
    nee: Number | None
    teep: Number | None
    figures: dict[str, Number | None]
    flags: list[str]
    failures: int
    times: dict[str, Number]
    quantities: dict[str, Number]

    @staticmethod
    def of(each: Kpis, times: Times, made: Output) -> KpisOut:
        figures: Mapping[str, Decimal | None] = each.figures
        return KpisOut(
            availability=RangeOut.of(each.availability), effectiveness=RangeOut.of(each.effectiveness),
            quality=each.quality, oee=each.oee, plain_quality=each.plain_quality, nee=each.nee, teep=each.teep,
            figures=dict(figures), flags=list(each.flags), failures=times.failures,
            times={name: getattr(times, name) for name in _TIMES},
            quantities={name: getattr(made, name) for name in _MADE},
        )  # fmt: skip


class ReportOut(BaseModel):
    """A report that is in the figures."""

    model_config = shown(
        report_id=ID.format(4), good="95", scrap="5", rework="0", run_s_per_unit="2.4", occurred_at=AT.format(5)
    )  # fmt: skip
    report_id: UUID
    good: Number
    scrap: Number
    rework: Number
    run_s_per_unit: Number | None
    occurred_at: datetime | None


class OeeLine(BaseModel):
    """One machine's part, with everything that it is made of."""

    equipment_id: UUID
    no: str
    kpis: KpisOut
    intervals: list[PieceOut]
    interval_ids: list[str]
    reports: list[ReportOut]
    report_ids: list[UUID]


class OeeOut(BaseModel):
    """Figures by the edition named: ratios of the sums over all machines, never averages of ratios."""

    edition: Annotated[str, Field(examples=["ISO 22400-2:2014"])]
    start: datetime
    end: datetime
    order_id: UUID | None
    shift: str
    production_date: date | None
    total: KpisOut
    by_equipment: list[OeeLine]


class OverlayOut(BaseModel):
    """Something that a person said, with who and when."""

    model_config = shown(
        overlay_id=ID.format(5), equipment_id=ID.format(1), kind="stop", start=AT.format(0), end=None,
        category="UNPLANNED_DOWN", reason="D-BREAK", by="W-017", at=AT.format(1), auto_closed=False,
    )  # fmt: skip
    overlay_id: UUID
    equipment_id: UUID
    kind: str
    start: datetime
    end: datetime | None
    category: str | None
    reason: str
    by: str
    at: datetime
    auto_closed: bool

    @staticmethod
    def of(row: OverlayRow) -> OverlayOut:
        return OverlayOut(
            overlay_id=row.id, equipment_id=row.equipment_id, kind=row.kind, start=row.start_at, end=row.end_at,
            category=row.category, reason=row.reason, by=row.by, at=row.at, auto_closed=row.auto_closed,
        )  # fmt: skip


class AlarmOut(BaseModel):
    """An alarm; active and acknowledged are independent of each other."""

    model_config = shown(
        alarm_id=ID.format(6), equipment_id=ID.format(1), code="E-217", message="Lubrication low", active=True,
        acknowledged=False, raised_at=AT.format(0), changed_at=AT.format(0),
    )  # fmt: skip
    alarm_id: UUID
    equipment_id: UUID
    code: str
    message: str
    active: bool
    acknowledged: bool
    raised_at: datetime
    changed_at: datetime


class LossOut(BaseModel):
    """Time lost to one category and reason; share: of all losses; cumulative: with all larger ones."""

    model_config = shown(
        category="UNPLANNED_DOWN", reason="D-BREAK", seconds="1800", share="0.6", cumulative="0.6",
        interval_ids=["98bad389-8ce4-563f-8436-a446be74f28a"],
    )  # fmt: skip
    category: str
    reason: str
    seconds: Number
    share: Number
    cumulative: Number
    interval_ids: list[str]


class MappingOut(BaseModel):
    """One version of a mapping."""

    model_config = shown(
        name="packml", version=1, valid_from="1970-01-01T00:00:00Z", words={"EXECUTE": "PRODUCING"}
    )  # fmt: skip
    name: str
    version: int
    valid_from: datetime
    words: dict[str, str]


def utc(moment: datetime) -> datetime:
    """The same moment in UTC."""
    return moment.astimezone(UTC)
