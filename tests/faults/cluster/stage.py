"""One round: a cluster under work, a disturbance, then the count of what is wrong."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx

from tests.faults.checker import Verdict, check
from tests.faults.cluster.deployment import Deployment, Shape, deployed
from tests.faults.cluster.offsets import watched
from tests.faults.cluster.work import Books, ShopWork, read_log
from tests.faults.history import History
from tests.faults.outside import Client

_CLIENTS = 8
_PROBE_S = 0.05
_SETTLE_S = 120.0

Disturbance = Callable[["Stage"], Awaitable[None]]


@dataclass(slots=True)
class Round:
    """What one round showed. figures: seconds and counts, as the disturbance has them."""

    name: str
    seed: int
    seconds: float = 0.0
    orders: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    attempts: dict[str, int] = field(default_factory=dict)
    failed_requests: int = 0
    longest_gap_s: float = 0.0
    restarts: int = 0
    rewound: list[str] = field(default_factory=list)
    bad_stops: list[str] = field(default_factory=list)
    broken_promises: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is wrong, by kind."""
        found = dict(self.verdict.wrong)
        for kind in ("rewound", "bad_stops", "broken_promises"):
            if each := getattr(self, kind):
                found[kind] = each
        return found

    def as_json(self) -> dict[str, Any]:
        """All of it, and what is wrong."""
        return {**asdict(self), "wrong": self.wrong}


@dataclass
class Stage:
    """What a disturbance has to work with. times: how often it is to disturb; expected_dead: which injected records
    have to end as dead letters, as service and mark."""

    deployment: Deployment
    http: httpx.AsyncClient
    work: ShopWork
    random: Random
    times: int
    round: Round
    history: History
    recoveries: list[float] = field(default_factory=list)
    expected_dead: set[tuple[str, str]] = field(default_factory=set)

    async def probe(self, since: float, seconds: float = 120) -> float:
        """Seconds from `since` (monotonic) until an order that is made now has had its effect by way of the log."""
        async with asyncio.timeout(seconds):
            order = await self._some_order()
            while not await self._has_history(order):  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(_PROBE_S)
        return time.monotonic() - since

    async def recovered(self, since: float) -> None:
        """Note how long it took until the whole way worked again."""
        self.recoveries.append(await self.probe(since))

    async def _some_order(self) -> str:
        key, no = str(uuid4()), f"probe-{uuid4().hex[:12]}"
        body = {"no": no, "material_no": "PIN", "qty": "1", "priority": 9}
        while True:
            try:
                answer = await self.http.post("/order/orders", json=body, headers={"Idempotency-Key": key}, timeout=5)
                if answer.is_success:
                    return str(answer.json()["order_id"])
            except httpx.TransportError:
                pass
            await asyncio.sleep(_PROBE_S)

    async def _has_history(self, order: str) -> bool:
        try:
            answer = await self.http.get(f"/order/orders/{order}/history", timeout=5)
        except httpx.TransportError:
            return False
        return bool(answer.is_success and answer.json()["items"])

    async def replan(self) -> None:
        """Ask for a new plan."""
        await self.http.post("/scheduling/runs", json={}, headers={"Idempotency-Key": str(uuid4())}, timeout=5)

    def promise(self, what: str, kept: bool) -> None:
        """Something that has to be true besides the count."""
        if not kept:
            self.round.broken_promises.append(what)

    async def orders(self, count: int) -> None:
        """Wait until clients have made so many."""
        while self.made < count:  # noqa: ASYNC110 - one counter of many clients
            await asyncio.sleep(0.1)

    @property
    def failed(self) -> int:
        """Requests that were refused, reset, or answered by an error of the server or the balancer."""
        return sum(each.outcome == "unknown" for each in self.history.attempts)

    @property
    def made(self) -> int:
        """Orders that clients have been told of."""
        return sum(each.request.kind == "order" and each.outcome == "ok" for each in self.history.attempts)


async def play(name: str, shape: Shape, disturb: Disturbance, *, times: int, seed: int, folder: Path) -> Round:
    """Play a round; its history, the output of all processes and its outcome are left in `folder`."""
    began = time.monotonic()
    played = Round(name, seed)
    async with deployed(shape, folder) as deployment:
        history = History(folder / "history.jsonl")
        try:
            async with (
                _clients(deployment, Random(f"work {seed}"), history) as (http, work, clients),
                watched(deployment.settings, deployment.server) as played.rewound,
            ):
                random = Random(f"fault {seed}")
                stage = Stage(deployment, http, work, random, times, played, history)
                async with asyncio.TaskGroup() as group:
                    group.create_task(clients.work(_CLIENTS))
                    await disturb(stage)
                    clients.stopping.set()
                await deployment.all_ready()
                await _settle(stage)
            log = await read_log(deployment.settings)
            observed = await Books(deployment.settings, list(shape.replicas)).observe(log.events)
            played.verdict = check(history.attempts, observed)
            if log.dead != stage.expected_dead:
                found, wanted = sorted(log.dead - stage.expected_dead), sorted(stage.expected_dead - log.dead)
                stage.promise(f"dead letters: too many {found[:5]}, missing {wanted[:5]}", False)
        finally:
            history.close()
        played.restarts = deployment.restarts
    _count(played, stage)
    played.seconds = time.monotonic() - began
    return played


@asynccontextmanager
async def _clients(
    deployment: Deployment, random: Random, history: History
) -> AsyncIterator[tuple[httpx.AsyncClient, ShopWork, Client]]:
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=deployment.balancer.address, timeout=httpx.Timeout(30, connect=2), limits=limits
    ) as http:
        work = ShopWork(random)
        await work.prepare(http)
        await deployment.settled()
        yield http, work, Client(http, work, history)


async def _settle(stage: Stage) -> None:
    try:
        await stage.deployment.settled(_SETTLE_S)
    except TimeoutError as error:
        # What has no effect by then is counted as missing, too.
        stage.promise(f"everything has its effect within {_SETTLE_S:.0f} s: {error}", False)


def _count(played: Round, stage: Stage) -> None:
    attempts = stage.history.attempts
    played.orders = stage.made
    played.attempts = dict(Counter(each.outcome for each in attempts))
    # Refused, reset and answered by an error of the server, as whoever stands before a screen counts it.
    played.failed_requests = stage.failed
    answered = sorted(each.at for each in attempts if each.outcome == "ok")
    played.longest_gap_s = max((b - a for a, b in pairwise(answered)), default=0.0)
    if stage.recoveries:
        played.figures["recovery_median_s"] = statistics.median(stage.recoveries)
        played.figures["recovery_most_s"] = max(stage.recoveries)
