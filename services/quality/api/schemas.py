"""Shapes of requests and answers about lots and nonconformances. Quantities are decimal strings; unknown is null."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from mes.i18n import t
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from services.quality.commands.events import plain
from services.quality.commands.nonconformances import Decision, ReworkOperation
from services.quality.domain.states import LOT, NONCONFORMANCE, legal
from services.quality.models import InspectionLot, Measurement, Nonconformance, SamplingState
from services.quality.queries.lists import Named

Qty = Annotated[Decimal, PlainSerializer(plain, return_type=str)]
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
QtyIn = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
_ID = "0198c1f0-0000-7000-8000-000000000001"


def utc(moment: datetime) -> datetime:
    """The same moment in UTC."""
    return moment.astimezone(UTC)


class Strict(BaseModel):
    """A request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class Names(BaseModel):
    """A name in both languages."""

    zh: str
    en: str


class CharacteristicOut(BaseModel):
    """A characteristic. limit_*: confirmed control limits that came with the plan."""

    characteristic_id: UUID
    no: str
    name: Names
    kind: str
    unit: str
    lsl: float | None
    target: float | None
    usl: float | None
    chart: str
    subgroup_size: int
    importance: str
    rules_signal: list[int]
    rules_hold: list[int]
    limit_lcl: float | None
    limit_cl: float | None
    limit_ucl: float | None
    limit_sigma: float | None

    @staticmethod
    def of(spec: dict[str, Any]) -> CharacteristicOut:
        rest = {name: value for name, value in spec.items() if name not in {"name_zh", "name_en"}}
        return CharacteristicOut(name=Names(zh=spec["name_zh"], en=spec["name_en"]), **rest)


class Noted(BaseModel):
    """A step of something: who did what, when and why."""

    model_config = ConfigDict(populate_by_name=True)

    at: datetime
    by: str
    verb: str
    from_state: str = Field(alias="from", serialization_alias="from")
    to: str
    reason: str


class LotOut(BaseModel):
    """An inspection lot. sample_size: pieces to inspect by each characteristic; accept: faulty pieces allowed."""

    inspection_lot_id: UUID = Field(examples=[_ID])
    order_id: UUID
    order_no: str | None
    job_id: UUID
    job_code: str | None
    job_seq: int | None
    job_name: Names | None
    material_no: str | None
    inspection_plan_id: UUID
    inspection_plan_no: str | None
    stage: str = Field(examples=["FAI"])
    cause: str = Field(description="what opened it: its trigger, delivery, or a reason given by hand")
    state: str = Field(examples=["Pending"])
    legal: list[str]
    lot_qty: Qty
    sampling: str
    sample_size: int
    accept: int
    reject: int
    aql: str | None
    code_letter: str | None
    severity: str | None
    gate: bool
    equipment_id: UUID | None
    equipment_no: str | None
    round: int
    nonconforming: int | None
    opened_at: datetime
    completed_at: datetime | None
    inspector: str | None
    characteristics: list[CharacteristicOut]
    version: int

    @staticmethod
    def of(each: Named) -> LotOut:
        return LotOut(**_lot(each))


def _lot(each: Named) -> dict[str, Any]:
    row: InspectionLot = each.row
    return {
        "inspection_lot_id": row.id, "order_id": row.order_id, "order_no": each.job.order_no if each.job else None,
        "job_id": row.job_id, "job_code": each.job.code if each.job else None,
        "job_seq": each.job.seq if each.job else None,
        "job_name": Names(zh=each.job.name_zh, en=each.job.name_en) if each.job else None,
        "material_no": each.material.no if each.material else None, "inspection_plan_id": row.inspection_plan_id,
        "inspection_plan_no": each.plan.no if each.plan else None, "stage": row.stage, "cause": row.cause,
        "state": row.state, "legal": legal(LOT, row.state), "lot_qty": row.lot_qty, "sampling": row.sampling,
        "sample_size": row.sample_size, "accept": row.accept, "reject": row.accept + 1, "aql": row.aql or None,
        "code_letter": row.code_letter or None, "severity": row.severity or None, "gate": row.gate,
        "equipment_id": row.equipment_id, "equipment_no": each.equipment.no if each.equipment else None,
        "round": row.round, "nonconforming": row.nonconforming, "opened_at": row.opened_at,
        "completed_at": row.completed_at, "inspector": row.inspector or None,
        "characteristics": [CharacteristicOut.of(spec) for spec in row.characteristics], "version": row.version,
    }  # fmt: skip


