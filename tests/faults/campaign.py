"""A campaign: work, kill, start again, many times; then stop, and count."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from tests.faults import redelivery
from tests.faults.checker import Event, Observed, Place, Verdict, check
from tests.faults.history import History
from tests.faults.outside import Client, Workload
from tests.faults.victim import Victim

# How the client outside names its requests; everybody else has other names.
MARK = re.compile(r"f\d{6}")


@dataclass(frozen=True, slots=True)
class Product:
    """What is killed: module and arguments of its process, the work that a client has there, its services.

    told_by: the event that tells of a kind of request. quiet: arguments with which it moves nothing by itself.
    """

    name: str
    module: str
    arguments: Sequence[str]
    workload: Callable[[Random], Workload]
    services: Sequence[str]
    told_by: Mapping[str, str]
    quiet: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """Figures of a campaign."""

    kills: int = 0
    kills_while_starting: int = 0
    kills_with_database: int = 0
    seconds: float = 0.0
    start_seconds: list[float] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    stops: list[int | None] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    attempts: dict[str, int] = field(default_factory=dict)

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is wrong, by kind."""
        found = dict(self.verdict.wrong)
        if self.orphans:
            found["orphan"] = self.orphans
        if any(status != 0 for status in self.stops):
            found["stop"] = [f"stops ended with {self.stops}"]
        return found


class Campaign:
    """Kills one product so many times under the work of a client outside."""

    def __init__(
        self, product: Product, victim: Victim, folder: Path, seed: int, *, always_again: bool = False
    ) -> None:
        self._product = product
        # After every kill events are delivered again, not only now and then.
        self._always_again = always_again
        self._victim = victim
        # Apart, so that the kills of a seed do not depend on how far the work came.
        self._random, self._work_random = Random(f"kills {seed}"), Random(f"work {seed}")
        self._history = History(folder / "history.jsonl")
        self._outcome = Outcome()

    async def run(self, kills: int) -> Outcome:
        """Work and kill; the outcome is counted after a clean stop."""
        began = time.monotonic()
        workload = self._product.workload(self._work_random)
        try:
            await self._start()
            timeout = httpx.Timeout(20, connect=2)
            async with httpx.AsyncClient(base_url=self._victim.address, timeout=timeout) as http:
                await workload.prepare(http)
                await self._under_work(http, workload, kills)
                await self._stop()
                if self._product.quiet is not None:
                    self._victim.arguments = self._product.quiet
                await self._start()
                observed = await self._observe(http, workload)
            await self._stop()
        finally:
            self._history.close()
            await asyncio.to_thread(self._victim.kill, database_too=True)
        self._outcome.verdict = check(self._history.attempts, observed)
        self._outcome.attempts = dict(Counter(attempt.outcome for attempt in self._history.attempts))
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    async def _under_work(self, http: httpx.AsyncClient, workload: Workload, kills: int) -> None:
        client = Client(http, workload, self._history)
        work = asyncio.create_task(client.work())
        try:
            for _ in range(kills):
                await self._kill_once()
                await self._start()
                if work.done():
                    break
            await asyncio.sleep(1)
            client.stopping.set()
            await asyncio.wait_for(work, 120)
        finally:
            work.cancel()

    async def _start(self) -> None:
        await asyncio.to_thread(self._victim.start)
        self._outcome.start_seconds.append(await asyncio.to_thread(self._victim.wait_ready))

    async def _stop(self) -> None:
        status = await asyncio.to_thread(self._victim.stop)
        self._outcome.stops.append(status)
        self._outcome.orphans += await asyncio.to_thread(self._victim.remains)

    async def _kill_once(self) -> None:
        """At some moment of the work; now and then once more while it starts, or together with PostgreSQL."""
        await asyncio.sleep(self._random.uniform(0.3, 2.5))
        with_database = self._random.random() < 0.2 and not self._always_again
        await self._kill(database_too=with_database)
        self._outcome.kills_with_database += with_database
        if self._random.random() < 0.2:
            self._outcome.kills_while_starting += 1
            await asyncio.to_thread(self._victim.start)
            await asyncio.sleep(self._random.uniform(0.1, 2.5))
            await self._kill(database_too=False)
        if redelivery.database_runs(self._victim.home):
            await self._forget()

    async def _kill(self, *, database_too: bool) -> None:
        self._outcome.kills += 1
        await asyncio.to_thread(self._victim.kill, database_too=database_too)
        self._outcome.orphans += await asyncio.to_thread(self._victim.survivors)

    async def _forget(self) -> None:
        if self._always_again or self._random.random() < 0.5:
            await redelivery.deliver_again(self._victim.home, self._random.randint(1, 20))
        if self._random.random() < 0.5:
            service = self._random.choice(list(self._product.services))
            await redelivery.send_again(self._victim.home, service, self._random.randint(1, 20))

    async def _observe(self, http: httpx.AsyncClient, workload: Workload) -> Observed:
        async with asyncio.timeout(300):
            while not (await http.get("/idle", params={"wait": 10}, timeout=30)).json()["idle"]:
                pass
        log = await redelivery.read_log(self._victim.home)
        seen = await workload.observe(http, log)
        seen.places += places_in_log(seen.log, self._product.told_by)
        return seen


def places_in_log(log: Sequence[Event], told_by: Mapping[str, str]) -> list[Place]:
    """The marks of requests by the events that tell of them: a request's mark is the actor of what it publishes."""
    events = {event.id: event for event in log if MARK.fullmatch(event.actor)}.values()
    return [
        Place("log", kind, Counter(event.actor for event in events if event.type == name))
        for kind, name in told_by.items()
    ]
