"""Events of orders, jobs, runs and reports: each carries the whole new state of its thing, keyed by the order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.context import Context
from mes.events.v1 import common_pb2, order_pb2
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.domain.quantity import plain
from services.order.models import Hold, Job, OutsideMove, ProductionOrder, Report, Run, RunLine


def stamp(moment: datetime | None) -> Timestamp | None:
    """The moment as protobuf has it; None stays None."""
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def _id(value: UUID | None) -> str:
    return str(value) if value is not None else ""


def order_message(order: ProductionOrder, holds: Iterable[Hold] = ()) -> order_pb2.Order:
    """An order with its open holds as the contract has it."""
    return order_pb2.Order(
        order_id=str(order.id), no=order.no, material_id=str(order.material_id), qty=plain(order.qty), uom=order.uom,
        state=order.state, priority=order.priority, release_at=stamp(order.release_at), due_at=stamp(order.due_at),
        deadline_type=order.deadline_type, source=order.source, customer=order.customer,
        parent_id=_id(order.parent_id), split_from=_id(order.split_from), rework_of=_id(order.rework_of),
        routing_revision_id=_id(order.routing_revision_id), good_qty=plain(order.good_qty),
        scrap_qty=plain(order.scrap_qty), version=order.version,
        holds=[
            order_pb2.Hold(
                hold_id=str(each.id), reason_type=each.reason_type, reason=each.reason, job_id=_id(each.job_id),
                nonconformance_id=_id(each.nonconformance_id),
            )
            for each in holds if each.released_at is None
        ],
        component_order_ids=[str(each) for each in order.component_order_ids],
    )  # fmt: skip


def job_message(job: Job, order_no: str = "") -> order_pb2.Job:
    """A job as the contract has it."""
    return order_pb2.Job(
        job_id=str(job.id), order_id=str(job.order_id), code=job.code, seq=job.seq,
        name=common_pb2.Name(zh=job.name_zh, en=job.name_en), kind=job.kind, state=job.state,
        predecessor_ids=[str(each) for each in job.predecessor_ids],
        alternatives=[
            order_pb2.JobAlternative(
                equipment_id=each["equipment_id"], setup_s=int(each["setup_s"]),
                run_s_per_unit=str(each["run_s_per_unit"]), preference=int(each["preference"]),
            )
            for each in job.alternatives
        ],
        setup_family=job.setup_family, queue_s=job.queue_s, move_s=job.move_s, qty=plain(job.qty),
        good_qty=plain(job.good_qty), scrap_qty=plain(job.scrap_qty), rework_qty=plain(job.rework_qty),
        written_off_qty=plain(job.written_off_qty), over_qty=plain(job.over_qty),
        remaining_qty=plain(job.remaining_qty), uom=job.uom, inspection_plan_id=_id(job.inspection_plan_id),
        first_article=job.first_article, is_key_process=job.is_key_process, supplier=job.supplier,
        lead_days=job.lead_days, interruptible=job.interruptible, pieces_per_count=plain(job.pieces_per_count),
        material_id=str(job.material_id), allowed_to_start=job.allowed_to_start,
        material_ready_at=stamp(job.material_ready_at), planned_equipment_id=_id(job.planned_equipment_id),
        planned_start=stamp(job.planned_start), planned_end=stamp(job.planned_end),
        equipment_id=_id(job.equipment_id), started_at=stamp(job.started_at), finished_at=stamp(job.finished_at),
        expected_back_at=stamp(job.expected_back_at), rework_of=_id(job.rework_of), rework_loop=job.rework_loop,
        version=job.version, state_before_hold=job.state_before_hold,
        routing_operation_id=_id(job.routing_operation_id), overlap_qty=plain(job.overlap_qty), pinned=job.pinned,
        order_no=order_no, component_order_ids=",".join(map(str, job.component_order_ids)),
    )  # fmt: skip


def _workers(workers: Sequence[Any]) -> list[order_pb2.RunWorker]:
    return [order_pb2.RunWorker(worker=each["worker"], share=str(each.get("share", "1"))) for each in workers]


def report_message(report: Report, material_id: UUID | None = None) -> order_pb2.Report:
    """A report as the contract has it."""
    return order_pb2.Report(
        report_id=str(report.id), job_id=str(report.job_id), order_id=str(report.order_id),
        run_id=_id(report.run_id), equipment_id=_id(report.equipment_id), state=report.state,
        good_qty=plain(report.good_qty), scrap_qty=plain(report.scrap_qty), rework_qty=plain(report.rework_qty),
        scrap_reason=report.scrap_reason, scrap_class=report.scrap_class, uom=report.uom,
        production_date=report.production_date.isoformat() if report.production_date else "", shift=report.shift,
        occurred_at=stamp(report.occurred_at), recorded_at=stamp(report.recorded_at),
        reported_by=report.reported_by, workers=_workers(report.workers), source=report.source,
        corrects_report_id=_id(report.corrects_report_id), pending_reason=report.pending_reason,
        counter_from=plain(report.counter_from), counter_to=plain(report.counter_to),
        run_s_per_unit=plain(report.run_s_per_unit), material_id=_id(material_id),
    )  # fmt: skip


def _run_fields(run: Run, lines: Sequence[RunLine]) -> dict[str, Any]:
    return {
        "run_id": str(run.id),
        "equipment_id": _id(run.equipment_id),
        "kind": run.kind,
        "workers": _workers(run.workers),
        "lines": [
            order_pb2.RunLine(job_id=str(each.job_id), qty=plain(each.qty), order_id=str(each.order_id))
            for each in lines
        ],
        "started_at": stamp(run.started_at),
    }


# ---- publishing ----------------------------------------------------------------------------------------------------


def _publish(session: AsyncSession, ctx: Context, event: Message, order_id: UUID) -> None:
    outbox.publish(session, ctx, event, key=order_id)


def publish_job(
    session: AsyncSession, ctx: Context, job: Job, from_state: str, verb: str, reason: str = "", order_no: str = ""
) -> None:
    """Tell that a job changed; raises its version."""
    job.version += 1
    event = order_pb2.JobChanged(job=job_message(job, order_no), from_state=from_state, verb=verb, reason=reason)
    _publish(session, ctx, event, job.order_id)


def publish_order(
    session: AsyncSession,
    ctx: Context,
    order: ProductionOrder,
    from_state: str,
    verb: str,
    reason: str = "",
    holds: Iterable[Hold] = (),
) -> None:
    """Tell that an order's state changed; raises its version."""
    order.version += 1
    event = order_pb2.OrderStateChanged(
        order=order_message(order, holds), from_state=from_state, verb=verb, reason=reason
    )
    _publish(session, ctx, event, order.id)


