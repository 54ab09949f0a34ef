"""The equipment service on a real PostgreSQL and the real log: signals and runs in, timelines, figures, events out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.clock import ClockState
from mes.events.v1 import common_pb2, equipment_pb2, order_pb2
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime, ServiceRuntime
from mes.service import Service
from mes.tables import service_metadata
from mes.testing import TestDatabases
from mes.web import service_app
from sqlalchemy.ext.asyncio import create_async_engine

from services.equipment.service import service
from services.equipment.tasks import look

# A Monday: 08:00-17:00 in Shanghai is 00:00-09:00 UTC, with an hour's break from 04:00.
DAY = datetime(2026, 11, 23, tzinfo=UTC)
NOW = DAY + timedelta(hours=10)


def at(minutes: float) -> datetime:
    return DAY + timedelta(minutes=minutes)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


class Plant:
    """The service at work, its API, and an order service that only tells what it is told to tell."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient, heard: list[Message]) -> None:
        self.runtime, self.http, self.heard = runtime, http, heard
        self.networked, self.manual, self.calendar = uuid4(), uuid4(), uuid4()

    @property
    def equipment(self) -> ServiceRuntime:
        return self.runtime.services["equipment"]

    async def tell(self, *events: tuple[Message, UUID]) -> None:
        order = self.runtime.services["order"]
        async with order.transaction() as session:
            for event, key in events:
                outbox.publish(session, order.context(), event, key=key)
        assert await self.runtime.wait_idle(20) == []

    async def define(self) -> None:
        shift = order_pb2.ShiftPattern(
            shift="D", weekdays=[1, 2, 3, 4, 5], start="08:00", end="17:00",
            breaks=[order_pb2.ShiftBreak(start="12:00", end="13:00")],
        )  # fmt: skip
        calendar = order_pb2.CalendarDefined(
            calendar_id=str(self.calendar), no="C", time_zone="Asia/Shanghai", shifts=[shift]
        )
        reason = order_pb2.ReasonDefined(reason_id=str(uuid4()), code="D-PM", kind="downtime", category="PLANNED_DOWN")
        await self.tell((calendar, self.calendar), (reason, uuid4()))
        for machine, networked in ((self.networked, True), (self.manual, False)):
            event = order_pb2.EquipmentDefined(
                equipment_id=str(machine), no="N-1" if networked else "H-1", name=common_pb2.Name(zh="机", en="m"),
                calendar_id=str(self.calendar), is_networked=networked, mapping="tower_light" if networked else "",
                signal_timeout_s=3600,
            )  # fmt: skip
            await self.tell((event, machine))

    def signal(self, seq: int | None, minutes: float, kind: str, value: str, **more: Any) -> dict[str, Any]:
        return {
            "equipment_id": str(self.networked), "source": "plc", "session": "s1", "seq": seq,
            "time": at(minutes).isoformat(), "kind": kind, "value": value, **more,
        }  # fmt: skip

    async def send(self, *signals: dict[str, Any]) -> dict[str, Any]:
        answer = await self.http.post("/signals", json={"signals": list(signals)})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 201, **body: Any) -> Any:
        answer = await self.http.post(path, json=body, headers={"Idempotency-Key": str(uuid4()), "X-Actor": "w7"})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def events(self, kind: type[Message]) -> list[Any]:
        assert await self.runtime.wait_idle(20) == []
        return [each for each in self.heard if isinstance(each, kind)]


