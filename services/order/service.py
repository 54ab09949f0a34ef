"""The order service."""

from __future__ import annotations

from mes.service import Service

from services.order.api import router
from services.order.consumers import consumers
from services.order.models import Base
from services.order.tasks import watch, watch_machines

service = Service(
    "order",
    Base.metadata,
    router,
    consumers,
    listens_to=("order", "scheduling", "equipment", "quality"),
    leader_tasks={"watch": watch, "machines": watch_machines},
    shortcuts={"/t": "/t"},
)
