"""Alarms: two flags, active and acknowledged, by what was said last."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mes import outbox
from mes.context import Context
from mes.errors import Conflict, NotFound
from mes.events.v1 import equipment_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.commands.current import stamp
from services.equipment.domain.signals import Signal
from services.equipment.models import Alarm, Equipment

_OVER = frozenset({"", "0", "off", "false", "normal", "inactive"})


async def take_alarms(session: AsyncSession, ctx: Context, equipment: Equipment, signals: Sequence[Signal]) -> None:
    """Follow alarm signals: name is the code; value 0, off, normal ends it, anything else raises it and is its text."""
    for signal in sorted(signals, key=lambda each: (each.time, each.position)):
        alarm = await session.scalar(select(Alarm).where(Alarm.equipment_id == equipment.id, Alarm.code == signal.name))
        if alarm is not None and alarm.changed_at > signal.time:
            continue
        active = signal.value.strip().lower() not in _OVER
        if alarm is None:
            alarm = Alarm(
                id=ctx.new_id(), site_id=ctx.site_id, equipment_id=equipment.id, code=signal.name, message="",
                active=False, acknowledged=True, changed_at=signal.time, raised_at=signal.time,
            )  # fmt: skip
            session.add(alarm)
        if active and not alarm.active:
            alarm.acknowledged, alarm.raised_at = False, signal.time
        alarm.message = signal.value if active else alarm.message
        changed = alarm.active != active
        alarm.active, alarm.changed_at = active, signal.time
        await session.flush()
        if changed:
            _announce(session, ctx, alarm)


async def acknowledge(session: AsyncSession, ctx: Context, alarm_id: UUID) -> Alarm:
    """Somebody has seen the alarm. Raises NotFound, or Conflict when it was acknowledged before."""
    alarm = await session.get(Alarm, alarm_id, with_for_update=True)
    if alarm is None or alarm.site_id != ctx.site_id:
        raise NotFound("alarm.unknown", alarm=str(alarm_id))
    if alarm.acknowledged:
        raise Conflict("alarm.acknowledged", alarm=alarm.code)
    alarm.acknowledged = True
    _announce(session, ctx, alarm)
    return alarm


def _announce(session: AsyncSession, ctx: Context, alarm: Alarm) -> None:
    event = equipment_pb2.EquipmentAlarm(
        equipment_id=str(alarm.equipment_id),
        alarm_id=str(alarm.id),
        code=alarm.code,
        message=alarm.message,
        active=alarm.active,
        acknowledged=alarm.acknowledged,
        occurred_at=stamp(alarm.changed_at),
    )
    outbox.publish(session, ctx, event, key=alarm.equipment_id)
