"""The quality service at work on a real PostgreSQL and the real log, and an order service that only tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
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
from sqlalchemy.ext.asyncio import create_async_engine

from services.quality.service import service

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


@asynccontextmanager
async def opened(databases: TestDatabases) -> AsyncIterator[Shop]:
    """A shop in which nothing is defined yet."""
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
