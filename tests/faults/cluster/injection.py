"""Records that no service of ours would send, put into the topic of the order service.

Each carries a mark in a header, which its dead letters keep. A record that is no event of ours is a dead letter of
every service that listens to the topic; one of a known type only of those that handle it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from mes.bus import Record
from mes.config import Settings
from mes.events.v1 import order_pb2
from mes.ids import site_id
from mes.inbox import topics_of
from mes.runtime import open_bus
from mes.service import Service

from services.cli.composition import load_services
from tests.faults.cluster.work import INJECTED

if TYPE_CHECKING:
    from tests.faults.cluster.stage import Stage

_TYPE = order_pb2.JobChanged.DESCRIPTOR.full_name
# No wire type 7: no message can be read from this.
_GARBAGE = b"\xff\xff\xff\xff"
# As much as brokers take by default, headers and all.
_OVERSIZED = 1_040_000


@dataclass(frozen=True, slots=True)
class Injected:
    """A record to send. key None, bytes in headers: only where the log can carry them. known: its type is handled."""

    value: bytes
    headers: dict[str, str]
    key: bytes | None = field(default_factory=lambda: str(uuid4()).encode())
    known: bool = False
    raw_headers: dict[str, bytes] = field(default_factory=dict)


Kind = Callable[[Random, UUID], Injected]


def _headers(random: Random, site: UUID, **changes: str) -> dict[str, str]:
    return {
        "ce_specversion": "1.0", "ce_id": str(UUID(int=random.getrandbits(128), version=4)), "ce_source": "mes.order",
        "ce_type": _TYPE, "ce_time": datetime.now(UTC).isoformat(), "ce_sequence": "1", "ce_actor": "hostile",
        "ce_site": str(site), "content-type": "application/protobuf", **changes,
    }  # fmt: skip


def poison(random: Random, site: UUID) -> Injected:
    """A known type whose bytes cannot be read."""
    return Injected(_GARBAGE, _headers(random, site), known=True)


def oversized(random: Random, site: UUID) -> Injected:
    """The same, as large as the broker takes it: a copy with further headers would be too large."""
    return Injected(_GARBAGE + random.randbytes(_OVERSIZED), _headers(random, site), known=True)


def unknown_version(random: Random, site: UUID) -> Injected:
    """A version of CloudEvents that there is not yet."""
    return Injected(b"", _headers(random, site, ce_specversion="9.0"))


def hostile_bytes(random: Random, site: UUID) -> Injected:
    """No header of ours, no key, bytes of any kind in all places."""
    raw = {"ce_id": random.randbytes(16), "\u0000ce": b"\x00"}
    return Injected(random.randbytes(300), {}, None, raw_headers=raw)


KINDS: tuple[Kind, ...] = (poison, oversized, unknown_version, hostile_bytes)


def _hearers(services: list[Service], injected: Injected) -> list[str]:
    hear = [each for each in services if "order" in each.listens_to]
    return [
        each.name for each in hear
        if not injected.known or _TYPE in each.consumers.handlers or each.consumers.every is not None
    ]  # fmt: skip


async def inject(stage: Stage, kind: Kind) -> None:
    """Put a record of a kind into the log, and expect its dead letters."""
    settings = stage.deployment.settings
    injected = kind(stage.random, site_id(settings.site))
    mark = f"{kind.__name__}-{uuid4().hex[:8]}"
    (topic,) = topics_of(["order"], settings.topic_prefix)
    await (_to_kafka if settings.bus == "kafka" else _to_postgres)(settings, topic, injected, mark)
    stage.expected_dead |= {(name, mark) for name in _hearers(load_services(), injected)}


async def _to_kafka(settings: Settings, topic: str, injected: Injected, mark: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, max_request_size=_OVERSIZED + 10_000)
    await producer.start()
    try:
        headers = [(name, value.encode()) for name, value in {**injected.headers, INJECTED: mark}.items()]
        headers += list(injected.raw_headers.items())
        await producer.send_and_wait(topic, injected.value, key=injected.key, headers=headers)
    finally:
        await producer.stop()


async def _to_postgres(settings: Settings, topic: str, injected: Injected, mark: str) -> None:
    bus = open_bus(settings)
    await bus.start()
    try:
        # Text is all that this log can carry as a key or in headers, and NUL is not among it.
        raw = {name.replace("\x00", ""): value.hex() for name, value in injected.raw_headers.items()}
        key = (injected.key or b"").decode()
        await bus.append([Record(topic, key, injected.value, {**injected.headers, **raw, INJECTED: mark})])
    finally:
        await bus.close()
