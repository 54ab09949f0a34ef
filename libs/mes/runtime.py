"""Starts and stops services in one process: engines, log, relays, leader locks, consumers, tasks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from mes import crash, metrics, outbox, retention
from mes.bus import Bus, Place, Subscription
from mes.clock import BusinessClock, ClockState
from mes.clock_keeper import ClockKeeper
from mes.config import Settings
from mes.context import Context
from mes.db import Database
from mes.ids import new_id, site_id
from mes.inbox import ConsumerLoop, dead_letters_of, topics_of
from mes.service import Service, Task
from mes.sessions import STATEMENT_S, server_settings
from mes.shared_settings import SharedSettings
from mes.watchdog import Watchdog

log = logging.getLogger(__name__)

_CANCEL_AGAIN_S = 3.0
_RELAY_BATCH = 500
_GLANCE_S = 0.001


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended. One cancellation may be lost on the way: `asyncio.wait_for` of Python 3.11
    drops one that comes together with what it waits for, and libraries use it."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)
        for task in left:
            log.warning("a task does not end, cancelling it again", extra={"task": task.get_name()})
    await asyncio.gather(*tasks, return_exceptions=True)


class ServiceRuntime:
    """A running service. Tasks get it; requests reach it as `request.app.state.service`."""

    def __init__(self, service: Service, settings: Settings, clock: BusinessClock, bus: Bus) -> None:
        self.service = service
        self.settings = settings
        self.clock = clock
        self.bus = bus
        self.site_id = site_id(settings.site)
        self.topic = f"{settings.topic_prefix}.{service.name}.v1"
        self.group = f"{settings.topic_prefix}.{service.name}"
        self.topics = topics_of(service.listens_to, settings.topic_prefix)
        self.database = Database(
            settings.service_url(service.name), pool_size=settings.pool_size, application=f"mes-{service.name}"
        )
        self.database.on_publish.append(self.wake_relay)
        # A place for what a service keeps in memory while it runs (worker processes, caches).
        self.state: dict[str, Any] = {}
        self._dsn = settings.service_url(service.name).replace("postgresql+asyncpg://", "postgresql://")
        self._relay_wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._relaying = False
        self.loop = ConsumerLoop(
            self.service.name,
            self.service.consumers,
            self.database,
            self.clock.now,
            tries=self.settings.consumer_tries,
            batch=self.settings.consumer_batch,
            inbox_enabled=self.settings.inbox_enabled,
            dlq_topic=dead_letters_of(self.service.name, self.settings.topic_prefix),
        )
        self.is_leader = False
        self.watchdog = Watchdog(self, settings.watchdog_s)
        self._subscription: Subscription | None = None
        self._consumer: asyncio.Task[None] | None = None

    @property
    def visibly_at_work(self) -> bool:
        """Whether something moves that is seen without asking the database: events to be sent or being applied."""
        return self._relaying or self._relay_wake.is_set() or self.loop.at_work

    def wake_relay(self) -> None:
        """Something was committed to the outbox."""
        self._relay_wake.set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session in one transaction with its outbox: see `Database.transaction`."""
        async with self.database.transaction() as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading."""
        async with self.database.read() as session:
            yield session

    def context(self, actor: str = "system", *, traceparent: str = "") -> Context:
        """A context of this moment for a command that no event caused."""
        return Context(self.site_id, actor, self.clock.now(), new_id=new_id, traceparent=traceparent)

    async def start(self) -> None:
        """Begin to relay, consume and work."""
        await self.bus.create_topics([self.topic, *self.topics])
        if self.service.startup:
            await self.service.startup(self)
        self._spawn("leader", self._lead())
        if self.topics:
            self._spawn("consumer", self._keep_consuming())
            if self.settings.watchdog_s:
                self._spawn("watchdog", self.watchdog.watch())
        for name, task in self.service.tasks.items():
            self._spawn(name, self._keep(name, task))

    async def stop(self) -> None:
        """End everything; what is committed but not sent yet is sent by the next start."""
        await ended(self._tasks)
        self._tasks.clear()
        try:
            if self.service.shutdown:
                await self.service.shutdown(self)
        except Exception as error:
            log.warning("shutdown failed", exc_info=error, extra={"service": self.service.name})
        finally:
            await self.database.close()

    def _spawn(self, name: str, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work, name=f"{self.service.name}/{name}"))

    async def _keep(self, name: str, task: Task) -> None:
        """Run a task; start it again a moment after it failed or ended."""
        while True:
            try:
                await task(self)
            except Exception as error:
                log.warning(
                    "task failed, starting it again", exc_info=error, extra={"service": self.service.name, "task": name}
                )
            await asyncio.sleep(1)

    def owned(self) -> Iterable[Place]:
        """The partitions that this process reads for the service."""
        return self._subscription.owned() if self._subscription else ()

    def join_again(self) -> None:
        """Let the consumer drop whatever it does and join its group again."""
        if self._consumer:
            self._consumer.cancel()

    async def _keep_consuming(self) -> None:
        while True:
            self._consumer = asyncio.create_task(self._consume(), name=f"{self.service.name}/member")
            try:
                await asyncio.wait({self._consumer})
            finally:
                await ended([self._consumer])

    async def _consume(self) -> None:
        while True:
            try:
                self._subscription = await self.bus.subscribe(self.group, self.topics)
            except Exception as error:
                log.warning("joining the group failed, trying again", extra={"group": self.group, "error": repr(error)})
                await asyncio.sleep(1)
                continue
            try:
                await self.loop.run(self._subscription)
            finally:
                subscription, self._subscription = self._subscription, None
                await subscription.close()

    async def _lead(self) -> None:
        """Hold the service's leader lock; the leader relays the outbox and runs the leader tasks."""
        while True:
            try:
                connection = await asyncpg.connect(
                    self._dsn,
                    timeout=5,
                    command_timeout=STATEMENT_S,
                    server_settings=server_settings(f"{self.group}-leader"),
                )
                try:
                    await self._lead_on(connection)
                finally:
                    # Its end gives the lock back, in whatever state it is.
                    await connection.close(timeout=2)
            except Exception as error:
                log.warning("leader work failed, trying again", exc_info=error, extra={"service": self.service.name})
            await asyncio.sleep(0.5)

    async def _lead_on(self, connection: asyncpg.Connection[Any]) -> None:
        while not await connection.fetchval("SELECT pg_try_advisory_lock(7110903)"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.5)
        # A mark lost with the machine only sends again: no need to wait for the disk.
        await connection.execute("SET synchronous_commit = off")
        self.is_leader = True
        crash.reached("leader.elected")
        tasks = {"retention": retention.keep, **self.service.leader_tasks}
        works = [asyncio.create_task(self._keep(name, task)) for name, task in tasks.items()]
        try:
            await self._relay(connection)
        finally:
            await ended(works)
            self.is_leader = False

    async def _relay(self, connection: asyncpg.Connection[Any]) -> None:
        while True:
            self._relay_wake.clear()
            self._relaying = True
            try:
                sent = await outbox.relay_batch(
                    connection, self.bus, source=self.group, topic=self.topic, limit=_RELAY_BATCH
                )
            finally:
                self._relaying = False
            metrics.SENT.labels(self.service.name).inc(sent)
            if sent == _RELAY_BATCH:
                continue
            # The poll finds what another replica committed, or a wake that was lost.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self._relay_wake.wait()

    async def unsent(self) -> int:
        """Outbox rows that are not sent yet."""
        async with self.database.read() as session:
            return int((await session.execute(text("SELECT count(*) FROM outbox WHERE sent_at IS NULL"))).scalar_one())