class MeasurementOut(BaseModel):
    """A measurement. late: it came when its lot was decided already, and decided nothing."""

    measurement_id: UUID
    characteristic_id: UUID
    round: int
    value: float | None
    defects: int | None
    qty: int
    conforming: bool
    late: bool
    gauge: str | None
    measured_by: str
    recorded_by: str
    occurred_at: datetime
    recorded_at: datetime

    @staticmethod
    def of(row: Measurement) -> MeasurementOut:
        return MeasurementOut(
            measurement_id=row.id, characteristic_id=row.characteristic_id, round=row.round, value=row.value,
            defects=row.defects, qty=row.qty, conforming=row.conforming, late=row.late, gauge=row.gauge or None,
            measured_by=row.measured_by, recorded_by=row.recorded_by, occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
        )  # fmt: skip


class LotDetail(LotOut):
    """A lot with all of its measurements and what was done to it."""

    measurements: list[MeasurementOut]
    history: list[Noted]

    @staticmethod
    def with_all(each: Named, rows: list[Measurement]) -> LotDetail:
        return LotDetail(
            **_lot(each), measurements=[MeasurementOut.of(row) for row in rows],
            history=[Noted(**entry) for entry in each.row.history],
        )  # fmt: skip


class LotIn(Strict):
    """Open a lot by hand: a stage of the job's plan."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"job_id": _ID, "stage": "FQC", "reason": "short finish"}]}
    )
    job_id: UUID
    stage: Annotated[str, Field(min_length=1, max_length=20)]
    reason: Text = ""


class MeasurementIn(Strict):
    """A measured value, or the defects in `qty` pieces. measurement_id: own key; sent twice counts once."""

    characteristic_id: UUID
    value: Finite | None = None
    defects: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    qty: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    gauge: Text = ""
    measurement_id: UUID | None = None


class MeasurementsIn(Strict):
    """Measurements of one lot; a sample may come in several parts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "inspector": "w7", "occurred_at": "2026-11-23T08:00:00Z",
                    "measurements": [{"characteristic_id": _ID, "value": 11.991, "gauge": "G-01"}],
                }
            ]
        },
    )  # fmt: skip
    inspector: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    occurred_at: AwareDatetime | None = None
    measurements: Annotated[list[MeasurementIn], Field(min_length=1, max_length=5000)]


class TakenOut(BaseModel):
    """What became of measurements. missing: pieces still to be inspected, by characteristic number."""

    inspection_lot_id: UUID
    state: str = Field(examples=["InProgress"])
    accepted: int
    duplicates: int
    late: bool
    missing: dict[str, int]
    nonconformance_id: UUID | None


class ReasonIn(Strict):
    """Why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "gauge was wrong"}]})
    reason: Reason


class NoteIn(Strict):
    """A remark, if there is one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "done"}]})
    reason: Text = ""


class ReworkOut(BaseModel):
    """An operation that rework inserts."""

    name: Names
    work_centre_id: UUID | None
    equipment_id: UUID | None
    run_s_per_unit: str | None
    setup_s: int


class DispositionOut(BaseModel):
    """What was decided about a part of the quantity."""

    kind: str
    qty: str
    reason: str
    make_up: bool
    scrap_reason: str
    rework_operations: list[ReworkOut]


class FindingOut(BaseModel):
    """What was found, as a message of the catalogues."""

    code: str = Field(examples=["nonconformance.rule"])
    params: dict[str, str] = Field(examples=[{"characteristic": "OD", "chart": "X̄", "rule": "1"}])


