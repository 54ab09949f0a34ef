"""Tables of the scheduling service: what others told (projections), the state of planning, and the plans themselves."""

from __future__ import annotations

from services.scheduling.models.facts import (
    CalendarRow,
    Equipment,
    EquipmentState,
    Job,
    Order,
    SetupMatrix,
    WorkCentre,
)
from services.scheduling.models.plans import (
    OrderPromise,
    Pin,
    Planning,
    PlanningDecision,
    PlanningSettings,
    Scenario,
    ScheduledOperation,
    ScheduleRun,
    ScheduleVersion,
    Unplanned,
)
from services.scheduling.models.tables import Base

__all__ = [
    "Base",
    "CalendarRow",
    "Equipment",
    "EquipmentState",
    "Job",
    "Order",
    "OrderPromise",
    "Pin",
    "Planning",
    "PlanningDecision",
    "PlanningSettings",
    "Scenario",
    "ScheduleRun",
    "ScheduleVersion",
    "ScheduledOperation",
    "SetupMatrix",
    "Unplanned",
    "WorkCentre",
]
