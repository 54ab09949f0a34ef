"""Events that this service listens to. Importing a module enters its handlers."""

from __future__ import annotations

from services.order.consumers import quality
from services.order.consumers.registry import consumers

__all__ = ["consumers", "quality"]
