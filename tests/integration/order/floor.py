"""A shop floor for tests: the order service at work; what the other services would tell is written to the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mes.bus import Record
from mes.clock import ClockState
from mes.events.v1 import scheduling_pb2
from mes.front import mount_services, root_app
from mes.ids import new_id
from mes.runtime import Runtime, ServiceRuntime
from mes.testing import TestDatabases
from sqlalchemy import select, text

from services.order.models import Definition, Job, ProductionOrder
from services.order.service import service

Event = TypeVar("Event", bound=Message)
NOW = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


class Floor:
    """The running service and an HTTP client at the root of the instance."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient) -> None:
        self.runtime, self.http = runtime, http
        self._told = 0
        self.machines: list[UUID] = []
        self.material = uuid4()

    @property
    def order(self) -> ServiceRuntime:
        return self.runtime.services["order"]

    async def idle(self) -> None:
        assert await self.runtime.wait_idle(30) == []

    async def tell(self, service: str, *events: tuple[Message, UUID]) -> None:
        """Append events to a service's topic, and wait until they have had all their effects."""
        records = []
        for event, key in events:
            self._told += 1
            headers = {
                "ce_specversion": "1.0", "ce_id": str(new_id()), "ce_source": f"mes.{service}",
                "ce_type": event.DESCRIPTOR.full_name,
                "ce_time": self.runtime.clock.now().isoformat(), "ce_site": str(self.order.site_id),
                "ce_actor": "system", "ce_sequence": str(self._told),
            }  # fmt: skip
            records.append(Record(f"mes.{service}.v1", str(key), event.SerializeToString(), headers))
        await self.runtime.bus.append(records)
        await self.idle()

    async def published(self, kind: type[Event]) -> list[Event]:
        """Events of a kind that the order service published, in order."""
        query = text("SELECT payload FROM outbox WHERE headers->>'ce_type' = :name ORDER BY position")
        async with self.order.read() as session:
            rows = await session.scalars(query, {"name": kind.DESCRIPTOR.full_name})
            return [kind.FromString(each) for each in rows]

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


@asynccontextmanager
async def open_floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    """A floor at work, its business clock standing at `NOW`."""
    settings = await databases.settings(["order"], clock_start=NOW.isoformat())
    runtime = Runtime(settings, [service])
    await runtime.start()
    try:
        await runtime.set_clock(ClockState(NOW.timestamp(), NOW.timestamp(), 1.0, "stepped"))
        app = root_app(runtime, manage=False)
        mount_services(app, runtime)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://floor") as http:
            floor = Floor(runtime, http)
            await floor.define()
            yield floor
    finally:
        await runtime.stop()
