"""Current states, timelines, key figures, alarms, losses."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query
from mes.web import Ctx, Paging, Session, service_router
from pydantic import AwareDatetime

from services.equipment.api.schemas import (
    AlarmOut,
    EquipmentOut,
    KpisOut,
    LossOut,
    MappingOut,
    OeeLine,
    OeeOut,
    OverlayOut,
    PieceOut,
    RawOut,
    ReportOut,
    TimelineOut,
    utc,
)
from services.equipment.domain.oee import EDITION
from services.equipment.domain.states import BUILT_IN
from services.equipment.queries import figures, timeline
from services.equipment.queries.figures import Line, Scope

router = service_router(tags=["figures"])

From = Annotated[
    AwareDatetime | None, Query(alias="from", description="start, with zone; default: 24 hours before `to`")
]
To = Annotated[AwareDatetime | None, Query(alias="to", description="end, with zone; default: now")]
DAY = timedelta(days=1)


def _window(start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    until = utc(end) if end else now
    return timeline.checked_window(utc(start) if start else min(until, now) - DAY, until, now)


@router.get("/equipment", summary="Machines with their current state and the age of its data")
async def get_equipment_list(
    session: Session, ctx: Ctx, page: Paging, work_centre: UUID | None = None
) -> list[EquipmentOut]:
    rows = await timeline.machines(session, ctx.site_id, work_centre=work_centre, offset=page.offset, limit=page.limit)
    return [EquipmentOut.of(row, ctx.now) for row in rows]


@router.get("/equipment/{equipment_id}", summary="One machine with its current state")
async def get_equipment(equipment_id: UUID, session: Session, ctx: Ctx) -> EquipmentOut:
    return EquipmentOut.of(await timeline.machine(session, ctx.site_id, equipment_id), ctx.now)


async def _timeline(
    session: Session, ctx: Ctx, equipment_id: UUID, start: datetime | None, end: datetime | None
) -> TimelineOut:
    row = await timeline.machine(session, ctx.site_id, equipment_id)
    begin, until = _window(start, end, ctx.now)
    raw, pieces, parts = await timeline.timeline(session, row, begin, until)
    return TimelineOut(
        equipment_id=row.id, start=begin, end=until, raw=[RawOut.of(each) for each in raw],
        intervals=[PieceOut.of(each) for each in pieces], by_shift=[PieceOut.of(each) for each in parts],
        counts=await timeline.counted(session, row, begin, until),
    )  # fmt: skip


@router.get("/timeline", summary="A machine's intervals: raw, composed, and cut at the borders of shifts")
async def get_timeline(session: Session, ctx: Ctx, equipment: UUID, start: From = None, end: To = None) -> TimelineOut:
    return await _timeline(session, ctx, equipment, start, end)


@router.get("/equipment/{equipment_id}/timeline", summary="The same, below the machine")
async def get_timeline_of(
    equipment_id: UUID, session: Session, ctx: Ctx, start: From = None, end: To = None
) -> TimelineOut:
    return await _timeline(session, ctx, equipment_id, start, end)


@router.get("/equipment/{equipment_id}/overlays", summary="Who said what about a machine's time, and when")
async def get_overlays(equipment_id: UUID, session: Session, ctx: Ctx, page: Paging) -> list[OverlayOut]:
    row = await timeline.machine(session, ctx.site_id, equipment_id)
    return [OverlayOut.of(each) for each in await timeline.overlays(session, row, page.offset, page.limit)]


@router.get("/oee", summary="OEE and key figures by ISO 22400 with the intervals and reports behind them")
async def get_oee(
    session: Session,
    ctx: Ctx,
    equipment: UUID | None = None,
    work_centre: UUID | None = None,
    order: UUID | None = None,
    shift: str = "",
    production_date: date | None = None,
    start: From = None,
    end: To = None,
) -> OeeOut:
    if order is not None and start is None and end is None:
        begin, until = await figures.window_of_order(session, ctx.site_id, order, ctx.now)
    elif production_date is not None and start is None and end is None:
        # Wide enough for every zone and a night shift; the shift instances choose inside.
        midnight = datetime.combine(production_date, time(), UTC)
        begin, until = timeline.checked_window(midnight - DAY, midnight + 3 * DAY, ctx.now)
    else:
        begin, until = _window(start, end, ctx.now)
    rows = list(await timeline.machines(session, ctx.site_id, work_centre=work_centre, equipment=equipment))
    if order is not None:
        ran = await figures.machines_of_order(session, ctx.site_id, order)
        rows = [row for row in rows if row.id in ran]
    result = await figures.figures(session, rows, Scope(begin, until, order, shift, production_date))
    return OeeOut(
        edition=EDITION, start=begin, end=until, order_id=order, shift=shift, production_date=production_date,
        total=KpisOut.of(result.figures, result.times, result.made),
        by_equipment=[_line(each) for each in result.lines],
    )  # fmt: skip


def _line(line: Line) -> OeeLine:
    return OeeLine(
        equipment_id=line.equipment.id,
        no=line.equipment.no,
        kpis=KpisOut.of(line.figures, line.times, line.made),
        intervals=[PieceOut.of(each) for each in line.pieces],
        interval_ids=list(dict.fromkeys(one for each in line.pieces for one in each.ids)),
        reports=[
            ReportOut(
                report_id=each.id, good=each.good, scrap=each.scrap, rework=each.rework, run_s_per_unit=each.pri,
                occurred_at=each.at,
            )
            for each in line.reports
        ],
        report_ids=[each.id for each in line.reports],
    )  # fmt: skip


@router.get("/losses", summary="Stops by category and reason, the largest first (Pareto)")
async def get_losses(
    session: Session,
    ctx: Ctx,
    equipment: UUID | None = None,
    work_centre: UUID | None = None,
    start: From = None,
    end: To = None,
) -> list[LossOut]:
    begin, until = _window(start, end, ctx.now)
    rows = await timeline.machines(session, ctx.site_id, work_centre=work_centre, equipment=equipment)
    found = await timeline.losses(session, rows, begin, until)
    total, running, out = sum((each[2] for each in found), Decimal(0)), Decimal(0), []
    for category, reason, lost, ids in found:
        running += lost
        out.append(
            LossOut(
                category=category, reason=reason, seconds=lost, share=lost / total, cumulative=running / total,
                interval_ids=list(ids),
            )
        )  # fmt: skip
    return out


@router.get("/alarms", summary="Alarms that are active or not acknowledged yet")
async def get_alarms(session: Session, ctx: Ctx, page: Paging) -> list[AlarmOut]:
    rows = await timeline.active_alarms(session, ctx.site_id, page.offset, page.limit)
    return [
        AlarmOut(
            alarm_id=row.id, equipment_id=row.equipment_id, code=row.code, message=row.message, active=row.active,
            acknowledged=row.acknowledged, raised_at=row.raised_at, changed_at=row.changed_at,
        )
        for row in rows
    ]  # fmt: skip


@router.get("/mappings", summary="State mappings: the built-in ones and the workshop's versions")
async def get_mappings(session: Session, ctx: Ctx) -> list[MappingOut]:
    built_in = [
        MappingOut(name=each.name, version=each.version, valid_from=each.valid_from, words=dict(each.words))
        for each in BUILT_IN.values()
    ]
    rows = await timeline.mapping_versions(session, ctx.site_id)
    return built_in + [
        MappingOut(name=row.name, version=row.version, valid_from=row.valid_from, words=row.words) for row in rows
    ]
