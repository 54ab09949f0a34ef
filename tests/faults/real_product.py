"""The product itself as a victim: `mes run` with the sample workshop and its simulated machines.

The client outside makes orders of its own among the workshop's, releases them and reports on their jobs, whatever the
simulated people do with them: a report is a fact, so it is kept, Accepted or Pending. Each request goes under a name of
its own, which order, report and event keep.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import httpx

from tests.faults.checker import Balance, Event, Observed, Place
from tests.faults.history import Attempt, Request

SERVICES = ("order", "scheduling", "equipment", "quality")
TOLD_BY = {
    "order": "mes.events.v1.OrderCreated",
    "release": "mes.events.v1.OrderReleased",
    "report": "mes.events.v1.ReportRecorded",
}
_MOST_ORDERS = 60
_PAGE = 500
_COUNTS = ("Accepted", "Corrected")
# Kept in an order's history as what moved its plan, once for the order, not as an event of each job.
PLANNED = ("mes.events.v1.JobChanged", "plan")


class RealWorkload:
    """Orders, releases and reports of the client's own."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self._materials: list[str] = []
        self._drafts: list[str] = []
        self._orders: dict[str, str] = {}
        self._jobs: list[str] = []

    async def prepare(self, http: httpx.AsyncClient) -> None:
        """What can be made; the sample may still be on its way into the database."""
        async with asyncio.timeout(120):
            while not self._materials:
                routings = (await http.get("/order/definitions/routings", params={"limit": _PAGE})).json()
                self._materials = sorted({each["material_id"] for each in routings if each["status"] == "Accepted"})
                await asyncio.sleep(0.2)

    def next(self) -> Request | None:
        """An order while there are few, a release of what was made, else a report."""
        self._count += 1
        mark = f"f{self._count:06}"
        if self._drafts:
            return self._request("release", mark, f"/order/orders/{self._drafts.pop()}/release", {})
        if self._count <= 5 or (self._count <= _MOST_ORDERS * 8 and self._random.random() < 0.15):
            body = {"no": mark, "material_id": self._random.choice(self._materials), "qty": "50", "priority": 1}
            return self._request("order", mark, "/order/orders", body)
        if not self._jobs:
            return None
        path = f"/order/jobs/{self._random.choice(self._jobs)}/reports"
        return self._request("report", mark, path, {"good_qty": str(self._random.randint(1, 3))})

    def _request(self, kind: str, mark: str, path: str, body: dict[str, Any]) -> Request:
        return Request(kind, mark, path, body, str(UUID(int=self._random.getrandbits(128), version=4)))

    async def learn(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        """A new order can be released; a released one has jobs."""
        kind, done = attempt.request.kind, attempt.outcome == "ok"
        if kind == "order" and done:
            order = attempt.answer["order_id"]
            self._orders[order] = attempt.request.mark
            self._drafts.append(order)
        elif kind == "release":
            # Refused is good enough: the simulated planner was faster.
            order = attempt.request.path.split("/")[3]
            self._jobs += [
                each["job_id"] for each in (await http.get(f"/order/orders/{order}/jobs")).raise_for_status().json()
            ]

    async def observe(self, http: httpx.AsyncClient, log: Sequence[Event]) -> Observed:
        """Orders, their jobs and reports, and their histories against the log."""
        orders = [each async for each in _pages(http, "/order/orders")]
        ours = {each["order_id"]: each["no"] for each in orders if each["no"].startswith("f")}
        seen = Observed([Place("orders", "order", Counter(ours.values()))], log=log)
        reported: Counter[str] = Counter()
        told = by_order(log)
        for order, no in ours.items():
            for job in (await http.get(f"/order/orders/{order}/jobs")).raise_for_status().json():
                reports = [each async for each in _pages(http, f"/order/jobs/{job['job_id']}/reports")]
                reported.update(each["reported_by"] for each in reports if each["reported_by"].startswith("f"))
                seen.balances += _ledger(f"{no}/{job['seq']}", job, reports)
            entries = [each async for each in _pages(http, f"/order/orders/{order}/history")]
            seen.balances += history_balances(no, entries, told[order])
        seen.places.append(Place("reports", "report", reported))
        return seen


async def _pages(http: httpx.AsyncClient, path: str) -> AsyncIterator[dict[str, Any]]:
    offset = 0
    while True:
        answer = (await http.get(path, params={"limit": _PAGE, "offset": offset})).raise_for_status().json()
        rows = answer["items"] if isinstance(answer, dict) else answer
        for row in rows:
            yield row
        offset += len(rows)
        if len(rows) < _PAGE:
            return


def _ledger(what: str, job: Mapping[str, Any], reports: Sequence[Mapping[str, Any]]) -> list[Balance]:
    """The ledger of a job: to do and over = good, scrap, in rework, remaining, written off; good = its reports."""
    parts = ("good_qty", "scrap_qty", "rework_qty", "remaining_qty", "written_off_qty")
    good = sum((Decimal(each["good_qty"]) for each in reports if each["state"] in _COUNTS), Decimal(0))
    return [
        Balance(
            f"ledger of {what}", Decimal(job["qty"]) + Decimal(job["over_qty"]), sum(Decimal(job[p]) for p in parts)
        ),
        Balance(f"good pieces of {what}", Decimal(job["good_qty"]), good),
    ]


def by_order(log: Sequence[Event]) -> dict[str, list[Event]]:
    """The order service's own events by order, each once, in the order of the log."""
    found: dict[str, dict[str, Event]] = defaultdict(dict)
    for event in log:
        if event.topic == "mes.order.v1" and (event.type, event.verb) != PLANNED:
            found[event.key].setdefault(event.id, event)
    return defaultdict(list, {key: list(events.values()) for key, events in found.items()})


def history_balances(no: str, entries: Sequence[Mapping[str, Any]], told: Sequence[Event]) -> list[Balance]:
    """An order's history has every event of the order service once, in order; a run of two jobs is two entries."""
    # By their ids in the order in which they were kept; shown they are by time, and requests that waited for each other
    # carry the time at which they began.
    own = sorted((each for each in entries if each["source"] == "order"), key=lambda each: str(each["id"]))
    sequences = [each["sequence"] for each in own]
    kept = Counter((each["sequence"], each["job_id"]) for each in own)
    return [
        Balance(f"history of {no}", sorted(set(sequences)), sorted(each.sequence for each in told)),
        Balance(f"order of the history of {no}", sequences, sorted(sequences)),
        Balance(f"entries kept twice in the history of {no}", 0, sum(count - 1 for count in kept.values())),
    ]
