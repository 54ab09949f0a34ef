"""The scheduling service."""

from __future__ import annotations

from mes.events.v1 import equipment_pb2, order_pb2
from mes.rebuild import Projection, tables_of
from mes.service import Service

from services.scheduling import tasks
from services.scheduling.api import router
from services.scheduling.consumers import consumers
from services.scheduling.models import Base
from services.scheduling.models.facts import CalendarRow, Equipment, EquipmentState, Job, Order, SetupMatrix, WorkCentre
from services.scheduling.tasks import desk

service = Service(
    "scheduling",
    Base.metadata,
    router,
    consumers,
    listens_to=("order", "equipment"),
    leader_tasks={"plan": tasks.plan, "desk": desk.serve},
    projections={
        "definitions": Projection(
            tables_of(CalendarRow, Equipment, SetupMatrix, WorkCentre),
            consumers.only(
                order_pb2.CalendarDefined,
                order_pb2.EquipmentDefined,
                order_pb2.SetupMatrixDefined,
                order_pb2.WorkCentreDefined,
            ),
        ),
        "machine_states": Projection(tables_of(EquipmentState), consumers.only(equipment_pb2.EquipmentStateChanged)),
        "orders": Projection(
            tables_of(Order, Job),
            consumers.only(
                order_pb2.OrderCreated,
                order_pb2.OrderChanged,
                order_pb2.OrderStateChanged,
                order_pb2.OrderCompleted,
                order_pb2.OrderClosed,
                order_pb2.OrderReleased,
                order_pb2.JobsAdded,
                order_pb2.JobChanged,
            ),
        ),
    },
    busy=tasks.busy,
    startup=tasks.start,
    shutdown=tasks.stop,
)
