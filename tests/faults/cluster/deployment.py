"""The whole cluster on this machine: PostgreSQL, Kafka or not, replicas, a balancer, a supervisor of all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from mes.config import Settings
from mes.embedded import EmbeddedServer, look_at
from mes.embedded.kafka import QUICK, KafkaCluster
from mes.embedded.server import free_port

from services.cli.cluster import environment
from services.cli.composition import load_services
from services.cli.gateway import Upstreams, idle_of
from services.cli.serving import migrate
from tests.faults.cluster.balancer import Balancer
from tests.faults.cluster.disk import Disk
from tests.faults.cluster.member import Member
from tests.faults.cluster.network import DATABASE_AT, LOG_AT, LOG_PORT, WEB_AT, Network, listen_at, listener

SESSION_S = 6.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Shape:
    """What is deployed. kafka: brokers, 0 for the log in PostgreSQL. isolated: a service whose last replica reaches
    database and log by links that can be cut. small_disk: whose disk can be filled. env: of every process. module: what
    is run."""

    kafka: int = 1
    isolated: str = ""
    small_disk: Literal["", "database", "log"] = ""
    replicas: Mapping[str, int] = field(
        default_factory=lambda: {"order": 2, "scheduling": 2, "equipment": 1, "quality": 1}
    )
    env: Mapping[str, str] = field(default_factory=dict)
    module: str = "services"

    @property
    def log(self) -> Literal["kafka", "postgres"]:
        """What carries the events."""
        return "kafka" if self.kafka else "postgres"


class Deployment:
    """Running parts. Whatever ends is started again by `keep`, except what is held."""

    def __init__(self, shape: Shape, folder: Path, home: Path) -> None:
        self.shape = shape
        self.folder = folder
        self.home = home
        self.server = EmbeddedServer(home)
        self.brokers: KafkaCluster | None = None
        self.members: list[Member] = []
        self.balancer = Balancer(free_port(), folder)
        self.settings = Settings()
        self.network = Network() if shape.isolated else None
        self.disk = (
            Disk({"database": home / "pg", "log": home / "kafka"}[shape.small_disk]) if shape.small_disk else None
        )
        self.restarts = 0
        # Parts that are not to be started again just now: "database", "broker-1".
        self.held: set[str] = set()

    # ---- life

    async def start(self) -> None:
        """Start everything and wait until it is ready."""
        if self.disk:
            await asyncio.to_thread(self.disk.mount)
        if self.network:
            await asyncio.to_thread(self.network.start)
        await asyncio.to_thread(self.server.start)
        if self.network:
            await asyncio.to_thread(listen_at, self.server, DATABASE_AT)
        if self.shape.kafka:
            settings = {**QUICK, **(listener(LOG_AT, LOG_PORT) if self.network else {})}
            self.brokers = KafkaCluster(self.home / "kafka", brokers=self.shape.kafka, settings=settings)
            await asyncio.to_thread(self.brokers.start)
        self.settings = self._settings()
        await migrate(self.settings, load_services())
        for service, count in self.shape.replicas.items():
            self.members += [self._member(service, number) for number in range(1, count + 1)]
        for member in self.members:
            member.start()
        await asyncio.gather(*(member.ready() for member in self.members))
        await asyncio.to_thread(self.balancer.start, self.members)

    def _member(self, service: str, number: int) -> Member:
        env = {**environment(self.settings), "MES_DRAIN_S": "1", **self.shape.env}
        if self.brokers:
            env["MES_KAFKA_INSTANCE_ID"] = f"{service}-{number}"
        member = Member(service, number, free_port(), self.folder / f"{service}-{number}.log", env, self.shape.module)
        if self.network and service == self.shape.isolated and number == self.shape.replicas[service]:
            member.prefix, member.host = self.network.prefix, WEB_AT
            member.env = self.network.seen_from_inside(env, self.server.port)
        return member

    def _settings(self) -> Settings:
        settings = self.server.settings(Settings())
        if self.brokers is None:
            return settings.model_copy(update={"bus": "postgres"})
        return settings.model_copy(
            update={
                "bus": "kafka",
                "kafka_bootstrap": self.brokers.bootstrap,
                "kafka_replication": self.shape.kafka,
                "kafka_session_s": SESSION_S,
            }
        )

    async def stop(self) -> list[int]:
        """Stop everything; how the processes ended."""
        statuses = await asyncio.gather(*(member.stop() for member in self.members))
        self.balancer.stop()
        if self.brokers:
            await asyncio.to_thread(self.brokers.stop, kill=True)
        await asyncio.to_thread(self._stop_database)
        if self.network:
            await asyncio.to_thread(self.network.stop)
        if self.disk:
            await asyncio.to_thread(self.disk.unmount)
        return list(statuses)

    def _stop_database(self) -> None:
        if self.server.lock.held:
            self.server.stop()

    # ---- the supervisor

    async def keep(self) -> None:
        """For ever: start again whatever has ended."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._look_after()
            except Exception as error:
                # A full disk, for example: it is tried again until it works.
                with (self.folder / "supervisor.log").open("a", encoding="utf-8") as file:
                    file.write(f"{error!r} {error}\n")

    async def _look_after(self) -> None:
        for member in self.members:
            if member.pid is None and not member.held:
                self.restarts += 1
                member.start()
        for node in self.brokers.nodes if self.brokers else ():
            if f"broker-{node}" not in self.held:
                self.start_broker(node)
        if "database" not in self.held and self.database_pid is None:
            await asyncio.to_thread(self.start_database)

    @property
    def database_pid(self) -> int | None:
        """PostgreSQL's postmaster."""
        return look_at(self.home).pid

    def start_database(self) -> None:
        """Start PostgreSQL again after it has ended."""
        self.restarts += self.server.revive()

    def kill_database(self) -> None:
        """As a power cut would end it: the postmaster, and with it all of its processes."""
        if pid := self.database_pid:
            left = psutil.Process(pid).children()
            os.kill(pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
            psutil.wait_procs(left, timeout=10)

    def kill_broker(self, node: int, *, gently: bool = False) -> None:
        """As a power cut would end it, or asked to end."""
        if self.brokers is None or not self.brokers.is_running(node):
            return
        process = psutil.Process(self.brokers.pid(node))
        if gently:
            process.terminate()
            psutil.wait_procs([process], timeout=20)
        self.brokers.kill_broker(node)

    def start_broker(self, node: int) -> None:
        """Start a broker again, without waiting for it."""
        if self.brokers and not self.brokers.is_running(node):
            self.brokers.start_broker(node, wait=False)
            self.restarts += 1

    # ---- what tests ask

    def of(self, service: str) -> list[Member]:
        """The processes of a service."""
        return [member for member in self.members if member.service == service]

    async def all_ready(self) -> None:
        """Wait until every process is ready."""
        await asyncio.gather(*(member.ready() for member in self.members))

    async def settled(self, seconds: float = 300) -> None:
        """Wait until every event has had all its effects. Raises TimeoutError with what still moves."""
        addresses: dict[str, list[str]] = {}
        for member in self.members:
            addresses.setdefault(member.service, []).append(member.address)
        upstreams = Upstreams(addresses)
        try:
            seen = await idle_of(upstreams, seconds)
        finally:
            await upstreams.close()
        if not seen.idle:
            raise TimeoutError("; ".join(seen.reasons))


def _new_home(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="mes-faults-"))
    # Root's database runs under another user, who must get through.
    home.chmod(0o711)
    return home


@asynccontextmanager
async def deployed(shape: Shape, folder: Path) -> AsyncIterator[Deployment]:
    """A deployment that runs and is kept; its data is removed afterwards, its logs stay in `folder`."""
    home = _new_home(folder)
    deployment = Deployment(shape, folder, home)
    keeper: asyncio.Task[None] | None = None
    try:
        await deployment.start()
        keeper = asyncio.create_task(deployment.keep(), name="supervisor")
        yield deployment
    finally:
        if keeper:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        for log in (home / "kafka").glob("broker-*/kafka.log"):
            shutil.copy(log, folder / f"{log.parent.name}.log")
        await deployment.stop()
        shutil.rmtree(home, ignore_errors=True)
