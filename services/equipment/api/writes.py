"""Signals in, and what people say about a machine's time."""

from __future__ import annotations

from uuid import UUID

from mes.web import Ctx, Session, fact_router, service_router

from services.equipment.api.requests import EndIn, MappingIn, ReasonIn, ReclassifyIn, SignalsIn, SplitIn, StopIn
from services.equipment.api.schemas import AlarmOut, MappingOut, OverlayOut, SignalsOut, utc
from services.equipment.commands import alarms, mappings, overlays
from services.equipment.commands.signals import Incoming, take_signals
from services.equipment.domain.compose import OverlayKind
from services.equipment.domain.signals import Signal

facts = fact_router(tags=["signals"])
people = service_router(tags=["timeline"])


@facts.post("/signals", summary="Take in a batch of signals; sending it again does no harm")
async def post_signals(body: SignalsIn, session: Session, ctx: Ctx) -> SignalsOut:
    batch = [
        Incoming(
            each.equipment_id,
            Signal(
                each.source, each.session, each.seq, utc(each.time), each.kind, each.value, each.name,
                str(each.equipment_id),
            ),
        )
        for each in body.signals
    ]  # fmt: skip
    taken = await take_signals(session, ctx, batch)
    return SignalsOut(accepted=taken.accepted, duplicates=taken.duplicates)


@people.post("/equipment/{equipment_id}/stops", status_code=201, summary="Tell a stop by hand")
async def post_stop(equipment_id: UUID, body: StopIn, session: Session, ctx: Ctx) -> OverlayOut:
    row = await overlays.stop(
        session, ctx, equipment_id, start=utc(body.start), end=utc(body.end) if body.end else None,
        reason=body.reason, category=body.category, worker=body.worker,
    )  # fmt: skip
    return OverlayOut.of(row)


@people.post("/stops/{stop_id}/end", summary="End an open stop")
async def post_end(stop_id: UUID, body: EndIn, session: Session, ctx: Ctx) -> OverlayOut:
    return OverlayOut.of(await overlays.end_stop(session, ctx, stop_id, end=utc(body.end)))


@people.post("/equipment/{equipment_id}/reason", status_code=201, summary="Give the stops of a stretch their reason")
async def post_reason(equipment_id: UUID, body: ReasonIn, session: Session, ctx: Ctx) -> OverlayOut:
    row = await overlays.give_reason(
        session, ctx, equipment_id, start=utc(body.start), end=utc(body.end), reason=body.reason
    )
    return OverlayOut.of(row)


@people.post("/equipment/{equipment_id}/reclassify", status_code=201, summary="Say that a stretch was something else")
async def post_reclassify(equipment_id: UUID, body: ReclassifyIn, session: Session, ctx: Ctx) -> OverlayOut:
    row = await overlays.reclassify(
        session, ctx, equipment_id, start=utc(body.start), end=utc(body.end), category=body.category,
        reason=body.reason,
    )  # fmt: skip
    return OverlayOut.of(row)


@people.post("/equipment/{equipment_id}/merge", status_code=201, summary="Make one interval of a stretch")
async def post_merge(equipment_id: UUID, body: ReclassifyIn, session: Session, ctx: Ctx) -> OverlayOut:
    row = await overlays.reclassify(
        session, ctx, equipment_id, start=utc(body.start), end=utc(body.end), category=body.category,
        reason=body.reason, kind=OverlayKind.MERGE,
    )  # fmt: skip
    return OverlayOut.of(row)


@people.post("/equipment/{equipment_id}/split", status_code=201, summary="Cut an interval in two")
async def post_split(equipment_id: UUID, body: SplitIn, session: Session, ctx: Ctx) -> OverlayOut:
    return OverlayOut.of(await overlays.split(session, ctx, equipment_id, at=utc(body.at)))


@people.post("/alarms/{alarm_id}/acknowledge", summary="Acknowledge an alarm")
async def post_acknowledge(alarm_id: UUID, session: Session, ctx: Ctx) -> AlarmOut:
    row = await alarms.acknowledge(session, ctx, alarm_id)
    return AlarmOut(
        alarm_id=row.id, equipment_id=row.equipment_id, code=row.code, message=row.message, active=row.active,
        acknowledged=row.acknowledged, raised_at=row.raised_at, changed_at=row.changed_at,
    )  # fmt: skip


@people.post("/mappings/{name}/versions", status_code=201, summary="Add a version of a state mapping")
async def post_mapping(name: str, body: MappingIn, session: Session, ctx: Ctx) -> MappingOut:
    valid_from = utc(body.valid_from) if body.valid_from else None
    row = await mappings.define_mapping(session, ctx, name, body.words, valid_from)
    return MappingOut(name=row.name, version=row.version, valid_from=row.valid_from, words=row.words)
