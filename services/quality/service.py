"""The quality service."""

from __future__ import annotations

from mes.events.v1 import order_pb2
from mes.rebuild import Projection, tables_of
from mes.service import Service

from services.quality.api import router
from services.quality.consumers import consumers
from services.quality.models import Base
from services.quality.models.projections import Calendar, Equipment, Material, WorkCentre
from services.quality.tasks import watch

service = Service(
    "quality",
    Base.metadata,
    router,
    consumers,
    listens_to=("order",),
    leader_tasks={"watch": watch},
    projections={
        "definitions": Projection(
            tables_of(Calendar, Equipment, Material, WorkCentre),
            consumers.only(
                order_pb2.CalendarDefined,
                order_pb2.EquipmentDefined,
                order_pb2.MaterialDefined,
                order_pb2.WorkCentreDefined,
            ),
        )
    },
)
