"""What the order service tells, kept here as this service needs it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from mes.context import Context
from mes.db import put
from mes.events.v1 import order_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.commands.current import locked, refresh
from services.equipment.models import (
    CalendarRow,
    Equipment,
    JobRow,
    Reason,
    ReportRow,
    RunRow,
    WorkCentre,
)


def _id(text: str) -> UUID | None:
    return UUID(text) if text else None


def _decimal(text: str) -> Decimal:
    return Decimal(text) if text else Decimal(0)


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


async def put_equipment(session: AsyncSession, ctx: Context, event: order_pb2.EquipmentDefined, at: datetime) -> None:
    """A machine was defined or changed; it is known since it was defined first."""
    values = {
        "no": event.no, "name_zh": event.name.zh, "name_en": event.name.en,
        "work_centre_id": _id(event.work_centre_id), "calendar_id": _id(event.calendar_id),
        "is_networked": event.is_networked, "mapping": event.mapping,
        "counter_modulus": Decimal(event.counter_modulus) if event.counter_modulus else None,
        "signal_timeout_s": event.signal_timeout_s, "outdated": event.outdated,
    }  # fmt: skip
    row = (await locked(session, ctx, [UUID(event.equipment_id)])).get(UUID(event.equipment_id))
    if row is None:
        row = Equipment(id=UUID(event.equipment_id), site_id=ctx.site_id, known_since=at, fold={}, since=None, **values)
        session.add(row)
    else:
        for name, value in values.items():
            setattr(row, name, value)
    await refresh(session, ctx, row)


async def put_work_centre(session: AsyncSession, ctx: Context, event: order_pb2.WorkCentreDefined) -> None:
    """A work centre was defined or changed."""
    values = {"id": UUID(event.work_centre_id), "site_id": ctx.site_id, "no": event.no}
    await put(session, WorkCentre, values | {"calendar_id": _id(event.calendar_id)})


async def put_calendar(session: AsyncSession, ctx: Context, event: order_pb2.CalendarDefined) -> None:
    """A calendar was defined or changed."""
    spec = {
        "time_zone": event.time_zone or "UTC",
        "shifts": [
            {
                "shift": each.shift, "weekdays": list(each.weekdays), "start": each.start, "end": each.end,
                "breaks": [[pause.start, pause.end] for pause in each.breaks],
            }
            for each in event.shifts
        ],
        "exceptions": [
            {"date": each.date, "working": each.working, "shifts": list(each.shifts)} for each in event.exceptions
        ],
    }  # fmt: skip
    await put(session, CalendarRow, {"id": UUID(event.calendar_id), "site_id": ctx.site_id, "spec": spec})


async def put_reason(session: AsyncSession, ctx: Context, event: order_pb2.ReasonDefined) -> None:
    """A reason was defined or changed."""
    values = {
        "id": UUID(event.reason_id), "site_id": ctx.site_id, "code": event.code, "name_zh": event.name.zh,
        "name_en": event.name.en, "kind": event.kind, "category": event.category, "parent_code": event.parent_code,
        "outdated": event.outdated,
    }  # fmt: skip
    await put(session, Reason, values)


async def put_run(session: AsyncSession, ctx: Context, event: order_pb2.RunOpened | order_pb2.RunClosed) -> None:
    """A run began or ended; a machine without signals changes its state with it."""
    equipment_id = _id(event.equipment_id)
    if equipment_id is None:
        return
    closed = isinstance(event, order_pb2.RunClosed)
    values = {
        "id": UUID(event.run_id), "site_id": ctx.site_id, "equipment_id": equipment_id, "kind": event.kind,
        "started_at": _time(event.started_at),
        "ended_at": _time(event.ended_at) if isinstance(event, order_pb2.RunClosed) else None,
        "cause": event.cause if isinstance(event, order_pb2.RunClosed) else "",
        "jobs": [UUID(line.job_id) for line in event.lines if line.job_id],
        "orders": list({UUID(line.order_id) for line in event.lines if line.order_id}),
    }  # fmt: skip
    if not closed and await session.scalar(select(RunRow.ended_at).where(RunRow.id == values["id"])):
        return
    equipment = (await locked(session, ctx, [equipment_id])).get(equipment_id)
    await put(session, RunRow, values)
    if equipment is not None:
        await refresh(session, ctx, equipment, _time(event.started_at))


async def put_job(session: AsyncSession, ctx: Context, job: order_pb2.Job) -> None:
    """A job is somewhere else or in another state."""
    values = {
        "id": UUID(job.job_id), "site_id": ctx.site_id, "order_id": UUID(job.order_id),
        "equipment_id": _id(job.equipment_id), "state": job.state, "version": job.version,
    }  # fmt: skip
    await put(session, JobRow, values, newer="version")


async def put_report(session: AsyncSession, ctx: Context, report: order_pb2.Report) -> None:
    """A report was recorded or decided; those of hand work without a machine are nothing for this service."""
    if not report.equipment_id:
        return
    values = {
        "id": UUID(report.report_id), "site_id": ctx.site_id, "equipment_id": UUID(report.equipment_id),
        "order_id": UUID(report.order_id), "job_id": UUID(report.job_id), "state": report.state,
        "good": _decimal(report.good_qty), "scrap": _decimal(report.scrap_qty), "rework": _decimal(report.rework_qty),
        "run_s_per_unit": Decimal(report.run_s_per_unit) if report.run_s_per_unit else None,
        "production_date": report.production_date, "shift": report.shift, "occurred_at": _time(report.occurred_at),
    }  # fmt: skip
    await put(session, ReportRow, values)
