"""Inspection lots: opened, moved on, announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes import outbox
from mes.context import Context
from mes.errors import NotFound
from mes.events.v1 import quality_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands.events import plain, stamp
from services.quality.domain.inspection import Sampling, sample_for
from services.quality.domain.plans import Stage
from services.quality.domain.sampling import EDITION
from services.quality.domain.states import LOT, LOT_OPEN, move
from services.quality.domain.switching import Switching
from services.quality.models import InspectionLot, InspectionPlan, Job, Measurement, SamplingState


def event_of(lot: InspectionLot) -> quality_pb2.InspectionLot:
    """The lot as events tell it."""
    return quality_pb2.InspectionLot(
        inspection_lot_id=str(lot.id), order_id=str(lot.order_id), job_id=str(lot.job_id), stage=lot.stage,
        state=lot.state, lot_qty=plain(lot.lot_qty), sample_size=lot.sample_size, accept=lot.accept,
        reject=lot.accept + 1, gate=lot.gate, equipment_id=str(lot.equipment_id or ""),
        inspection_plan_id=str(lot.inspection_plan_id),
    )  # fmt: skip


async def open_lot(
    session: AsyncSession,
    ctx: Context,
    job: Job,
    plan: InspectionPlan,
    stage: Stage,
    *,
    lot_qty: Decimal,
    good_from: Decimal,
    cause: str,
) -> InspectionLot:
    """Open a lot of a plan's stage and announce it."""
    sampling = sample_for(stage, lot_qty, await _severity(session, ctx, job, plan, stage))
    lot = InspectionLot(
        id=ctx.new_id(), site_id=ctx.site_id, order_id=job.order_id, job_id=job.id, inspection_plan_id=plan.id,
        stage_no=stage.no, stage=stage.stage, cause=cause, state="Pending", lot_qty=lot_qty, good_from=good_from,
        sampling=stage.sampling, aql=stage.aql if stage.by_aql else "", sample_size=sampling.n,
        accept=sampling.accept, code_letter=sampling.letter, severity=sampling.severity, gate=stage.gate,
        equipment_id=job.equipment_id, material_id=job.material_id,
        characteristics=[each.as_json() for each in stage.characteristics], round=1, nonconforming=None,
        opened_at=ctx.now, completed_at=None, inspector="", history=[],
    )  # fmt: skip
    session.add(lot)
    note(ctx, lot, "open", "", cause)
    await session.flush()
    announce_opened(session, ctx, lot)
    return lot


async def _severity(session: AsyncSession, ctx: Context, job: Job, plan: InspectionPlan, stage: Stage) -> str:
    if not stage.by_aql:
        return ""
    return Switching(**(await sampling_state(session, ctx, plan.id, stage.no, job.material_id)).state).severity


async def sampling_state(
    session: AsyncSession, ctx: Context, plan_id: UUID, stage_no: int, material_id: UUID | None
) -> SamplingState:
    """The sampling state of a product at a stage, locked; made on first use, on normal inspection."""
    material = SamplingState.material_id == material_id if material_id else SamplingState.material_id.is_(None)
    found = await session.scalar(
        select(SamplingState)
        .where(
            SamplingState.site_id == ctx.site_id,
            SamplingState.inspection_plan_id == plan_id,
            SamplingState.stage_no == stage_no,
            material,
        )
        .with_for_update()
    )
    if found is None:
        found = SamplingState(
            id=ctx.new_id(), site_id=ctx.site_id, inspection_plan_id=plan_id, stage_no=stage_no,
            material_id=material_id, state=asdict(Switching()), edition=EDITION, changed_at=ctx.now,
        )  # fmt: skip
        session.add(found)
        await session.flush()
    return found


def announce_opened(session: AsyncSession, ctx: Context, lot: InspectionLot) -> None:
    """Tell that a lot waits for measurements (also again, as a re-inspection)."""
    outbox.publish(session, ctx, quality_pb2.InspectionLotOpened(lot=event_of(lot)), key=lot.order_id)


def announce_completed(
    session: AsyncSession, ctx: Context, lot: InspectionLot, measurements: Sequence[Measurement] = ()
) -> None:
    """Tell that a lot is decided: Passed, Failed, Partial, or no longer to be waited for: Cancelled, Reversed."""
    event = quality_pb2.InspectionCompleted(
        lot=event_of(lot), inspector=lot.inspector, occurred_at=stamp(lot.completed_at or ctx.now)
    )
    numbers = {each["characteristic_id"]: each["no"] for each in lot.characteristics}
    for each in measurements:
        event.measurements.append(_measured(each, numbers.get(str(each.characteristic_id), "")))
    outbox.publish(session, ctx, event, key=lot.order_id)


