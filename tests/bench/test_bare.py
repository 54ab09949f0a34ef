"""The bare handlers that the API is measured against run the same statements and give the same answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mes.runtime import Runtime
from mes.testing import TestDatabases
from mes.web import service_app
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.cli.client import IMPORT, read_import
from services.order.service import service
from tests.bench.bare import KINDS, core_on, make_app

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "foshan-hardware.xlsx"
ORDER = {"material_no": "FG-001", "qty": "400", "due_at": "2026-03-13T09:00:00Z", "priority": 3}


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench")


def shape(statement: str) -> str:
    """What a statement does to which tables, however it is written."""
    words = re.findall(r"\b(SELECT|INSERT INTO|UPDATE|FROM|JOIN)\s+(\w+)?", statement)
    return " ".join(f"{verb} {table}" if verb != "SELECT" else verb for verb, table in words)


@pytest.fixture
async def product(databases: TestDatabases) -> AsyncIterator[Runtime]:
    """The order service with the sample's materials."""
    runtime = Runtime(await databases.settings(["order"]), [service])
    await runtime.start()
    try:
        async with client(service_app(runtime.services["order"])) as http:
            answer = await http.post(
                IMPORT.removeprefix("/order"), files={"file": read_import(SAMPLE)}, headers={"Idempotency-Key": "i"}
            )
            assert answer.is_success, answer.text
        assert await runtime.wait_idle(60) == []
        yield runtime
    finally:
        await runtime.stop()


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    own = {"order_id", "no", "created_at"}
    return {k: v for k, v in one.items() if k not in own} == {k: v for k, v in other.items() if k not in own}


async def test_bare_handlers_answer_as_the_product_does(product: Runtime) -> None:
    url = product.settings.service_url("order")
    async with client(service_app(product.services["order"])) as http:
        made = await http.post("/orders", json={**ORDER, "no": "P-1"}, headers={"Idempotency-Key": "p"})
        read = await http.get(f"/orders/{made.json()['order_id']}")
    for name, kind in KINDS.items():
        async with kind(url, 2) as transaction, client(make_app(transaction)) as http:
            body = {**ORDER, "no": f"{name}-1"}
            bare = await http.post("/orders", json=body, headers={"Idempotency-Key": name})
            assert bare.status_code == made.status_code, bare.text
            assert same(bare.json(), made.json())
            again = await http.post("/orders", json=body, headers={"Idempotency-Key": name})
            assert again.content == bare.content
            shown = await http.get(f"/orders/{bare.json()['order_id']}")
            assert same(shown.json(), read.json())


async def test_bare_handlers_run_the_same_statements(product: Runtime) -> None:
    running, engine = product.services["order"], create_async_engine(product.settings.service_url("order"))
    async with client(service_app(running)) as http:
        ours = await _statements(http, running.database.engine, running.database.reading)
    async with client(make_app(core_on(engine))) as http:
        theirs = await _statements(http, engine)
    await engine.dispose()
    assert sorted(ours) == sorted(theirs)


async def _statements(http: httpx.AsyncClient, *engines: AsyncEngine) -> list[str]:
    """Shapes of the statements of one POST and one GET; relay and consumers work in tasks of their own."""
    heard: list[str] = []
    here = asyncio.current_task()

    def hear(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if asyncio.current_task() is here:
            heard.append(shape(statement))

    async def post(no: str) -> str:
        answer = await http.post("/orders", json={**ORDER, "no": no}, headers={"Idempotency-Key": no})
        return str(answer.json()["order_id"])

    # The first request prepares what later ones find prepared.
    order = await post(f"first {id(engines)}")
    for engine in engines:
        event.listen(engine.sync_engine, "before_cursor_execute", hear)
    await post(f"second {id(engines)}")
    await http.get(f"/orders/{order}")
    for engine in engines:
        event.remove(engine.sync_engine, "before_cursor_execute", hear)
    return heard
