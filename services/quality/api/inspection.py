"""Inspection lots: lists, measurements, decisions; sampling states."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from mes.web import Ctx, Paging, Session, fact_router, service_router
from pydantic import AwareDatetime

from services.quality.api.schemas import (
    LotDetail,
    LotIn,
    LotOut,
    MeasurementsIn,
    NoteIn,
    ReasonIn,
    SamplingStateOut,
    TakenOut,
    utc,
)
from services.quality.commands import lots as lot_commands
from services.quality.commands import sampling, triggers
from services.quality.commands.measuring import Incoming, measure, reverse
from services.quality.queries import lists
from services.quality.queries.lists import Filter

router = service_router(tags=["inspection"])
facts = fact_router(tags=["inspection"])

States = Annotated[str, Query(description="states, separated by commas; empty: all", examples=["Pending,InProgress"])]


def states_of(text: str) -> list[str]:
    """The states of a filter."""
    return [each.strip() for each in text.split(",") if each.strip()]


async def _detail(session: Session, ctx: Ctx, lot_id: UUID) -> LotDetail:
    await session.flush()
    named = await lists.lot(session, ctx.site_id, lot_id)
    return LotDetail.with_all(named, list(await lists.measurements(session, lot_id)))


@router.get("/inspection-lots", summary="Inspection lots, the one that has waited longest first")
async def get_lots(
    session: Session,
    ctx: Ctx,
    page: Paging,
    state: States = "",
    job: UUID | None = None,
    order: UUID | None = None,
    equipment: UUID | None = None,
    stage: str = "",
    since: AwareDatetime | None = None,
) -> list[LotOut]:
    wanted = Filter(states_of(state), job, order, equipment, stage, since=utc(since) if since else None)
    return [LotOut.of(each) for each in await lists.lots(session, ctx.site_id, wanted, page.offset, page.limit)]


@router.get("/inspection-lots/{lot_id}", summary="One inspection lot with its measurements and its history")
async def get_lot(lot_id: UUID, session: Session, ctx: Ctx) -> LotDetail:
    return await _detail(session, ctx, lot_id)


@router.post("/inspection-lots", status_code=201, summary="Open a lot by hand for a stage of the job's plan")
async def post_lot(body: LotIn, session: Session, ctx: Ctx) -> LotDetail:
    lot = await triggers.demand(session, ctx, body.job_id, body.stage, body.reason)
    return await _detail(session, ctx, lot.id)


@facts.post("/inspection-lots/{lot_id}/measurements", summary="Take measurements in; a complete sample decides the lot")
async def post_measurements(lot_id: UUID, body: MeasurementsIn, session: Session, ctx: Ctx) -> TakenOut:
    batch = [
        Incoming(each.characteristic_id, each.value, each.defects, each.qty, each.gauge, each.measurement_id)
        for each in body.measurements
    ]
    at = utc(body.occurred_at) if body.occurred_at else ctx.now
    taken = await measure(session, ctx, lot_id, inspector=body.inspector, at=at, batch=batch)
    return TakenOut(
        inspection_lot_id=lot_id, state=taken.lot.state, accepted=taken.accepted, duplicates=taken.duplicates,
        late=taken.late, missing=taken.missing,
        nonconformance_id=taken.nonconformance.id if taken.nonconformance else None,
    )  # fmt: skip


@router.post("/inspection-lots/{lot_id}/cancel", summary="Nobody needs this inspection any more")
async def post_cancel(lot_id: UUID, body: ReasonIn, session: Session, ctx: Ctx) -> LotDetail:
    await lot_commands.cancel(session, ctx, await lot_commands.locked_lot(session, ctx, lot_id), body.reason)
    return await _detail(session, ctx, lot_id)


@router.post("/inspection-lots/{lot_id}/reinspect", summary="Inspect a failed lot again from the beginning")
async def post_reinspect(lot_id: UUID, body: ReasonIn, session: Session, ctx: Ctx) -> LotDetail:
    await lot_commands.reinspect(session, ctx, await lot_commands.locked_lot(session, ctx, lot_id), body.reason)
    return await _detail(session, ctx, lot_id)


@router.post("/inspection-lots/{lot_id}/accept", summary="Accept a failed lot by concession (Partial); opens its gate")
async def post_accept(lot_id: UUID, body: ReasonIn, session: Session, ctx: Ctx) -> LotDetail:
    await lot_commands.accept(session, ctx, await lot_commands.locked_lot(session, ctx, lot_id), body.reason)
    return await _detail(session, ctx, lot_id)


@router.post("/inspection-lots/{lot_id}/reverse", summary="Take a passed result back; a nonconformance holds the job")
async def post_reverse(lot_id: UUID, body: ReasonIn, session: Session, ctx: Ctx) -> LotDetail:
    await reverse(session, ctx, lot_id, body.reason)
    return await _detail(session, ctx, lot_id)


@router.get("/sampling-states", summary="How sharply products are inspected by AQL: normal, tightened, reduced")
async def get_sampling_states(session: Session, ctx: Ctx, page: Paging) -> list[SamplingStateOut]:
    rows = await lists.sampling_states(session, ctx.site_id, page.offset, page.limit)
    return [SamplingStateOut.of(row, sampling.switching_of(row).may_reduce) for row in rows]


@router.post("/sampling-states/{state_id}/approve-reduced", summary="Allow reduced inspection once the score suffices")
async def post_approve(state_id: UUID, body: NoteIn, session: Session, ctx: Ctx) -> SamplingStateOut:
    row = await sampling.approve(session, ctx, state_id, True)
    return SamplingStateOut.of(row, sampling.switching_of(row).may_reduce)


@router.post("/sampling-states/{state_id}/withdraw-reduced", summary="Production is irregular: back to normal")
async def post_withdraw(state_id: UUID, body: NoteIn, session: Session, ctx: Ctx) -> SamplingStateOut:
    row = await sampling.approve(session, ctx, state_id, False)
    return SamplingStateOut.of(row, sampling.switching_of(row).may_reduce)


@router.post("/sampling-states/{state_id}/resume", summary="Resume a discontinued inspection, on tightened")
async def post_resume(state_id: UUID, body: NoteIn, session: Session, ctx: Ctx) -> SamplingStateOut:
    row = await sampling.resume(session, ctx, state_id)
    return SamplingStateOut.of(row, sampling.switching_of(row).may_reduce)