@pytest.fixture
async def plant(databases: TestDatabases) -> AsyncIterator[Plant]:
    settings = await databases.settings(["equipment"], clock_start=NOW.isoformat())
    for name in ("order", "listener"):
        await _plain_database(databases, settings.service_url(name))
    heard: list[Message] = []
    listening = Consumers()

    async def hear(session: Any, ctx: Any, event: Message, meta: Meta) -> None:
        heard.append(event)

    listening.on(
        equipment_pb2.EquipmentStateChanged, equipment_pb2.CounterAdvanced, equipment_pb2.TimelineCorrected,
        equipment_pb2.EquipmentAlarm,
    )(hear)  # fmt: skip
    order = Service("order", service_metadata(), APIRouter())
    listener = Service("listener", service_metadata(), APIRouter(), listening, listens_to=("equipment",))
    runtime = Runtime(settings, [order, service, listener])
    await runtime.start()
    try:
        await runtime.set_clock(ClockState(NOW.timestamp(), NOW.timestamp(), 1.0, "stepped"))
        transport = httpx.ASGITransport(app=service_app(runtime.services["equipment"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://plant") as http:
            made = Plant(runtime, http, heard)
            await made.define()
            yield made
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


def log_of(plant: Plant) -> list[dict[str, Any]]:
    said = [(0, "state", "green"), (30, "counter", "100"), (60, "counter", "160"), (90, "state", "red"),
            (110, "state", "green"), (120, "counter", "200"), (150, "state", "yellow"), (200, "heartbeat", ""),
            (230, "state", "off"), (300, "state", "green"), (310, "counter", "210"), (420, "counter", "250"),
            (430, "state", "red")]  # fmt: skip
    return [plant.signal(n, minutes, kind, value) for n, (minutes, kind, value) in enumerate(said, start=1)]


async def test_signals_in_events_out(plant: Plant) -> None:
    log = log_of(plant)
    assert await plant.send(*log[:4]) == {"accepted": 4, "duplicates": 0}
    assert await plant.send(*log) == {"accepted": 9, "duplicates": 4}
    changed = [each for each in await plant.events(equipment_pb2.EquipmentStateChanged)
               if each.equipment_id == str(plant.networked)]  # fmt: skip
    assert changed
    counted = await plant.events(equipment_pb2.CounterAdvanced)
    assert sum(Decimal(each.counts) for each in counted) == 150
    assert not any(each.correction for each in counted)
    shown = await plant.get("/timeline", equipment=plant.networked, **{"from": at(0).isoformat()})
    assert shown["counts"] == {"count": "150"}
    assert [each["category"] for each in shown["intervals"]][:4] == [
        "PRODUCING", "UNPLANNED_DOWN", "PRODUCING", "STANDBY",
    ]  # fmt: skip
    total = sum(Decimal(each["seconds"]) for each in shown["by_shift"])
    assert total == sum(Decimal(each["seconds"]) for each in shown["intervals"]) == 10 * 3600


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_and_duplication_of_batches_gives_the_same_timeline(plant: Plant, seed: int) -> None:
    random = Random(seed)
    log = log_of(plant)
    other = [{**each, "seq": None, "source": "lamp", "session": ""} for each in log if each["kind"] == "state"]
    whole = log + other
    shuffled = [*whole, *random.choices(whole, k=8)]
    random.shuffle(shuffled)
    while shuffled:
        size = random.randint(1, 6)
        await plant.send(*shuffled[:size])
        shuffled = shuffled[size:]
    piecemeal = await plant.get("/timeline", equipment=plant.networked, **{"from": at(-60).isoformat()})
    twin = uuid4()
    event = order_pb2.EquipmentDefined(
        equipment_id=str(twin), no="N-2", calendar_id=str(plant.calendar), is_networked=True, mapping="tower_light",
        signal_timeout_s=3600,
    )  # fmt: skip
    await plant.tell((event, twin))
    await plant.send(*[{**each, "equipment_id": str(twin), "source": f"{each['source']}2"} for each in whole])
    at_once = await plant.get("/timeline", equipment=twin, **{"from": at(-60).isoformat()})
    for part in ("raw", "intervals", "by_shift"):
        assert [_bare(each) for each in piecemeal[part]] == [_bare(each) for each in at_once[part]]
    assert piecemeal["counts"] == at_once["counts"]
    counts = [each for each in await plant.events(equipment_pb2.CounterAdvanced)
              if each.equipment_id == str(plant.networked)]  # fmt: skip
    assert sum(Decimal(each.counts) for each in counts) == 150


def _bare(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in {"ids", "interval_id"}}


async def test_late_data_is_folded_in_and_announced_as_a_correction(plant: Plant) -> None:
    log = log_of(plant)
    await plant.send(*log[:3], *log[4:])
    await plant.send(log[3])
    corrected = await plant.events(equipment_pb2.TimelineCorrected)
    assert [(each.cause, each.window.start.ToDatetime(tzinfo=UTC)) for each in corrected] == [("late_signal", at(0))]


async def test_a_wrong_item_is_named_and_nothing_is_stored(plant: Plant) -> None:
    good, lost = plant.signal(1, 0, "state", "green"), plant.signal(2, 5, "counter", "many")
    future = plant.signal(3, 60 * 24, "heartbeat", "")
    nobody = {**plant.signal(4, 6, "heartbeat", ""), "equipment_id": str(uuid4())}
    answer = await plant.http.post(
        "/signals", json={"signals": [good, lost, future, nobody]}, headers={"Accept-Language": "en"}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    errors = answer.json()["errors"]
    assert [(each["index"], each["code"]) for each in errors] == [
        (1, "signal.counter_value"), (2, "signal.from_the_future"), (3, "equipment.unknown"),
    ]  # fmt: skip
    assert all(each["message"] != each["code"] for each in errors)
    assert await plant.send(good) == {"accepted": 1, "duplicates": 0}


def run_event(plant: Plant, run: UUID, order: UUID, job: UUID, start: float, end: float | None) -> Message:
    common = {
        "run_id": str(run), "equipment_id": str(plant.manual), "kind": "production",
        "lines": [order_pb2.RunLine(job_id=str(job), order_id=str(order), qty="10")], "started_at": stamp(at(start)),
    }  # fmt: skip
    if end is None:
        return order_pb2.RunOpened(**common)
    return order_pb2.RunClosed(**common, ended_at=stamp(at(end)), cause="finish")


async def test_runs_give_a_machine_without_signals_its_state_and_the_figures_drill_down(plant: Plant) -> None:
    run, order, job = uuid4(), uuid4(), uuid4()
    await plant.tell((run_event(plant, run, order, job, 480, None), order))
    changed = [each for each in await plant.events(equipment_pb2.EquipmentStateChanged)
               if each.equipment_id == str(plant.manual)]  # fmt: skip
    assert (changed[-1].category, changed[-1].source) == ("PRODUCING", "run")
    report = order_pb2.Report(
        report_id=str(uuid4()), job_id=str(job), order_id=str(order), equipment_id=str(plant.manual),
        state="Accepted", good_qty="90", scrap_qty="10", run_s_per_unit="27", production_date="2026-11-23",
        shift="D", occurred_at=stamp(at(530)),
    )  # fmt: skip
    pending = order_pb2.Report()
    pending.CopyFrom(report)
    pending.report_id, pending.state = str(uuid4()), "Pending"
    await plant.tell(
        (run_event(plant, run, order, job, 480, 540), order), (order_pb2.ReportRecorded(report=report), order),
        (order_pb2.ReportRecorded(report=pending), order),
    )  # fmt: skip
    for scope in ({"order": order}, {"equipment": plant.manual, "production_date": "2026-11-23", "shift": "D"}):
        shown = await plant.get("/oee", **scope)
        line = shown["by_equipment"][0]
        assert line["report_ids"] == [report.report_id]
        assert str(run) in line["interval_ids"]
        assert shown["total"]["quantities"]["produced"] == "100"
        assert shown["total"]["quality"] == "0.9"
        assert shown["total"]["times"]["apt"] == "3600"
        apt = sum(Decimal(each["seconds"]) for each in line["intervals"] if each["category"] == "PRODUCING")
        assert apt == 3600
    ordered = await plant.get("/oee", order=order)
    assert ordered["total"]["oee"] == "0.675"
    assert ordered["total"]["effectiveness"]["value"] == "0.75"
    nothing = await plant.get(
        "/oee", equipment=plant.networked, **{"from": at(541).isoformat(), "to": at(560).isoformat()}
    )
    assert nothing["total"]["oee"] is None


async def test_people_stop_reclassify_split_and_history_says_who(plant: Plant) -> None:
    await plant.send(*log_of(plant))
    base = f"/equipment/{plant.networked}"
    await plant.post(f"{base}/split", at=at(100).isoformat())
    await plant.post(f"{base}/reason", start=at(90).isoformat(), end=at(100).isoformat(), reason="D-MECH")
    await plant.post(f"{base}/reason", start=at(100).isoformat(), end=at(110).isoformat(), reason="D-PM")
    shown = await plant.get(
        "/timeline", equipment=plant.networked, **{"from": at(90).isoformat(), "to": at(110).isoformat()}
    )
    assert [(each["category"], each["reason"], each["raw_category"]) for each in shown["intervals"]] == [
        ("UNPLANNED_DOWN", "D-MECH", "UNPLANNED_DOWN"), ("PLANNED_DOWN", "D-PM", "UNPLANNED_DOWN"),
    ]  # fmt: skip
    stop = await plant.post(f"{base}/stops", start=at(160).isoformat(), reason="D-WAIT")
    assert (stop["auto_closed"], stop["end"]) == (True, at(300).isoformat().replace("+00:00", "Z"))
    said = await plant.get(f"{base}/overlays")
    assert [(each["kind"], each["by"]) for each in said] == [
        ("manual_stop", "w7"),
        ("reason", "w7"),
        ("reason", "w7"),
        ("split", "w7"),
    ]  # fmt: skip
    wrong = await plant.post(f"{base}/reclassify", 422, start=at(5).isoformat(), end=at(6).isoformat(), category="BUSY")
    assert wrong["code"] == "equipment.category_unknown"
    losses = await plant.get(
        "/losses", equipment=plant.networked, **{"from": at(0).isoformat(), "to": at(240).isoformat()}
    )
    assert losses[-1]["cumulative"] == "1"


async def test_silence_becomes_unknown_by_itself(plant: Plant) -> None:
    await plant.send(plant.signal(1, 590, "state", "green"))
    later = NOW + timedelta(hours=2)
    await plant.runtime.set_clock(ClockState(later.timestamp(), later.timestamp(), 1.0, "stepped"))
    await look(plant.equipment)
    row = await plant.get(f"/equipment/{plant.networked}")
    # 20:00 in Shanghai: nobody is scheduled, so silence is not "no data" there.
    assert row["category"] == "NON_SCHEDULED"
    assert row["age_s"] == "7800"


async def test_alarms_are_raised_acknowledged_and_over(plant: Plant) -> None:
    await plant.send(plant.signal(1, 10, "alarm", "spindle hot", name="A17"))
    alarm = (await plant.get("/alarms"))[0]
    assert (alarm["code"], alarm["active"], alarm["acknowledged"]) == ("A17", True, False)
    await plant.post(f"/alarms/{alarm['alarm_id']}/acknowledge", 200)
    await plant.send(plant.signal(2, 20, "alarm", "0", name="A17"))
    assert await plant.get("/alarms") == []
    told = await plant.events(equipment_pb2.EquipmentAlarm)
    assert [(each.active, each.acknowledged) for each in told] == [(True, False), (True, True), (False, True)]


async def test_a_new_mapping_version_holds_from_now_on(plant: Plant) -> None:
    made = await plant.post("/mappings/tower_light/versions", words={"yellow": "SETUP"})
    assert made["version"] == 2
    await plant.send(plant.signal(1, 10, "state", "yellow"))
    shown = await plant.get(
        "/timeline", equipment=plant.networked, **{"from": at(10).isoformat(), "to": at(20).isoformat()}
    )
    assert [each["category"] for each in shown["intervals"]] == ["STANDBY"]
