"""Tables of the quality service."""

from __future__ import annotations

from services.quality.models.base import Base
from services.quality.models.charts import Chart, ChartLimits, ChartPoint, Signal
from services.quality.models.inspection import InspectionLot, Measurement, SamplingState, StageWatch
from services.quality.models.nonconformance import Nonconformance, NumberSeries
from services.quality.models.projections import (
    Calendar,
    CharacteristicRow,
    Equipment,
    InspectionPlan,
    Job,
    Material,
    WorkCentre,
)

__all__ = [
    "Base",
    "Calendar",
    "CharacteristicRow",
    "Chart",
    "ChartLimits",
    "ChartPoint",
    "Equipment",
    "InspectionLot",
    "InspectionPlan",
    "Job",
    "Material",
    "Measurement",
    "Nonconformance",
    "NumberSeries",
    "SamplingState",
    "Signal",
    "StageWatch",
    "WorkCentre",
]
