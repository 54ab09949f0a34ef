"""Apache Kafka without Docker: one or three brokers on this machine in KRaft mode, for tests and demonstrations.

The brokers end with the process that started them, however it ends: a guard process hears of that by the end of its
input and stops what is left.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from mes.embedded.java import KAFKA_VERSION, find_java, jars
from mes.embedded.server import HOST, free_port
from mes.errors import Unavailable

# 147 MB of memory, and the compiler that starts soonest.
_JVM = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")
_START_SECONDS, _STOP_SECONDS = 60.0, 30.0
_LOGGING = """
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
"""
# A broker that was killed is back in 2 s instead of 12, a group of one member is joined at once.
QUICK = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "200",
}


class KafkaCluster:
    """Brokers with their data in `folder`, kept by this process between `start` and `stop`.

    brokers: 1 or 3. settings: further lines of server.properties, for every broker. format_arguments: further words of
    `kafka-storage format` (users for SCRAM).
    """

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 1,
        settings: Mapping[str, str] | None = None,
        format_arguments: Iterable[str] = (),
    ) -> None:
        self.folder = folder.absolute()
        self._settings = dict(settings or {})
        self._format_arguments = tuple(format_arguments)
        self._count = brokers
        self._ports = {node: (free_port(), free_port()) for node in range(1, brokers + 1)}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Addresses for clients, `host:port,...`."""
        return ",".join(f"{HOST}:{port}" for port, _ in self._ports.values())

    @property
    def nodes(self) -> tuple[int, ...]:
        """Numbers of the brokers."""
        return tuple(self._ports)

    def start(self) -> None:
        """Format what is new, start all brokers and wait until they answer. Raises Unavailable with the reason."""
        java = _java()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(_LOGGING, encoding="ascii")
        self._guard = _start_guard(self.folder)
        try:
            cluster_id = self._cluster_id()
            for node in self.nodes:
                self._write_properties(node)
                if not (self._data(node) / "meta.properties").exists():
                    self._format(java, node, cluster_id)
            for node in self.nodes:
                self.start_broker(node, wait=False)
            self.wait_for(self.nodes)
        except BaseException:
            self.stop(kill=True)
            raise

    def start_broker(self, node: int, *, wait: bool = True) -> None:
        """Start one broker (again)."""
        command = [_java(), *_JVM, f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"]
        command += ["-cp", f"{jars()}{os.sep}*", "kafka.Kafka", str(self._properties(node))]
        with self._log(node).open("ab") as log:
            # A session of its own: Ctrl-C is for us, and we stop the brokers.
            self._running[node] = subprocess.Popen(  # noqa: S603 - our own
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        if wait:
            self.wait_for([node])

    def kill_broker(self, node: int) -> None:
        """As a power cut would end it."""
        self._running[node].kill()
        self._running.pop(node).wait()

    def is_running(self, node: int) -> bool:
        """Whether a broker runs. One whose disk is full ends by itself."""
        process = self._running.get(node)
        return process is not None and process.poll() is None

    def revive(self) -> bool:
        """Start again brokers that have ended by themselves, without waiting for them. Whether there were any."""
        ended = [node for node in self._running if not self.is_running(node)]
        for node in ended:
            self.start_broker(node, wait=False)
        return bool(ended)

    def pid(self, node: int) -> int:
        """Process id of a running broker."""
        return self._running[node].pid

    def wait_for(self, nodes: Iterable[int]) -> None:
        """Wait until these brokers take connections. Raises Unavailable when one ends or takes too long."""
        deadline = time.monotonic() + _START_SECONDS
        for node in nodes:
            while not _answers(self._ports[node][0]):
                if self._running[node].poll() is not None or time.monotonic() > deadline:
                    said = self._log(node).read_text(encoding="utf-8", errors="replace").strip()[-500:]
                    raise Unavailable("kafka.not_started", log=str(self._log(node)), reason=said)
                time.sleep(0.05)

    def stop(self, *, kill: bool = False, remove: bool = False) -> None:
        """Stop all brokers together (one by one, the last of three never ends). kill: do not wait for clean data.
        remove: delete the folder too."""
        for process in self._running.values():
            process.kill() if kill else process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- files

    def _data(self, node: int) -> Path:
        return self.folder / f"broker-{node}" / "data"

    def _properties(self, node: int) -> Path:
        return self.folder / f"broker-{node}" / "server.properties"

    def _log(self, node: int) -> Path:
        return self.folder / f"broker-{node}" / "kafka.log"

    def _cluster_id(self) -> str:
        file = self.folder / "cluster.id"
        if not file.exists():
            # One that begins with "-" would be read as an option.
            file.write_text("M" + base64.urlsafe_b64encode(os.urandom(16)).decode()[1:22], encoding="ascii")
        return file.read_text(encoding="ascii")

    def _write_properties(self, node: int) -> None:
        port, controller_port = self._ports[node]
        values = {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self._data(node)),
            # A topic made by a typing mistake would have the wrong partitions and retention.
            "auto.create.topics.enable": "false",
            **self._quorum(),
            **self._replication(),
            **{
                name: value.replace("{port}", str(port)).replace("{controller_port}", str(controller_port))
                for name, value in self._settings.items()
            },
        }
        self._properties(node).parent.mkdir(exist_ok=True)
        lines = [f"{name}={value}\n" for name, value in values.items()]
        self._properties(node).write_text("".join(lines), encoding="utf-8")

    def _quorum(self) -> dict[str, str]:
        controllers = {node: f"{HOST}:{port}" for node, (_, port) in self._ports.items()}
        if self._count == 1:
            return {"controller.quorum.bootstrap.servers": controllers[1]}
        return {"controller.quorum.voters": ",".join(f"{node}@{address}" for node, address in controllers.items())}

    def _replication(self) -> dict[str, str]:
        copies, least = str(self._count), str(max(1, self._count - 1))
        return {
            "default.replication.factor": copies,
            "min.insync.replicas": least,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": least,
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": least,
            "share.coordinator.state.topic.num.partitions": "4",
        }

    def _format(self, java: str, node: int, cluster_id: str) -> None:
        words = ["format", "-t", cluster_id, "-c", str(self._properties(node)), *self._format_arguments]
        if self._count == 1:
            words.append("--standalone")
        command = [java, *_JVM, "-cp", f"{jars()}{os.sep}*", "kafka.tools.StorageTool", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            reason = (done.stdout + done.stderr).strip()[-500:]
            raise Unavailable("kafka.not_started", log=str(self._properties(node)), reason=reason)


def _java() -> str:
    java = find_java()
    if java is None:
        raise Unavailable("kafka.no_java", version=KAFKA_VERSION)
    return java


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _start_guard(folder: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "mes.embedded.kafka", str(folder)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own


def _clear_up(folder: Path) -> None:
    """Stop the brokers of a folder whose owner is gone."""
    left = [process for process in psutil.process_iter() if _is_broker(process, folder)]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=_STOP_SECONDS)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _is_broker(process: psutil.Process, folder: Path) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "kafka.Kafka" in words and Path(words[-1]).is_relative_to(folder)


if __name__ == "__main__":
    sys.stdin.read()
    _clear_up(Path(sys.argv[1]))