def publish_created(session: AsyncSession, ctx: Context, order: ProductionOrder) -> None:
    """Tell that an order is there."""
    _publish(session, ctx, order_pb2.OrderCreated(order=order_message(order)), order.id)


def publish_changed(
    session: AsyncSession,
    ctx: Context,
    order: ProductionOrder,
    changed: Sequence[str],
    reason: str = "",
    holds: Iterable[Hold] = (),
) -> None:
    """Tell which fields of an order changed; raises its version."""
    order.version += 1
    event = order_pb2.OrderChanged(order=order_message(order, holds), changed=changed, reason=reason)
    _publish(session, ctx, event, order.id)


def publish_released(session: AsyncSession, ctx: Context, order: ProductionOrder, jobs: Iterable[Job]) -> None:
    """Tell that an order is released, with all its jobs; raises its version."""
    order.version += 1
    event = order_pb2.OrderReleased(order=order_message(order), jobs=[job_message(each, order.no) for each in jobs])
    _publish(session, ctx, event, order.id)


def publish_completed(
    session: AsyncSession, ctx: Context, order: ProductionOrder, from_state: str, verb: str, reason: str = ""
) -> None:
    """Tell that an order is complete, or short."""
    publish_order(session, ctx, order, from_state, verb, reason)
    _publish(session, ctx, order_pb2.OrderCompleted(order=order_message(order), short=order.short), order.id)


def publish_closed(session: AsyncSession, ctx: Context, order: ProductionOrder) -> None:
    """Tell that an order is closed."""
    publish_order(session, ctx, order, "Completed", "closed")
    _publish(session, ctx, order_pb2.OrderClosed(order=order_message(order)), order.id)


def publish_jobs_added(
    session: AsyncSession, ctx: Context, order: ProductionOrder, jobs: Iterable[Job], cause: str
) -> None:
    """Tell that jobs came to a released order (rework, split)."""
    added = [job_message(each, order.no) for each in jobs]
    _publish(session, ctx, order_pb2.JobsAdded(order_id=str(order.id), jobs=added, cause=cause), order.id)


def publish_run_opened(session: AsyncSession, ctx: Context, run: Run, lines: Sequence[RunLine]) -> None:
    """Tell that work began; keyed by the order of the first line."""
    _publish(session, ctx, order_pb2.RunOpened(**_run_fields(run, lines)), lines[0].order_id)


def publish_run_closed(session: AsyncSession, ctx: Context, run: Run, lines: Sequence[RunLine]) -> None:
    """Tell that work ended; keyed by the order of the first line."""
    event = order_pb2.RunClosed(
        **_run_fields(run, lines), ended_at=stamp(run.ended_at), cause=run.cause, reason=run.reason
    )
    _publish(session, ctx, event, lines[0].order_id)


def publish_report(session: AsyncSession, ctx: Context, report: Report, material_id: UUID | None = None) -> None:
    """Tell that something was reported, Pending or Accepted at once."""
    _publish(session, ctx, order_pb2.ReportRecorded(report=report_message(report, material_id)), report.order_id)


def publish_decided(
    session: AsyncSession,
    ctx: Context,
    report: Report,
    from_state: str,
    reason: str = "",
    material_id: UUID | None = None,
) -> None:
    """Tell that a report was accepted, declined or corrected; raises its version."""
    report.version += 1
    event = order_pb2.ReportDecided(report=report_message(report, material_id), from_state=from_state, reason=reason)
    _publish(session, ctx, event, report.order_id)


def publish_outside(session: AsyncSession, ctx: Context, move: OutsideMove) -> None:
    """Tell that pieces went out or came back."""
    event = order_pb2.OutsideMoved(
        job_id=str(move.job_id), order_id=str(move.order_id), direction=move.direction, supplier=move.supplier,
        qty=plain(move.qty), kg=plain(move.kg), shortage_qty=plain(move.shortage_qty),
        occurred_at=stamp(move.occurred_at),
    )  # fmt: skip
    _publish(session, ctx, event, move.order_id)
