"""A workshop in the middle of its day: every state that a page can show."""

from __future__ import annotations

from typing import Any

from mes.events.v1 import equipment_pb2, quality_pb2
from mes.ids import new_id

from services.order.models import Hold, Job, Report, Run, RunLine
from tests.integration.order.floor import NOW, Floor, after, stamp


async def busy_day(floor: Floor) -> dict[str, Job]:
    """Jobs by the name of their scene."""
    await floor.define(6)
    late = floor.new_order("SO-2603-001", state="InProgress", due_at=after(-600), priority=1, customer="美的 Midea")
    risky = floor.new_order("SO-2603-002", state="InProgress", due_at=after(1500), projected_end=after(1200))
    fine = floor.new_order("SO-2603-003", due_at=after(6000), projected_end=after(2000), priority=4)
    held = floor.new_order("SO-2603-004", state="InProgress", due_at=after(3000), customer="海尔 Haier")
    draft = floor.new_order("SO-2603-005", state="Draft", due_at=None)
    await floor.add(late, risky, fine, held, draft)
    machine = floor.machines
    jobs = {
        "done": floor.new_job(late, 10, state="Done", good_qty=98, scrap_qty=2, equipment_id=machine[0],
                              started_at=after(-300), finished_at=after(-60)),
        "running": floor.new_job(late, 20, state="Running", good_qty=40, scrap_qty=1, equipment_id=machine[1],
                                 started_at=after(-50), first_article=True, fai="passed", is_key_process=True),
        "waiting": floor.new_job(late, 30, state="Waiting"),
        "ready": floor.new_job(risky, 10, setup_family="DIE-A"),
        "setup": floor.new_job(risky, 20, state="Setup", equipment_id=machine[2], first_article=True),
        "fai": floor.new_job(risky, 30, state="Setup", equipment_id=machine[3], first_article=True, fai="open"),
        "paused": floor.new_job(fine, 10, state="Paused", good_qty=70, equipment_id=machine[4],
                                started_at=after(-200)),
        "down": floor.new_job(fine, 20),
        "outside": floor.new_job(fine, 30, kind="outside", supplier="顺德电镀厂", lead_days=3, alternatives=[]),
        "sent": floor.new_job(held, 10, kind="outside", state="Sent", supplier="顺德电镀厂", sent_qty=100,
                              alternatives=[]),
        "held": floor.new_job(held, 20, state="Held", state_before_hold="Running", good_qty=12,
                              equipment_id=machine[0]),
    }  # fmt: skip
    jobs["waiting"].predecessor_ids = [jobs["running"].id]
    await floor.add(*jobs.values(), *_rows(floor, jobs))
    places = {"running": 1, "waiting": 1, "ready": 1, "setup": 2, "fai": 3, "paused": 4, "down": 5, "held": 0}
    await floor.publish(floor.version(7, [
        floor.planned(jobs[name], machine[place], -60 + 45 * n, n) for n, (name, place) in enumerate(places.items(), 1)
    ]))  # fmt: skip
    await _told(floor, jobs)
    return jobs


def _rows(floor: Floor, jobs: dict[str, Job]) -> list[Any]:
    site, running, held = floor.order.site_id, jobs["running"], jobs["held"]
    run = Run(id=new_id(), site_id=site, equipment_id=running.equipment_id, kind="production",
              workers=[{"worker": "W-017", "share": "1"}], started_at=after(-50))  # fmt: skip
    line = RunLine(run_id=run.id, job_id=running.id, site_id=site, order_id=running.order_id)
    report = Report(
        id=new_id(), site_id=site, order_id=running.order_id, job_id=running.id, kind="production", state="Accepted",
        good_qty=40, scrap_qty=1, uom="pcs", scrap_reason="S-DIM", occurred_at=after(-5), recorded_at=after(-5),
        reported_by="W-017", workers=[{"worker": "W-017"}],
    )  # fmt: skip
    hold = Hold(id=new_id(), site_id=site, order_id=held.order_id, job_id=held.id, reason_type="QUALITY_HOLD",
                reason="孔径超差 bore out of tolerance", opened_at=after(-30), opened_by="inspector")  # fmt: skip
    return [run, line, report, hold]


async def _told(floor: Floor, jobs: dict[str, Job]) -> None:
    said = ("STANDBY", "PRODUCING", "SETUP", "SETUP", "PLANNED_DOWN", "UNPLANNED_DOWN")
    states = [
        equipment_pb2.EquipmentStateChanged(
            equipment_id=str(machine), category=category, since=stamp(after(-40)), source="signal"
        )
        for machine, category in zip(floor.machines, said, strict=True)
    ]
    await floor.tell("equipment", *zip(states, floor.machines, strict=True))
    lot = quality_pb2.InspectionLot(
        inspection_lot_id=str(new_id()), order_id=str(jobs["running"].order_id), job_id=str(jobs["running"].id),
        stage="FAI", state="Passed", sample_size=3,
    )  # fmt: skip
    values = [
        quality_pb2.MeasurementValue(characteristic_no="D1", value=value, conforming=value < 12.02, measured_by="QC-1")
        for value in (12.003, 12.011, 12.024)
    ]
    done = quality_pb2.InspectionCompleted(lot=lot, measurements=values, inspector="QC-1", occurred_at=stamp(NOW))
    await floor.tell("quality", (done, jobs["running"].order_id))
