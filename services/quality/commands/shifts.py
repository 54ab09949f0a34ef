"""The shift that is at work on a job, by the calendar of its machine."""

from __future__ import annotations

from datetime import datetime

from mes.events.v1.order_pb2 import CalendarDefined
from mes.shifts import calendar_of
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.models import Calendar, Equipment, Job, WorkCentre


def shift_name(production_date: str, shift: str) -> str:
    """A shift of a production date, as stages remember it."""
    return f"{production_date} {shift}"


async def shift_at(session: AsyncSession, job: Job, moment: datetime) -> str:
    """Production date and code of the shift; "" where no calendar is known or no shift is at work."""
    equipment = await session.get(Equipment, job.equipment_id) if job.equipment_id else None
    if equipment is None:
        return ""
    calendar_id = equipment.calendar_id
    if calendar_id is None and equipment.work_centre_id is not None:
        centre = await session.get(WorkCentre, equipment.work_centre_id)
        calendar_id = centre.calendar_id if centre else None
    calendar = await session.get(Calendar, calendar_id) if calendar_id else None
    if calendar is None:
        return ""
    found = calendar_of(CalendarDefined.FromString(calendar.definition)).at(moment)
    return shift_name(found.production_date.isoformat(), found.shift) if found else ""
