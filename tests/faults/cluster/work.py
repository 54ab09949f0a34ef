"""What clients outside do with a cluster, and how what became of it is found: by reading the databases and the log.

Most requests make orders; some are released, and men report pieces on their jobs, whatever state these are in: a report
is a fact, so it is kept, Accepted or Pending.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from mes.bus import Received
from mes.config import Settings
from mes.events.v1 import order_pb2
from mes.inbox import dead_letters_of
from mes.runtime import open_bus

from examples.tables import Tables, write_workbook
from services.cli.client import do_import, read_import
from tests.e2e.shop import tables
from tests.faults.campaign import places_in_log
from tests.faults.checker import Balance, Event, Observed, Place
from tests.faults.history import Attempt, Request
from tests.faults.real_product import SERVICES, TOLD_BY, by_order, history_balances

# Header of a record that no service has sent.
INJECTED = "x-injected"
_MOST_OPEN = 6
_ALL = 10_000_000


class ShopWork:
    """The workshop of the end-to-end test, without orders of its own."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self._drafts: list[str] = []
        # Jobs that pieces are reported on, and how many of the requests do so.
        self.jobs: list[str] = []
        self.report_share = 0.25
        self._released = 0

    async def prepare(self, http: httpx.AsyncClient) -> None:
        """The shop is imported; plans are not improved for long, so that the machine has time for the rest."""
        shop = tables()
        shop["orders"] = []
        await do_import(http, await asyncio.to_thread(_as_file, shop))
        answer = await http.get("/scheduling/settings")
        if answer.is_success:
            wish = {**{name: value for name, value in answer.json().items() if name != "version"}, "improvement_s": 0}
            done = await http.put("/scheduling/settings", json=wish, headers={"If-Match": answer.headers["ETag"]})
            done.raise_for_status()

    def next(self) -> Request | None:
        """An order most of the time; a release while few are open; reports."""
        self._count += 1
        mark = f"f{self._count:06}"
        if self._drafts and self._released < _MOST_OPEN:
            self._released += 1
            return self.request("release", mark, f"/order/orders/{self._drafts.pop()}/release", {})
        if self.jobs and self._random.random() < self.report_share:
            path = f"/order/jobs/{self._random.choice(self.jobs)}/reports"
            return self.request("report", mark, path, {"good_qty": str(self._random.randint(1, 3))})
        # So many pieces that reports on its jobs count as long as anybody watches.
        body = {"no": mark, "material_no": "PIN", "qty": "90000", "priority": 1}
        return self.request("order", mark, "/order/orders", body)

    def request(self, kind: str, mark: str, path: str, body: dict[str, Any]) -> Request:
        """A request with a key of its own."""
        return Request(kind, mark, path, body, str(UUID(int=self._random.getrandbits(128), version=4)))

    async def learn(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        """A new order can be released; a released one has jobs."""
        if attempt.outcome != "ok":
            return
        if attempt.request.kind == "order" and self._released < _MOST_OPEN:
            self._drafts.append(attempt.answer["order_id"])
        elif attempt.request.kind == "release":
            order = attempt.request.path.split("/")[3]
            jobs = (await http.get(f"/order/orders/{order}/jobs")).raise_for_status().json()
            self.jobs += [each["job_id"] for each in jobs]


def _as_file(shop: Tables) -> tuple[str, bytes, str]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "shop.xlsx"
        write_workbook(shop, file)
        return read_import(file)


@dataclass(frozen=True, slots=True)
class Log:
    """What a reader outside finds: events, also those that were given up, and the marks of what was injected among
    the dead letters, each as service and mark."""

    events: Sequence[Event]
    dead: set[tuple[str, str]]


async def read_log(settings: Settings) -> Log:
    """Every record of the log."""
    bus, prefix = open_bus(settings), settings.topic_prefix
    await bus.start()
    events: list[Event] = []
    dead: set[tuple[str, str]] = set()
    try:
        for service in SERVICES:
            for record in await bus.read(f"{prefix}.{service}.v1", limit=_ALL):
                if INJECTED not in record.headers:
                    events.append(as_event(record))
            for record in await bus.read(dead_letters_of(service, prefix), limit=_ALL):
                if INJECTED in record.headers:
                    dead.add((service, record.headers[INJECTED]))
                else:
                    events.append(as_event(record))
    finally:
        await bus.close()
    return Log(events, dead)


def as_event(record: Received) -> Event:
    """What the checker wants of a record."""
    h = record.headers
    return Event(
        record.topic, record.partition, record.offset, record.key, h["ce_source"], h["ce_id"], h["ce_type"],
        int(h["ce_sequence"]), h["ce_actor"], _verb(h["ce_type"], record.value),
    )  # fmt: skip


def _verb(kind: str, payload: bytes) -> str:
    changed = order_pb2.JobChanged
    return changed.FromString(payload).verb if kind == changed.DESCRIPTOR.full_name else ""


class Books:
    """What the databases of the services that ran hold in the end."""

    def __init__(self, settings: Settings, services: Sequence[str]) -> None:
        self._settings = settings
        self._services = services

    async def rows(self, service: str, statement: str) -> list[Any]:
        """Rows of one service's database."""
        dsn = self._settings.service_url(service).replace("postgresql+asyncpg://", "postgresql://")
        connection = await asyncpg.connect(dsn)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    async def observe(self, log: Sequence[Event]) -> Observed:
        """Orders, reports and ledgers; histories against the log; what other services know of the jobs."""
        orders = {str(row["id"]): row["no"] for row in await self.rows("order", _ORDERS)}
        reported = Counter(row["reported_by"] for row in await self.rows("order", _REPORTS))
        seen = Observed(
            [Place("orders", "order", Counter(orders.values())), Place("reports", "report", reported)], log=log
        )
        seen.places += places_in_log(log, TOLD_BY)
        for row in await self.rows("order", _LEDGERS):
            seen.balances.append(Balance(f"less than nothing remains of {row['id']}", False, row["remaining"] < 0))
            seen.balances.append(Balance(f"good pieces of {row['id']}", row["good_qty"], row["reported"]))
        entries: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in await self.rows("order", _HISTORY):
            entries[str(row["order_id"])].append(dict(row))
        told = by_order(log)
        for order, no in orders.items():
            seen.balances += history_balances(no, entries[order], told[order])
        seen.balances += await self._jobs()
        return seen

    async def _jobs(self) -> list[Balance]:
        """Every service knows every job as the order service does; the equipment service those on machines."""
        jobs = await self.rows("order", "SELECT id, state, equipment_id FROM job")
        every = {row["id"]: row["state"] for row in jobs}
        on_machines = {row["id"]: row["state"] for row in jobs if row["equipment_id"]}
        found = []
        for service in set(self._services) - {"order"}:
            wanted = on_machines if service == "equipment" else every
            there = {row["id"]: row["state"] for row in await self.rows(service, "SELECT id, state FROM job")}
            wrong = sorted(str(job) for job, state in wanted.items() if there.get(job) != state)
            found.append(Balance(f"jobs that {service} sees in another state", [], wrong[:5]))
        return found


_ORDERS = "SELECT id, no FROM production_order WHERE no ~ '^f[0-9]{6}$'"
_REPORTS = "SELECT reported_by FROM report WHERE reported_by ~ '^f[0-9]{6}$'"
_LEDGERS = """
SELECT j.id, j.good_qty, j.qty + j.over_qty - j.good_qty - j.scrap_qty - j.rework_qty - j.written_off_qty AS remaining,
    coalesce((SELECT sum(good_qty) FROM report r WHERE r.job_id = j.id AND r.state IN ('Accepted', 'Corrected')), 0)
        AS reported
FROM job j
"""
_HISTORY = "SELECT id, order_id, split_part(source, '.', -1) AS source, sequence, job_id FROM history_entry ORDER BY id"
