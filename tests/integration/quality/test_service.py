"""The quality service on a real PostgreSQL and the real log: jobs in, lots, measurements, decisions, events out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.clock import ClockState
from mes.events.v1 import common_pb2, order_pb2, quality_pb2
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime, ServiceRuntime
from mes.service import Service
from mes.tables import service_metadata
from mes.testing import TestDatabases
from mes.web import service_app
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.quality.service import service
from services.quality.tasks import look

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
OUT = (
    quality_pb2.InspectionLotOpened,
    quality_pb2.InspectionCompleted,
    quality_pb2.ControlChartSignal,
    quality_pb2.NonconformanceOpened,
    quality_pb2.NonconformanceDispositioned,
    quality_pb2.NonconformanceClosed,
)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def variable(no: str, **more: Any) -> order_pb2.Characteristic:
    kwargs: dict[str, Any] = {"kind": "variable", "unit": "mm", "lsl": 9.9, "target": 10.0, "usl": 10.1, **more}
    return order_pb2.Characteristic(
        characteristic_id=str(uuid4()), no=no, name=common_pb2.Name(zh="孔距", en="Distance"), **kwargs
    )


def attribute(no: str, **more: Any) -> order_pb2.Characteristic:
    return order_pb2.Characteristic(
        characteristic_id=str(uuid4()), no=no, name=common_pb2.Name(zh="外观", en="Look"), kind="attribute", **more
    )


class Shop:
    """The service at work, its API, and an order service that only tells what it is told to tell."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient, heard: list[Message]) -> None:
        self.runtime, self.http, self.heard = runtime, http, heard
        self.order, self.machine, self.material, self.plan = uuid4(), uuid4(), uuid4(), uuid4()
        self.version = 0

    @property
    def quality(self) -> ServiceRuntime:
        return self.runtime.services["quality"]

    async def tell(self, *events: tuple[Message, UUID]) -> None:
        order = self.runtime.services["order"]
        async with order.transaction() as session:
            for event, key in events:
                outbox.publish(session, order.context(), event, key=key)
        assert await self.runtime.wait_idle(20) == []

    async def define(self, *stages: order_pb2.InspectionStage) -> None:
        plan = order_pb2.InspectionPlanDefined(inspection_plan_id=str(self.plan), no="IP-1", stages=stages)
        machine = order_pb2.EquipmentDefined(equipment_id=str(self.machine), no="P-01")
        material = order_pb2.MaterialDefined(material_id=str(self.material), no="FG-001")
        await self.tell((plan, self.plan), (machine, self.machine), (material, self.material))

    def job(self, job_id: UUID, state: str, **more: Any) -> order_pb2.Job:
        self.version += 1
        values: dict[str, Any] = {"qty": "500", "remaining_qty": "500", "first_article": True, "kind": "internal"}
        return order_pb2.Job(
            job_id=str(job_id), order_id=str(self.order), order_no="O-1", code="J1", seq=10, state=state,
            inspection_plan_id=str(self.plan), material_id=str(self.material), equipment_id=str(self.machine),
            version=self.version, **{**values, **more},
        )  # fmt: skip

    async def step(self, job_id: UUID, from_state: str, state: str, verb: str, **more: Any) -> None:
        event = order_pb2.JobChanged(job=self.job(job_id, state, **more), from_state=from_state, verb=verb)
        await self.tell((event, self.order))

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, actor: str = "w7", **body: Any) -> Any:
        headers = {"Idempotency-Key": str(uuid4()), "X-Actor": actor}
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def lots(self, **params: Any) -> list[Any]:
        return list(await self.get("/inspection-lots", **params))

    async def measure(self, lot: dict[str, Any], *values: float | None, defects: int = 0, **more: Any) -> Any:
        """The same values (or defects) for every characteristic of a lot."""
        batch = []
        for each in lot["characteristics"]:
            for value in values:
                measured = {"value": value} if each["kind"] == "variable" else {"defects": defects}
                batch.append({"characteristic_id": each["characteristic_id"], "gauge": "G-01", **measured})
        path = f"/inspection-lots/{lot['inspection_lot_id']}/measurements"
        return await self.post(path, inspector="w7", measurements=batch, **more)

    async def events(self, *kinds: type[Message]) -> list[Any]:
        assert await self.runtime.wait_idle(20) == []
        return [each for each in self.heard if isinstance(each, kinds)]


@pytest.fixture
async def shop(databases: TestDatabases) -> AsyncIterator[Shop]:
    settings = await databases.settings(["quality"], clock_start=NOW.isoformat())
    for name in ("order", "listener"):
        await _plain_database(databases, settings.service_url(name))
    heard: list[Message] = []
    listening = Consumers()

    async def hear(session: Any, ctx: Any, event: Message, meta: Meta) -> None:
        heard.append(event)

    listening.on(*OUT)(hear)
    order = Service("order", service_metadata(), APIRouter())
    listener = Service("listener", service_metadata(), APIRouter(), listening, listens_to=("quality",))
    runtime = Runtime(settings, [order, service, listener])
    await runtime.start()
    try:
        await runtime.set_clock(ClockState(NOW.timestamp(), NOW.timestamp(), 1.0, "stepped"))
        transport = httpx.ASGITransport(app=service_app(runtime.services["quality"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            yield Shop(runtime, http, heard)
    finally:
        await runtime.stop()


async def _plain_database(databases: TestDatabases, url: str) -> None:
    """A database with the tables that every service has."""
    name = url.rsplit("/", 1)[1].split("?")[0]
    await databases._execute(f'CREATE DATABASE "{name}"')
    databases._made.append(name)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(service_metadata().create_all)
    await engine.dispose()


def first_off(*characteristics: order_pb2.Characteristic, n: int = 3) -> order_pb2.InspectionStage:
    return order_pb2.InspectionStage(
        stage="FAI", trigger="first_off", sampling="fixed", sample_size=n, gate=True, characteristics=characteristics
    )


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
    (again,) = await shop.lots(state="ReInspection")
    assert (again["inspection_lot_id"], again["round"]) == (lot["inspection_lot_id"], 2)
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
