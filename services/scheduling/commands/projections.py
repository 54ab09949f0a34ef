"""Definitions and machine states that others tell, kept as planning needs them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from mes.context import Context
from mes.db import put
from mes.events.v1 import equipment_pb2, order_pb2
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.commands.requests import request_plan
from services.scheduling.domain import changes
from services.scheduling.domain.changes import Why
from services.scheduling.models import Base, CalendarRow, Equipment, EquipmentState, SetupMatrix, WorkCentre


def table_of(model: type[Base]) -> Table:
    """The table behind a mapped class."""
    return cast(Table, model.__table__)


def uuid_of(text: str) -> UUID | None:
    """An id from an event; empty is none."""
    return UUID(text) if text else None


def decimal_of(text: str, default: str = "0") -> Decimal:
    """A quantity from an event; empty is the default."""
    return Decimal(text or default)


def time_of(stamp: Timestamp) -> datetime:
    """A moment from an event."""
    return stamp.ToDatetime(tzinfo=UTC)


async def _put(session: AsyncSession, ctx: Context, table: type[Base], values: dict[str, Any]) -> bool:
    """Store a definition whole; whether it is new or differs from what was known."""
    columns = table_of(table).c
    known = (
        await session.execute(select(*(columns[name] for name in values)).where(columns.id == values["id"]))
    ).first()
    if known is not None and dict(known._mapping) == values:
        return False
    await put(session, table, values | {"site_id": ctx.site_id})
    return True


async def _define(session: AsyncSession, ctx: Context, table: type[Base], values: dict[str, Any]) -> None:
    if await _put(session, ctx, table, values):
        await request_plan(session, ctx, {Why.DEFINITIONS})


async def put_equipment(session: AsyncSession, ctx: Context, event: order_pb2.EquipmentDefined) -> None:
    """A machine was defined or changed."""
    values = {
        "id": UUID(event.equipment_id), "no": event.no, "name_zh": event.name.zh, "name_en": event.name.en,
        "work_centre_id": uuid_of(event.work_centre_id), "calendar_id": uuid_of(event.calendar_id),
        "efficiency": decimal_of(event.efficiency, "1"), "initial_family": event.initial_setup_family,
        "outdated": event.outdated,
    }  # fmt: skip
    await _define(session, ctx, Equipment, values)


async def put_work_centre(session: AsyncSession, ctx: Context, event: order_pb2.WorkCentreDefined) -> None:
    """A work centre was defined or changed."""
    values = {"id": UUID(event.work_centre_id), "no": event.no, "calendar_id": uuid_of(event.calendar_id)}
    await _define(session, ctx, WorkCentre, values | {"outdated": event.outdated})


async def put_calendar(session: AsyncSession, ctx: Context, event: order_pb2.CalendarDefined) -> None:
    """A calendar was defined or changed."""
    definition = event.SerializeToString(deterministic=True)
    await _define(session, ctx, CalendarRow, {"id": UUID(event.calendar_id), "definition": definition})


async def put_setup_matrix(session: AsyncSession, ctx: Context, event: order_pb2.SetupMatrixDefined) -> None:
    """The setup matrix of the site was replaced."""
    entries = [
        {
            "work_centre": each.work_centre_id, "from_family": each.from_family, "to_family": each.to_family,
            "seconds": each.seconds, "cost": each.cost_minor, "priority": each.priority,
        }
        for each in event.entries
    ]  # fmt: skip
    await _define(session, ctx, SetupMatrix, {"id": ctx.site_id, "entries": entries})


async def put_equipment_state(session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged) -> None:
    """A machine is in another state; a stop, its announced end and its end ask for a new plan."""
    key = UUID(event.equipment_id)
    before = await session.scalar(select(EquipmentState.category).where(EquipmentState.id == key)) or ""
    until = time_of(event.expected_until) if event.HasField("expected_until") else None
    values = {
        "id": key, "category": event.category, "reason": event.reason, "since": time_of(event.since),
        "expected_until": until,
    }  # fmt: skip
    if await _put(session, ctx, EquipmentState, values):
        await request_plan(session, ctx, changes.of_equipment(before, event.category, announced=until is not None))
