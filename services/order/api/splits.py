"""Routes of splits and rework."""

from __future__ import annotations

from uuid import UUID

from mes.events.v1 import order_pb2
from mes.web import Ctx, Language, Session, service_router
from pydantic import ConfigDict, Field

from services.order.api.orders import order_out
from services.order.api.schemas import Code, JobOut, JobsOut, OrdersOut, Positive, Qty, Strict, Text, warnings_out
from services.order.commands import rework, splits
from services.order.commands.loading import Work
from services.order.models import Job
from services.order.queries.jobs import job_view

router = service_router(tags=["splits and rework"])


class SplitIn(Strict):
    """Quantities of the new orders, in the order's unit."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"quantities": ["100", "50"]}]})

    quantities: list[Positive] = Field(min_length=1, max_length=100)
    reason: Text = ""


class JobSplitIn(Strict):
    """Quantity of the second job, and its machine where it is known."""

    qty: Positive
    equipment_id: UUID | None = None
    reason: Text = ""


class ReworkOperationIn(Strict):
    """A rework operation: a machine, or any of a work centre."""

    name_zh: Code = ""
    name_en: Code = ""
    equipment_id: UUID | None = None
    work_centre_id: UUID | None = None
    run_s_per_unit: Qty = Field(default=..., ge=0)
    setup_s: int = Field(default=0, ge=0)


class ReworkIn(Strict):
    """How many good pieces go back, why, and through which operations; none: the same operation again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"qty": "5", "reason": "R-POLISH"}]})

    qty: Positive
    reason: Text
    operations: list[ReworkOperationIn] = Field(default=[], max_length=20)


def _jobs_out(work: Work, jobs: list[Job], language: str) -> JobsOut:
    warned = warnings_out(work.warnings, language)
    return JobsOut(items=[JobOut.model_validate(job_view(job, work.order.no) | {"warnings": warned}) for job in jobs])


@router.post("/orders/{order_id}/split", status_code=201, summary="Make orders of what has not been reported")
async def post_split(order_id: UUID, body: SplitIn, session: Session, ctx: Ctx) -> OrdersOut:
    found = await splits.split_order(session, ctx, order_id, quantities=body.quantities, reason=body.reason)
    return OrdersOut(items=[await order_out(session, order) for order in found])


@router.post("/jobs/{job_id}/split", status_code=201, summary="Make a second job of what has not been made")
async def post_job_split(job_id: UUID, body: JobSplitIn, session: Session, ctx: Ctx, language: Language) -> JobsOut:
    work, job, made = await splits.split_job(
        session, ctx, job_id, qty=body.qty, equipment_id=body.equipment_id, reason=body.reason
    )
    return _jobs_out(work, [job, made], language)


@router.post("/jobs/{job_id}/rework", status_code=201, summary="Send good pieces back through rework operations")
async def post_rework(job_id: UUID, body: ReworkIn, session: Session, ctx: Ctx, language: Language) -> JobsOut:
    ways = [
        order_pb2.OperationAlternative(
            equipment_id=str(each.equipment_id or ""), work_centre_id=str(each.work_centre_id or ""),
            run_s_per_unit=format(each.run_s_per_unit, "f"), setup_s=each.setup_s, preference=1,
        )
        for each in body.operations
    ]  # fmt: skip
    names = [(each.name_zh, each.name_en) for each in body.operations]
    operations = await rework.operations_of(session, ctx, ways, names)
    work, job, made = await rework.rework(session, ctx, job_id, qty=body.qty, reason=body.reason, operations=operations)
    return _jobs_out(work, [job, *made], language)
