"""The event log as tables of a PostgreSQL database, with Kafka's semantics and no better.

Appending takes the partition's row lock (`next = next + n`), so offsets become visible in order. A member of a group
owns a partition while it holds an advisory lock on its own connection - PostgreSQL gives the lock back when the process
dies - and every new owner raises the group's epoch, so a late commit of the old owner is fenced. A shared lock per
group counts its members: each holds at most its fair part and gives back what is more when another one joins.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from mes.bus import Batch, Fenced, Lag, Offsets, Place, Position, Received, Record, partition_of
from mes.sessions import STATEMENT_S, server_settings

SCHEMA = """
CREATE TABLE IF NOT EXISTS topic (name text PRIMARY KEY, partitions int NOT NULL);
CREATE TABLE IF NOT EXISTS partition (
    topic text NOT NULL REFERENCES topic, number int NOT NULL, next bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, number));
CREATE TABLE IF NOT EXISTS record (
    topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL, key text NOT NULL, value bytea NOT NULL,
    headers jsonb NOT NULL, appended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition, "offset"));
CREATE TABLE IF NOT EXISTS group_offset (
    "group" text NOT NULL, topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0, PRIMARY KEY ("group", topic, partition));
"""

# Locks are taken in one order, so two appenders cannot deadlock. One statement is one round trip, and a transaction.
_APPEND = """
WITH locked AS (
    SELECT p.topic, p.number, c.n FROM partition p
    JOIN unnest($1::text[], $2::int[], $3::bigint[]) AS c(topic, number, n) USING (topic, number)
    ORDER BY p.topic, p.number FOR UPDATE OF p),
room AS (
    UPDATE partition p SET next = p.next + c.n FROM locked c
    WHERE p.topic = c.topic AND p.number = c.number
    RETURNING p.topic, p.number, p.next - c.n AS base)
INSERT INTO record (topic, partition, "offset", key, value, headers)
SELECT r.topic, r.partition, room.base + r.nth, r.key, r.value, r.headers
FROM unnest($4::text[], $5::int[], $6::bigint[], $7::text[], $8::bytea[], $9::jsonb[])
     AS r(topic, partition, nth, key, value, headers)
JOIN room ON room.topic = r.topic AND room.number = r.partition
"""

_FETCH = """
SELECT r.topic, r.partition, r."offset", r.key, r.value, r.headers
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS w(topic, partition, position)
CROSS JOIN LATERAL (
    SELECT * FROM record x WHERE x.topic = w.topic AND x.partition = w.partition AND x."offset" >= w.position
    ORDER BY x."offset" LIMIT $4) AS r
