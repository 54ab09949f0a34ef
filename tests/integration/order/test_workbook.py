"""The workbook through the API on a real PostgreSQL and the real log."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter
from google.protobuf.message import Message
from mes.clock import ClockState
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime
from mes.service import Service
from mes.tables import service_metadata
from mes.testing import TestDatabases
from mes.web import service_app
from openpyxl import load_workbook
from sqlalchemy.ext.asyncio import create_async_engine

from examples.foshan.tables import make_tables
from examples.instances import make_tables as make_instance
from examples.instances import read_instance
from examples.tables import Tables, write_workbook
from services.order.service import service

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DEFINED = (
    order_pb2.MaterialDefined, order_pb2.CalendarDefined, order_pb2.WorkCentreDefined, order_pb2.EquipmentDefined,
    order_pb2.SetupMatrixDefined, order_pb2.ReasonDefined, order_pb2.InspectionPlanDefined,
    order_pb2.RoutingRevisionDefined,
)  # fmt: skip


class Office:
    """Somebody who imports workbooks, and what everybody else hears of it."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient, heard: list[tuple[str, Message]]) -> None:
        self.runtime, self.http, self.heard = runtime, http, heard

    async def send(self, path: str, content: bytes, name: str = "book.xlsx", **options: Any) -> httpx.Response:
        return await self.http.post(
            f"/workbook/{path}",
            params={key: str(value).lower() if isinstance(value, bool) else value for key, value in options.items()},
            files={"file": (name, content, XLSX)},
            headers={"Idempotency-Key": str(uuid4()), "X-Actor": "planner", "Accept-Language": "en"},
        )

    async def preview(self, content: bytes, name: str = "book.xlsx", **options: Any) -> Any:
        answer = await self.send("preview", content, name, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def load(self, content: bytes, name: str = "book.xlsx", status: int = 200, **options: Any) -> Any:
        answer = await self.send("import", content, name, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def export(self) -> bytes:
        answer = await self.http.get("/workbook/export.xlsx")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def orders(self) -> dict[str, Any]:
        rows = await self.get("/orders", limit=1000)
        return {each["no"]: each for each in (rows["items"] if isinstance(rows, dict) else rows)}

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self.http.post(path, json=body, headers={"Idempotency-Key": str(uuid4()), "X-Actor": "w1"})
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def idle(self) -> list[tuple[str, Message]]:
        assert await self.runtime.wait_idle(30) == []
        return self.heard


def xlsx(tables: Tables, folder: Path) -> bytes:
    path = folder / f"{uuid4()}.xlsx"
    write_workbook(tables, path)
    return path.read_bytes()


@pytest.fixture
async def office(databases: TestDatabases) -> AsyncIterator[Office]:
    settings = await databases.settings(["order"], clock_start=NOW.isoformat())
    speakers = ("scheduling", "equipment", "quality")
    for name in (*speakers, "listener"):
        await _plain_database(databases, settings.service_url(name))
    heard: list[tuple[str, Message]] = []
    listening = Consumers()

    async def hear(session: Any, ctx: Any, event: Message, meta: Meta) -> None:
        heard.append((meta.subject, event))

    listening.on(*DEFINED, order_pb2.OrderCreated, order_pb2.OrderChanged)(hear)
    others = [Service(name, service_metadata(), APIRouter()) for name in speakers]
    listener = Service("listener", service_metadata(), APIRouter(), listening, listens_to=("order",))
    runtime = Runtime(settings, [service, *others, listener])
    await runtime.start()
    try:
        await runtime.set_clock(ClockState(NOW.timestamp(), NOW.timestamp(), 1.0, "stepped"))
        transport = httpx.ASGITransport(app=service_app(runtime.services["order"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://office") as http:
            yield Office(runtime, http, heard)
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


@pytest.fixture(scope="module")
def sample() -> Tables:
    return make_tables()


async def test_the_sample_is_imported_published_and_comes_back_unchanged(
    office: Office, sample: Tables, tmp_path: Path
) -> None:
    content = xlsx(sample, tmp_path)
    seen = await office.preview(content)
    assert (seen["errors"], seen["importable"], seen["imported"]) == ([], True, False)
    assert await office.get("/definitions/materials") == []
    began = monotonic()
    done = await office.load(content)
    print(f"sample imported in {monotonic() - began:.2f} s")
    assert done["token"] == seen["token"]
    assert done["counts"] == {"added": len(done["changes"]), "changed": 0, "removed": 0, "errors": 0, "skipped": 0}

    heard = await office.idle()
    counted = Counter(type(event).__name__ for _, event in heard)
    assert counted == {
        "MaterialDefined": 26, "CalendarDefined": 2, "WorkCentreDefined": 9, "EquipmentDefined": 16,
        "SetupMatrixDefined": 1, "ReasonDefined": 31, "InspectionPlanDefined": 10, "RoutingRevisionDefined": 20,
        "OrderCreated": 80,
    }  # fmt: skip
    for key, event in heard:
        if isinstance(event, order_pb2.RoutingRevisionDefined):
            assert key == event.routing_revision_id
        if isinstance(event, order_pb2.SetupMatrixDefined):
            assert key == str(office.runtime.services["order"].site_id)
            assert len(event.entries) == 32

    for again in (content, await office.export()):
        assert (await office.preview(again))["changes"] == []
        assert (await office.load(again))["changes"] == []
    assert len(await office.idle()) == len(heard)


@pytest.mark.parametrize(("path", "orders"), [("flexible/mk10.txt", 20), ("jobshop/bel00.txt", 792)])
async def test_public_instances_are_imported_in_time(
    office: Office, shared_data: Path, tmp_path: Path, path: str, orders: int
) -> None:
    content = xlsx(make_instance(read_instance(shared_data / "scheduling" / path)), tmp_path)
    began = monotonic()
    seen = await office.preview(content)
    looked = monotonic()
    done = await office.load(content)
    took = monotonic() - looked
    print(f"{path}: preview {looked - began:.2f} s, import {took:.2f} s")
    assert seen["errors"] == [] and done["token"] == seen["token"]
    assert len(await office.orders()) == orders
    began = monotonic()
    again = await office.export()
    print(f"export {monotonic() - began:.2f} s")
    assert (await office.load(again))["changes"] == []
    assert (await office.load(content))["changes"] == []
    # Aim: 10 s on two cores of our own.
    assert took < 30
