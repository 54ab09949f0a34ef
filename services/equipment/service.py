"""The equipment service."""

from __future__ import annotations

from mes.service import Service

from services.equipment.api import router
from services.equipment.consumers import consumers
from services.equipment.models import Base
from services.equipment.tasks import watch

service = Service(
    "equipment",
    Base.metadata,
    router,
    consumers,
    listens_to=("order",),
    leader_tasks={"watch": watch},
)
