"""How fast events take effect, and signals become intervals, beside loops of asyncpg that write the same.

Events are JobChanged, applied by the equipment service: an entry in its inbox and one upsert each, a transaction a
batch. The bare loop reads nothing: it has the same rows at hand and runs the same two statements, the inbox for the
batch and the upsert for each event, in transactions of the same size, on one connection.

Signals go through the API of the service, a thousand a request; the answer comes when intervals are committed. The bare
loop inserts the same signals, a thousand a statement (`insert ... select from unnest`), and folds nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from mes.bus import Record
from mes.config import Settings
from mes.events.v1 import order_pb2
from mes.ids import new_id, site_id
from mes.runtime import Runtime
from mes.web import service_app

from services.cli.composition import load_services

_EPOCH = datetime(2026, 3, 2, tzinfo=UTC)
_SITE = site_id("main")
_BATCH = 200
_SIGNALS = 1000
_INBOX = "INSERT INTO bare_inbox SELECT * FROM unnest($1::text[], $2::uuid[]) ON CONFLICT DO NOTHING"
_JOB = """
INSERT INTO bare_job (id, site_id, order_id, equipment_id, state, version) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET site_id = excluded.site_id, order_id = excluded.order_id,
    equipment_id = excluded.equipment_id, state = excluded.state, version = excluded.version
WHERE bare_job.version <= excluded.version
"""
_TABLES = "CREATE TABLE bare_inbox (LIKE inbox INCLUDING ALL); CREATE TABLE bare_job (LIKE job INCLUDING ALL); "
_SIGNAL_TABLE = "CREATE TABLE bare_signal (LIKE signal INCLUDING ALL)"
_SIGNAL = """
INSERT INTO bare_signal (id, site_id, equipment_id, stream_id, source, session, seq, at, kind, name, value, digest,
    ingested_at)
SELECT id, $7, equipment_id, $8, source, 's', seq, at, 'state', '', value, '', now()
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[])
    AS t(id, equipment_id, source, seq, at, value)
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """Events and signals per second, of the product and of the bare loops."""

    events: float
    bare_events: float
    signals: float
    bare_signals: float


async def measure_applied(settings: Settings, *, events: int = 10_000, signals: int = 60_000) -> Applied:
    """settings: of an installation whose equipment service has its tables and nothing else."""
    (equipment,) = load_services(["equipment"])
    runtime = Runtime(settings, [equipment])
    await runtime.start()
    dsn = settings.service_url("equipment").replace("postgresql+asyncpg://", "postgresql://")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_TABLES + _SIGNAL_TABLE)
        machines = await _machines(runtime, 20)
        changes = [_change(number, machines) for number in range(events)]
        # What the first ones cost (plans, connections) is not what is asked for.
        await _through_the_log(runtime, [_change(number, machines) for number in range(500)])
        applied = await _through_the_log(runtime, changes)
        bare = await _bare_events(connection, changes)
        taken = await _through_the_api(runtime, machines, signals)
        return Applied(applied, bare, taken, await _bare_signals(connection, machines, signals))
    finally:
        await connection.close()
        await runtime.stop()


def _record(message: order_pb2.JobChanged | order_pb2.EquipmentDefined, key: str) -> Record:
    headers = {
        "ce_specversion": "1.0", "ce_id": str(new_id()), "ce_source": "mes.order", "ce_subject": key,
        "ce_type": message.DESCRIPTOR.full_name, "ce_time": _EPOCH.isoformat(), "ce_sequence": "1",
        "ce_actor": "bench", "ce_site": str(_SITE), "content-type": "application/protobuf",
    }  # fmt: skip
    return Record("", key, message.SerializeToString(), headers)


def _change(number: int, machines: Sequence[str]) -> order_pb2.JobChanged:
    job = order_pb2.Job(
        job_id=str(uuid4()), order_id=str(uuid4()), state="Running", version=1,
        equipment_id=machines[number % len(machines)],
    )  # fmt: skip
    return order_pb2.JobChanged(job=job, verb="start")


