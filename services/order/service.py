"""The order service."""

from __future__ import annotations

from mes.service import Service

from services.order.api import router
from services.order.consumers import consumers
from services.order.models import Base
from services.order.tasks import watch

service = Service(
    "order",
    Base.metadata,
    router,
    consumers,
    leader_tasks={"watch": watch},
    listens_to=("order", "scheduling", "equipment", "quality"),
    shortcuts={"/t": "/t"},
)
