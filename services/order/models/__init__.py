"""Tables of the order service. `site_id` leads every unique key."""

from __future__ import annotations

from services.order.models.base import Base
from services.order.models.definitions import ColumnMapping, Definition, ImportRun
from services.order.models.guards import GuardSetting
from services.order.models.orders import Hold, Job, OutsideMove, ProductionOrder
from services.order.models.projections import (
    EquipmentState,
    HistoryEntry,
    InspectionGate,
    Nonconformance,
    PlanChunk,
    PlanVersion,
)
from services.order.models.work import Report, Run, RunLine

__all__ = [
    "Base",
    "ColumnMapping",
    "Definition",
    "EquipmentState",
    "GuardSetting",
    "HistoryEntry",
    "Hold",
    "ImportRun",
    "InspectionGate",
    "Job",
    "Nonconformance",
    "OutsideMove",
    "PlanChunk",
    "PlanVersion",
    "ProductionOrder",
    "Report",
    "Run",
    "RunLine",
]
