"""Routes of the quality service."""

from __future__ import annotations

from mes.web import combined

from services.quality.api.calculate import router as calculate
from services.quality.api.charts import router as charts
from services.quality.api.inspection import facts
from services.quality.api.inspection import router as inspection
from services.quality.api.nonconformances import router as nonconformances

router = combined(facts, inspection, nonconformances, charts, calculate)