ORDER BY r.topic, r.partition, r."offset"
"""

_JOIN = "SELECT pg_advisory_lock_shared(hashtextextended($1, 7110905))"
# How many members there are, and how many of them come before this one.
_MEMBERS = """
SELECT count(*) AS members, count(*) FILTER (WHERE pid < pg_backend_pid()) AS before FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32) | objid::bigint = hashtextextended($1, 7110905)
"""
_TAKE = "SELECT pg_try_advisory_lock(hashtextextended($1, 7110902))"
_GIVE_BACK = "SELECT pg_advisory_unlock(hashtextextended($1, 7110902))"

_COMMIT = """
UPDATE group_offset g SET "offset" = c.next
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS c(topic, partition, next, epoch)
WHERE g."group" = $1 AND g.topic = c.topic AND g.partition = c.partition AND g.epoch = c.epoch
RETURNING g.topic, g.partition
"""

CHANNEL = "mes_log"
# No statement of the log takes seconds; one that does has lost its server.


async def _leave(_: Any) -> None:
    """The statements here leave nothing behind in a session, so none has to be reset: that is a round trip each."""


class PostgresBus:
    """The log in one database; `dsn` is a libpq address."""

    def __init__(self, dsn: str, *, partitions: int = 4, pool_size: int = 6) -> None:
        self._dsn = dsn
        self._partitions = partitions
        self._pool_size = pool_size
        self._pool: asyncpg.Pool[Any] | None = None
        self._counts: dict[str, int] = {}
        self._members: set[PostgresSubscription] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._notify_due = asyncio.Event()

    @property
    def pool(self) -> asyncpg.Pool[Any]:
        """The pool of connections; only after `start`."""
        if self._pool is None:
            raise RuntimeError("the log is not started")
        return self._pool

    async def start(self) -> None:
        """Connect, make the tables if they are missing, listen for other processes' appends."""
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=1,
            max_size=self._pool_size,
            timeout=5,
            command_timeout=STATEMENT_S,
            reset=_leave,
            server_settings=server_settings("mes-log", jit="off"),
        )
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(7110901)")
            await connection.execute(SCHEMA)
        self._tasks = [
            asyncio.create_task(self._listen(), name="log-listen"),
            asyncio.create_task(self._notify_others(), name="log-notify"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for member in tuple(self._members):
            await member.close()
        if self._pool:
            try:
                async with asyncio.timeout(5):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()

    async def _listen(self) -> None:
        """Hear of other processes' appends, on a connection that is made again whenever it is lost."""
        while True:
            try:
                connection = await self.connect("mes-log-listen")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.5)
                continue
            lost = asyncio.Event()
            connection.add_termination_listener(lambda *_, lost=lost: lost.set())
            try:
                await connection.add_listener(CHANNEL, lambda *_: self.wake())
                self.wake()
                await lost.wait()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.5)
            finally:
                connection.terminate()

    def wake(self) -> None:
        """Let every waiting subscription of this process look again."""
        for member in self._members:
            member.wake()

    async def _notify_others(self) -> None:
        # One NOTIFY per 5 ms at most, on a connection of its own: inside the append it would serialise the commits.
        while True:
            await self._notify_due.wait()
            self._notify_due.clear()
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.pool.execute(f"NOTIFY {CHANNEL}")
            await asyncio.sleep(0.005)

    async def create_topics(self, topics: Sequence[str]) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.executemany(
                "INSERT INTO topic VALUES ($1, $2) ON CONFLICT DO NOTHING",
                [(name, self._partitions) for name in topics],
            )
            await connection.execute(
                "INSERT INTO partition (topic, number) "
                "SELECT t.name, g FROM topic t, generate_series(0, t.partitions - 1) g "
                "WHERE t.name = ANY($1) ON CONFLICT DO NOTHING",
                list(topics),
            )

    async def _count(self, topic: str) -> int:
        if topic not in self._counts:
            found = await self.pool.fetchval("SELECT partitions FROM topic WHERE name = $1", topic)
            if found is None:
                await self.create_topics([topic])
                found = self._partitions
            self._counts[topic] = int(found)
        return self._counts[topic]

    async def append(self, records: Sequence[Record]) -> None:
        placed: dict[tuple[str, int], int] = {}
        rows: list[tuple[str, int, int, Record]] = []
        for record in records:
            place = (record.topic, partition_of(record.key, await self._count(record.topic)))
            nth = placed.get(place, 0)
            placed[place] = nth + 1
            rows.append((*place, nth, record))
        places = sorted(placed)
        await self.pool.execute(
            _APPEND,
            [topic for topic, _ in places],
            [number for _, number in places],
            [placed[place] for place in places],
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            [row[3].key for row in rows],
            [row[3].value for row in rows],
            [json.dumps(dict(row[3].headers)) for row in rows],
        )
        self.wake()
        self._notify_due.set()

    async def subscribe(self, group: str, topics: Sequence[str]) -> PostgresSubscription:
        await self.create_topics(topics)
        subscription = PostgresSubscription(self, group, list(topics))
        try:
            await subscription.start()
        except BaseException:
            await subscription.close()
            raise
        return subscription

    async def connect(self, name: str = "mes-log-member") -> asyncpg.Connection[Any]:
        """A connection of its own (advisory locks live on it)."""
        return await asyncpg.connect(
            self._dsn, timeout=5, command_timeout=STATEMENT_S, server_settings=server_settings(name)
        )

    async def lag(self, groups: Mapping[str, Sequence[str]]) -> dict[str, Lag]:
        pairs = [(group, topic) for group, topics in groups.items() for topic in topics]
        rows = await self.pool.fetch(
            'SELECT w."group", sum(p.next)::bigint AS "end", sum(p.next - coalesce(g."offset", 0))::bigint AS behind '
            'FROM unnest($1::text[], $2::text[]) AS w("group", topic) JOIN partition p ON p.topic = w.topic '
            'LEFT JOIN group_offset g ON g."group" = w."group" AND g.topic = p.topic '
            "AND g.partition = p.number GROUP BY 1",
            [pair[0] for pair in pairs],
            [pair[1] for pair in pairs],
        )
        found = {row["group"]: Lag(row["end"], row["behind"]) for row in rows}
        return {group: found.get(group, Lag(0, 0)) for group in groups}

    async def positions(self, group: str, topics: Sequence[str]) -> dict[Place, Position]:
        rows = await self.pool.fetch(
            'SELECT p.topic, p.number, p.next, coalesce(g."offset", 0) AS committed FROM partition p '
            'LEFT JOIN group_offset g ON g."group" = $1 AND g.topic = p.topic AND g.partition = p.number '
            "WHERE p.topic = ANY($2)",
            group,
            list(topics),
        )
        return {(row["topic"], row["number"]): Position(row["committed"], row["next"]) for row in rows}

    async def read(self, topic: str, *, after: Callable[[int], int] | None = None, limit: int = 1000) -> list[Received]:
        numbers = range(await self._count(topic))
        starts = [after(number) if after else 0 for number in numbers]
        rows = await self.pool.fetch(_FETCH, [topic] * len(starts), list(numbers), starts, limit)
        return [_received(row) for row in rows]


