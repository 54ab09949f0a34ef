"""The scheduling service at work on a real PostgreSQL and the real log; neighbours only tell what tests say."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.clock import ClockState, Mode
from mes.config import Settings
from mes.events.v1 import equipment_pb2, order_pb2, scheduling_pb2
from mes.ids import new_id
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime, ServiceRuntime
from mes.service import Service
from mes.tables import service_metadata
from mes.testing import TestDatabases
from mes.web import service_app
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.scheduling.service import service

# A Monday, 08:00 in Shanghai.
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WAIT_S = 60


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


class Plant:
    """The service, its API, what it published, and the voices of its neighbours."""

    runtime: Runtime
    http: httpx.AsyncClient

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.heard: list[Message] = []
        self.jobs: dict[str, order_pb2.Job] = {}
        self.orders: dict[str, order_pb2.Order] = {}

    async def begin(self) -> None:
        listening = Consumers()

        async def hear(session: Any, ctx: Any, event: Message, meta: Meta) -> None:
            self.heard.append(event)

        listening.on(
            scheduling_pb2.SchedulePublished,
            scheduling_pb2.PromisesChanged,
            scheduling_pb2.ScheduleRunFinished,
            scheduling_pb2.ScenarioFinished,
            scheduling_pb2.PlanningDecided,
        )(hear)
        voices = [Service(name, service_metadata(), APIRouter()) for name in ("order", "equipment")]
        listener = Service("listener", service_metadata(), APIRouter(), listening, listens_to=("scheduling",))
        self.runtime = Runtime(self.settings, [*voices, service, listener])
        await self.runtime.start()
        transport = httpx.ASGITransport(app=service_app(self.scheduling))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://plant")

    async def end(self) -> None:
        await self.http.aclose()
        await self.runtime.stop()

    @property
    def scheduling(self) -> ServiceRuntime:
        return self.runtime.services["scheduling"]

    # ---- time ----

    def now(self) -> datetime:
        return self.runtime.clock.now()

    async def set_clock(self, moment: datetime, mode: Mode) -> None:
        await self.runtime.set_clock(ClockState(moment.timestamp(), time.time(), 1.0, mode))

    async def step(self, minutes: float) -> None:
        await self.set_clock(self.now() + timedelta(minutes=minutes), "stepped")
        await self.idle()

    async def idle(self) -> None:
        assert await self.runtime.wait_idle(WAIT_S) == []

    # ---- what neighbours tell ----

    async def tell(self, *events: tuple[Message, UUID | str], voice: str = "order", wait: bool = True) -> None:
        speaker = self.runtime.services[voice]
        async with speaker.transaction() as session:
            for event, key in events:
                outbox.publish(session, speaker.context(), event, key=key)
        if wait:
            await self.idle()

    async def machine(self, no: str, **more: Any) -> str:
        event = order_pb2.EquipmentDefined(equipment_id=str(new_id()), no=no, **more)
        await self.tell((event, event.equipment_id))
        return str(event.equipment_id)

    async def state(self, machine: str, category: str, until: datetime | None = None) -> None:
        event = equipment_pb2.EquipmentStateChanged(
            equipment_id=machine, category=category, since=stamp(self.now()),
            expected_until=stamp(until) if until else None,
        )  # fmt: skip
        await self.tell((event, machine), voice="equipment")

    def order(self, no: str, operations: Sequence[Sequence[str]], *, seconds: int = 3600, **more: Any) -> Message:
        """An order released with a chain of jobs; each of the operations names the machines that can do it."""
        more = {"priority": 5, "deadline_type": "Soft", "due_at": stamp(self.now() + timedelta(days=5)), **more}
        order = order_pb2.Order(order_id=str(new_id()), no=no, state="Released", qty="1", version=1, **more)
        jobs: list[order_pb2.Job] = []
        for seq, machines in enumerate(operations, start=1):
            ways = [order_pb2.JobAlternative(equipment_id=one, run_s_per_unit=str(seconds)) for one in machines]
            job = order_pb2.Job(
                job_id=str(new_id()), order_id=order.order_id, order_no=no, code=f"{no}-{seq}", seq=seq,
                kind="internal", state="Waiting" if jobs else "Ready", alternatives=ways,
                predecessor_ids=[jobs[-1].job_id] if jobs else [],
                qty="1", remaining_qty="1", interruptible=True, version=1,
            )  # fmt: skip
            jobs.append(job)
            self.jobs[job.code] = job
        self.orders[no] = order
        return order_pb2.OrderReleased(order=order, jobs=jobs)

    async def release(self, no: str, operations: Sequence[Sequence[str]], **more: Any) -> None:
        event = self.order(no, operations, **more)
        await self.tell((event, self.orders[no].order_id))

    async def change(self, code: str, verb: str, wait: bool = True, **fields: Any) -> None:
        """A job changed; times are moments."""
        job = self.jobs[code]
        before, job.version = job.state, job.version + 1
        for name, value in fields.items():
            if isinstance(value, datetime):
                getattr(job, name).CopyFrom(stamp(value))
            else:
                setattr(job, name, value)
        event = order_pb2.JobChanged(job=job, from_state=before, verb=verb)
        await self.tell((event, job.order_id), wait=wait)

    async def start(self, code: str, machine: str) -> None:
        await self.change(code, "start", state="Running", equipment_id=machine, started_at=self.now())

    async def finish(self, code: str) -> None:
        await self.change(code, "finish", state="Done", remaining_qty="0", good_qty="1", finished_at=self.now())

    async def change_order(self, no: str, verb: str, **fields: Any) -> None:
        order = self.orders[no]
        order.version += 1
        for name, value in fields.items():
            if isinstance(value, datetime):
                getattr(order, name).CopyFrom(stamp(value))
            else:
                setattr(order, name, value)
        await self.tell((order_pb2.OrderStateChanged(order=order, verb=verb), order.order_id))

    # ---- what the service answers ----

    async def plan(self) -> dict[str, Any]:
        """The published plan from the events alone: job code -> its operation, in minutes from `NOW`."""
        await self.idle()
        codes = {job.job_id: code for code, job in self.jobs.items()}
        known: dict[str, scheduling_pb2.ScheduledOperation] = {}
        for event in self.published():
            known |= {each.job_id: each for each in event.changed}
            for job in event.removed_job_ids:
                known.pop(job, None)
        return {codes.get(job, job): each for job, each in known.items()}

    def published(self) -> list[scheduling_pb2.SchedulePublished]:
        return [each for each in self.heard if isinstance(each, scheduling_pb2.SchedulePublished)]

    def versions(self) -> int:
        return max((each.version_no for each in self.published()), default=0)

    def runs(self) -> list[scheduling_pb2.ScheduleRunFinished]:
        return [each for each in self.heard if isinstance(each, scheduling_pb2.ScheduleRunFinished)]

    async def get(self, path: str, status: int = 200, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = await self.http.post(path, json=body, headers={"Idempotency-Key": str(uuid4()), "X-Actor": "planner"})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def sql(self, statement: str, **values: Any) -> Any:
        async with self.scheduling.transaction() as session:
            result = await session.execute(text(statement), values)
            return result.all() if result.returns_rows else None


def minutes(moment: Timestamp) -> Decimal:
    """Minutes since `NOW`."""
    return Decimal((moment.ToDatetime(tzinfo=UTC) - NOW).total_seconds()) / 60


async def plain_database(databases: TestDatabases, url: str) -> None:
    """A database with the tables that every service has."""
    name = url.rsplit("/", 1)[1].split("?")[0]
    await databases._execute(f'CREATE DATABASE "{name}"')
    databases._made.append(name)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(service_metadata().create_all)
    await engine.dispose()


@pytest.fixture
async def plant(databases: TestDatabases) -> AsyncIterator[Plant]:
    settings = await databases.settings(["scheduling"], clock_start=NOW.isoformat())
    for name in ("order", "equipment", "listener"):
        await plain_database(databases, settings.service_url(name))
    made = Plant(settings)
    try:
        await made.begin()
        await made.set_clock(NOW, "stepped")
        yield made
    finally:
        await made.end()
