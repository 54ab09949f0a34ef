"""The whole product: how long it takes to get ready, orders through the loop, memory while its workshop works."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
from mes.embedded.server import free_port

from services.cli.client import IMPORT, read_import
from tests.bench.load import Connection, request_bytes
from tests.bench.memory import pss_bytes
from tests.bench.overhead import SAMPLE
from tests.faults.victim import Victim

_SERVICES = ("order", "scheduling", "equipment", "quality")


@dataclass(slots=True)
class House:
    """first, again: seconds from the command to ready. per_second: orders from POST to the promise of the plan that
    came back. memory: PSS in bytes by program, at its highest."""

    first: float
    again: float
    orders: int
    per_second: float
    memory: dict[str, int]


def measure_house(home: Path, *, orders: int = 200, starts: int = 3, work_seconds: float = 60) -> House:
    """Start, load, work, stop, start again."""
    loop = home / "loop"
    victim = _victim(loop, ("serve", *_SERVICES))
    try:
        victim.start()
        first = victim.wait_ready()
        per_second = asyncio.run(_through_the_loop(victim, orders))
        victim.stop()
    finally:
        victim.kill(database_too=True)
    again, memory = _work(home / "work", starts, work_seconds)
    return House(first, again, orders, per_second, memory)


def _victim(home: Path, arguments: Sequence[str]) -> Victim:
    home.mkdir(mode=0o711)
    return Victim("services", arguments, home, free_port(), home / "output.log")


def _work(home: Path, starts: int, seconds: float) -> tuple[float, dict[str, int]]:
    """The sample workshop at work: the highest memory of some looks; then starts of what is set up."""
    victim = _victim(home, ("run", "--sample", "foshan"))
    try:
        victim.start()
        victim.wait_ready()
        most: dict[str, int] = {}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(5.0, seconds))
            found = pss_bytes([*victim.alive(database=False), *victim.alive(database=True)])
            most = max(most, found, key=lambda each: sum(each.values()))
        victim.stop()
        again = []
        for _ in range(starts):
            victim.start()
            again.append(victim.wait_ready())
            victim.stop()
    finally:
        victim.kill(database_too=True)
    return statistics.median(again), most


async def _through_the_loop(victim: Victim, count: int) -> float:
    async with httpx.AsyncClient(base_url=victim.address, timeout=300) as http:
        answer = await http.post(IMPORT, files={"file": read_import(SAMPLE)}, headers={"Idempotency-Key": str(uuid4())})
        answer.raise_for_status()
        while not (await http.get("/idle", params={"wait": 30})).json()["idle"]:
            pass
        began = time.perf_counter()
        made = await _create_and_release(victim.port, count)
        while not await _all_promised(http, made):  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.1)
        return count / (time.perf_counter() - began)


async def _create_and_release(port: int, count: int) -> set[str]:
    """Orders from sixteen people at once; their numbers."""
    made: set[str] = set()

    async def work() -> None:
        connection = await Connection.open(port)
        while len(made) < count:
            no = f"L-{len(made)}"
            made.add(no)
            body = {"material_no": "FG-001", "qty": "10", "no": no, "priority": 5}
            answer = await connection.send(request_bytes("POST", "/order/orders", body, idempotency_key=no))
            order = httpx.Response(answer.status, content=answer.body).json()["order_id"]
            path = f"/order/orders/{order}/release"
            released = await connection.send(request_bytes("POST", path, {}, idempotency_key=no))
            if released.status != 200:
                raise RuntimeError(released.body.decode())
        await connection.close()

    await asyncio.gather(*(work() for _ in range(16)))
    return made


async def _all_promised(http: httpx.AsyncClient, made: set[str]) -> bool:
    rows = (await http.get("/order/orders", params={"limit": 1000})).raise_for_status().json()
    return made <= {row["no"] for row in rows if row["projected_end"]}
