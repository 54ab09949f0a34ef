"""Events that this service listens to."""

from __future__ import annotations

from mes.context import Context
from mes.events.v1 import equipment_pb2, order_pb2
from mes.inbox import Consumers, Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.commands import jobs, projections
from services.scheduling.domain.changes import Why

consumers = Consumers()

_Order = (
    order_pb2.OrderCreated
    | order_pb2.OrderChanged
    | order_pb2.OrderStateChanged
    | order_pb2.OrderCompleted
    | order_pb2.OrderClosed
)


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


@consumers.on(order_pb2.SetupMatrixDefined)
async def on_setup_matrix_defined(
    session: AsyncSession, ctx: Context, event: order_pb2.SetupMatrixDefined, meta: Meta
) -> None:
    await projections.put_setup_matrix(session, ctx, event)


@consumers.on(equipment_pb2.EquipmentStateChanged)
async def on_equipment_state(
    session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged, meta: Meta
) -> None:
    await projections.put_equipment_state(session, ctx, event)


@consumers.on(
    order_pb2.OrderCreated,
    order_pb2.OrderChanged,
    order_pb2.OrderStateChanged,
    order_pb2.OrderCompleted,
    order_pb2.OrderClosed,
)
async def on_order(session: AsyncSession, ctx: Context, event: _Order, meta: Meta) -> None:
    await jobs.put_order(session, ctx, event.order)


@consumers.on(order_pb2.OrderReleased)
async def on_order_released(session: AsyncSession, ctx: Context, event: order_pb2.OrderReleased, meta: Meta) -> None:
    await jobs.put_order(session, ctx, event.order)
    await jobs.add_jobs(session, ctx, event.jobs, Why.JOBS_RELEASED, meta.time)


@consumers.on(order_pb2.JobsAdded)
async def on_jobs_added(session: AsyncSession, ctx: Context, event: order_pb2.JobsAdded, meta: Meta) -> None:
    await jobs.add_jobs(session, ctx, event.jobs, Why.JOBS_ADDED, meta.time)


@consumers.on(order_pb2.JobChanged)
async def on_job_changed(session: AsyncSession, ctx: Context, event: order_pb2.JobChanged, meta: Meta) -> None:
    # The echo of our own plan says nothing new.
    if event.verb != "plan":
        await jobs.put_job(session, ctx, event.job, meta.time)
