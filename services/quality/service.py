"""The quality service."""

from __future__ import annotations

from mes.service import Service

from services.quality.api import router
from services.quality.consumers import consumers
from services.quality.models import Base
from services.quality.tasks import watch

service = Service(
    "quality",
    Base.metadata,
    router,
    consumers,
    listens_to=("order",),
    leader_tasks={"watch": watch},
)