def _measured(row: Measurement, no: str) -> quality_pb2.MeasurementValue:
    return quality_pb2.MeasurementValue(
        measurement_id=str(row.id), characteristic_id=str(row.characteristic_id), characteristic_no=no,
        value=row.value, defects=row.defects, conforming=row.conforming, measured_by=row.measured_by,
        gauge=row.gauge, occurred_at=stamp(row.occurred_at),
    )  # fmt: skip


def note(ctx: Context, row: Any, verb: str, from_state: str, reason: str = "") -> None:
    """Remember in a row's history who did what, when and why."""
    entry = {"at": ctx.now.isoformat(), "by": ctx.actor, "verb": verb, "from": from_state, "to": row.state}
    row.history = [*(row.history or []), {**entry, "reason": reason}]


def advance(ctx: Context, lot: InspectionLot, verb: str, reason: str = "") -> None:
    """Move a lot on. Raises Conflict with the legal verbs."""
    before, lot.state = lot.state, move(LOT, lot.state, verb, "inspection_lot.illegal")
    lot.version += 1
    note(ctx, lot, verb, before, reason)


async def locked_lot(session: AsyncSession, ctx: Context, lot_id: UUID) -> InspectionLot:
    """A lot, locked. Raises NotFound.

    Its job is locked first, as by whoever opens and cancels lots: two that wait for each other would both be late.
    """
    of_lot = select(InspectionLot.job_id).where(InspectionLot.id == lot_id).scalar_subquery()
    await session.execute(select(Job.id).where(Job.id == of_lot).with_for_update())
    lot = await session.get(InspectionLot, lot_id, with_for_update=True, populate_existing=True)
    if lot is None or lot.site_id != ctx.site_id:
        raise NotFound("inspection_lot.unknown", lot=str(lot_id))
    return lot


async def open_lots(
    session: AsyncSession, ctx: Context, job_id: UUID, stage_no: int | None = None
) -> list[InspectionLot]:
    """Lots of a job that wait for measurements, locked."""
    query = select(InspectionLot).where(
        InspectionLot.site_id == ctx.site_id, InspectionLot.job_id == job_id, InspectionLot.state.in_(LOT_OPEN)
    )
    if stage_no is not None:
        query = query.where(InspectionLot.stage_no == stage_no)
    return list(await session.scalars(query.order_by(InspectionLot.id).with_for_update()))


async def cancel(session: AsyncSession, ctx: Context, lot: InspectionLot, reason: str) -> None:
    """Nobody needs this inspection any more."""
    advance(ctx, lot, "cancel", reason)
    lot.completed_at = ctx.now
    announce_completed(session, ctx, lot)


async def reinspect(session: AsyncSession, ctx: Context, lot: InspectionLot, reason: str) -> None:
    """A failed lot is inspected again from the beginning; what was measured before is kept."""
    advance(ctx, lot, "reinspect", reason)
    lot.round += 1
    lot.completed_at, lot.nonconforming = None, None
    announce_opened(session, ctx, lot)


async def repeat(session: AsyncSession, ctx: Context, lot: InspectionLot, reason: str) -> InspectionLot:
    """Another lot like one that is decided: the same stage of the same job, inspected from the beginning."""
    kept = {
        "site_id", "order_id", "job_id", "inspection_plan_id", "stage_no", "stage", "lot_qty", "good_from", "sampling",
        "aql", "sample_size", "accept", "code_letter", "severity", "gate", "equipment_id", "material_id",
        "characteristics",
    }  # fmt: skip
    again = InspectionLot(
        id=ctx.new_id(), cause=reason, state="Pending", round=1, nonconforming=None, opened_at=ctx.now,
        completed_at=None, inspector="", history=[], **{name: getattr(lot, name) for name in kept},
    )  # fmt: skip
    session.add(again)
    note(ctx, again, "open", "", reason)
    await session.flush()
    announce_opened(session, ctx, again)
    return again


async def accept(session: AsyncSession, ctx: Context, lot: InspectionLot, reason: str) -> None:
    """A failed lot is accepted with its faults decided about: Partial, which opens a gate as Passed does."""
    advance(ctx, lot, "accept", reason)
    lot.completed_at = lot.completed_at or ctx.now
    announce_completed(session, ctx, lot)


def sampling_of(lot: InspectionLot) -> Sampling:
    """What is to be inspected of a lot."""
    return Sampling(lot.sample_size, lot.accept, lot.code_letter, lot.severity)
