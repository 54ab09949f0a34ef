"""Routes of the equipment service."""

from __future__ import annotations

from fastapi import APIRouter

from services.equipment.api.reads import router as reads
from services.equipment.api.writes import facts, people

router = APIRouter()
router.include_router(facts)
router.include_router(people)
router.include_router(reads)
