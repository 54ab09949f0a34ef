"""The two small services of the platform's tests as a product to kill: `python -m tests.faults.tiny_product`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import httpx
from mes.config import Settings
from mes.embedded import EmbeddedServer
from mes.service import Service
from mes.web import Session, service_router
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli.serving import serving
from tests.faults.checker import Balance, Event, Observed, Place
from tests.faults.history import Attempt, Request
from tests.integration.platform.tiny import TABLES, Seen, mirror, shop

NAMES = (*TABLES, "log")
_shown = service_router()


@_shown.get("/seen")
async def seen(session: Session) -> list[dict[str, Any]]:
    """What the mirror has counted."""
    return [
        {"id": str(row.id), "events": row.events, "qty": str(row.qty), "last": row.last, "disorder": row.disorder}
        for row in await session.scalars(select(Seen))
    ]


def services() -> list[Service]:
    """Both services; the mirror shows what it counted."""
    return [shop, replace(mirror, router=_shown)]


async def _make_tables(settings: Settings) -> None:
    for name, metadata in TABLES.items():
        engine = create_async_engine(settings.service_url(name))
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        await engine.dispose()


async def _serve(settings: Settings) -> None:
    await _make_tables(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(stop.set))
    async with serving(settings, services()) as server:
        await stop.wait()
        server.should_exit = True


def main() -> None:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    settings = Settings(port=parser.parse_args().port)
    with EmbeddedServer(settings.home, databases=NAMES) as server:
        asyncio.run(_serve(server.settings(settings)))


class TinyWorkload:
    """Makes orders and reports on them, each report under a name of its own."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self._orders: list[str] = []

    async def prepare(self, http: httpx.AsyncClient) -> None:
        """There is nothing to look for."""

    def next(self) -> Request | None:
        """An order now and then, reports most of the time."""
        self._count += 1
        mark, key = f"f{self._count:06}", str(UUID(int=self._random.getrandbits(128), version=4))
        if not self._orders or self._random.random() < 0.2:
            return Request("order", mark, "/shop/orders", {"no": mark}, key)
        path = f"/shop/orders/{self._random.choice(self._orders)}/reports"
        return Request("report", mark, path, {"good_qty": "1"}, key)

    async def learn(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        """A new order can be reported on."""
        if attempt.request.kind == "order" and attempt.outcome == "ok":
            self._orders.append(attempt.answer["id"])

    async def observe(self, http: httpx.AsyncClient, log: Sequence[Event]) -> Observed:
        """Orders as the shop shows them against what the mirror counted."""
        mirrored = {row["id"]: row for row in (await http.get("/mirror/seen")).raise_for_status().json()}
        shown = [(await http.get(f"/shop/orders/{order}")).raise_for_status().json() for order in self._orders]
        balances = [
            Balance(f"quantity of {order['no']}", order["qty"], mirrored.get(order["id"], {}).get("qty"))
            for order in shown
        ]
        balances += [Balance(f"disorder in {row['id']}", 0, row["disorder"]) for row in mirrored.values()]
        balances += [Balance(f"events of {row['id']}", row["events"], row["last"]) for row in mirrored.values()]
        return Observed([Place("orders", "order", Counter(order["no"] for order in shown))], balances, log=log)


if __name__ == "__main__":
    main()
