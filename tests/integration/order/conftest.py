"""A shop with a few machines, the order service at work on a real PostgreSQL, and the log of its events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from google.protobuf.message import Message
from mes.bus import Record
from mes.clock import ClockState
from mes.runtime import Runtime, ServiceRuntime
from mes.testing import TestDatabases
from mes.web import service_app

from services.order.models import Definition
from services.order.service import service

# A Monday, 08:00 in Shanghai.
NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Shop:
    """The service, its API, and what it told."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient) -> None:
        self.runtime, self.http = runtime, http
        self.ids: dict[str, UUID] = {}
        self.now = NOW

    @property
    def order_service(self) -> ServiceRuntime:
        return self.runtime.services["order"]

    def machine(self, no: str) -> str:
        return str(self.ids[no])

    # ---- definitions ----

    async def define(self, what: str, no: str, /, **spec: Any) -> UUID:
        """Store a definition as the import does; its id in the field of its kind."""
        made = self.ids[no] = uuid4()
        row = Definition(
            id=made, site_id=self.order_service.site_id, kind=what, no=no,
            spec={_ID[what]: str(made), "no": no, **spec},
            outdated=False, version=1, changed_at=NOW, changed_by="test",
        )  # fmt: skip
        async with self.order_service.transaction() as session:
            session.add(row)
        return made

    async def product(self, no: str, *operations: dict[str, Any], **material: Any) -> UUID:
        """A material with an accepted routing; operations follow each other unless they name predecessors."""
        units = {"stock_uom": "kg", "order_uom": "pcs", "report_uom": "pcs", "order_factor": "0.05",
                 "report_factor": "0.05"}  # fmt: skip
        found = await self.define("material", no, **{**units, **material})
        befores = [[], *([each["seq"]] for each in operations)]
        rows = [{"predecessors": before, **each} for before, each in zip(befores, operations, strict=False)]
        await self.define(
            "routing", f"{no}/A", material_id=str(found), revision="A", status="Accepted", operations=rows
        )
        return found

    def op(self, seq: int, *machines: str, **more: Any) -> dict[str, Any]:
        """An operation that each of the machines can do in two seconds a piece."""
        ways = [{"equipment_id": self.machine(each), "run_s_per_unit": "2", "setup_s": 600} for each in machines]
        return {
            "routing_operation_id": str(uuid4()), "seq": seq, "name": {"zh": f"工序{seq}", "en": f"Operation {seq}"},
            "kind": "internal", "alternatives": ways, "interruptible": True, **more,
        }  # fmt: skip

    def outside(self, seq: int, **more: Any) -> dict[str, Any]:
        """An operation at a supplier."""
        return self.op(seq, kind="outside", supplier="HF", lead_days=2, **more)

    async def worker(self, code: str, **skills: str) -> UUID:
        """A registered worker: skill = last valid day, "" for one without end."""
        held = [{"skill": skill, "valid_to": valid_to} for skill, valid_to in skills.items()]
        return await self.define("worker", code, code=code, skills=held)

    # ---- requests ----

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, *, actor: str = "w7", key: str = "", **body: Any) -> Any:
        headers = {"Idempotency-Key": key or str(uuid4()), "X-Actor": actor, "Accept-Language": "en"}
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def released(self, material: str, qty: int = 100, **more: Any) -> tuple[Any, list[Any]]:
        """A released order of a material, and its jobs along the routing."""
        order = await self.post("/orders", 201, material_no=material, qty=str(qty), **more)
        await self.post(f"/orders/{order['order_id']}/release")
        return await self.order(order["order_id"]), await self.jobs(order["order_id"])

    async def order(self, order_id: str) -> Any:
        return await self.get(f"/orders/{order_id}")

    async def jobs(self, order_id: str) -> list[Any]:
        found: list[Any] = await self.get(f"/orders/{order_id}/jobs")
        for job in found:
            balanced(job)
        return found

    async def job(self, job_id: str) -> Any:
        return balanced(await self.get(f"/jobs/{job_id}"))

    async def verb(self, job: Any, verb: str, status: int = 200, **body: Any) -> Any:
        return await self.post(f"/jobs/{job['job_id']}/{verb}", status, **body)

    async def complete(self, job: Any, good: int, **body: Any) -> Any:
        return await self.verb(job, "complete", 201, good_qty=str(good), **body)

    # ---- events ----

    async def events(self, *kinds: type[Message]) -> list[Any]:
        """What the service told, in the order of the log of each order."""
        assert await self.runtime.wait_idle(20) == []
        names = {kind.DESCRIPTOR.full_name: kind for kind in kinds}
        records = await self.runtime.bus.read(self.order_service.topic, limit=10_000)
        records.sort(key=lambda each: each.headers["ce_time"])
        return [names[each.headers["ce_type"]].FromString(each.value) for each in records
                if each.headers["ce_type"] in names]  # fmt: skip

    async def tell(self, source: str, event: Message, key: str | UUID) -> None:
        """Another service says something, and everything that follows has happened."""
        headers = {
            "ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_source": f"mes.{source}",
            "ce_type": event.DESCRIPTOR.full_name,
            "ce_time": self.now.isoformat(), "ce_subject": str(key), "ce_actor": "inspector", "ce_sequence": "1",
            "ce_site": str(self.order_service.site_id),
        }  # fmt: skip
        await self.runtime.bus.append([Record(f"mes.{source}.v1", str(key), event.SerializeToString(), headers)])
        assert await self.runtime.wait_idle(20) == []

    async def advance(self, **span: float) -> None:
        self.now += timedelta(**span)
        await self.runtime.set_clock(self.runtime.clock.advanced(self.now))


