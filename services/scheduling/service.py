"""The scheduling service."""

from __future__ import annotations

from mes.service import Service

from services.scheduling import tasks
from services.scheduling.api import router
from services.scheduling.consumers import consumers
from services.scheduling.models import Base

service = Service(
    "scheduling",
    Base.metadata,
    router,
    consumers,
    listens_to=("order", "equipment"),
    leader_tasks={"plan": tasks.plan},
    busy=tasks.busy,
    startup=tasks.start,
    shutdown=tasks.stop,
)
