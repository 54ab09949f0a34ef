"""The equipment service."""

from __future__ import annotations

from mes.events.v1 import order_pb2
from mes.rebuild import Projection, tables_of
from mes.service import Service

from services.equipment.api import router
from services.equipment.consumers import consumers
from services.equipment.models import Base, CalendarRow, JobRow, Reason, ReportRow, WorkCentre
from services.equipment.tasks import watch

service = Service(
    "equipment",
    Base.metadata,
    router,
    consumers,
    listens_to=("order",),
    leader_tasks={"watch": watch},
    projections={
        "calendars": Projection(
            tables_of(CalendarRow, WorkCentre), consumers.only(order_pb2.CalendarDefined, order_pb2.WorkCentreDefined)
        ),
        "reasons": Projection(tables_of(Reason), consumers.only(order_pb2.ReasonDefined)),
        "jobs": Projection(tables_of(JobRow), consumers.only(order_pb2.JobChanged)),
        "reports": Projection(tables_of(ReportRow), consumers.only(order_pb2.ReportRecorded, order_pb2.ReportDecided)),
    },
)
