"""The quality service on a real PostgreSQL and the real log: jobs in, lots, measurements, decisions, events out."""

from __future__ import annotations

from uuid import uuid4

from mes.events.v1 import quality_pb2
from mes.runtime import ServiceRuntime
from sqlalchemy import text

from services.quality.service import service
from services.quality.tasks import look
from tests.integration.quality.shop import OUT, Shop, attribute, first_off, variable


async def test_the_first_article_from_setup_to_a_decision(shop: Shop) -> None:
    await shop.define(first_off(variable("HOLE"), attribute("LOOK")))
    job = uuid4()
    await shop.step(job, "Ready", "Setup", "start_setup")
    (lot,) = await shop.lots(state="Pending,InProgress,ReInspection")
    assert (lot["stage"], lot["gate"], lot["sample_size"], lot["equipment_no"]) == ("FAI", True, 3, "P-01")
    (opened,) = await shop.events(quality_pb2.InspectionLotOpened)
    assert (opened.lot.inspection_lot_id, opened.lot.state) == (lot["inspection_lot_id"], "Pending")

    taken = await shop.measure(lot, 10.0, 10.02)
    assert (taken["state"], taken["missing"]) == ("InProgress", {"HOLE": 1, "LOOK": 1})
    taken = await shop.measure(lot, 10.2)
    assert (taken["state"], taken["missing"]) == ("Failed", {})
    (completed,) = await shop.events(quality_pb2.InspectionCompleted)
    assert (completed.lot.state, len(completed.measurements)) == ("Failed", 6)
    assert [each.conforming for each in completed.measurements].count(False) == 1
    (problem,) = await shop.get("/nonconformances", state="Registered,Contained,UnderReview")
    assert (problem["source"], problem["defect"], problem["qty"], problem["hold"]) == ("inspection", "HOLE", "0", True)
    assert problem["nonconformance_id"] == taken["nonconformance_id"]

    await shop.post(
        f"/nonconformances/{problem['nonconformance_id']}/disposition",
        dispositions=[{"kind": "use_as_is", "qty": "0", "reason": "adjusted"}],
    )
    shown = await shop.get(f"/nonconformances/{problem['nonconformance_id']}")
    assert shown["state"] == "Closed"
    assert [each["to"] for each in shown["history"]] == [
        "Registered", "Dispositioned", "Executing", "Verified", "Closed",
    ]  # fmt: skip
    (again,) = await shop.lots(state="Pending,InProgress,ReInspection")
    assert again["inspection_lot_id"] != lot["inspection_lot_id"]
    assert (again["stage"], again["gate"], again["cause"]) == ("FAI", True, problem["no"])
    assert (await shop.measure(again, 10.0, 10.0, 10.0))["state"] == "Passed"
    order = [type(each).__name__ for each in await shop.events(*OUT)]
    assert order == [
        "InspectionLotOpened", "InspectionCompleted", "NonconformanceOpened", "NonconformanceDispositioned",
        "InspectionLotOpened", "NonconformanceClosed", "InspectionCompleted",
    ]  # fmt: skip
    # back from the hold, then on to production: no further first article
    await shop.step(job, "Held", "Setup", "resume")
    await shop.step(job, "Setup", "Running", "start")
    assert await shop.lots(state="Pending") == []
    # another machine wants one of its own
    shop.machine = uuid4()
    await shop.step(job, "Paused", "Setup", "start_setup")
    assert len(await shop.lots(state="Pending")) == 1


async def test_what_comes_late_or_twice_is_kept_once_and_decides_nothing(shop: Shop) -> None:
    await shop.define(first_off(variable("HOLE"), n=1))
    await shop.step(uuid4(), "Ready", "Setup", "start_setup")
    (lot,) = await shop.lots()
    path = f"/inspection-lots/{lot['inspection_lot_id']}/measurements"
    characteristic = lot["characteristics"][0]["characteristic_id"]
    body = {
        "inspector": "w7",
        "measurements": [{"characteristic_id": characteristic, "value": 10.0, "measurement_id": str(uuid4())}],
    }
    first = (await shop.http.post(path, json=body)).json()
    assert (first["accepted"], first["state"]) == (1, "Passed")
    second = (await shop.http.post(path, json=body)).json()
    assert (second["accepted"], second["duplicates"]) == (0, 1)
    late = await shop.measure(lot, 11.0)
    assert (late["late"], late["state"]) == (True, "Passed")
    detail = await shop.get(f"/inspection-lots/{lot['inspection_lot_id']}")
    assert [(each["value"], each["late"]) for each in detail["measurements"]] == [(10.0, False), (11.0, True)]
    assert len(await shop.events(quality_pb2.InspectionCompleted)) == 1


async def test_a_wrong_measurement_is_named_and_nothing_is_stored(shop: Shop) -> None:
    await shop.define(first_off(variable("HOLE"), attribute("LOOK"), n=1))
    await shop.step(uuid4(), "Ready", "Setup", "start_setup")
    (lot,) = await shop.lots()
    hole, look_at = (each["characteristic_id"] for each in lot["characteristics"])
    wrong = [
        {"characteristic_id": hole, "value": 10.0},
        {"characteristic_id": str(uuid4()), "value": 1.0},
        {"characteristic_id": look_at, "value": 1.0},
        {"characteristic_id": hole, "defects": 1},
    ]
    answer = await shop.http.post(
        f"/inspection-lots/{lot['inspection_lot_id']}/measurements",
        json={"inspector": "w7", "measurements": wrong},
        headers={"Accept-Language": "en"},
    )
    assert answer.status_code == 422
    problem = answer.json()
    assert [each["field"] for each in problem["errors"]] == [
        "measurements.1.characteristic_id", "measurements.2.defects", "measurements.3.value",
    ]  # fmt: skip
    assert "HOLE, LOOK" in problem["errors"][0]["message"]
    assert (await shop.get(f"/inspection-lots/{lot['inspection_lot_id']}"))["measurements"] == []


async def test_the_same_event_twice_and_a_restart_change_nothing(shop: Shop) -> None:
    await shop.define(first_off(variable("HOLE"), n=1))
    job = uuid4()
    await shop.step(job, "Ready", "Setup", "start_setup")
    # the log delivers again what the group has committed
    quality = shop.quality
    async with quality.transaction() as session:
        before = (await session.execute(text("SELECT count(*) FROM inbox"))).scalar_one()
    await quality.stop()
    again = ServiceRuntime(service, shop.runtime.settings, shop.runtime.clock, shop.runtime.bus)
    shop.runtime.services["quality"] = again
    again.group = f"{again.group}-replayed"
    await again.start()
    assert await shop.runtime.wait_idle(20) == []
    async with again.transaction() as session:
        assert (await session.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == before
        assert (await session.execute(text("SELECT count(*) FROM inspection_lot"))).scalar_one() == 1
    await look(again)
