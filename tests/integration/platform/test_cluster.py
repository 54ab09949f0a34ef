"""The cluster's shape on one machine, as processes: what dies is started again, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import psutil
import pytest
from mes.config import Settings
from mes.embedded.server import free_port
from mes.testing import TestDatabases

from services.cli.client import do_import, read_import
from services.cli.cluster import Cluster, processes
from services.cli.composition import load_services, service_names
from services.cli.gateway import Upstreams, gateway_app
from services.cli.serving import address_of, http_for, migrate
from tests.e2e.shop import EPOCH, workbook


@pytest.fixture
async def settings(databases: TestDatabases, tmp_path: Path) -> Settings:
    return await databases.settings(service_names(), port=free_port(), clock_start=EPOCH.isoformat(), home=tmp_path)


@pytest.fixture
async def cluster(settings: Settings) -> AsyncIterator[Cluster]:
    await migrate(settings, load_services())
    async with processes(settings, service_names(), 1) as made:
        yield made
        pids = [child.pid for child in made.children]
    assert not [pid for pid in pids if pid and psutil.pid_exists(pid)]


@pytest.fixture
async def http(cluster: Cluster, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = gateway_app(Upstreams(cluster.addresses), {"/t": "/order/t"}, ZoneInfo(settings.time_zone))
    async with http_for(settings, app) as server:
        async with httpx.AsyncClient(base_url=address_of(settings), timeout=60) as client:
            yield client
        server.should_exit = True


async def post(http: httpx.AsyncClient, path: str, body: dict[str, object]) -> httpx.Response:
    """As a careful client: again with the same key until the answer is known."""
    key = str(uuid4())
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = await http.post(path, json=body, headers={"Idempotency-Key": key})
            if answer.status_code < 500 and answer.json().get("code") != "http.in_flight":
                return answer
        await asyncio.sleep(0.05)


async def at_rest(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(90):
        while not (await http.get("/idle", params={"wait": 10})).json()["idle"]:
            pass


async def test_what_dies_is_started_again_and_nothing_is_lost(
    http: httpx.AsyncClient, cluster: Cluster, tmp_path: Path
) -> None:
    await do_import(http, read_import(workbook(tmp_path)))
    await at_rest(http)
    before = {order["no"] for order in (await http.get("/order/orders")).json()}
    made: list[str] = []

    async def order_for_ever() -> None:
        while True:
            no = f"K-{len(made)}"
            answer = await post(http, "/order/orders", {"material_no": "PIN", "qty": "10", "no": no})
            assert answer.status_code == 201, answer.text
            assert (await post(http, f"/order/orders/{answer.json()['order_id']}/release", {})).status_code == 200
            made.append(no)

    ordering = asyncio.create_task(order_for_ever())
    for child in cluster.children:
        here = len(made)
        pid = child.pid
        assert pid is not None
        psutil.Process(pid).kill()
        async with asyncio.timeout(60):
            while child.pid in (None, pid) or len(made) < here + 3:
                assert not ordering.done(), ordering.exception()
                await asyncio.sleep(0.05)
        await child.ready()
    ordering.cancel()
    await asyncio.gather(ordering, return_exceptions=True)
    await at_rest(http)
    assert [child.restarts for child in cluster.children] == [1] * len(cluster.children)
    orders = (await http.get("/order/orders", params={"limit": 1000})).json()
    numbers = [order["no"] for order in orders]
    assert set(made) | before <= set(numbers)
    assert len(numbers) == len(set(numbers))
    jobs = (await http.get("/order/jobs", params={"limit": 1000})).json()
    kept = [job for job in jobs if job["order_no"] in made]
    assert len(kept) == 2 * len(made)
    # What one service released, another one planned.
    assert all(job["planned_start"] for job in kept)


async def test_the_whole_answers_at_one_address(http: httpx.AsyncClient) -> None:
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "failing": {}})
    assert "/quality/docs" in (await http.get("/")).text
    assert (await http.get("/scheduling/openapi.json")).json()["paths"]
    assert (await http.get("/nothing/here")).status_code == 404
    shortcut = await http.get("/t/ABC")
    assert (shortcut.status_code, shortcut.headers["location"]) == (307, "/order/t/ABC")
    refused = await http.post("/order/orders", json={})
    assert (refused.status_code, refused.json()["code"]) == (422, "http.idempotency_key_missing")


async def test_time_stands_still_and_moves_on_everywhere_at_once(http: httpx.AsyncClient, cluster: Cluster) -> None:
    running = (await http.post("/clock/advance", json={"to": "2026-03-03T00:00:00Z"})).json()
    assert running["code"] == "clock.not_stepped"
    (await http.put("/clock", json={"mode": "stepped"})).raise_for_status()
    moved = (await http.post("/clock/advance", json={"to": "2026-03-03T00:00:00Z", "settle": 20})).json()
    assert (moved["now"], moved["idle"]) == ("2026-03-03T00:00:00Z", True)
    for child in cluster.children:
        async with httpx.AsyncClient(base_url=child.address) as one:
            assert (await one.get("/clock")).json()["now"] == "2026-03-03T00:00:00Z"
    back = await http.post("/clock/advance", json={"to": "2026-03-02T00:00:00Z", "settle": 20})
    assert (back.status_code, back.json()["code"]) == (422, "clock.backwards")
