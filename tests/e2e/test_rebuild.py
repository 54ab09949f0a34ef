"""Every projection of every service, made anew from the log, is what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from mes.config import Settings
from mes.embedded.server import free_port
from mes.testing import TestDatabases

from services.cli.client import do_import, read_import
from services.cli.composition import load_services
from services.cli.serving import address_of, serving
from tests.e2e.shop import EPOCH, Person, workbook


async def rows(settings: Settings, service: str, table: str) -> set[str]:
    dsn = settings.service_url(service).replace("postgresql+asyncpg://", "postgresql://")
    connection = await asyncpg.connect(dsn)
    try:
        return {row["row"] for row in await connection.fetch(f'SELECT t::text AS "row" FROM "{table}" t')}  # noqa: S608
    finally:
        await connection.close()


async def work(person: Person) -> None:
    """Orders are planned and reported on, machines say how they are."""
    for order in await person.items("/order/orders"):
        await person.post(f"/order/orders/{order['order_id']}/release")
    await person.settle()
    await person.later(minutes=1)
    machines = await person.items("/order/definitions/equipment")
    for machine in machines[:2]:
        await person.signal(machine["equipment_id"], "state", "red")
    jobs = [each for each in await person.items("/order/jobs") if each["state"] == "Ready"]
    for job in jobs[:3]:
        await person.post(f"/order/jobs/{job['job_id']}/reports", good_qty="1")
    await person.later(minutes=1)


async def test_every_projection_is_what_it_was(databases: TestDatabases, tmp_path: Path) -> None:
    services = load_services()
    names = [service.name for service in services]
    settings = await databases.settings(names, port=free_port(), clock_start=EPOCH.isoformat(), home=tmp_path)
    checked: dict[str, Any] = {}
    async with serving(settings, services) as server:
        async with httpx.AsyncClient(base_url=address_of(settings), timeout=90) as http:
            (await http.put("/clock", json={"mode": "stepped"})).raise_for_status()
            person = Person(http, EPOCH)
            await do_import(http, read_import(workbook(tmp_path)))
            await person.later(minutes=1)
            await work(person)
            for service in services:
                for name, projection in service.projections.items():
                    before = {table.name: await rows(settings, service.name, table.name) for table in projection.tables}
                    answer = await http.post(
                        f"/{service.name}/projections/{name}/rebuild", headers={"Idempotency-Key": str(uuid4())}
                    )
                    assert answer.is_success, answer.text
                    after = {table.name: await rows(settings, service.name, table.name) for table in projection.tables}
                    assert after == before, f"{service.name} {name}"
                    checked[f"{service.name} {name}"] = answer.json()["events"]
        server.should_exit = True
    assert min(checked.values()) > 0, checked
    assert {name.split()[0] for name in checked} == set(names)