class NonconformanceOut(BaseModel):
    """A nonconformance. qty: pieces in question; hold: the job waits for the disposition."""

    nonconformance_id: UUID = Field(examples=[_ID])
    no: str = Field(examples=["NC-000001"])
    order_id: UUID
    order_no: str | None
    job_id: UUID
    job_code: str | None
    job_seq: int | None
    material_no: str | None
    equipment_id: UUID | None
    equipment_no: str | None
    state: str = Field(examples=["Registered"])
    legal: list[str]
    source: str
    defect: str = Field(examples=["OD, X̄ chart: rule 1 violated"], description="in the reader's language")
    findings: list[FindingOut]
    note: str
    qty: Qty
    hold: bool
    inspection_lot_id: UUID | None
    signal_id: UUID | None
    opened_at: datetime
    opened_by: str
    dispositions: list[DispositionOut]
    dispositioned_at: datetime | None
    closed_at: datetime | None
    history: list[Noted]
    version: int

    @staticmethod
    def of(each: Named, language: str) -> NonconformanceOut:
        row: Nonconformance = each.row
        found = [t(finding["code"], language, **finding["params"]) for finding in row.findings]
        return NonconformanceOut(
            nonconformance_id=row.id, no=row.no, order_id=row.order_id,
            order_no=each.job.order_no if each.job else None, job_id=row.job_id,
            job_code=each.job.code if each.job else None, job_seq=each.job.seq if each.job else None,
            material_no=each.material.no if each.material else None, equipment_id=row.equipment_id,
            equipment_no=each.equipment.no if each.equipment else None, state=row.state,
            legal=legal(NONCONFORMANCE, row.state), source=row.source,
            defect=", ".join([*([row.defect] if row.defect else []), *found]),
            findings=[FindingOut(**finding) for finding in row.findings], note=row.note, qty=row.qty,
            hold=row.hold, inspection_lot_id=row.inspection_lot_id, signal_id=row.signal_id, opened_at=row.opened_at,
            opened_by=row.opened_by, dispositions=[DispositionOut(**part) for part in row.dispositions],
            dispositioned_at=row.dispositioned_at, closed_at=row.closed_at,
            history=[Noted(**entry) for entry in row.history], version=row.version,
        )  # fmt: skip


class NonconformanceIn(Strict):
    """Nonconforming pieces that somebody found. hold: the job is to stop until the disposition."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"job_id": _ID, "defect": "scratches", "qty": "12", "hold": True}]},
    )
    job_id: UUID
    defect: Reason
    qty: QtyIn
    hold: bool = True
    note: Text = ""


class ReworkIn(Strict):
    """An operation to insert. run_s_per_unit: seconds a piece, decimal."""

    name: Names = Names(zh="", en="")
    work_centre_id: UUID | None = None
    equipment_id: UUID | None = None
    run_s_per_unit: QtyIn | None = None
    setup_s: Annotated[int, Field(ge=0, le=10_000_000)] = 0

    def operation(self) -> ReworkOperation:
        """As the command takes it."""
        seconds = "" if self.run_s_per_unit is None else plain(self.run_s_per_unit)
        return ReworkOperation(
            self.name.zh, self.name.en, str(self.work_centre_id or ""), str(self.equipment_id or ""), seconds,
            self.setup_s,
        )  # fmt: skip


class DispositionIn(Strict):
    """What becomes of a part. rework_operations: none means the same work centre again; make_up: replace the scrap."""

    kind: Literal["use_as_is", "rework", "scrap"]
    qty: QtyIn
    reason: Text = ""
    rework_operations: Annotated[list[ReworkIn], Field(max_length=20)] = []
    make_up: bool = False
    scrap_reason: Text = ""

    def decision(self) -> Decision:
        """As the command takes it."""
        operations = [each.operation() for each in self.rework_operations]
        return Decision(self.kind, self.qty, self.reason, operations, self.make_up, self.scrap_reason)


class DispositionsIn(Strict):
    """The decision; its parts must be the whole quantity."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "dispositions": [
                        {"kind": "scrap", "qty": "3", "reason": "too thin", "make_up": True},
                        {"kind": "use_as_is", "qty": "97", "reason": "sorted, good"},
                    ]
                }
            ]
        },
    )
    dispositions: Annotated[list[DispositionIn], Field(min_length=1, max_length=20)]


class ReopenIn(Strict):
    """qty: pieces that are still in question."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "it came back", "qty": "5", "hold": True}]}
    )
    reason: Reason
    qty: QtyIn
    hold: bool = True


class SamplingStateOut(BaseModel):
    """How sharply a product is inspected by AQL at a stage. score: switching score; may_reduce: it suffices."""

    sampling_state_id: UUID = Field(examples=[_ID])
    inspection_plan_id: UUID
    stage_no: int
    material_id: UUID | None
    severity: str = Field(examples=["normal"])
    score: int
    may_reduce: bool
    reduced_approved: bool
    recent: list[bool]
    accepted_in_row: int
    not_accepted: int
    edition: str
    changed_at: datetime

    @staticmethod
    def of(row: SamplingState, may_reduce: bool) -> SamplingStateOut:
        return SamplingStateOut(
            sampling_state_id=row.id, inspection_plan_id=row.inspection_plan_id, stage_no=row.stage_no,
            material_id=row.material_id, may_reduce=may_reduce, edition=row.edition, changed_at=row.changed_at,
            **row.state,
        )  # fmt: skip
