"""The dispatch list."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Query
from fastapi.responses import JSONResponse
from mes.web import Ctx, Language, Running, Session, service_router
from pydantic import AwareDatetime, BaseModel, Field

from services.order.queries import dispatch
from services.order.queries.shopfloor import Reader

router = service_router(tags=["dispatch"])

_ID = "0198c1f0-0000-7000-8000-000000000001"


async def reader_of(language: Language, running: Running, ctx: Ctx) -> Reader:
    """Who asks, in the zone of the site."""
    return Reader(language, ZoneInfo(running.settings.time_zone), ctx.now)


Asking = Annotated[Reader, Depends(reader_of)]


class Sentence(BaseModel):
    """A stable code, and the same in the reader's language."""

    code: str = Field(examples=["due_first"])
    text: str = Field(examples=["due first (03-05 18:00)"])


class DispatchFacts(BaseModel):
    """An open job at its place in the queue of its machine. Seconds of set-up and run hold for that machine."""

    job_id: UUID = Field(examples=[_ID])
    order_id: UUID = Field(examples=[_ID])
    order_no: str = Field(examples=["SO-2603-001"])
    code: str = Field(description="short code on the job card", examples=["K7Q2M"])
    seq: int = Field(examples=[10])
    state: str = Field(examples=["Ready"])
    state_before_hold: str = Field(examples=[""])
    kind: str = Field(examples=["internal"])
    qty: str = Field(examples=["500"])
    remaining_qty: str = Field(examples=["500"])
    uom: str = Field(examples=["pcs"])
    equipment_id: UUID | None = Field(description="where it is at work, else where it is planned", examples=[_ID])
    rank: int = Field(description="place in the list of its machine, from 1", examples=[1])
    planned_start: AwareDatetime | None = Field(examples=["2026-03-02T00:00:00Z"])
    planned_end: AwareDatetime | None = Field(examples=["2026-03-02T00:40:00Z"])
    setup_s: int | None = Field(examples=[2700])
    run_s_per_unit: str | None = Field(examples=["2.4"])
    setup_family: str = Field(examples=["DIE-A"])
    pieces_per_count: str = Field(examples=["1"])
    first_article: bool = Field(examples=[True])
    allowed_to_start: bool = Field(examples=[True])
    priority: int = Field(examples=[5])
    due_at: AwareDatetime | None = Field(examples=["2026-03-05T10:00:00Z"])


class DispatchRow(DispatchFacts):
    """The same with its names, and why it is where it is."""

    name: str = Field(examples=["Blanking"])
    equipment_no: str | None = Field(examples=["P-01"])
    material_no: str | None = Field(examples=["FG-001"])
    material: str | None = Field(examples=["Stainless spring hinge"])
    startable: bool = Field(description="Ready, and nothing in the way", examples=[True])
    why: Sentence = Field(description="what matters most about it now")
    place_because: Sentence = Field(description="why it has this place in the list")
    not_ready: list[Sentence] = Field(description="all that keeps it from starting or going on")


class DispatchList(BaseModel):
    """Jobs by machine, in the order in which they should be done."""

    items: list[DispatchRow]


class DispatchQueues(BaseModel):
    """Jobs by machine, in the order in which they should be done, without names and reasons."""

    items: list[DispatchFacts]


Most = Annotated[
    int, Query(ge=1, le=1000, description="Ready and Waiting jobs of each machine at most; others always come")
]
Equipment = Annotated[UUID | None, Query(description="only this machine")]


@router.get("/dispatch", summary="What every machine does next, and why", response_model=DispatchList)
async def get_dispatch(
    session: Session, ctx: Ctx, reader: Asking, equipment: Equipment = None, limit_per_equipment: Most = 20
) -> Any:
    rows = await dispatch.dispatch_list(session, ctx.site_id, reader, equipment=equipment, most=limit_per_equipment)
    # Read by everybody all the time: the rows are plain already, and are not validated once more.
    return JSONResponse({"items": rows})


@router.get("/dispatch/queues", summary="The dispatch list for programs that look often", response_model=DispatchQueues)
async def get_queues(session: Session, ctx: Ctx, equipment: Equipment = None, limit_per_equipment: Most = 20) -> Any:
    rows = await dispatch.dispatch_facts(session, ctx.site_id, equipment=equipment, most=limit_per_equipment)
    return JSONResponse({"items": rows})
