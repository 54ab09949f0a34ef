"""The order API against bare handlers with the same statements, in turns on one machine and one PostgreSQL."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
from mes.config import Settings
from mes.embedded import EmbeddedServer
from mes.embedded.server import free_port
from mes.migrate import Target, upgrade
from mes.runtime import Runtime
from mes.web import service_app
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli.client import IMPORT, read_import
from services.order.models import Definition
from services.order.service import service
from tests.bench.bare import KINDS
from tests.bench.load import Connection, measure, request_bytes
from tests.faults.victim import ROOT, Victim

SAMPLE = ROOT / "examples" / "foshan-hardware.xlsx"
BARE = tuple(f"bench_{kind}" for kind in KINDS)
DATABASES = ("order", "log", *BARE)
_ORDER = {"material_no": "FG-001", "qty": "400", "due_at": "2026-03-13T09:00:00Z", "priority": 3}


@dataclass(frozen=True, slots=True)
class Size:
    """Requests of one turn at 1 and at 16 connections, and turns of each server."""

    alone: int = 50
    together: int = 200
    turns: int = 15


@dataclass(slots=True)
class Overhead:
    """Median seconds at one connection, and requests per second at sixteen, by server and verb."""

    median: dict[str, dict[str, float]]
    per_second: dict[str, dict[str, float]]


async def _prepare(settings: Settings) -> None:
    """The schema everywhere, the sample's definitions in the product's database, and a copy for the bare handlers."""
    for name in ("order", *BARE):
        await upgrade(Target("order", service.metadata), settings.service_url(name))
    runtime = Runtime(settings, [service])
    await runtime.start()
    try:
        transport = httpx.ASGITransport(app=service_app(runtime.services["order"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", timeout=300) as http:
            path = IMPORT.removeprefix("/order")
            answer = await http.post(path, files={"file": read_import(SAMPLE)}, headers={"Idempotency-Key": "sample"})
            answer.raise_for_status()
        await runtime.wait_idle(120)
    finally:
        await runtime.stop()
    await _copy_definitions(settings)


async def _copy_definitions(settings: Settings) -> None:
    source = create_async_engine(settings.service_url("order"))
    async with source.connect() as connection:
        rows = [dict(row) for row in (await connection.execute(select(Definition.__table__))).mappings()]
    await source.dispose()
    for name in BARE:
        target = create_async_engine(settings.service_url(name))
        async with target.begin() as connection:
            await connection.execute(insert(Definition), rows)
        await target.dispose()


@contextmanager
def _servers(settings: Settings, home: Path) -> Iterator[dict[str, Victim]]:
    """The product's API and the bare handlers, each a process of its own."""
    database = {"MES_DATABASE_URL": settings.database_url}
    servers = {"product": Victim("tests.bench.api", (), home, free_port(), home / "api.log", database)}
    for kind, name in zip(KINDS, BARE, strict=True):
        bare = {"MES_DATABASE_URL": settings.service_url(name)}
        servers[kind] = Victim("tests.bench.bare", (kind,), home, free_port(), home / f"{kind}.log", bare)
    try:
        for each in servers.values():
            each.start()
        for name, each in servers.items():
            each.wait_ready(path="/readyz" if name == "product" else "/openapi.json")
        yield servers
    finally:
        for each in servers.values():
            each.kill()


def _post(prefix: str) -> bytes:
    """The request of a new order."""
    mark = str(uuid4())
    return request_bytes("POST", f"{prefix}/orders", {**_ORDER, "no": mark}, idempotency_key=mark)


async def _makers(servers: dict[str, Victim]) -> dict[str, dict[str, Callable[[], bytes]]]:
    """Makers of requests by verb and server: POST of a new order, GET of one that is there."""
    made: dict[str, dict[str, Callable[[], bytes]]] = {"POST": {}, "GET": {}}
    for name, server in servers.items():
        prefix = "/order" if name == "product" else ""
        connection = await Connection.open(server.port)
        answer = await connection.send(_post(prefix))
        await connection.close()
        order = httpx.Response(201, content=answer.body).json()["order_id"]
        get = request_bytes("GET", f"{prefix}/orders/{order}")
        made["POST"][name] = partial(_post, prefix)
        made["GET"][name] = partial(bytes, get)
    return made


async def _in_turns(servers: dict[str, Victim], size: Size) -> Overhead:
    """Short turns of every server, many times, so that what else the machine does hits all of them alike."""
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rates: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for verb, makers in (await _makers(servers)).items():
        for turn in range(-1, size.turns):
            for name, make in makers.items():
                alone = await measure(servers[name].port, make, count=size.alone, connections=1)
                together = await measure(servers[name].port, make, count=size.together, connections=16)
                if turn >= 0:
                    seconds[verb][name] += alone.seconds
                    rates[verb][name].append(together.per_second)
                await _settle(servers["product"])
    return Overhead(_medians(seconds), _medians(rates))


async def _settle(product: Victim) -> None:
    """What requests published is sent before the next turn."""
    async with httpx.AsyncClient(base_url=product.address) as http:
        await http.get("/idle", params={"wait": 30}, timeout=60)


def _medians(values: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    return {verb: {name: statistics.median(found) for name, found in each.items()} for verb, each in values.items()}


async def measure_overhead(server: EmbeddedServer, size: Size) -> Overhead:
    """Measure on a server that has `DATABASES`."""
    settings = server.settings(Settings())
    await _prepare(settings)
    with _servers(settings, server.home) as servers:
        return await _in_turns(servers, size)
