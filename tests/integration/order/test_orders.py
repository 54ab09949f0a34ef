"""Orders between their beginning and end: changes, holds, cancel, short close, reopen, splits, components, replays."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

from mes.events.v1 import order_pb2, quality_pb2

if TYPE_CHECKING:
    from .conftest import Shop


async def test_creating_changing_and_listing(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01"))
    await shop.product("KG-1", shop.op(10, "P-01", pieces_per_count="4"), order_uom="kg", order_factor="1")
    body = {"material_no": "FG-1", "qty": "100", "no": "MO-7", "due_at": "2026-03-09T17:00:00+08:00"}
    key = str(uuid4())
    order = await shop.post("/orders", 201, key=key, **body)
    again = await shop.post("/orders", 201, key=key, **body)
    assert again == order
    assert order["due_at"] == "2026-03-09T09:00:00Z"
    taken = await shop.post("/orders", 409, **body)
    assert taken["code"] == "order.no_taken"
    unknown = await shop.post("/orders", 422, material_no="NO-SUCH", qty="1")
    assert unknown["params"]["field"] == "material_no"
    await shop.post("/orders", 422, material_no="FG-1", qty="1", uom="bunch")
    made = await shop.post("/orders", 201, material_no="FG-1", qty="5")
    assert made["no"].startswith("MO260302-")

    # 400 kg of pieces of 0.05 kg are 8000 pieces; half a piece is rounded half-even.
    _, (job,) = await shop.released("KG-1", 400)
    assert (job["qty"], job["uom"]) == ("8000", "pcs")
    said = await shop.verb(job, "start")
    said = await shop.verb(job, "reports", 201, good_qty="10.025", uom="kg")
    assert said["report"]["good_qty"] == "200"
    assert said["report"]["entered"]["uom"] == "kg"
    said = await shop.verb(job, "reports", 201, good_qty="1", uom="kg", lot="L1", lot_factor="0.04")
    assert said["report"]["good_qty"] == "25"

    path = f"/orders/{order['order_id']}"
    patch = {"qty": "120", "customer": "ACME"}
    answer = await shop.http.patch(path, json=patch)
    assert answer.status_code == 428
    answer = await shop.http.patch(path, json=patch, headers={"If-Match": '"9"'})
    assert answer.status_code == 412
    answer = await shop.http.patch(path, json=patch, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["qty"], answer.headers["etag"]) == (200, "120", '"2"')
    answer = await shop.http.patch(path, json=patch, headers={"If-Match": '"2"'})
    assert answer.headers["etag"] == '"2"'
    changed = await shop.events(order_pb2.OrderChanged)
    assert [list(each.changed) for each in changed if each.order.no == "MO-7"] == [["customer", "qty"]]
    listed = await shop.get("/orders", state="Draft,Rejected", limit=1)
    assert [each["no"] for each in listed] == ["MO-7"]
    assert len(await shop.get("/orders", state="Draft", offset=1)) == 1


async def test_what_is_not_legal_answers_409_with_the_legal_moves(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    await shop.define("material", "RAW", stock_uom="kg", order_uom="kg", report_uom="kg")
    draft = await shop.post("/orders", 201, material_no="FG-1", qty="10")
    path = f"/orders/{draft['order_id']}"
    refused = await shop.post(f"{path}/close", 409)
    assert refused["params"]["state"] == "Draft"
    assert refused["params"]["legal"] == ["cancel", "change", "reject", "release"]
    assert draft["no"] in refused["detail"]
    raw = await shop.post("/orders", 201, material_no="RAW", qty="10")
    assert (await shop.post(f"/orders/{raw['order_id']}/release", 409))["code"] == "order.no_routing"
    await shop.post(f"/orders/{raw['order_id']}/reject", reason="no routing")
    await shop.post(f"{path}/release")
    await shop.post(f"{path}/revoke")
    assert await shop.jobs(draft["order_id"]) == []
    await shop.post(f"{path}/release")
    (job,) = await shop.jobs(draft["order_id"])
    assert (await shop.verb(job, "pause", 409, reason="x"))["params"]["state"] == "Ready"
    await shop.verb(job, "start")
    assert (await shop.post(f"{path}/revoke", 409))["params"]["state"] == "InProgress"
    await shop.get(path)
    assert (await shop.http.get(f"/orders/{uuid4()}")).status_code == 404


async def test_holds_stop_what_runs_and_the_last_release_lets_it_go_on(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01"))
    order, (first, _) = await shop.released("FG-1")
    path = f"/orders/{order['order_id']}"
    await shop.verb(first, "start", workers=[{"worker": "w1"}], equipment_id=shop.machine("P-01"))
    await shop.post(f"{path}/hold", reason_type="MATERIAL_SHORTAGE", reason="no coil")
    held = await shop.post(f"{path}/hold", reason_type="SAFETY", reason="guard open")
    assert (held["state"], len(held["holds"])) == ("Held", 2)
    assert (await shop.job(first["job_id"]))["state"] == "Held"
    assert [each["cause"] for each in await shop.get(f"/jobs/{first['job_id']}/runs")] == ["hold"]
    late = await shop.verb(first, "reports", 201, good_qty="5", occurred_at="2026-03-02T00:00:00Z")
    assert late["report"]["state"] == "Accepted"
    await shop.advance(minutes=10)
    late = await shop.verb(first, "reports", 201, good_qty="5")
    assert late["report"]["pending_reason"] == "report.job_held"
    assert (await shop.post(f"{path}/resume", 409))["code"] == "hold.choose"
    shortage, safety = held["holds"]
    still = await shop.post(f"{path}/resume", hold_id=shortage["hold_id"])
    assert still["state"] == "Held"
    assert (await shop.post(f"{path}/resume", 422, hold_id=safety["hold_id"]))["code"] == "hold.note_missing"
    back = await shop.post(f"{path}/resume", hold_id=safety["hold_id"], note="guard closed, checked by EHS")
    assert back["state"] == "InProgress"
    assert (await shop.job(first["job_id"]))["state"] == "Running"
    runs = await shop.get(f"/jobs/{first['job_id']}/runs")
    assert [(each["cause"], each["workers"][0]["worker"]) for each in runs] == [("hold", "w1"), ("", "w1")]
    assert [each.verb for each in await shop.events(order_pb2.OrderStateChanged)] == ["started", "held", "resumed"]


async def test_a_released_job_waits_when_its_machine_has_taken_another_one(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    press = shop.machine("P-01")
    _, (held,) = await shop.released("FG-1")
    _, (other,) = await shop.released("FG-1")
    await shop.verb(held, "start", workers=[{"worker": "w1"}], equipment_id=press)
    await shop.verb(held, "hold", reason_type="MATERIAL_SHORTAGE", reason="no coil")
    await shop.verb(other, "start", workers=[{"worker": "w1"}], equipment_id=press)
    back = await shop.verb(held, "release", note="coil came")
    assert back["state"] == "Paused"
    # Strokes of the press are the other job's alone.
    assert [each["ended_at"] is None for each in await shop.get(f"/jobs/{held['job_id']}/runs")] == [False]
    await shop.complete(other, 100)
    assert (await shop.verb(held, "resume", workers=[{"worker": "w1"}]))["state"] == "Running"


async def test_jobs_that_were_made_together_go_on_together(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "P-01", predecessors=[]))
    order, jobs = await shop.released("FG-1")
    lines = [{"job_id": each["job_id"], "qty": "1"} for each in jobs]
    await shop.post("/runs", 201, equipment_id=shop.machine("P-01"), workers=[{"worker": "w1"}], lines=lines)
    path = f"/orders/{order['order_id']}"
    await shop.post(f"{path}/hold", reason_type="MATERIAL_SHORTAGE", reason="no coil")
    await shop.post(f"{path}/resume")
    assert [(await shop.job(each["job_id"]))["state"] for each in jobs] == ["Running", "Running"]


async def test_cancel_without_and_with_work_in_progress(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01"))
    order, _ = await shop.released("FG-1")
    gone = await shop.post(f"/orders/{order['order_id']}/cancel", reason="C-CUSTOMER")
    assert gone["state"] == "Cancelled"
    assert {each["state"] for each in await shop.jobs(order["order_id"])} == {"Cancelled"}

    order, (first, second) = await shop.released("FG-1")
    path = f"/orders/{order['order_id']}"
    await shop.complete(first, 100)
    await shop.verb(second, "start")
    await shop.verb(second, "reports", 201, good_qty="40")
    missing = await shop.post(f"{path}/cancel", 422, reason="C-CUSTOMER")
    assert first["code"] in missing["detail"]
    assert {each["good_qty"] for each in await shop.get(f"{path}/lots")} == {"60", "40"}
    decided = [{"job_id": first["job_id"], "disposition": "scrap"}]
    gone = await shop.post(f"{path}/cancel", reason="C-CUSTOMER", disposition="stock", dispositions=decided)
    assert gone["state"] == "Aborted"
    first, second = await shop.jobs(order["order_id"])
    assert (first["state"], first["good_qty"], first["scrap_qty"]) == ("Done", "40", "60")
    assert (second["state"], second["good_qty"], second["written_off_qty"]) == ("Aborted", "40", "60")
    assert (await shop.post(f"{path}/release", 409))["params"]["legal"] == []


async def test_short_close_reopen_and_undo(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01"))
    order, (first, second) = await shop.released("FG-1")
    path = f"/orders/{order['order_id']}"
    await shop.complete(first, 100)
    await shop.verb(second, "start")
    await shop.verb(second, "reports", 201, good_qty="70")
    await shop.post(f"{path}/short-close", 422, reason=" ")
    closed = await shop.post(f"{path}/short-close", reason="customer takes 70")
    assert (closed["state"], closed["short"], closed["good_qty"]) == ("Completed", True, "70")
    assert (await shop.verb(second, "undo-finish", 409))["code"] == "job.order_completed"
    assert (await shop.post(f"{path}/reopen", reason="takes all after all"))["state"] == "InProgress"
    again = await shop.verb(second, "undo-finish")
    assert (again["state"], again["remaining_qty"]) == ("Running", "30")
    done = await shop.complete(second, 30)
    assert done["job"]["state"] == "Done"
    assert (await shop.order(order["order_id"]))["state"] == "Completed"
    late = await shop.verb(second, "scrap", 201, qty="3", reason="S-BURR")
    assert late["report"]["state"] == "Accepted"
    assert (await shop.order(order["order_id"]))["good_qty"] == "97"
    await shop.post(f"{path}/close")
    late = await shop.verb(second, "scrap", 201, qty="3", reason="S-BURR")
    assert late["report"]["pending_reason"] == "report.order_ended"


async def test_quantity_up_and_down(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01"))
    order, (first, second) = await shop.released("FG-1")
    path = f"/orders/{order['order_id']}"

    async def change(qty: int) -> int:
        seen = (await shop.http.get(path)).headers["etag"]
        return (await shop.http.patch(path, json={"qty": str(qty)}, headers={"If-Match": seen})).status_code

    await shop.complete(first, 100)
    assert await change(90) == 409
    assert await change(120) == 200
    first, second = await shop.jobs(order["order_id"])
    assert (first["state"], first["remaining_qty"]) == ("Paused", "20")
    assert (second["state"], second["qty"]) == ("Waiting", "120")
    await shop.verb(first, "resume")
    await shop.complete(first, 20)
    await shop.complete(second, 120)
    order = await shop.order(order["order_id"])
    assert (order["state"], order["good_qty"], order["short"]) == ("Completed", "120", False)


async def test_an_order_is_split_and_its_parts_go_their_own_way(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01"))
    order, (first, _) = await shop.released("FG-1", 100, no="MO-1")
    path = f"/orders/{order['order_id']}"
    await shop.verb(first, "start")
    await shop.verb(first, "reports", 201, good_qty="30")
    assert (await shop.post(f"{path}/split", 409, quantities=["80"]))["params"]["free"] == "70"
    parts = (await shop.post(f"{path}/split", 201, quantities=["40", "20"]))["items"]
    assert [(each["no"], each["qty"], each["state"]) for each in parts] == [
        ("MO-1", "40", "InProgress"), ("MO-1-1", "40", "Released"), ("MO-1-2", "20", "Released"),
    ]  # fmt: skip
    jobs = await shop.jobs(parts[1]["order_id"])
    assert [(each["state"], each["qty"]) for each in jobs] == [("Ready", "40"), ("Waiting", "40")]
    assert jobs[1]["predecessor_ids"] == [jobs[0]["job_id"]]
    first, _ = await shop.jobs(order["order_id"])
    assert (first["qty"], first["remaining_qty"]) == ("40", "10")

    whole, _ = await shop.released("FG-1", 10, no="MO-2")
    parts = (await shop.post(f"/orders/{whole['order_id']}/split", 201, quantities=["4", "6"]))["items"]
    assert [each["state"] for each in parts] == ["Superseded", "Released", "Released"]
    assert sum(Decimal(each["qty"]) for each in parts[1:]) == 10
    assert {each["state"] for each in await shop.jobs(whole["order_id"])} == {"Superseded"}


async def test_a_component_order_has_to_deliver_first(shop: Shop) -> None:
    part = await shop.product("SA-1", shop.op(10, "P-01"))
    await shop.product(
        "FG-1", shop.op(10, "P-02"), shop.op(20, "T-01", component_material_ids=[str(part)], component_qty_per=["2"])
    )
    component, (made,) = await shop.released("SA-1", 200)
    order, (first, second) = await shop.released("FG-1", 100, component_order_ids=[component["order_id"]])
    assert first["state"] == "Ready"
    assert second["component_order_ids"] == [component["order_id"]]
    await shop.complete(first, 100)
    assert (await shop.job(second["job_id"]))["state"] == "Waiting"
    await shop.complete(made, 200)
    assert (await shop.job(second["job_id"]))["state"] == "Ready"
    ready = [each for each in await shop.events(order_pb2.JobChanged) if each.verb == "ready"]
    assert [each.job.order_no for each in ready] == [order["no"]]
    assert datetime.fromisoformat(order["released_at"]) == datetime(2026, 3, 2, tzinfo=UTC)


async def test_who_waits_for_a_split_component_waits_for_its_parts(shop: Shop) -> None:
    await shop.product("SA-1", shop.op(10, "P-01"))
    await shop.product("FG-1", shop.op(10, "T-01"))
    component, _ = await shop.released("SA-1", 100)
    order, (job,) = await shop.released("FG-1", 50, component_order_ids=[component["order_id"]])
    parts = (await shop.post(f"/orders/{component['order_id']}/split", 201, quantities=["60", "40"]))["items"]
    children = [each["order_id"] for each in parts[1:]]
    assert (await shop.order(order["order_id"]))["component_order_ids"] == children
    for child in children:
        assert (await shop.job(job["job_id"]))["state"] == "Waiting"
        (made,) = await shop.jobs(child)
        await shop.complete(made, int(made["qty"]))
    assert (await shop.job(job["job_id"]))["state"] == "Ready"


async def test_a_short_close_waits_for_the_disposition_of_a_nonconformance(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    order, (job,) = await shop.released("FG-1")
    await shop.verb(job, "start")
    bad = quality_pb2.Nonconformance(
        nonconformance_id=str(uuid4()), no="NC-1", order_id=order["order_id"], job_id=job["job_id"], qty="1", hold=True
    )
    await shop.tell("quality", quality_pb2.NonconformanceOpened(nonconformance=bad), order["order_id"])
    refused = await shop.post(f"/orders/{order['order_id']}/short-close", 409, reason="enough")
    assert refused["code"] == "order.open_nonconformance"
