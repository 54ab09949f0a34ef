"""Routes of the scheduling service."""

from __future__ import annotations

from fastapi import APIRouter

from services.scheduling.api.reads import router as reads
from services.scheduling.api.writes import router as writes

router = APIRouter()
router.include_router(reads)
router.include_router(writes)
