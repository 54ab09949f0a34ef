"""Routes of the scheduling service."""

from __future__ import annotations

from mes.web import combined

from services.scheduling.api.desk import router as desk
from services.scheduling.api.reads import router as reads
from services.scheduling.api.writes import router as writes

router = combined(reads, writes, desk)