def open_bus(settings: Settings) -> Bus:
    """The event log that the settings name, not started yet. What only the other one needs is not imported."""
    if settings.bus == "kafka":
        from mes.bus.kafka import KafkaBus

        return KafkaBus.of(settings)
    from mes.bus.postgres import PostgresBus

    return PostgresBus(settings.log_dsn, partitions=settings.partitions)


def topics_wanted(settings: Settings, services: Sequence[Service]) -> list[str]:
    """The topics of these services, those of dead letters too."""
    topics = topics_of([service.name for service in services], settings.topic_prefix)
    return topics + [dead_letters_of(service.name, settings.topic_prefix) for service in services if service.listens_to]


async def make_topics(settings: Settings, services: Sequence[Service]) -> None:
    """Make the topics of these services that are missing, those of dead letters too."""
    topics = topics_wanted(settings, services)
    bus = open_bus(settings)
    try:
        await bus.start()
        await bus.create_topics(topics)
    finally:
        await bus.close()


@dataclass(frozen=True, slots=True)
class Idleness:
    """What still moves, in words, and where the log ended for each group when that was seen.

    Processes that each were idle twice, with the same ends, were all idle at the moment between: whatever one of them
    could still have set off would have been a record that another one had to read.
    """

    reasons: list[str]
    ends: Mapping[str, int] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Nothing moves."""
        return not self.reasons


class Runtime:
    """All services of this process, the log they share, and the business clock."""

    def __init__(self, settings: Settings, services: Sequence[Service]) -> None:
        crash.arm(settings.crash_at)
        self.settings = settings
        self.clock = BusinessClock()
        self.bus = open_bus(settings)
        self._shared = SharedSettings(settings.log_dsn)
        self._keeper = ClockKeeper(self._shared, self.clock)
        self._definitions = list(services)
        self.services: dict[str, ServiceRuntime] = {}
        self._clock_task: asyncio.Task[None] | None = None
        self.ready = False

    async def start(self) -> None:
        """Connect and start everything. On any error what was started is stopped again."""
        try:
            await self._shared.start()
            await self.bus.start()
            start = datetime.fromisoformat(self.settings.clock_start) if self.settings.clock_start else None
            await self._keeper.start(factor=self.settings.clock_factor, start=start)
            self._clock_task = asyncio.create_task(self._keeper.run(), name="clock")
            for service in self._definitions:
                self.services[service.name] = ServiceRuntime(service, self.settings, self.clock, self.bus)
            for running in self.services.values():
                await running.start()
        except BaseException:
            await self.stop()
            raise
        self.ready = True

    async def stop(self) -> None:
        """Stop everything; safe to call twice."""
        self.ready = False
        await asyncio.gather(*(running.stop() for running in self.services.values()), return_exceptions=True)
        self.services.clear()
        if self._clock_task:
            await ended([self._clock_task])
            self._clock_task = None
        with contextlib.suppress(Exception):
            await self._keeper.stop()
        await self._shared.close()
        await self.bus.close()

    async def set_clock(self, state: ClockState) -> None:
        """Let every process follow a new clock state."""
        await self._keeper.set(state)

    async def look(self) -> Idleness:
        """Whether every event has had all its effects and no service works.

        Nothing can hide between the looks: no record was appended from the first to the last, no group was behind at
        the first (so no handler was at work), and no outbox row waited in between.
        """
        groups = {running.group: running.topics for running in self.services.values() if running.topics}
        before = await self.bus.lag(groups)
        reasons = [f"{group}: {lag.behind} records behind" for group, lag in before.items() if lag.behind]
        if reasons:
            return Idleness(reasons)
        # Work first: what it committed before it ended is then seen as an unsent row or as a new record.
        for name, running in self.services.items():
            if running.service.busy and (doing := await running.service.busy(running)):
                reasons.append(f"{name}: {doing}")
        for name, running in self.services.items():
            if unsent := await running.unsent():
                reasons.append(f"{name}: {unsent} events unsent")
        if reasons:
            return Idleness(reasons)
        after = await self.bus.lag(groups)
        ends = {group: lag.end for group, lag in after.items()}
        return Idleness([] if after == before else ["events arrived"], ends)

    async def not_idle(self) -> list[str]:
        """What still moves on its own; empty when nothing does."""
        return (await self.look()).reasons

    async def wait_idle(self, at_most: float) -> list[str]:
        """Wait until idle, at most so many seconds; what is left to do when the time is over."""
        return (await self.settle(at_most)).reasons

    async def settle(self, at_most: float) -> Idleness:
        """Wait until idle, at most so many seconds; what was seen last."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + at_most
        pause = _GLANCE_S
        while True:
            # A glance costs nothing; the full look asks every database.
            while any(each.visibly_at_work for each in self.services.values()) and loop.time() < deadline:
                await asyncio.sleep(_GLANCE_S)
                pause = _GLANCE_S
            seen = await self.look()
            if seen.idle or loop.time() >= deadline:
                return seen
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.02)
