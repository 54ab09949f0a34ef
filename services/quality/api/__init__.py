"""Routes of the quality service."""

from __future__ import annotations

from fastapi import APIRouter

from services.quality.api.calculate import router as calculate
from services.quality.api.charts import router as charts
from services.quality.api.inspection import facts
from services.quality.api.inspection import router as inspection
from services.quality.api.nonconformances import router as nonconformances

router = APIRouter()
router.include_router(facts)
router.include_router(inspection)
router.include_router(nonconformances)
router.include_router(charts)
router.include_router(calculate)
