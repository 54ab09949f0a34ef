"""Events that this service listens to."""

from __future__ import annotations

from mes.context import Context
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands import projections

consumers = Consumers()


@consumers.on(order_pb2.MaterialDefined)
async def on_material_defined(
    session: AsyncSession, ctx: Context, event: order_pb2.MaterialDefined, meta: Meta
) -> None:
    await projections.put_material(session, ctx, event)


@consumers.on(order_pb2.EquipmentDefined)
async def on_equipment_defined(
    session: AsyncSession, ctx: Context, event: order_pb2.EquipmentDefined, meta: Meta
) -> None:
    await projections.put_equipment(session, ctx, event)


@consumers.on(order_pb2.WorkCentreDefined)
async def on_work_centre_defined(
    session: AsyncSession, ctx: Context, event: order_pb2.WorkCentreDefined, meta: Meta
) -> None:
    await projections.put_work_centre(session, ctx, event)


@consumers.on(order_pb2.CalendarDefined)
async def on_calendar_defined(
    session: AsyncSession, ctx: Context, event: order_pb2.CalendarDefined, meta: Meta
) -> None:
    await projections.put_calendar(session, ctx, event)


@consumers.on(order_pb2.InspectionPlanDefined)
async def on_inspection_plan_defined(
    session: AsyncSession, ctx: Context, event: order_pb2.InspectionPlanDefined, meta: Meta
) -> None:
    await projections.put_plan(session, ctx, event)


@consumers.on(order_pb2.OrderReleased, order_pb2.JobsAdded)
async def on_jobs(
    session: AsyncSession, ctx: Context, event: order_pb2.OrderReleased | order_pb2.JobsAdded, meta: Meta
) -> None:
    await projections.put_jobs(session, ctx, list(event.jobs))


@consumers.on(order_pb2.JobChanged)
async def on_job_changed(session: AsyncSession, ctx: Context, event: order_pb2.JobChanged, meta: Meta) -> None:
    await projections.put_job(session, ctx, event)


@consumers.on(order_pb2.ReportRecorded)
async def on_report_recorded(session: AsyncSession, ctx: Context, event: order_pb2.ReportRecorded, meta: Meta) -> None:
    await projections.put_report(session, ctx, event.report)


@consumers.on(order_pb2.OutsideMoved)
async def on_outside_moved(session: AsyncSession, ctx: Context, event: order_pb2.OutsideMoved, meta: Meta) -> None:
    await projections.put_delivery(session, ctx, event)


@consumers.on(order_pb2.OrderStateChanged)
async def on_order_state_changed(
    session: AsyncSession, ctx: Context, event: order_pb2.OrderStateChanged, meta: Meta
) -> None:
    await projections.end_order(session, ctx, event)
