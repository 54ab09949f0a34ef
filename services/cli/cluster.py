"""The cluster's shape on one machine: every service in processes of its own, supervised, behind one address."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
from mes.config import Settings
from mes.embedded.server import free_port
from mes.errors import Unavailable
from mes.service import Service

from services.cli.gateway import Upstreams, gateway_app
from services.cli.installation import home_of, require_free_port, withdraw
from services.cli.serving import (
    Beside,
    Server,
    address_of,
    database,
    http_for,
    kept,
    migrate,
    run_async,
    until_stopped,
)
from services.cli.terminal import say, working

log = logging.getLogger(__name__)

_READY_S, _STOP_S = 60.0, 30.0
_LOOK_S = 0.1
# A process that ends soon after its start is started again after a pause that doubles.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STEADY_S = 0.2, 10.0, 30.0
# What another command has to know of the log that we started.
_LOG_SETTINGS = {"bus", "kafka_bootstrap", "kafka_replication"}


@dataclass
class Child:
    """One process: `mes serve SERVICE` on a port of its own, its output in a file. It ends when we are gone."""

    service: str
    port: int
    log_file: Path
    env: Mapping[str, str]
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0.0
    _pause: float = _FIRST_PAUSE_S

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process id, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it (again)."""
        self._let_go()
        words = [sys.executable, "-m", "services", "serve", self.service]
        words += ["--port", str(self.port), "--host", "127.0.0.1", "--end-with-input"]
        with self.log_file.open("ab") as output:
            # A session of its own: Ctrl-C is for us, and we stop it.
            self._process = subprocess.Popen(  # noqa: S603 - our own
                words, env={**os.environ, **self.env}, stdin=subprocess.PIPE, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        self._started_at = asyncio.get_running_loop().time()

    async def keep(self) -> None:
        """For ever: start it again whenever it ended."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.pid is not None:
                continue
            steady = asyncio.get_running_loop().time() - self._started_at > _STEADY_S
            self._pause = _FIRST_PAUSE_S if steady else min(self._pause * 2, _LONGEST_PAUSE_S)
            status = self._process.returncode if self._process else None
            log.warning("process ended, starting it again", extra={"service": self.service, "status": status})
            await asyncio.sleep(self._pause)
            self.restarts += 1
            self.start()

    async def stop(self) -> None:
        """Ask it to end, and wait; killed when it takes too long."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            await asyncio.to_thread(process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        self._let_go()

    def _let_go(self) -> None:
        """Close our end of the input of a process that has ended."""
        if self._process and self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    async def ready(self) -> None:
        """Wait until it answers. Raises Unavailable with its last words."""
        deadline = asyncio.get_running_loop().time() + _READY_S
        async with httpx.AsyncClient(timeout=5) as http:
            while asyncio.get_running_loop().time() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"{self.address}/readyz")).is_success:
                        return
                if self.pid is None:
                    break
                await asyncio.sleep(_LOOK_S)
        said = self.log_file.read_text(encoding="utf-8", errors="replace").strip()[-500:]
        raise Unavailable("cluster.not_ready", service=self.service, log=str(self.log_file), reason=said)


@dataclass
class Cluster:
    """Its processes."""

    children: list[Child] = field(default_factory=list)

    @property
    def addresses(self) -> dict[str, list[str]]:
        """Where the processes of each service answer."""
        found: dict[str, list[str]] = {}
        for child in self.children:
            found.setdefault(child.service, []).append(child.address)
        return found


def environment(settings: Settings) -> dict[str, str]:
    """What a process needs to know of database, log and site, as environment variables."""
    names = settings.model_fields_set | {"database_url", "database_password", "bus", "clock_factor", "clock_start",
                                         "clock_pinned", "time_zone", "partitions", "topic_prefix"}  # fmt: skip
    values = {name: getattr(settings, name) for name in names - {"home", "port", "host"}}
    return {f"MES_{name.upper()}": _plain(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def event_log(settings: Settings, *, kafka: bool, brokers: int = 1) -> Iterator[Settings]:
    """Settings whose log runs: as given, or Apache Kafka started for as long as we run."""
    if not kafka:
        yield settings
        return
    from mes.embedded.kafka import KafkaCluster

    cluster = KafkaCluster(home_of(settings) / "kafka", brokers=brokers)
    with working("cluster.starting_kafka"):
        cluster.start()
    try:
        changes = {"bus": "kafka", "kafka_bootstrap": cluster.bootstrap, "kafka_replication": brokers}
        with kept("Kafka", cluster.revive):
            yield settings.model_copy(update=changes)
    finally:
        with working("cluster.stopping_kafka"):
            cluster.stop()


@asynccontextmanager
async def processes(settings: Settings, names: Sequence[str], replicas: int) -> AsyncIterator[Cluster]:
    """Every service in so many processes, all ready; within the block they are kept running."""
    folder = home_of(settings) / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    env = environment(settings)
    cluster = Cluster()
    keepers: list[asyncio.Task[None]] = []
    try:
        for name in names:
            for number in range(1, replicas + 1):
                child = Child(name, free_port(), folder / f"{name}-{number}.log", env)
                cluster.children.append(child)
                child.start()
        await asyncio.gather(*(child.ready() for child in cluster.children))
        keepers = [asyncio.create_task(child.keep(), name=f"keep {child.service}") for child in cluster.children]
        yield cluster
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in cluster.children), return_exceptions=True)


@asynccontextmanager
async def clustered(settings: Settings, services: Sequence[Service], replicas: int) -> AsyncIterator[Server]:
    """The processes and the gateway; within the block the whole answers, and `should_exit` of the server ends it."""
    async with processes(settings, [service.name for service in services], replicas) as cluster:
        shortcuts = {
            short: f"/{service.name}{path}" for service in services for short, path in service.shortcuts.items()
        }
        app = gateway_app(Upstreams(cluster.addresses), shortcuts, ZoneInfo(settings.time_zone))
        async with http_for(settings, app) as server:
            yield server


def run_cluster(
    settings: Settings, services: Sequence[Service], beside: Beside, *, replicas: int, kafka: bool, brokers: int
) -> None:
    """Run until Ctrl-C or SIGTERM, then stop everything: processes, Kafka, the database last."""
    require_free_port(settings.host, settings.port)
    home = home_of(settings)
    with database(settings, join=False) as reachable, event_log(reachable, kafka=kafka, brokers=brokers) as logged:
        try:
            run_async(_run(logged, services, beside, replicas, home, own_log=kafka))
        finally:
            withdraw(home)
    say("cli.stopped")


async def _run(
    settings: Settings, services: Sequence[Service], beside: Beside, replicas: int, home: Path, *, own_log: bool
) -> None:
    with working("cli.migrating"):
        await migrate(settings, services)
    say("cluster.starting", count=len(services) * replicas, logs=str(home / "logs"))
    own = settings.model_dump(include=_LOG_SETTINGS) if own_log else None
    await until_stopped(clustered(settings, services, replicas), address_of(settings), beside, home, log_settings=own)