async def _append(runtime: Runtime, records: Sequence[Record]) -> None:
    (topic,) = runtime.services["equipment"].topics
    for start in range(0, len(records), 500):
        part = records[start : start + 500]
        await runtime.bus.append([Record(topic, each.key, each.value, each.headers) for each in part])


async def _caught_up(runtime: Runtime) -> None:
    if left := await runtime.wait_idle(300):
        raise RuntimeError("; ".join(left))


async def _machines(runtime: Runtime, count: int) -> list[str]:
    machines = [str(uuid4()) for _ in range(count)]
    defined = [
        order_pb2.EquipmentDefined(
            equipment_id=each, no=f"M-{number}", is_networked=True, mapping="tower_light", signal_timeout_s=86400
        )
        for number, each in enumerate(machines)
    ]
    await _append(runtime, [_record(each, each.equipment_id) for each in defined])
    await _caught_up(runtime)
    return machines


async def _through_the_log(runtime: Runtime, changes: Sequence[order_pb2.JobChanged]) -> float:
    records = [_record(each, each.job.order_id) for each in changes]
    began = time.perf_counter()
    await _append(runtime, records)
    await _caught_up(runtime)
    return len(changes) / (time.perf_counter() - began)


async def _bare_events(connection: asyncpg.Connection[Any], changes: Sequence[order_pb2.JobChanged]) -> float:
    records = [_record(each, each.job.order_id) for each in changes]
    began = time.perf_counter()
    for start in range(0, len(changes), _BATCH):
        async with connection.transaction():
            part = records[start : start + _BATCH]
            ids = [UUID(each.headers["ce_id"]) for each in part]
            await connection.execute(_INBOX, [each.headers["ce_source"] for each in part], ids)
            for each in part:
                job = order_pb2.JobChanged.FromString(each.value).job
                await connection.execute(
                    _JOB, UUID(job.job_id), _SITE, UUID(job.order_id), UUID(job.equipment_id), job.state, job.version
                )
    return len(changes) / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class _Said:
    machine: str
    seq: int
    at: datetime
    value: str


def _said(machines: Sequence[str], count: int) -> list[list[_Said]]:
    """Batches as gateways send them: each machine changes its light every two seconds."""
    said = [
        _Said(
            machines[number % len(machines)],
            number // len(machines),
            _EPOCH + timedelta(seconds=2 * (number // len(machines))),
            ("green", "yellow", "red")[number // len(machines) % 3],
        )
        for number in range(count)
    ]
    return [said[start : start + _SIGNALS] for start in range(0, count, _SIGNALS)]


async def _through_the_api(runtime: Runtime, machines: Sequence[str], count: int) -> float:
    bodies = [
        json.dumps({"signals": [
            {"equipment_id": each.machine, "source": f"plc-{each.machine}", "session": "s", "seq": each.seq,
             "time": each.at.isoformat(), "kind": "state", "value": each.value}
            for each in batch
        ]})
        for batch in _said(machines, count)
    ]  # fmt: skip
    transport = httpx.ASGITransport(app=service_app(runtime.services["equipment"]))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", timeout=300) as http:
        began = time.perf_counter()
        for body in bodies:
            answer = await http.post("/signals", content=body, headers={"content-type": "application/json"})
            answer.raise_for_status()
        spent = time.perf_counter() - began
    await _caught_up(runtime)
    return count / spent


async def _bare_signals(connection: asyncpg.Connection[Any], machines: Sequence[str], count: int) -> float:
    batches = _said(machines, count)
    stream = uuid4()
    began = time.perf_counter()
    for batch in batches:
        await connection.execute(
            _SIGNAL,
            [new_id() for _ in batch],
            [UUID(each.machine) for each in batch],
            [f"plc-{each.machine}" for each in batch],
            [each.seq for each in batch],
            [each.at for each in batch],
            [each.value for each in batch],
            _SITE,
            stream,
        )
    return count / (time.perf_counter() - began)
