"""Events that this service listens to. Importing a module enters its handlers."""

from __future__ import annotations

from services.order.consumers import equipment, history, plan, quality
from services.order.consumers.registry import consumers

__all__ = ["consumers", "equipment", "history", "plan", "quality"]
