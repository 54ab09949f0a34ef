"""Routes of the equipment service."""

from __future__ import annotations

from mes.web import combined

from services.equipment.api.reads import router as reads
from services.equipment.api.writes import facts, people

router = combined(facts, people, reads)
