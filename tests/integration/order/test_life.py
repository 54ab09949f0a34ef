"""The whole life of an order through the API: created, released, worked on, completed, closed; every hop an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mes.events.v1 import order_pb2

if TYPE_CHECKING:
    from .conftest import Shop


async def test_an_order_from_draft_to_closed(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01", "P-02"), shop.op(20, "T-01"))
    order, (first, second) = await shop.released("FG-1", 100, no="MO-1", priority=3)
    assert (order["state"], order["no"], first["state"], second["state"]) == ("Released", "MO-1", "Ready", "Waiting")
    assert second["predecessor_ids"] == [first["job_id"]]
    assert {each["equipment_id"] for each in first["alternatives"]} == {shop.machine("P-01"), shop.machine("P-02")}

    place = shop.machine("P-02")
    await shop.verb(first, "start-setup", equipment_id=place, workers=[{"worker": "w1"}])
    started = await shop.verb(first, "start", equipment_id=place, workers=[{"worker": "w1"}])
    assert started["state"] == "Running"
    assert (await shop.order(order["order_id"]))["state"] == "InProgress"
    said = await shop.verb(first, "reports", 201, good_qty="60", scrap_qty="2", scrap_reason="S-BURR")
    assert (said["report"]["state"], said["report"]["scrap_class"]) == ("Accepted", "operator")
    assert (said["report"]["production_date"], said["report"]["shift"]) == ("2026-03-02", "D")
    await shop.complete(first, 38)
    first, second = await shop.jobs(order["order_id"])
    assert (first["state"], first["good_qty"], second["state"]) == ("Done", "98", "Ready")
    assert (second["written_off_qty"], second["remaining_qty"]) == ("2", "98")

    done = await shop.complete(second, 98, equipment_id=shop.machine("T-01"))
    assert done["job"]["state"] == "Done"
    order = await shop.order(order["order_id"])
    assert (order["state"], order["good_qty"], order["scrap_qty"], order["short"]) == ("Completed", "98", "2", True)
    await shop.post(f"/orders/{order['order_id']}/close")
    assert (await shop.order(order["order_id"]))["state"] == "Closed"

    told = await shop.events(order_pb2.OrderStateChanged)
    assert [each.verb for each in told] == ["started", "completed", "closed"]
    released = (await shop.events(order_pb2.OrderReleased))[0]
    assert [each.state for each in released.jobs] == ["Ready", "Waiting"]
    changed = await shop.events(order_pb2.JobChanged)
    assert [(each.job.seq, each.verb, each.from_state, each.job.state) for each in changed] == [
        (10, "start_setup", "Ready", "Setup"), (10, "start", "Setup", "Running"), (10, "report", "Running", "Running"),
        (10, "complete", "Running", "Done"), (20, "ready", "Waiting", "Ready"), (20, "complete", "Ready", "Done"),
    ]  # fmt: skip
    runs = await shop.events(order_pb2.RunOpened, order_pb2.RunClosed)
    assert [(type(each).__name__, each.kind) for each in runs] == [
        ("RunOpened", "setup"), ("RunClosed", "setup"), ("RunOpened", "production"), ("RunClosed", "production"),
        ("RunOpened", "production"), ("RunClosed", "production"),
    ]  # fmt: skip
    assert len(await shop.events(order_pb2.ReportRecorded)) == 3
    assert len(await shop.events(order_pb2.OrderCompleted)) == 1
    assert len(await shop.events(order_pb2.OrderClosed)) == 1
