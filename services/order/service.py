"""The order service."""

from __future__ import annotations

from mes.rebuild import Projection, tables_of
from mes.service import Service

from services.order.api import router
from services.order.consumers import consumers
from services.order.consumers.equipment import states_alone
from services.order.models import Base
from services.order.models.projections import EquipmentState
from services.order.tasks import watch, watch_machines

service = Service(
    "order",
    Base.metadata,
    router,
    consumers,
    listens_to=("order", "scheduling", "equipment", "quality"),
    leader_tasks={"watch": watch, "machines": watch_machines},
    projections={"machine_states": Projection(tables_of(EquipmentState), states_alone)},
    shortcuts={"/t": "/t"},
)
