"""What the quality service says: inspections are gates, nonconformances hold, dispositions release."""

from __future__ import annotations

from mes.context import Context
from mes.events.v1 import quality_pb2
from mes.inbox import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import quality
from services.order.consumers.registry import consumers


@consumers.on(quality_pb2.InspectionLotOpened, quality_pb2.InspectionCompleted)
async def on_inspection(
    session: AsyncSession,
    ctx: Context,
    event: quality_pb2.InspectionLotOpened | quality_pb2.InspectionCompleted,
    meta: Meta,
) -> None:
    await quality.put_inspection(session, ctx, event.lot, meta.time)


@consumers.on(quality_pb2.NonconformanceOpened)
async def on_nonconformance_opened(
    session: AsyncSession, ctx: Context, event: quality_pb2.NonconformanceOpened, meta: Meta
) -> None:
    await quality.hold_for(session, ctx, event.nonconformance, meta.time)


@consumers.on(quality_pb2.NonconformanceDispositioned)
async def on_nonconformance_dispositioned(
    session: AsyncSession, ctx: Context, event: quality_pb2.NonconformanceDispositioned, meta: Meta
) -> None:
    await quality.dispose(session, ctx, event.nonconformance, list(event.dispositions), meta.time)


@consumers.on(quality_pb2.NonconformanceClosed)
async def on_nonconformance_closed(
    session: AsyncSession, ctx: Context, event: quality_pb2.NonconformanceClosed, meta: Meta
) -> None:
    await quality.release_for(session, ctx, event.nonconformance, meta.time)
