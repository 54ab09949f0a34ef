"""Routes of the scheduling service."""

from __future__ import annotations

from mes.web import service_router

router = service_router()
