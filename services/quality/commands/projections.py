"""What the order service tells, kept here, and what follows from it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mes.context import Context
from mes.db import put
from mes.events.v1 import order_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands import triggers
from services.quality.commands.charts import plan_changed
from services.quality.commands.events import id_of, quantity_of
from services.quality.commands.shifts import shift_name
from services.quality.domain.inspection import AT_WORK, OVER
from services.quality.domain.plans import Characteristic, Stage
from services.quality.models import (
    Calendar,
    CharacteristicRow,
    Equipment,
    InspectionPlan,
    Job,
    Material,
    WorkCentre,
)


async def put_material(session: AsyncSession, ctx: Context, event: order_pb2.MaterialDefined) -> None:
    """A material was defined or changed."""
    names = {"no": event.no, "name_zh": event.name.zh, "name_en": event.name.en}
    await put(session, Material, {"id": UUID(event.material_id), "site_id": ctx.site_id, **names})


async def put_equipment(session: AsyncSession, ctx: Context, event: order_pb2.EquipmentDefined) -> None:
    """A machine was defined or changed."""
    values = {
        "id": UUID(event.equipment_id), "site_id": ctx.site_id, "no": event.no, "name_zh": event.name.zh,
        "name_en": event.name.en, "work_centre_id": id_of(event.work_centre_id),
        "calendar_id": id_of(event.calendar_id),
    }  # fmt: skip
    await put(session, Equipment, values)


async def put_work_centre(session: AsyncSession, ctx: Context, event: order_pb2.WorkCentreDefined) -> None:
    """A work centre was defined or changed."""
    values = {"id": UUID(event.work_centre_id), "site_id": ctx.site_id, "calendar_id": id_of(event.calendar_id)}
    await put(session, WorkCentre, values)


async def put_calendar(session: AsyncSession, ctx: Context, event: order_pb2.CalendarDefined) -> None:
    """A calendar was defined or changed."""
    definition = event.SerializeToString(deterministic=True)
    await put(session, Calendar, {"id": UUID(event.calendar_id), "site_id": ctx.site_id, "definition": definition})


async def put_plan(session: AsyncSession, ctx: Context, event: order_pb2.InspectionPlanDefined) -> None:
    """A plan was defined or changed. Lots that are open keep what they were opened with."""
    plan_id = UUID(event.inspection_plan_id)
    stages = [_stage(place, each) for place, each in enumerate(event.stages)]
    known = await session.get(InspectionPlan, plan_id)
    values = {
        "id": plan_id, "site_id": ctx.site_id, "no": event.no, "name_zh": event.name.zh, "name_en": event.name.en,
        "stages": [each.as_json() for each in stages], "outdated": event.outdated,
    }  # fmt: skip
    await put(session, InspectionPlan, values)
    if known is not None:
        await session.refresh(known)
    specs = {UUID(spec.characteristic_id): (stage, spec) for stage in stages for spec in stage.characteristics}
    for characteristic_id, (stage, spec) in specs.items():
        before = await session.get(CharacteristicRow, characteristic_id, populate_existing=True)
        if before is not None:
            await plan_changed(session, ctx, spec, Characteristic.of(before.spec))
        row = {"id": characteristic_id, "site_id": ctx.site_id, "inspection_plan_id": plan_id, "stage": stage.stage}
        await put(session, CharacteristicRow, {**row, "spec": spec.as_json()})
    if known is None:
        await _catch_up(session, ctx, plan_id)


async def _catch_up(session: AsyncSession, ctx: Context, plan_id: UUID) -> None:
    """Definitions and jobs travel apart: what is at work already gets the lots that its plan wants."""
    jobs = await session.scalars(
        select(Job)
        .where(Job.inspection_plan_id == plan_id, Job.state.in_(AT_WORK))
        .order_by(Job.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for job in jobs.all():
        await triggers.consider(session, ctx, job, "")


def _stage(place: int, event: order_pb2.InspectionStage) -> Stage:
    return Stage(
        no=place, stage=event.stage, trigger=event.trigger, every=event.every, sampling=event.sampling or "fixed",
        sample_size=max(1, event.sample_size), aql=event.aql, inspection_level=event.inspection_level,
        gate=event.gate, characteristics=tuple(_characteristic(each) for each in event.characteristics),
    )  # fmt: skip


def _characteristic(event: order_pb2.Characteristic) -> Characteristic:
    optional = ("lsl", "target", "usl", "limit_lcl", "limit_cl", "limit_ucl", "limit_sigma")
    numbers = {name: getattr(event, name) if event.HasField(name) else None for name in optional}  # type: ignore[arg-type]
    return Characteristic(
        characteristic_id=event.characteristic_id, no=event.no, name_zh=event.name.zh, name_en=event.name.en,
        kind=event.kind, unit=event.unit, chart=event.chart, subgroup_size=max(1, event.subgroup_size),
        importance=event.importance, rules_signal=tuple(event.rules_signal), rules_hold=tuple(event.rules_hold),
        **numbers,
    )  # fmt: skip


def _values(ctx: Context, job: order_pb2.Job) -> dict[str, Any]:
    good = quantity_of(job.good_qty)
    return {
        "id": UUID(job.job_id), "site_id": ctx.site_id, "order_id": UUID(job.order_id), "order_no": job.order_no,
        "code": job.code, "seq": job.seq, "name_zh": job.name.zh, "name_en": job.name.en, "kind": job.kind,
        "state": job.state, "qty": quantity_of(job.qty), "good": good,
        "made": good + quantity_of(job.scrap_qty) + quantity_of(job.rework_qty),
        "remaining": quantity_of(job.remaining_qty), "uom": job.uom, "first_article": job.first_article,
        "inspection_plan_id": id_of(job.inspection_plan_id), "material_id": id_of(job.material_id),
        "equipment_id": id_of(job.equipment_id), "version": job.version,
    }  # fmt: skip


# States in which a lot may become due or needless.
_MATTER = (*AT_WORK, "Done", *OVER)


async def put_jobs(session: AsyncSession, ctx: Context, jobs: list[order_pb2.Job]) -> None:
    """Jobs were made. They are in no state that asks for an inspection yet."""
    await put(session, Job, *(_values(ctx, job) for job in jobs), newer="version")


async def put_job(session: AsyncSession, ctx: Context, event: order_pb2.JobChanged) -> None:
    """A job is somewhere else: lots may become due, or needless."""
    if event.verb == "plan":
        # Planned times are nothing to inspection, and they come by the thousand.
        return
    job = event.job
    if not job.inspection_plan_id or job.state not in _MATTER:
        await put_jobs(session, ctx, [job])
        return
    row = await session.get(Job, UUID(job.job_id), with_for_update=True, populate_existing=True)
    values = _values(ctx, job)
    if row is None:
        row = Job(**values)
        session.add(row)
    elif row.version > job.version:
        return
    else:
        for name, value in values.items():
            setattr(row, name, value)
    await session.flush()
    await triggers.consider(session, ctx, row, event.from_state)


async def put_report(session: AsyncSession, ctx: Context, report: order_pb2.Report) -> None:
    """A report tells which shift is at work on a job."""
    if not report.shift:
        return
    job = await session.get(Job, UUID(report.job_id), with_for_update=True, populate_existing=True)
    if job is not None and job.inspection_plan_id and job.state == "Running":
        await triggers.consider(session, ctx, job, job.state, shift_name(report.production_date, report.shift))


async def put_delivery(session: AsyncSession, ctx: Context, event: order_pb2.OutsideMoved) -> None:
    """Pieces came back from outside."""
    if event.direction != "returned":
        return
    job = await session.get(Job, UUID(event.job_id), with_for_update=True, populate_existing=True)
    if job is not None:
        await triggers.delivery(session, ctx, job, quantity_of(event.qty))


async def end_order(session: AsyncSession, ctx: Context, event: order_pb2.OrderStateChanged) -> None:
    """Nothing of an order that was cancelled is inspected any more."""
    if event.order.state not in {"Cancelled", "Aborted", "Superseded"}:
        return
    jobs = await session.scalars(select(Job.id).where(Job.order_id == UUID(event.order.order_id)).order_by(Job.id))
    for job_id in jobs.all():
        await triggers.cancel_lots(session, ctx, job_id, f"order {event.order.state}")
