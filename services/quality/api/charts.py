"""Control charts, their limits, points and signals; capability."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from mes.errors import Invalid
from mes.web import Ctx, Language, Paging, Session, service_router
from pydantic import AwareDatetime

from services.quality.api.chart_schemas import (
    CapabilityOut,
    CauseIn,
    ChartDetail,
    ChartOut,
    ConfirmIn,
    LimitsOut,
    PointOut,
    SignalOut,
)
from services.quality.api.inspection import States, states_of
from services.quality.api.schemas import NoteIn, ReasonIn, utc
from services.quality.commands import charts as commands
from services.quality.commands import signals as signal_commands
from services.quality.domain.charts import Basis
from services.quality.domain.plans import VARIABLE_CHARTS
from services.quality.queries import charts as queries

router = service_router(tags=["charts"])

Last = Annotated[int, Query(ge=1, le=1000, description="how many of the last points")]


@router.get("/charts", summary="Control charts: one for each characteristic on each machine")
async def get_charts(
    session: Session, ctx: Ctx, page: Paging, characteristic: UUID | None = None, equipment: UUID | None = None
) -> list[ChartOut]:
    rows = await queries.charts(
        session, ctx.site_id, characteristic=characteristic, equipment=equipment, offset=page.offset, limit=page.limit
    )
    return [ChartOut.of(each) for each in rows]


@router.get("/charts/{chart_id}", summary="A chart's last points with limits, zones and violated rules")
async def get_chart(chart_id: UUID, session: Session, ctx: Ctx, language: Language, points: Last = 100) -> ChartDetail:
    return ChartDetail.of_drawing(await queries.drawing(session, ctx.site_id, chart_id, points), language)


@router.post("/charts/{chart_id}/confirm-limits", summary="Confirm limits: those given, or recomputed from points")
async def post_confirm(chart_id: UUID, body: ConfirmIn, session: Session, ctx: Ctx) -> LimitsOut:
    chart = await commands.locked(session, ctx, chart_id)
    fixed = None
    if body.centre is not None:
        if chart.kind in VARIABLE_CHARTS and body.sigma is None:
            raise Invalid("chart.needs_sigma", field="sigma")
        fixed = Basis(chart.kind, body.centre, body.sigma if chart.kind in VARIABLE_CHARTS else None, method="fixed")
    row = await commands.confirm_limits(
        session, ctx, chart_id, fixed=fixed, first=body.first_no, last=body.last_no, reason=body.reason
    )
    return LimitsOut.of(row)


async def _exclude(
    session: Session, ctx: Ctx, language: Language, chart_id: UUID, no: int, excluded: bool, reason: str
) -> PointOut:
    chart = await commands.locked(session, ctx, chart_id)
    await commands.exclude(session, ctx, chart_id, no, excluded=excluded, reason=reason)
    drawn = await queries.drawing(session, ctx.site_id, chart_id, chart.last_no - no + 1)
    return PointOut.of(drawn.points[0], drawn, language)


@router.post("/charts/{chart_id}/points/{no}/exclude", summary="Leave a point out of limits and rules; it stays shown")
async def post_exclude(
    chart_id: UUID, no: int, body: ReasonIn, session: Session, ctx: Ctx, language: Language
) -> PointOut:
    return await _exclude(session, ctx, language, chart_id, no, True, body.reason)


@router.post("/charts/{chart_id}/points/{no}/include", summary="Take an excluded point back in")
async def post_include(
    chart_id: UUID, no: int, body: ReasonIn, session: Session, ctx: Ctx, language: Language
) -> PointOut:
    return await _exclude(session, ctx, language, chart_id, no, False, body.reason)


@router.get("/capability", summary="Capability and performance of a characteristic, on one machine or on all")
async def get_capability(
    session: Session,
    ctx: Ctx,
    characteristic: UUID,
    equipment: UUID | None = None,
    start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> CapabilityOut:
    spec = await queries.characteristic_of(session, ctx.site_id, characteristic)
    found = await queries.capability_of(
        session, ctx.site_id, spec, equipment=equipment, start=utc(start) if start else None,
        end=utc(end) if end else None,
    )  # fmt: skip
    return CapabilityOut.of(found, spec.lsl, spec.target, spec.usl)


@router.get("/signals", summary="Signals of control charts, the newest first")
async def get_signals(
    session: Session,
    ctx: Ctx,
    page: Paging,
    language: Language,
    state: States = "",
    chart: UUID | None = None,
    job: UUID | None = None,
    order: UUID | None = None,
) -> list[SignalOut]:
    rows = await queries.signals(
        session, ctx.site_id, states=states_of(state), chart=chart, job=job, order=order, offset=page.offset,
        limit=page.limit,
    )  # fmt: skip
    return [SignalOut.of(*each, language) for each in rows]


async def _signal(session: Session, ctx: Ctx, signal_id: UUID, language: Language) -> SignalOut:
    await session.flush()
    return SignalOut.of(*await queries.signal(session, ctx.site_id, signal_id), language)


@router.get("/signals/{signal_id}", summary="One signal with its history")
async def get_signal(signal_id: UUID, session: Session, ctx: Ctx, language: Language) -> SignalOut:
    return await _signal(session, ctx, signal_id, language)


@router.post("/signals/{signal_id}/acknowledge", summary="Somebody looks into the signal")
async def post_acknowledge(signal_id: UUID, body: NoteIn, session: Session, ctx: Ctx, language: Language) -> SignalOut:
    await signal_commands.advance(session, ctx, signal_id, "acknowledge", reason=body.reason)
    return await _signal(session, ctx, signal_id, language)


@router.post("/signals/{signal_id}/assign-cause", summary="The cause was found")
async def post_cause(signal_id: UUID, body: CauseIn, session: Session, ctx: Ctx, language: Language) -> SignalOut:
    await signal_commands.advance(session, ctx, signal_id, "assign_cause", cause=body.cause)
    return await _signal(session, ctx, signal_id, language)


@router.post("/signals/{signal_id}/close", summary="What had to be done about the signal is done")
async def post_close(signal_id: UUID, body: NoteIn, session: Session, ctx: Ctx, language: Language) -> SignalOut:
    await signal_commands.advance(session, ctx, signal_id, "close", reason=body.reason)
    return await _signal(session, ctx, signal_id, language)