def _received(row: Any) -> Received:
    return Received(row["topic"], row["partition"], row["offset"], row["key"], row["value"], json.loads(row["headers"]))


@dataclass(slots=True)
class _Owned:
    epoch: int
    position: int


class PostgresSubscription:
    """A member of a group on the log in PostgreSQL."""

    # How often a member looks for partitions that nobody owns any more.
    CLAIM_INTERVAL = 1.0

    def __init__(self, bus: PostgresBus, group: str, topics: list[str]) -> None:
        self._bus = bus
        self._group = group
        self._topics = topics
        # Locked by the member's connection, and of these what has a position.
        self._locked: set[tuple[str, int]] = set()
        self._owned: dict[tuple[str, int], _Owned] = {}
        self._paused: set[tuple[str, int]] = set()
        self._member: asyncpg.Connection[Any] | None = None
        self._wake = asyncio.Event()
        self._all: list[tuple[str, int]] = []
        self._next_claim = 0.0

    async def start(self) -> None:
        rows = await self._bus.pool.fetch(
            "SELECT topic, number FROM partition WHERE topic = ANY($1) ORDER BY 1, 2", self._topics
        )
        self._all = [(row["topic"], row["number"]) for row in rows]
        self._bus._members.add(self)
        await self._claim()

    def owned(self) -> Iterable[Place]:
        """The partitions that this member has."""
        return tuple(self._owned)

    def wake(self) -> None:
        """Look again."""
        self._wake.set()

    async def _claim(self) -> None:
        """Hold a fair part of the partitions: ask for what is missing, give back what is too much."""
        if self._member is None or self._member.is_closed():
            self._owned.clear()
            self._locked.clear()
            self._member = await self._join()
        group = await self._member.fetchrow(_MEMBERS, self._group)
        assert group is not None  # noqa: S101 - an aggregate always gives a row
        part, rest = divmod(len(self._all), max(1, group["members"]))
        # What cannot be divided goes to the first members, one each: nobody is without while another one has two more.
        part += group["before"] < rest
        for place in sorted(self._locked)[part:]:
            self._owned.pop(place, None)
            await self._member.execute(_GIVE_BACK, self._lock_name(place))
            self._locked.discard(place)
        for place in self._all:
            if len(self._locked) >= part:
                break
            if place not in self._locked and await self._member.fetchval(_TAKE, self._lock_name(place)):
                self._locked.add(place)
        for place in self._locked.difference(self._owned):
            self._owned[place] = await self._take_over(*place)
        self._next_claim = asyncio.get_running_loop().time() + self.CLAIM_INTERVAL

    async def _join(self) -> asyncpg.Connection[Any]:
        member = await self._bus.connect()
        try:
            await member.execute(_JOIN, self._group)
            # An offset lost with the machine only delivers again, and the inbox skips: no need to wait for the disk.
            await member.execute("SET synchronous_commit = off")
        except BaseException:
            member.terminate()
            raise
        return member

    def _lock_name(self, place: tuple[str, int]) -> str:
        return f"{self._group}/{place[0]}/{place[1]}"

    async def _take_over(self, topic: str, number: int) -> _Owned:
        row = await self._bus.pool.fetchrow(
            'INSERT INTO group_offset ("group", topic, partition, epoch) VALUES ($1, $2, $3, 1) '
            'ON CONFLICT ("group", topic, partition) DO UPDATE SET epoch = group_offset.epoch + 1 '
            'RETURNING epoch, "offset"',
            self._group,
            topic,
            number,
        )
        assert row is not None  # noqa: S101 - RETURNING of an upsert always gives a row
        return _Owned(row["epoch"], row["offset"])

    async def fetch(self, *, limit: int, wait: float) -> Batch:
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            now = asyncio.get_running_loop().time()
            if now >= self._next_claim:
                await self._claim()
            self._wake.clear()
            found = await self._fetch_once(limit)
            if found or now >= deadline:
                return found
            # The short poll is only the fallback for a lost notification. (Not `wait_for`: on Python 3.11 it loses a
            # cancellation that comes together with the wake.)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(0.25, max(0.001, deadline - now))):
                    await self._wake.wait()

    async def _fetch_once(self, limit: int) -> Batch:
        places = [place for place in self._owned if place not in self._paused]
        if not places:
            return {}
        rows = await self._bus.pool.fetch(
            _FETCH,
            [topic for topic, _ in places],
            [number for _, number in places],
            [self._owned[place].position for place in places],
            limit,
        )
        batch: Batch = {}
        for row in rows:
            batch.setdefault((row["topic"], row["partition"]), []).append(_received(row))
        for place, records in batch.items():
            if place in self._owned:
                self._owned[place].position = records[-1].offset + 1
        return batch

    async def commit(self, offsets: Offsets) -> None:
        lost = {place for place in offsets if place not in self._owned}
        mine = [(place, self._owned[place].epoch) for place in offsets if place not in lost]
        if mine and self._member is not None:
            try:
                rows = await self._member.fetch(
                    _COMMIT,
                    self._group,
                    [topic for (topic, _), _ in mine],
                    [number for (_, number), _ in mine],
                    [offsets[place] for place, _ in mine],
                    [epoch for _, epoch in mine],
                    timeout=STATEMENT_S,
                )
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
                # The locks went with the connection.
                raise Fenced(f"{self._group} lost all partitions", offsets) from error
            lost |= {place for place, _ in mine} - {(row["topic"], row["partition"]) for row in rows}
        if lost:
            self.rewind(lost)
            raise Fenced(f"{self._group} lost {sorted(lost)}", lost)

    def rewind(self, places: Iterable[Place]) -> None:
        # Taking them over anew reads the committed offsets; the locks are kept.
        for place in places:
            if self._owned.pop(place, None) is not None:
                self._next_claim = 0.0

    def pause(self, places: Iterable[Place]) -> None:
        self._paused.update(places)

    def resume(self, places: Iterable[Place]) -> None:
        self._paused.difference_update(places)
        self._wake.set()

    async def close(self) -> None:
        self._bus._members.discard(self)
        self._owned.clear()
        self._locked.clear()
        if self._member is not None and not self._member.is_closed():
            with contextlib.suppress(Exception):
                await self._member.close(timeout=2)