_ID = {
    "material": "material_id", "routing": "routing_revision_id", "calendar": "calendar_id",
    "work_centre": "work_centre_id", "equipment": "equipment_id", "inspection_plan": "inspection_plan_id",
    "reason": "reason_id", "worker": "worker_id",
}  # fmt: skip


def balanced(job: Any) -> Any:
    """The ledger of a job holds."""
    q = {name: Decimal(job[f"{name}_qty"]) for name in ("good", "scrap", "rework", "remaining", "written_off", "over")}
    assert Decimal(job["qty"]) + q["over"] == q["good"] + q["scrap"] + q["rework"] + q["remaining"] + q["written_off"]
    assert min(q.values()) >= 0
    return job


@pytest.fixture
async def shop(databases: TestDatabases) -> AsyncIterator[Shop]:
    settings = await databases.settings(["order"], clock_start=NOW.isoformat())
    runtime = Runtime(settings, [service])
    await runtime.start()
    try:
        await runtime.set_clock(ClockState(NOW.timestamp(), NOW.timestamp(), 1.0, "stepped"))
        transport = httpx.ASGITransport(app=service_app(runtime.services["order"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            shop = Shop(runtime, http)
            await places(shop)
            yield shop
    finally:
        await runtime.stop()


async def places(shop: Shop) -> None:
    """Machines, their calendar, and a few reasons."""
    shift = {"weekdays": [1, 2, 3, 4, 5], "breaks": [{"start": "12:00", "end": "13:00"}]}
    shifts = [{"shift": "D", "start": "08:00", "end": "17:00", **shift},
              {"shift": "N", "start": "22:00", "end": "06:00", "weekdays": [1, 2, 3, 4, 5]}]  # fmt: skip
    calendar = await shop.define("calendar", "CAL", time_zone="Asia/Shanghai", shifts=shifts)
    centre = await shop.define("work_centre", "WC", calendar_id=str(calendar))
    for no in ("P-01", "P-02", "T-01", "O-01", "Q-01"):
        await shop.define("equipment", no, work_centre_id=str(centre), is_networked=no == "P-01")
    await shop.define("reason", "S-BURR", code="S-BURR", kind="scrap", scrap_class="operator")
    await shop.define("reason", "S-TRIAL", code="S-TRIAL", kind="scrap", scrap_class="setup")
