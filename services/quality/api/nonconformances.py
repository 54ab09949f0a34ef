"""Nonconformances: lists, disposition, and the way to their end."""

from __future__ import annotations

from uuid import UUID

from mes.web import Ctx, Language, Paging, Session, service_router
from pydantic import AwareDatetime

from services.quality.api.inspection import States, states_of
from services.quality.api.schemas import (
    DispositionsIn,
    NonconformanceIn,
    NonconformanceOut,
    NoteIn,
    ReasonIn,
    ReopenIn,
    utc,
)
from services.quality.commands import nonconformances as commands
from services.quality.queries import lists
from services.quality.queries.lists import Filter

router = service_router(tags=["nonconformances"])


async def _shown(session: Session, ctx: Ctx, language: str, nonconformance_id: UUID) -> NonconformanceOut:
    await session.flush()
    return NonconformanceOut.of(await lists.nonconformance(session, ctx.site_id, nonconformance_id), language)


async def _advanced(
    session: Session, ctx: Ctx, language: str, nonconformance_id: UUID, verb: str, reason: str
) -> NonconformanceOut:
    await commands.advance(session, ctx, nonconformance_id, verb, reason)
    return await _shown(session, ctx, language, nonconformance_id)


@router.get("/nonconformances", summary="Nonconformances, the oldest first")
async def get_nonconformances(
    session: Session,
    ctx: Ctx,
    language: Language,
    page: Paging,
    state: States = "",
    job: UUID | None = None,
    order: UUID | None = None,
    equipment: UUID | None = None,
    source: str = "",
    since: AwareDatetime | None = None,
) -> list[NonconformanceOut]:
    wanted = Filter(states_of(state), job, order, equipment, source=source, since=utc(since) if since else None)
    rows = await lists.nonconformances(session, ctx.site_id, wanted, page.offset, page.limit)
    return [NonconformanceOut.of(each, language) for each in rows]


@router.get("/nonconformances/{nonconformance_id}", summary="One nonconformance with its dispositions and its history")
async def get_nonconformance(
    nonconformance_id: UUID, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    return await _shown(session, ctx, language, nonconformance_id)


@router.post("/nonconformances", status_code=201, summary="Register nonconforming pieces that somebody found")
async def post_nonconformance(
    body: NonconformanceIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    row = await commands.report(
        session, ctx, body.job_id, defect=body.defect, qty=body.qty, hold=body.hold, remark=body.note
    )
    return await _shown(session, ctx, language, row.id)


@router.post("/nonconformances/{nonconformance_id}/disposition", summary="Decide what becomes of the whole quantity")
async def post_disposition(
    nonconformance_id: UUID, body: DispositionsIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    await commands.dispose(session, ctx, nonconformance_id, [each.decision() for each in body.dispositions])
    return await _shown(session, ctx, language, nonconformance_id)


@router.post("/nonconformances/{nonconformance_id}/contain", summary="The pieces are set apart")
async def post_contain(
    nonconformance_id: UUID, body: NoteIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    return await _advanced(session, ctx, language, nonconformance_id, "contain", body.reason)


@router.post("/nonconformances/{nonconformance_id}/review", summary="The review (MRB) begins")
async def post_review(
    nonconformance_id: UUID, body: NoteIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    return await _advanced(session, ctx, language, nonconformance_id, "review", body.reason)


@router.post("/nonconformances/{nonconformance_id}/execute", summary="The disposition is being carried out")
async def post_execute(
    nonconformance_id: UUID, body: NoteIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    return await _advanced(session, ctx, language, nonconformance_id, "execute", body.reason)


@router.post("/nonconformances/{nonconformance_id}/verify", summary="Another person has seen that it was carried out")
async def post_verify(
    nonconformance_id: UUID, body: NoteIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    return await _advanced(session, ctx, language, nonconformance_id, "verify", body.reason)


@router.post("/nonconformances/{nonconformance_id}/close", summary="Nothing is left to be done")
async def post_close(
    nonconformance_id: UUID, body: NoteIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    return await _advanced(session, ctx, language, nonconformance_id, "close", body.reason)


@router.post("/nonconformances/{nonconformance_id}/cancel", summary="It was none; a hold ends")
async def post_cancel(
    nonconformance_id: UUID, body: ReasonIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    return await _advanced(session, ctx, language, nonconformance_id, "cancel", body.reason)


@router.post("/nonconformances/{nonconformance_id}/reopen", summary="Back under review, for pieces still in question")
async def post_reopen(
    nonconformance_id: UUID, body: ReopenIn, session: Session, ctx: Ctx, language: Language
) -> NonconformanceOut:
    await commands.reopen(session, ctx, nonconformance_id, qty=body.qty, hold=body.hold, reason=body.reason)
    return await _shown(session, ctx, language, nonconformance_id)
