"""Runs the simulated workshop against an instance: round after round of looking, doing and letting time pass."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import httpx

from services.simulator.client import Client, Refused, Stopped
from services.simulator.diary import Diary
from services.simulator.gateway import Gateway
from services.simulator.people import People
from services.simulator.shop import load_workplaces
from services.simulator.views import Job
from services.simulator.workplace import Workplace

log = logging.getLogger(__name__)

# A machine with signals tells its count this often; business time.
_HEARTBEAT = timedelta(minutes=10)
# The desk (orders, outside work, quality) looks at its lists when all else is done, and at least this often.
_DESK = timedelta(minutes=30)
# With nothing at all to wait for, time moves on by this, and after so many such steps the shop is stuck.
_NOTHING = timedelta(hours=1)
_STUCK_AFTER = 24 * 21
# Most rounds at one business moment: what still goes on then is a loop of refusals.
_ROUNDS_AT_ONCE = 40
# How long, in real seconds, and how often the instance is waited for until it is at rest.
_SETTLE_S, _TRIES = 30.0, 60


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. ended: orders to which nothing more will happen; busy: places with a job."""

    now: datetime
    orders: int
    ended: int
    busy: int
    requests: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run went. unknown: requests that had to be sent again; completed: every order came to its end."""

    started: datetime
    ended: datetime
    wall_s: float
    rounds: int
    ok: int
    refused: int
    unknown: int
    orders: int
    orders_ended: int
    completed: bool
    by_path: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)


class Workshop:
    """All places and people of a run."""

    def __init__(self, gateway: Gateway, places: dict[str, Workplace], seed: int) -> None:
        self.gateway = gateway
        self.places = places
        self.diary = Diary()
        machines = {place: workplace.machine for place, workplace in places.items()}
        self.people = People(gateway, self.diary, Random(f"{seed}/people"), machines)
        self.orders = 0
        self.ended = 0
        self.next_plan: datetime | None = None
        self._next_desk: datetime | None = None
        self._benchmark = all(place.machine.working.shifts == () for place in places.values())
        # Nobody looks further down the list of a machine; where every job may be started, only at its first.
        self._per_machine = 1 if self._benchmark else 2

    @property
    def done(self) -> bool:
        """Every order has ended."""
        return self.orders > 0 and self.ended == self.orders

    async def round(self, now: datetime) -> bool:
        """Let machines work until now, look at the lists, do what there is to do. Whether more may be possible now."""
        for workplace in self.places.values():
            workplace.move_on(now)
        await self._send_signals()
        jobs = await self.gateway.dispatch(self._per_machine)
        acted = await self._work(jobs, now)
        if self._next_desk is None or now >= self._next_desk or not (acted or (jobs and self._benchmark)):
            acted = await self._desk(now) or acted
            self._next_desk = now + _DESK
        await self._send_signals()
        return acted

    async def _send_signals(self) -> None:
        batch = [signal for each in self.places.values() if each.controller for signal in each.controller.take()]
        if batch:
            await self.gateway.signals(batch)

    async def _work(self, listed: list[Job], now: datetime) -> bool:
        jobs = {job.id: job for job in listed}
        queues: dict[str, list[Job]] = defaultdict(list)
        for job in listed:
            queues[job.equipment_id].append(job)
        places, gated = self.places.items(), self.people.gated
        done = await asyncio.gather(*(place.attend(jobs, queues.get(no, []), gated, now) for no, place in places))
        waiting = (
            job for no, place in places if not place.job_id for job in queues.get(no, []) if job.state == "Ready"
        )
        planned = (job.planned_start for job in waiting if job.planned_start and job.planned_start > now)
        self.next_plan = min(planned, default=None)
        return any(done)

    async def _desk(self, now: datetime) -> bool:
        orders = await self.gateway.orders()
        self.orders, self.ended = len(orders), sum(order.ended for order in orders)
        people = self.people
        done = await asyncio.gather(
            people.release_orders((each for each in orders if each.state == "Draft"), now),
            people.close_orders((each for each in orders if each.state == "Completed"), now),
            people.move_outside_work(now),
            people.inspect(now),
            people.decide(now),
        )
        return any(done)

    def next_event(self, now: datetime) -> datetime | None:
        """The next moment at which something happens here by itself."""
        moments = [place.next_event(now) for place in self.places.values()] + [
            self.diary.next_after(now),
            self.next_plan,
        ]
        if any(place.controller and place.job_id for place in self.places.values()):
            moments.append(now + _HEARTBEAT)
        return min((each for each in moments if each is not None and each > now), default=None)


class _Stepped:
    """Business time stands still until everything is done, then jumps to the next event."""

    def __init__(self, gateway: Gateway, quantum: timedelta) -> None:
        self._gateway = gateway
        self._quantum = quantum
        self._rounds = 0
        self.idle_steps = 0

    async def begin(self) -> None:
        await self._gateway.stand_still()

    async def pause(self, shop: Workshop, now: datetime, acted: bool) -> datetime:
        """Let everything have its effects, then move time on if nothing was done; the business time after it."""
        self._rounds += 1
        if acted and self._rounds < _ROUNDS_AT_ONCE:
            await self._settle()
            return now
        self._rounds = 0
        event = shop.next_event(now)
        self.idle_steps = 0 if event is not None else self.idle_steps + 1
        then = max(event or now + _NOTHING, now + self._quantum).astimezone(UTC)
        await self._advance(then)
        return then

    async def _advance(self, to: datetime) -> None:
        for _ in range(_TRIES):
            try:
                if not await self._gateway.advance(to, _SETTLE_S):
                    await self._settle()
                return
            except Refused as refused:
                if refused.code != "clock.busy":
                    raise
        log.warning("the instance does not come to rest; time moves on all the same")
        await self._gateway.advance(to, 0)

    async def _settle(self) -> None:
        for _ in range(_TRIES):
            if await self._gateway.idle(_SETTLE_S):
                return
        log.warning("the instance does not come to rest; going on")


class _Running:
    """Business time runs by itself; people look every moment."""

    def __init__(self, gateway: Gateway, factor: float, stop: asyncio.Event) -> None:
        self._gateway = gateway
        self._factor = factor
        self._stop = stop
        self.idle_steps = 0

    async def begin(self) -> None:
        """Nothing to do: the clock runs already."""

    async def pause(self, shop: Workshop, now: datetime, acted: bool) -> datetime:
        """Wait a moment; the business time after it."""
        event = shop.next_event(now)
        until = (event - now).total_seconds() / self._factor if event else 1.0
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), min(max(until, 0.2), 1.0))
        return (await self._gateway.clock())[0]


async def simulate(
    base_url: str,
    *,
    seed: int = 1,
    as_fast_as_possible: bool = False,
    until: datetime | None = None,
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    quantum_s: float = 0.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Summary:
    """Be the workshop's machines and people until every order has ended, `until` (business time) or `stop`.

    base_url: of the instance. as_fast_as_possible: business time stands still while anything is still being done, and
    jumps on in steps of at least quantum_s. transport: another way to the instance than the network.
    """
    stop = stop or asyncio.Event()
    limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
    async with httpx.AsyncClient(base_url=base_url, timeout=90, limits=limits, transport=transport) as http:
        run = _Run(Client(http, stop), seed, stop, until, progress)
        try:
            await run.work(as_fast_as_possible, timedelta(seconds=quantum_s))
        except Stopped:
            log.info("stopped while a request had no answer")
        return run.summary()


class _Run:
    """One run: its workshop, its pace, its figures."""

    def __init__(
        self,
        client: Client,
        seed: int,
        stop: asyncio.Event,
        until: datetime | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._client = client
        self._gateway = Gateway(client)
        self._seed = seed
        self._stop = stop
        self._until = until
        self._progress = progress
        self._began = time.monotonic()
        self._rounds = 0
        self._shop: Workshop | None = None
        self._from: datetime | None = None
        self._now: datetime | None = None

    async def work(self, as_fast_as_possible: bool, quantum: timedelta) -> None:
        self._now, factor, _ = await self._gateway.clock()
        self._from = self._now
        pace = _Stepped(self._gateway, quantum) if as_fast_as_possible else _Running(self._gateway, factor, self._stop)
        await pace.begin()
        places = await load_workplaces(self._gateway, seed=self._seed, now=self._now)
        shop = self._shop = Workshop(self._gateway, places, self._seed)
        while not self._stop.is_set() and not shop.done:
            if (self._until and self._now >= self._until) or pace.idle_steps > _STUCK_AFTER:
                return
            acted = await self._round(shop, self._now)
            self._tell(shop, self._now)
            if not shop.done:
                self._now = await pace.pause(shop, self._now, acted)

    async def _round(self, shop: Workshop, now: datetime) -> bool:
        self._rounds += 1
        try:
            return await shop.round(now)
        except Refused as refused:
            log.warning("a list was refused", extra={"why": str(refused)})
            return False

    def _tell(self, shop: Workshop, now: datetime) -> None:
        if self._progress:
            busy = sum(bool(each.job_id) for each in shop.places.values())
            wall = time.monotonic() - self._began
            self._progress(Progress(now, shop.orders, shop.ended, busy, self._client.requests.ok, wall))

    def summary(self) -> Summary:
        """The figures so far."""
        requests, shop = self._client.requests, self._shop
        now = self._now or datetime.fromtimestamp(0, UTC)
        return Summary(
            started=self._from or now,
            ended=now,
            wall_s=time.monotonic() - self._began,
            rounds=self._rounds,
            ok=requests.ok,
            refused=requests.refused,
            unknown=requests.unknown,
            orders=shop.orders if shop else 0,
            orders_ended=shop.ended if shop else 0,
            completed=shop.done if shop else False,
            by_path=dict(Counter(requests.by_path).most_common()),
            refusals=dict(Counter(requests.refusals).most_common()),
        )
