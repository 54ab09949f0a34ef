"""Rows as the messages of the event contracts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp
from mes.events.v1 import common_pb2, order_pb2

from services.order.models import Job


def plain(value: Decimal | None) -> str:
    """A decimal without exponent and needless zeros; "" for None."""
    if value is None:
        return ""
    shown = format(value, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def stamp(moment: datetime | None) -> Timestamp | None:
    """The moment as protobuf has it."""
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def job_message(job: Job, order_no: str) -> order_pb2.Job:
    """The whole state of a job."""
    remaining = job.qty + job.over_qty - job.good_qty - job.scrap_qty - job.rework_qty - job.written_off_qty
    return order_pb2.Job(
        job_id=str(job.id), order_id=str(job.order_id), order_no=order_no, code=job.code, seq=job.seq,
        name=common_pb2.Name(zh=job.name_zh, en=job.name_en), kind=job.kind, state=job.state,
        state_before_hold=job.state_before_hold, predecessor_ids=[str(each) for each in job.predecessor_ids],
        component_order_ids=",".join(str(each) for each in job.component_order_ids),
        alternatives=[
            order_pb2.JobAlternative(
                equipment_id=str(each["equipment_id"]), setup_s=int(each.get("setup_s") or 0),
                run_s_per_unit=str(each.get("run_s_per_unit") or ""), preference=int(each.get("preference") or 0),
            )
            for each in job.alternatives
        ],
        setup_family=job.setup_family, queue_s=job.queue_s, move_s=job.move_s, overlap_qty=plain(job.overlap_qty),
        qty=plain(job.qty), good_qty=plain(job.good_qty), scrap_qty=plain(job.scrap_qty),
        rework_qty=plain(job.rework_qty), written_off_qty=plain(job.written_off_qty), over_qty=plain(job.over_qty),
        remaining_qty=plain(remaining), uom=job.uom, first_article=job.first_article,
        inspection_plan_id=str(job.inspection_plan_id or ""), is_key_process=job.is_key_process,
        supplier=job.supplier, lead_days=job.lead_days, interruptible=job.interruptible,
        pieces_per_count=plain(job.pieces_per_count), material_id=str(job.material_id),
        routing_operation_id=str(job.routing_operation_id or ""), allowed_to_start=job.allowed_to_start,
        material_ready_at=stamp(job.material_ready_at), planned_equipment_id=str(job.planned_equipment_id or ""),
        planned_start=stamp(job.planned_start), planned_end=stamp(job.planned_end), pinned=job.pinned,
        equipment_id=str(job.equipment_id or ""), started_at=stamp(job.started_at), finished_at=stamp(job.finished_at),
        expected_back_at=stamp(job.expected_back_at), rework_of=str(job.rework_of or ""), rework_loop=job.rework_loop,
        version=job.version,
    )  # fmt: skip
