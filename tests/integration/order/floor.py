"""A shop floor for tests: the order service at work, the other services only tell what they are told to tell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import APIRouter
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.clock import ClockState
from mes.events.v1 import order_pb2, scheduling_pb2
from mes.front import mount_services, root_app
from mes.ids import new_id
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime, ServiceRuntime
from mes.service import Service
from mes.tables import service_metadata
from mes.testing import TestDatabases
from sqlalchemy import MetaData, select
from sqlalchemy.ext.asyncio import create_async_engine

from services.order.models import Definition, Job, ProductionOrder
from services.order.service import service

NOW = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


class Floor:
    """The running services, an HTTP client at their root, and every event of the order service's own."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient, heard: list[tuple[Message, Meta]]) -> None:
        self.runtime, self.http, self.heard = runtime, http, heard
        self.machines: list[UUID] = []
        self.material = uuid4()

    @property
    def order(self) -> ServiceRuntime:
        return self.runtime.services["order"]

    async def idle(self) -> None:
        assert await self.runtime.wait_idle(30) == []

    async def tell(self, service: str, *events: tuple[Message, UUID]) -> None:
        teller = self.runtime.services[service]
        async with teller.transaction() as session:
            for event, key in events:
                outbox.publish(session, teller.context(), event, key=key)
        await self.idle()

    async def add(self, *rows: Any) -> None:
        async with self.order.transaction() as session:
            session.add_all(rows)

    async def define(self, machines: int = 2) -> None:
        """So many machines more, and one product and scrap reason."""
        site, known = self.order.site_id, len(self.machines)
        self.machines += [new_id() for _ in range(machines - known)]
        rows = [
            Definition(
                id=machine, site_id=site, kind="equipment", no=f"M-{n}", changed_at=NOW, changed_by="t",
                spec={"equipment_id": str(machine), "no": f"M-{n}", "name": {"zh": f"冲床{n}", "en": f"Press {n}"}},
            )
            for n, machine in enumerate(self.machines[known:], start=known + 1)
        ]  # fmt: skip
        await self.add(*rows)
        if known:
            return
        material = Definition(
            id=self.material, site_id=site, kind="material", no="FG-001", changed_at=NOW, changed_by="t",
            spec={"no": "FG-001", "name": {"zh": "铰链", "en": "Hinge"}, "stock_uom": "pcs", "report_uom": "pcs"},
        )  # fmt: skip
        scrap = Definition(
            id=new_id(), site_id=site, kind="reason", no="S-DIM", changed_at=NOW, changed_by="t",
            spec={"code": "S-DIM", "kind": "scrap", "name": {"zh": "尺寸超差", "en": "Out of size"}},
        )  # fmt: skip
        await self.add(material, scrap)

    def new_order(self, no: str, **more: Any) -> ProductionOrder:
        values: dict[str, Any] = {
            "id": new_id(), "site_id": self.order.site_id, "no": no, "material_id": self.material, "qty": 100,
            "uom": "pcs", "state": "Released", "created_at": NOW, "created_by": "t", "due_at": after(3 * 1440),
        }  # fmt: skip
        return ProductionOrder(**(values | more))

    def new_job(self, order: ProductionOrder, seq: int, **more: Any) -> Job:
        values: dict[str, Any] = {
            "id": new_id(), "site_id": self.order.site_id, "order_id": order.id, "code": f"{order.no}-{seq}",
            "seq": seq, "name_zh": f"冲压{seq}", "name_en": f"Blanking {seq}", "kind": "internal", "state": "Ready",
            "material_id": self.material, "uom": "pcs", "qty": 100,
            "alternatives": [
                {"equipment_id": str(each), "setup_s": 600, "run_s_per_unit": "2.4", "preference": n}
                for n, each in enumerate(self.machines[:2], start=1)
            ],
        }  # fmt: skip
        return Job(**(values | more))

    def planned(self, job: Job, machine: UUID | None, start: float, rank: int = 1) -> scheduling_pb2.ScheduledOperation:
        return scheduling_pb2.ScheduledOperation(
            job_id=str(job.id), order_id=str(job.order_id), equipment_id=str(machine or ""), rank=rank,
            setup_start=stamp(after(start)), start=stamp(after(start)), end=stamp(after(start + 30)), cause="none",
        )  # fmt: skip

    def version(
        self, no: int, changed: Sequence[scheduling_pb2.ScheduledOperation], **more: Any
    ) -> scheduling_pb2.SchedulePublished:
        values: dict[str, Any] = {"version_id": str(uuid4()), "chunk": 0, "chunks": 1, "published_at": stamp(NOW)}
        return scheduling_pb2.SchedulePublished(
            version_no=no, changed=changed, solver="rule:ATCS", trigger="released", **(values | more)
        )

    async def publish(self, *versions: scheduling_pb2.SchedulePublished) -> None:
        await self.tell("scheduling", *((each, self.order.site_id) for each in versions))

    async def job(self, job_id: UUID) -> Job:
        async with self.order.read() as session:
            return (await session.scalars(select(Job).where(Job.id == job_id))).one()

    async def get(self, path: str, language: str = "en", **params: Any) -> Any:
        answer = await self.http.get(path, params=params, headers={"Accept-Language": language})
        assert answer.status_code == 200, answer.text
        return answer.json()


def _listener(heard: list[tuple[Message, Meta]]) -> Service:
    listening = Consumers()

    async def hear(session: Any, ctx: Any, event: Message, meta: Meta) -> None:
        heard.append((event, meta))

    listening.on(order_pb2.JobChanged)(hear)
    return Service("listener", service_metadata(), APIRouter(), listening, listens_to=("order",))


async def _database(databases: TestDatabases, url: str, metadata: MetaData) -> None:
    name = url.rsplit("/", 1)[1].split("?")[0]
    await databases._execute(f'CREATE DATABASE "{name}"')
    databases._made.append(name)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


@asynccontextmanager
async def open_floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    """A floor at work, its business clock standing at `NOW`."""
    settings = await databases.settings(["order"], clock_start=NOW.isoformat())
    heard: list[tuple[Message, Meta]] = []
    services = [service, _listener(heard)]
    services += [Service(name, service_metadata(), APIRouter()) for name in ("scheduling", "equipment", "quality")]
    for each in services[1:]:
        await _database(databases, settings.service_url(each.name), each.metadata)
    runtime = Runtime(settings, services)
    await runtime.start()
    try:
        await runtime.set_clock(ClockState(NOW.timestamp(), NOW.timestamp(), 1.0, "stepped"))
        app = root_app(runtime, manage=False)
        mount_services(app, runtime)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://floor") as http:
            floor = Floor(runtime, http, heard)
            await floor.define()
            yield floor
    finally:
        await runtime.stop()
