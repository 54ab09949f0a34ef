"""A member of a consumer group that commits only what it fetched while it owned it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from mes.bus import Batch, Fenced, Offsets, Place, Received
from mes.bus.kafka.connection import REQUEST_SECONDS, Connection

log = logging.getLogger(__name__)

_COMMIT_SECONDS = 10.0
_JOIN_SECONDS = 30.0
_STOP_SECONDS = 5.0
# How long a fetch without records waits at the broker; a rewind has to wait for that.
_LONG_POLL_SECONDS = 0.1
_GRACE_SECONDS = 0.1
_NO_GENERATION = -1
# Ours are ids of 36 characters.
_MOST_KEY_BYTES = 1000
# A member that stood still is expelled once; one with a twin again and again.
_EXPELLED_BY_A_TWIN, _WITHIN_SECONDS = 5, 60.0


def end_process() -> None:
    """Stop in good order, as a supervisor would ask for it."""
    signal.raise_signal(signal.SIGTERM)


class _Ownership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Tells the subscription of every rebalance. aiokafka calls it before it joins anew, and after."""

    def __init__(self, subscription: KafkaSubscription) -> None:
        self._subscription = subscription

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._subscription.disown()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._subscription.own()


class KafkaSubscription:
    """A member of a group on Kafka.

    A commit carries the generation of the group in which its records were fetched, and is sent once. aiokafka's own
    `commit` sends again after a rebalance, with the new generation: seen to set a group back behind another member.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        topics: Sequence[str],
        *,
        session_seconds: float,
        instance_id: str = "",
        on_twin: Callable[[], None] = end_process,
    ) -> None:
        self._group = group
        self._instance_id = instance_id
        self._on_twin = on_twin
        self._topics = list(topics)
        self._options = {
            **connection.options(),
            "group_id": group,
            "group_instance_id": instance_id or None,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "session_timeout_ms": int(session_seconds * 1000),
            "heartbeat_interval_ms": max(100, int(session_seconds * 100)),
            "fetch_max_wait_ms": int(_LONG_POLL_SECONDS * 1000),
            # A join is answered when the slowest member came, at most a session later.
            "request_timeout_ms": int((REQUEST_SECONDS + session_seconds) * 1000),
        }
        self._consumer: Any = None
        self._generation = _NO_GENERATION
        # Fetched in this generation; and where the position is to be set back.
        self._fetched: set[Place] = set()
        self._rewound: set[Place] = set()
        # What this member has committed. A broker that is back after it was killed answers with older offsets, or none,
        # until the group's next commit (seen with 4.3.1 and one copy of a topic).
        self._committed: dict[Place, int] = {}
        self._expelled: deque[float] = deque(maxlen=_EXPELLED_BY_A_TWIN)

    async def start(self) -> None:
        """Join the group."""
        await self._joined()

    # ---- what the group says

    def own(self) -> None:
        """The group has given out partitions; positions are the committed ones."""
        self._generation = self._consumer._coordinator.generation if self._consumer is not None else _NO_GENERATION
        self._fetched.clear()
        self._rewound.clear()

    def disown(self) -> None:
        """The group shares out anew: nothing of what was fetched can be committed any more."""
        self._generation = _NO_GENERATION
        self._fetched.clear()

    def owned(self) -> Iterable[Place]:
        """The partitions this member has; none while the group shares out."""
        if self._generation == _NO_GENERATION:
            return ()
        return tuple((each.topic, each.partition) for each in self._assigned())

    def _assigned(self) -> set[TopicPartition]:
        found: set[TopicPartition] = self._consumer.assignment()
        return found

    # ---- the port

    async def fetch(self, *, limit: int, wait: float) -> Batch:
        try:
            consumer = await self._joined()
            await self._set_back(consumer)
            # Bounded here too: during a rebalance `getmany` waits for its end, however long that takes.
            async with asyncio.timeout(wait + _GRACE_SECONDS):
                found = await consumer.getmany(timeout_ms=int(wait * 1000), max_records=limit)
        except TimeoutError:
            return {}
        except KafkaError as error:
            if "UnknownError" in str(error):
                # What aiokafka makes of FENCED_INSTANCE_ID.
                self._was_expelled()
            # Some of aiokafka's errors are for ever (its coordination has ended): a new client has none of them.
            await self._leave()
            raise
        batch = {
            (place.topic, place.partition): [received(each) for each in records] for place, records in found.items()
        }
        if behind := [place for place, records in batch.items() if records[0].offset < self._committed.get(place, 0)]:
            for place in await self._gone_on(consumer, behind):
                del batch[place]
        self._fetched |= batch.keys()
        return batch

    async def _gone_on(self, consumer: Any, behind: Sequence[Place]) -> list[Place]:
        """Let partitions go on from where this member has committed; those that do. The others were made anew."""
        places = [TopicPartition(*place) for place in behind]
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                ends = await consumer.end_offsets(places)
            again: list[Place] = []
            for place in places:
                known = (place.topic, place.partition)
                if ends[place] < self._committed[known]:
                    del self._committed[known]
                    continue
                consumer.seek(place, self._committed[known])
                again.append(known)
        except (KafkaError, TimeoutError, IllegalStateError):
            # It is fetched again, from wherever the group says.
            self.rewind(behind)
            return list(behind)
        log.warning("the broker has forgotten what was committed", extra={"group": self._group, "places": again})
        return again

    async def commit(self, offsets: Offsets) -> None:
        lost = set(offsets) - self._fetched
        mine = {place: offset for place, offset in offsets.items() if place not in lost}
        cause: Exception | None = None
        if mine:
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._commit_once(mine)
                self._committed |= mine
            except (KafkaError, TimeoutError) as error:
                # Whether it was committed or not: reading from the committed offsets is right for both.
                cause, lost = error, set(offsets)
                if isinstance(error, CommitFailedError | UnknownMemberIdError | IllegalGenerationError):
                    self._was_expelled()
        if lost:
            self.rewind(lost)
            raise Fenced(f"{self._group} lost {sorted(lost)}: {cause or 'shared out anew'}", lost) from cause

    def _was_expelled(self) -> None:
        # Kafka does not keep two processes of one instance id apart: each drives the other out, for ever.
        now = asyncio.get_running_loop().time()
        self._expelled.append(now)
        often = len(self._expelled) == _EXPELLED_BY_A_TWIN and now - self._expelled[0] < _WITHIN_SECONDS
        if self._instance_id and often:
            self._expelled.clear()
            log.critical("another process has this MES_KAFKA_INSTANCE_ID", extra={"instance_id": self._instance_id})
            self._on_twin()

    async def _commit_once(self, offsets: Offsets) -> None:
        generation, coordinator = self._generation, self._consumer._coordinator
        await coordinator.ensure_coordinator_known()
        # Without a generation the broker takes a commit for any group that is empty at the moment.
        if generation <= 0 or not generation == self._generation == coordinator.generation:
            raise CommitFailedError("the group has been shared out anew")
        ends = {TopicPartition(*place): OffsetAndMetadata(offset, "") for place, offset in offsets.items()}
        # Nothing is awaited between the look at the generation and the request, which carries it.
        await coordinator._do_commit_offsets(None, ends)

    def rewind(self, places: Iterable[Place]) -> None:
        # Places may be a generator.
        chosen = set(places)
        self._fetched -= chosen
        self._rewound |= chosen

    def pause(self, places: Iterable[Place]) -> None:
        if mine := self._of_ours(places):
            self._consumer.pause(*mine)

    def resume(self, places: Iterable[Place]) -> None:
        if mine := self._of_ours(places):
            self._consumer.resume(*mine)

    def _of_ours(self, places: Iterable[Place]) -> set[TopicPartition]:
        if self._consumer is None:
            return set()
        return self._assigned().intersection(TopicPartition(*place) for place in places)

    async def _set_back(self, consumer: Any) -> None:
        """Let the positions of rewound partitions be the committed ones. (aiokafka's `seek_to_committed` leaves a
        partition that has no committed offset where it is.)"""
        places = [place for place in self._assigned() if (place.topic, place.partition) in self._rewound]
        if not places:
            return
        generation = self._generation
        async with asyncio.timeout(REQUEST_SECONDS):
            committed = await consumer._coordinator.fetch_committed_offsets(places)
            if self._generation != generation:
                return
            try:
                for place, found in committed.items():
                    consumer.seek(place, found.offset)
                if fresh := [place for place in places if place not in committed]:
                    await consumer.seek_to_beginning(*fresh)
            except IllegalStateError:
                # Shared out anew meanwhile, which sets positions itself.
                return
        self._rewound.difference_update((place.topic, place.partition) for place in places)

    async def close(self) -> None:
        await self._leave()

    # ---- the client

    async def _joined(self) -> Any:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(**self._options)
            consumer.subscribe(self._topics, listener=_Ownership(self))
            self._consumer = consumer
            try:
                async with asyncio.timeout(_JOIN_SECONDS):
                    await consumer.start()
            except BaseException as error:
                if isinstance(error, Exception):
                    log.warning("joining the group did not work", extra={"group": self._group, "error": repr(error)})
                await self._leave()
                raise
        return self._consumer

    async def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        self.disown()
        self._rewound.clear()
        if consumer is not None:
            await _dispose(consumer)


async def _dispose(consumer: Any) -> None:
    """Leave the group and disconnect, in bounded time: `stop` waits for requests that nobody may answer."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await consumer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("the consumer did not end properly", extra={"error": repr(error)})
        with contextlib.suppress(TimeoutError, KafkaError, OSError):
            async with asyncio.timeout(_STOP_SECONDS):
                if consumer._fetcher is not None:
                    await consumer._fetcher.close()
                await consumer._client.close()


def received(record: Any) -> Received:
    """A record of aiokafka as the port has it."""
    return Received(
        record.topic,
        record.partition,
        record.offset,
        _key(record.key),
        record.value or b"",
        {name.replace("\x00", "\ufffd"): _text(value) for name, value in record.headers},
    )


def _key(raw: bytes | None) -> str:
    found = _text(raw)
    if len(found.encode()) <= _MOST_KEY_BYTES:
        return found
    # Records of one key still have one.
    return f"{found[: _MOST_KEY_BYTES // 4]}#{hashlib.sha256(found.encode()).hexdigest()}"


def _text(raw: bytes | None) -> str:
    # Whoever else writes here may send anything; no database takes a NUL in a text.
    found = (raw or b"").decode("utf-8", "replace")
    return found.replace("\x00", "\ufffd") if "\x00" in found else found
