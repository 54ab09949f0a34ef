"""Events that this service listens to."""

from __future__ import annotations

from mes.context import Context
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.commands import projections

consumers = Consumers()


@consumers.on(order_pb2.EquipmentDefined)
async def on_equipment_defined(
    session: AsyncSession, ctx: Context, event: order_pb2.EquipmentDefined, meta: Meta
) -> None:
    await projections.put_equipment(session, ctx, event, meta.time)


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


@consumers.on(order_pb2.ReasonDefined)
async def on_reason_defined(session: AsyncSession, ctx: Context, event: order_pb2.ReasonDefined, meta: Meta) -> None:
    await projections.put_reason(session, ctx, event)


@consumers.on(order_pb2.RunOpened, order_pb2.RunClosed)
async def on_run(
    session: AsyncSession, ctx: Context, event: order_pb2.RunOpened | order_pb2.RunClosed, meta: Meta
) -> None:
    await projections.put_run(session, ctx, event)


@consumers.on(order_pb2.JobChanged)
async def on_job_changed(session: AsyncSession, ctx: Context, event: order_pb2.JobChanged, meta: Meta) -> None:
    # A plan moves no job: thousands of these come with every version.
    if event.verb != "plan":
        await projections.put_job(session, ctx, event.job)


@consumers.on(order_pb2.ReportRecorded, order_pb2.ReportDecided)
async def on_report(
    session: AsyncSession, ctx: Context, event: order_pb2.ReportRecorded | order_pb2.ReportDecided, meta: Meta
) -> None:
    await projections.put_report(session, ctx, event.report)
