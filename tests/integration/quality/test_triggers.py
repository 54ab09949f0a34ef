"""What opens inspection lots: pieces, minutes, shifts, finished quantities, deliveries; and what cancels them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from mes.clock import ClockState
from mes.events.v1 import order_pb2, quality_pb2

from services.quality.tasks import look
from tests.integration.quality.shop import NOW, Shop, attribute, first_off, variable


def stage(name: str, trigger: str, **more: Any) -> order_pb2.InspectionStage:
    values: dict[str, Any] = {"sampling": "fixed", "sample_size": 1, "characteristics": [variable(name)], **more}
    return order_pb2.InspectionStage(stage=name, trigger=trigger, **values)


async def to(shop: Shop, moment: datetime) -> None:
    await shop.runtime.set_clock(ClockState(moment.timestamp(), moment.timestamp(), 1.0, "stepped"))


async def test_pieces_minutes_and_shifts_open_lots(shop: Shop) -> None:
    day = order_pb2.ShiftPattern(shift="D", weekdays=[1, 2, 3, 4, 5], start="08:00", end="20:00")
    night = order_pb2.ShiftPattern(shift="N", weekdays=[1, 2, 3, 4, 5], start="20:00", end="08:00")
    calendar, centre = uuid4(), uuid4()
    await shop.tell(
        (
            order_pb2.CalendarDefined(calendar_id=str(calendar), time_zone="Asia/Shanghai", shifts=[day, night]),
            calendar,
        ),
        (order_pb2.WorkCentreDefined(work_centre_id=str(centre), calendar_id=str(calendar)), centre),
    )
    await shop.define(
        stage("N", "every_n", every=100), stage("M", "every_minutes", every=60), stage("S", "shift_start")
    )
    machine = order_pb2.EquipmentDefined(equipment_id=str(shop.machine), no="P-01", work_centre_id=str(centre))
    await shop.tell((machine, shop.machine))
    job = uuid4()
    assert datetime(2026, 11, 23, 2, tzinfo=UTC) == NOW, "10:00 in Shanghai"

    async def run(verb: str, good: int, **more: Any) -> list[str]:
        state = more.pop("from_state", "Running")
        await shop.step(job, state, "Running", verb, good_qty=str(good), remaining_qty=str(5000 - good), **more)
        return sorted(each["stage"] for each in await shop.lots(state="Pending"))

    assert await run("start", 0, from_state="Setup") == ["S"], "the shift has begun with the job"
    assert await run("report", 99) == ["S"]
    assert await run("report", 260) == ["N", "S"]
    (lot,) = await shop.lots(state="Pending", stage="N")
    assert (lot["lot_qty"], lot["gate"]) == ("260", False)
    # one waits: what comes now is spoken for by the next
    assert await run("report", 420) == ["N", "S"]
    await shop.measure(lot, 10.0)
    assert await run("report", 421) == ["N", "S"]
    (lot,) = await shop.lots(state="Pending", stage="N")
    assert Decimal(lot["lot_qty"]) == 161

    await to(shop, NOW + timedelta(minutes=59))
    await look(shop.quality)
    assert await shop.lots(state="Pending", stage="M") == []
    await to(shop, NOW + timedelta(minutes=60))
    await look(shop.quality)
    (timed,) = await shop.lots(state="Pending", stage="M")
    assert timed["cause"] == "every_minutes"

    (shift,) = await shop.lots(state="Pending", stage="S")
    await shop.measure(shift, 10.0)
    await to(shop, NOW + timedelta(hours=9, minutes=59))
    await look(shop.quality)
    assert await shop.lots(state="Pending", stage="S") == []
    await to(shop, NOW + timedelta(hours=10))
    await look(shop.quality)
    assert len(await shop.lots(state="Pending", stage="S")) == 1

    # a paused job is over: nothing is waited for any more
    await shop.step(job, "Running", "Aborted", "abort", good_qty="421")
    assert await shop.lots(state="Pending,InProgress") == []
    completed = await shop.events(quality_pb2.InspectionCompleted)
    assert [each.lot.state for each in completed] == ["Passed", "Passed", "Cancelled", "Cancelled", "Cancelled"]


async def test_final_inspection_by_aql_and_its_gate(shop: Shop) -> None:
    await shop.define(
        stage(
            "FQC", "per_lot", sampling="aql", aql="1.0", inspection_level="II", gate=True,
            characteristics=[attribute("FINAL")],
        )
    )  # fmt: skip
    job = uuid4()
    await shop.step(job, "Running", "Running", "report", good_qty="480", scrap_qty="19", remaining_qty="1")
    assert await shop.lots() == []
    await shop.step(job, "Running", "Running", "report", good_qty="481", scrap_qty="19", remaining_qty="0")
    (lot,) = await shop.lots(state="Pending")
    assert (lot["stage"], lot["code_letter"], lot["sample_size"], lot["accept"], lot["severity"]) == (
        "FQC", "H", 50, 1, "normal",
    )  # fmt: skip
    characteristic = lot["characteristics"][0]["characteristic_id"]
    path = f"/inspection-lots/{lot['inspection_lot_id']}/measurements"
    some = [{"characteristic_id": characteristic, "defects": 1, "qty": 30}]
    assert (await shop.post(path, inspector="w7", measurements=some))["missing"] == {"FINAL": 20}
    rest = [{"characteristic_id": characteristic, "defects": 1, "qty": 20}]
    assert (await shop.post(path, inspector="w7", measurements=rest))["state"] == "Failed"
    (problem,) = await shop.get("/nonconformances")
    assert Decimal(problem["qty"]) == 481

    path = f"/nonconformances/{problem['nonconformance_id']}/disposition"
    part = {"kind": "scrap", "qty": "2", "reason": "cracked", "make_up": True}
    refused = await shop.post(path, 422, dispositions=[part])
    assert refused["code"] == "disposition.quantity"
    rework = {
        "kind": "rework", "qty": "9", "reason": "burrs",
        "rework_operations": [{"name": {"zh": "去毛刺", "en": "Deburr"}, "setup_s": 600, "run_s_per_unit": "4.5"}],
    }  # fmt: skip
    rest_of_it = {"kind": "use_as_is", "qty": "470", "reason": "sorted"}
    decided = await shop.post(path, actor="engineer", dispositions=[part, rework, rest_of_it])
    assert decided["state"] == "Dispositioned"
    (event,) = await shop.events(quality_pb2.NonconformanceDispositioned)
    assert [(each.kind, each.qty, each.make_up, each.approved_by) for each in event.dispositions] == [
        ("scrap", "2", True, "engineer"), ("rework", "9", False, "engineer"), ("use_as_is", "470", False, "engineer"),
    ]  # fmt: skip
    assert event.dispositions[1].rework_operations[0].run_s_per_unit == "4.5"
    gate = (await shop.events(quality_pb2.InspectionCompleted))[-1].lot
    assert (gate.state, gate.gate) == ("Partial", True)
    (state,) = await shop.get("/sampling-states")
    assert (state["severity"], state["recent"]) == ("normal", [False])

    base = f"/nonconformances/{problem['nonconformance_id']}"
    assert (await shop.post(f"{base}/close", 409))["params"]["legal"] == ["execute"]
    await shop.post(f"{base}/execute", actor="w7")
    assert (await shop.post(f"{base}/verify", 409, actor="w7"))["code"] == "nonconformance.same_person"
    await shop.post(f"{base}/verify", actor="w8")
    assert (await shop.post(f"{base}/close", actor="w8"))["state"] == "Closed"
    assert len(await shop.events(quality_pb2.NonconformanceClosed)) == 1
    again = await shop.post(f"{base}/reopen", reason="it came back", qty="3")
    assert (again["state"], again["qty"], again["dispositions"]) == ("UnderReview", "3", [])


async def test_two_failed_lots_tighten_the_next(shop: Shop) -> None:
    await shop.define(
        stage("FQC", "per_lot", sampling="aql", aql="1.0", inspection_level="II", characteristics=[attribute("FINAL")])
    )
    for _ in range(2):
        await shop.step(uuid4(), "Running", "Done", "finish", good_qty="500", remaining_qty="0")
        (lot,) = await shop.lots(state="Pending")
        body = [{"characteristic_id": lot["characteristics"][0]["characteristic_id"], "defects": 9, "qty": 50}]
        path = f"/inspection-lots/{lot['inspection_lot_id']}/measurements"
        await shop.post(path, inspector="w7", measurements=body)
    await shop.step(uuid4(), "Running", "Done", "finish", good_qty="1000", remaining_qty="0")
    (lot,) = await shop.lots(state="Pending")
    assert (lot["severity"], lot["code_letter"], lot["sample_size"], lot["accept"]) == ("tightened", "J", 80, 1)


async def test_deliveries_from_outside_are_lots(shop: Shop) -> None:
    await shop.define(stage("IQC", "per_lot", gate=True, sample_size=2))
    job = uuid4()
    await shop.step(job, "Ready", "Sent", "send", kind="outside")
    for qty in ("300", "200"):
        moved = order_pb2.OutsideMoved(job_id=str(job), order_id=str(shop.order), direction="returned", qty=qty)
        await shop.tell((moved, shop.order))
    lots = await shop.lots(state="Pending", stage="IQC")
    assert [(each["lot_qty"], each["cause"]) for each in lots] == [("300", "delivery"), ("200", "delivery")]
    assert (await shop.measure(lots[0], 10.0, 10.5))["state"] == "Failed"
    (problem,) = await shop.get("/nonconformances")
    assert problem["qty"] == "300"
    # done does not open a further one
    await shop.step(job, "Returned", "Done", "finish", kind="outside", good_qty="500", remaining_qty="0")
    assert len(await shop.lots()) == 2


async def test_plans_that_come_after_the_job_and_orders_that_end(shop: Shop) -> None:
    job = uuid4()
    await shop.step(job, "Ready", "Setup", "start_setup")
    assert await shop.lots() == []
    await shop.define(first_off(variable("HOLE")))
    assert len(await shop.lots(state="Pending")) == 1
    ended = order_pb2.OrderStateChanged(
        order=order_pb2.Order(order_id=str(shop.order), state="Cancelled"), from_state="InProgress", verb="cancel"
    )
    await shop.tell((ended, shop.order))
    assert await shop.lots(state="Pending") == []
    answer = await shop.post("/inspection-lots", 422, job_id=str(job), stage="FQC")
    assert answer["code"] == "quality.no_stage"
    made = await shop.post("/inspection-lots", 201, job_id=str(job), stage="FAI", reason="once more")
    assert made["cause"] == "once more"
    refused = await shop.post("/inspection-lots", 409, job_id=str(job), stage="FAI")
    assert refused["code"] == "inspection_lot.waiting"
    await shop.post(f"/inspection-lots/{made['inspection_lot_id']}/cancel", reason="no need")
    refused = await shop.post(f"/inspection-lots/{made['inspection_lot_id']}/reinspect", 409, reason="but")
    assert refused["params"]["state"] == "Cancelled" and refused["params"]["legal"] == []


async def test_a_nonconformance_by_hand_and_a_result_taken_back(shop: Shop) -> None:
    await shop.define(first_off(variable("HOLE"), n=1))
    job = uuid4()
    await shop.step(job, "Ready", "Setup", "start_setup")
    (lot,) = await shop.lots()
    await shop.measure(lot, 10.0)
    back = await shop.post(f"/inspection-lots/{lot['inspection_lot_id']}/reverse", reason="gauge was wrong")
    assert back["state"] == "Reversed"
    (problem,) = await shop.get("/nonconformances")
    await shop.post(f"/nonconformances/{problem['nonconformance_id']}/cancel", reason="the gauge was right")
    assert [each["round"] for each in await shop.lots(state="ReInspection")] == [2]
    made = await shop.post("/nonconformances", 201, job_id=str(job), defect="scratches", qty="12.5", note="box 3")
    assert (made["no"], made["qty"], made["hold"]) == ("NC-000002", "12.5", True)
    await shop.post(f"/nonconformances/{made['nonconformance_id']}/contain", reason="box set apart")
    gone = await shop.post(f"/nonconformances/{made['nonconformance_id']}/cancel", reason="clean after all")
    assert gone["state"] == "Cancelled"
    closed = await shop.events(quality_pb2.NonconformanceClosed)
    assert [each.nonconformance.state for each in closed] == ["Cancelled", "Cancelled"]
    answer = await shop.post("/nonconformances", 404, job_id=str(uuid4()), defect="x", qty="1")
    assert answer["code"] == "quality.job_unknown"
