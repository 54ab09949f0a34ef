"""The whole history of an order in one call."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from mes.web import Ctx, Session, service_router
from pydantic import AwareDatetime, BaseModel, Field

from services.order.api.dispatch import Asking
from services.order.queries import history
from services.order.queries.lines import Entry
from services.order.queries.shopfloor import Reader

router = service_router(tags=["history"])

_ID = "0198c1f0-0000-7000-8000-000000000001"


class MeasurementOut(BaseModel):
    """A measured value (variable) or a count of defects (attribute), with the limits of its characteristic."""

    measurement_id: str = Field(examples=[_ID])
    characteristic_id: str = Field(examples=[_ID])
    characteristic_no: str = Field(examples=["D1"])
    name: str = Field(examples=["Outer diameter"])
    unit: str = Field(examples=["mm"])
    value: float | None = Field(examples=[12.013])
    defects: int | None = Field(examples=[None])
    lsl: float | None = Field(examples=[11.98])
    target: float | None = Field(examples=[12.0])
    usl: float | None = Field(examples=[12.02])
    conforming: bool = Field(examples=[True])
    measured_by: str = Field(examples=["inspector"])
    gauge: str = Field(examples=["G-01"])
    measured_at: AwareDatetime | None = Field(examples=["2026-03-02T01:10:00Z"])


class EntryOut(BaseModel):
    """An event of the history. `text` says it in the reader's language; `event` is the message itself."""

    id: UUID = Field(examples=[_ID])
    at: AwareDatetime = Field(description="business time at which it happened", examples=["2026-03-02T01:10:00Z"])
    who: str = Field(examples=["P-01-D"])
    workers: list[str] = Field(examples=[["P-01-D"]])
    source: str = Field(description="the service that told it", examples=["order"])
    sequence: int = Field(examples=[3])
    type: str = Field(examples=["RunOpened"])
    verb: str = Field(examples=[""])
    job_id: UUID | None = Field(examples=[_ID])
    job: str | None = Field(examples=["10 Blanking"])
    equipment_id: UUID | None = Field(examples=[_ID])
    equipment_no: str | None = Field(examples=["P-01"])
    quantities: dict[str, str] = Field(examples=[{"good": "120", "scrap": "2", "rework": "0", "uom": "pcs"}])
    measurements: list[MeasurementOut] = []
    text: str = Field(examples=["10 Blanking: P-01-D began to produce at P-01 Press"])
    detail: bool = Field(description="follows from another entry; a short view may leave it out", examples=[False])
    event: dict[str, Any] = Field(description="the event in the field names of its contract")


class HistoryOut(BaseModel):
    """The history of an order, oldest first. total: all entries; fewer are here only when a limit was asked for."""

    order_id: UUID = Field(examples=[_ID])
    order_no: str = Field(examples=["SO-2603-001"])
    state: str = Field(examples=["Closed"])
    total: int = Field(examples=[84])
    items: list[EntryOut]


def _out(entry: Entry, reader: Reader) -> EntryOut:
    row = entry.row
    return EntryOut(
        id=row.id, at=row.at, who=row.actor, workers=list(entry.workers), source=row.source.rpartition(".")[2],
        sequence=row.sequence, type=row.type.rpartition(".")[2], verb=row.verb, job_id=row.job_id,
        job=reader.called(entry.job) if entry.job else None, equipment_id=entry.equipment_id,
        equipment_no=entry.machine.no if entry.machine else None, quantities=dict(entry.quantities),
        measurements=[
            MeasurementOut(name=reader.name(each["name_zh"], each["name_en"]), **each) for each in entry.measurements
        ],
        text=entry.text, detail=entry.detail, event=history.as_json(entry.message),
    )  # fmt: skip


Most = Annotated[int | None, Query(ge=1, description="entries at most; all without it")]


@router.get("/orders/{order_id}/history", summary="All that happened to an order: who, what, when, where, measurements")
async def get_history(
    order_id: UUID,
    session: Session,
    ctx: Ctx,
    reader: Asking,
    limit: Most = None,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> HistoryOut:
    found = await history.history(session, ctx.site_id, order_id, reader, limit=limit, offset=offset)
    return HistoryOut(
        order_id=found.order.id, order_no=found.order.no, state=found.order.state, total=found.total,
        items=[_out(each, reader) for each in found.entries],
    )  # fmt: skip
