"""An order's history: complete, in order, in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from mes.events.v1 import equipment_pb2, quality_pb2
from mes.ids import new_id
from mes.testing import TestDatabases

from services.order.models import Definition
from tests.integration.order.floor import NOW, Floor, after, open_floor, stamp


@pytest.fixture
async def floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    async with open_floor(databases) as made:
        yield made


async def post(floor: Floor, path: str, **body: Any) -> Any:
    headers = {"Idempotency-Key": str(uuid4()), "X-Actor": "W-017"}
    answer = await floor.http.post(path, json=body, headers=headers)
    assert answer.status_code < 300, answer.text
    await floor.idle()
    return answer.json()


async def test_who_what_when_where_and_which_measurements(floor: Floor) -> None:
    plan, characteristic = new_id(), new_id()
    spec = {"stages": [{"stage": "FAI", "characteristics": [
        {"characteristic_id": str(characteristic), "no": "D1", "name": {"zh": "外径", "en": "Outer diameter"},
         "unit": "mm", "lsl": 11.98, "usl": 12.02},
    ]}]}  # fmt: skip
    definition = Definition(
        id=plan, site_id=floor.order.site_id, kind="inspection_plan", no="IP-1", spec=spec, changed_at=NOW,
        changed_by="t",
    )  # fmt: skip
    order = floor.new_order("SO-1")
    job = floor.new_job(order, 10, inspection_plan_id=plan)
    await floor.add(definition, order, job)
    path = f"/order/jobs/{job.id}"
    await post(floor, f"{path}/start", equipment_id=str(floor.machines[0]), workers=[{"worker": "W-017"}])
    await post(floor, f"{path}/reports", good_qty="40", scrap_qty="1", scrap_reason="S-DIM")
    lot = quality_pb2.InspectionLot(
        inspection_lot_id=str(uuid4()), order_id=str(order.id), job_id=str(job.id), stage="FAI", state="Passed",
        equipment_id=str(floor.machines[0]),
    )  # fmt: skip
    value = quality_pb2.MeasurementValue(
        measurement_id=str(uuid4()), characteristic_id=str(characteristic), characteristic_no="D1", value=12.013,
        conforming=True, measured_by="QC-1", gauge="G-01", occurred_at=stamp(after(1)),
    )  # fmt: skip
    done = quality_pb2.InspectionCompleted(lot=lot, measurements=[value], inspector="QC-1", occurred_at=stamp(after(1)))
    await floor.tell("quality", (done, order.id))
    down = equipment_pb2.EquipmentStateChanged(
        equipment_id=str(floor.machines[0]), category="UNPLANNED_DOWN", since=stamp(NOW), reason="D-BELT"
    )
    await floor.tell("equipment", (down, floor.machines[0]))
    shown = await floor.get(f"/order/orders/{order.id}/history")
    items = shown["items"]
    assert shown["total"] == len(items)
    types = [each["type"] for each in items]
    assert set(types) >= {"RunOpened", "ReportRecorded", "InspectionCompleted", "EquipmentStateChanged", "JobChanged"}
    assert [each["at"] for each in items] == sorted(each["at"] for each in items)
    opened = items[types.index("RunOpened")]
    assert opened["text"] == "10 Blanking 10: W-017 began to produce at M-1 Press 1"
    assert (opened["who"], opened["equipment_no"], opened["job"]) == ("W-017", "M-1", "10 Blanking 10")
    reported = items[types.index("ReportRecorded")]
    assert reported["quantities"] == {"good": "40", "scrap": "1", "rework": "0", "uom": "pcs"}
    assert "Out of size" in reported["text"]
    [measured] = items[types.index("InspectionCompleted")]["measurements"]
    assert (measured["name"], measured["value"], measured["unit"], measured["usl"]) == (
        "Outer diameter", 12.013, "mm", 12.02,
    )  # fmt: skip
    assert "down since" in items[types.index("EquipmentStateChanged")]["text"]
    part = await floor.get(f"/order/orders/{order.id}/history", limit=2, offset=1)
    assert part["items"] == items[1:3]
    chinese = await floor.get(f"/order/orders/{order.id}/history", "zh-CN")
    assert "W-017 在 M-1 冲床1 开始生产" in chinese["items"][types.index("RunOpened")]["text"]


async def test_a_run_of_several_orders_is_in_the_history_of_each(floor: Floor) -> None:
    orders = [floor.new_order(f"SO-{n}") for n in (1, 2)]
    jobs = [floor.new_job(order, 10) for order in orders]
    await floor.add(*orders, *jobs)
    from mes.events.v1 import order_pb2

    lines = [order_pb2.RunLine(job_id=str(job.id), order_id=str(job.order_id)) for job in jobs]
    event = order_pb2.RunOpened(run_id=str(uuid4()), kind="production", lines=lines, started_at=stamp(NOW))
    await floor.tell("order", (event, orders[0].id))
    for order, job in zip(orders, jobs, strict=True):
        shown = await floor.get(f"/order/orders/{order.id}/history")
        assert [(each["type"], each["job_id"]) for each in shown["items"]] == [("RunOpened", str(job.id))]


async def test_an_unknown_order_has_no_history(floor: Floor) -> None:
    answer = await floor.http.get(f"/order/orders/{uuid4()}/history")
    assert answer.status_code == 404
    assert answer.json()["code"] == "page.order_unknown"
