"""Starts, attaches to and stops the PostgreSQL server of a home."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from mes.config import Settings
from mes.embedded.account import blocked_at, server_account
from mes.embedded.home import SECRETS, HomeLock, default_home, make_home
from mes.embedded.programs import VERSIONS, Programs, find_programs
from mes.errors import Unavailable

DATABASES = ("order", "scheduling", "equipment", "quality", "log")
ADMIN = "mes_admin"
HOST = "127.0.0.1"
# A new server takes 40 MB; below this nothing is started, so that a full disk is found before it stops a write.
LEAST_DISK = 200 * 1024 * 1024
_LOG_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerState:
    """Version of the data (None: no data yet), pid and port of the running server (None: not running)."""

    version: int | None
    pid: int | None
    port: int | None


def look_at(home: Path) -> ServerState:
    """The state of a home's server, read without changing anything."""
    data = home / "pg" / "data"
    try:
        version = int((data / "PG_VERSION").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ServerState(None, None, None)
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return ServerState(version, None, None)
    return ServerState(version, pid, port) if _is_server(pid, data) else ServerState(version, None, None)


def _is_server(pid: int, data: Path) -> bool:
    """Whether the process is the server of this data: after a crash another process may have its number."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        arguments = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return any(Path(each) == data for each in arguments[1:])


# Below what Linux (32768 to 60999), Windows and macOS (from 49152) give to the near end of connections.
_PORTS = range(18_000, 32_000)
# Real seconds that a server waits for the port it had.
_PORT_S = 5.0


class EmbeddedServer:
    """The server of one home, owned by this process between `start` and `stop`.

    unsafe_fast: for tests only; what is written may be lost with the machine, so that it is fast.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        version: int = 18,
        databases: Iterable[str] = DATABASES,
        unsafe_fast: bool = False,
    ) -> None:
        self.home = make_home(home or default_home())
        self.lock = HomeLock(self.home)
        self.databases = tuple(databases)
        self.attached = False
        self._version = version
        self._unsafe_fast = unsafe_fast
        self._port: int | None = None
        self._programs: Programs | None = None

    # ---- what is known of it

    @property
    def folder(self) -> Path:
        """The folder that belongs to the server's account: data and log of the server."""
        return self.home / "pg"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        """PostgreSQL's own log."""
        return self.folder / "postgres.log"

    @property
    def port(self) -> int:
        """The port it listens on; only after `start` or `attach`."""
        if self._port is None:
            raise RuntimeError("the server is not started")
        return self._port

    @property
    def programs(self) -> Programs:
        """PostgreSQL's programs in the version of the data."""
        if self._programs is None:
            version = look_at(self.home).version or self._version
            self._programs = find_programs(version, self.home, server_account())
        return self._programs

    @property
    def passwords(self) -> dict[str, str]:
        """`admin` and `services`, made at the first start, readable for the owner of the home only."""
        path = self.home / SECRETS
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads(path.read_text(encoding="utf-8")))
        made = {"admin": secrets.token_urlsafe(24), "services": secrets.token_urlsafe(24)}
        _write_private(path, json.dumps(made))
        return made

    def address(self, *, scheme: str = "postgresql+asyncpg") -> str:
        """Address with `{service}` in the place of role and database."""
        password = quote(self.passwords["services"], safe="")
        return f"{scheme}://{{service}}:{password}@{HOST}:{self.port}/{{service}}"

    def admin_address(self, database: str = "postgres", *, scheme: str = "postgresql") -> str:
        """Address of a database as the server's administrator."""
        password = quote(self.passwords["admin"], safe="")
        return f"{scheme}://{ADMIN}:{password}@{HOST}:{self.port}/{database}"

    def settings(self, settings: Settings) -> Settings:
        """The settings with this server as their database."""
        return settings.model_copy(update={"database_url": self.address(), "database_password": "", "home": self.home})

    # ---- life

    def start(self) -> None:
        """Own the home and have its server running: made if new, attached to if a crash left it running.

        Raises Conflict when another process owns the home, Unavailable when it cannot start; the message says why and
        what mends it.
        """
        self.lock.acquire()
        try:
            self._start()
        except BaseException:
            self.lock.release()
            raise

    def _start(self) -> None:
        free = shutil.disk_usage(self.home).free
        if free < LEAST_DISK:
            raise Unavailable("embedded.disk_full", home=str(self.home), free_mb=free >> 20, need_mb=LEAST_DISK >> 20)
        self._check_version()
        if self.attach():
            self.attached = True
        else:
            self._make()
            self._launch()
        self.ensure_databases(self.databases)

    def revive(self) -> bool:
        """Start it again at its port if it has ended without being told to. Whether that was so. Only its owner may."""
        if not self.lock.held or look_at(self.home).pid is not None:
            return False
        self._launch()
        return True

    def attach(self) -> bool:
        """Use the server if it runs already. Whether it does."""
        state = look_at(self.home)
        if state.port is None:
            return False
        self._port = state.port
        return self._answers(20)

    def stop(self) -> None:
        """Stop the server cleanly and give the home back; safe to call twice."""
        if not self.lock.held:
            return
        try:
            if look_at(self.home).pid is not None:
                done = self.programs.run(
                    "pg_ctl", "stop", "-D", self.data, "-m", "fast", "-w", "-t", "60", cwd=self.folder
                )
                if done.returncode != 0 and look_at(self.home).pid is not None:
                    raise Unavailable("embedded.not_stopped", log=str(self.log_file), reason=done.stderr.strip())
        finally:
            self._port = None
            self.lock.release()

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- databases

    def sql(self, script: str, database: str = "postgres") -> str:
        """Run a script as administrator; its rows as lines, columns divided by `|`. Raises Unavailable."""
        done = self.programs.run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", str(self.port), "-U", ADMIN,
            "-d", database, "-f", "-",
            cwd=self.folder, env={"PGPASSWORD": self.passwords["admin"], "PGCONNECT_TIMEOUT": "5"}, text=script,
        )  # fmt: skip
        if done.returncode != 0:
            raise Unavailable("embedded.sql_failed", reason=done.stderr.strip()[-500:])
        return done.stdout

    def ensure_databases(self, names: Sequence[str]) -> None:
        """Make the databases that are missing, each with a role of its name that alone may enter it."""
        there = set(self.sql("SELECT datname FROM pg_database").split())
        roles = set(self.sql("SELECT rolname FROM pg_roles").split())
        script = []
        for name in names:
            role, password = _quoted(name), self.passwords["services"].replace("'", "''")
            if name not in roles:
                script.append(f"CREATE ROLE {role} LOGIN PASSWORD '{password}';")
            if name not in there:
                script.append(f"CREATE DATABASE {role} OWNER {role};")
                script.append(f"REVOKE ALL ON DATABASE {role} FROM PUBLIC;")
        if script:
            self.sql("\n".join(script))

    # ---- how it is done

    def _check_version(self) -> None:
        version = look_at(self.home).version
        if version is not None and version not in VERSIONS:
            raise Unavailable("embedded.data_version", version=version, known=", ".join(map(str, VERSIONS)))

    def _make(self) -> None:
        """Run initdb beside the final place, so that an interrupted one is never taken for a server."""
        if self.data.exists():
            return
        account = self.programs.account
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if account:
            account.own(self.folder)
        if blocked := blocked_at(self.folder, account):
            raise Unavailable("embedded.home_unreachable", home=str(self.home), folder=str(blocked))
        fresh, password_file = self.folder / "data.new", self.folder / "initdb.password"
        shutil.rmtree(fresh, ignore_errors=True)
        _write_private(password_file, self.passwords["admin"])
        if account:
            account.own(password_file)
        done = self.programs.run(
            "initdb", "-D", fresh, "-U", ADMIN, "--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8",
            *self._locale(), "--data-checksums", "--no-instructions", *(["--no-sync"] if self._unsafe_fast else []),
            cwd=self.folder,
        )  # fmt: skip
        password_file.unlink()
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise self._failure(done.stderr)
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude_if_exists = 'mes.conf'\n")
        fresh.rename(self.data)

    def _locale(self) -> list[str]:
        # The builtin provider sorts the same on every machine, but only since 17; before, plain C does.
        if self.programs.version >= 17:
            return ["--locale-provider=builtin", "--locale=C.UTF-8"]
        return ["--locale=C"]

    def _launch(self) -> None:
        self._remove_stale_pid()
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        taken = False
        for attempt in range(5):
            self._choose_port(again=taken)
            self._configure()
            before = self.log_file.stat().st_size if self.log_file.exists() else 0
            done = self.programs.run(
                "pg_ctl", "start", "-D", self.data, "-l", self.log_file, "-w", "-t", "120", "-s",
                cwd=self.folder, capture=False,
            )  # fmt: skip
            if done.returncode == 0:
                return
            said = self._log_since(before)
            taken = "could not bind" in said or "could not create any TCP/IP" in said
            if taken:
                continue
            if "shared memory block" in said:
                # Children of a killed server are still ending.
                time.sleep(0.5 * (attempt + 1))
                continue
            break
        raise self._failure(said)

    def _remove_stale_pid(self) -> None:
        # PostgreSQL refuses to start while any process has the number in the file; we know that it is another one.
        if look_at(self.home).pid is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _choose_port(self, *, again: bool) -> None:
        kept = self.home / "pg.port"
        if not again and kept.exists():
            with contextlib.suppress(ValueError):
                port = int(kept.read_text(encoding="ascii"))
                if _is_free(port, wait=_PORT_S):
                    self._port = port
                    return
        self._port = free_port()
        kept.write_text(str(self._port), encoding="ascii")

    def _configure(self) -> None:
        values = {
            "listen_addresses": f"'{HOST}'",
            "port": str(self.port),
            "unix_socket_directories": "''",
            "max_connections": "200",
            "password_encryption": "'scram-sha-256'",
            "timezone": "'UTC'",
            "log_timezone": "'UTC'",
            "log_checkpoints": "off",
            "log_min_messages": "warning",
            "jit": "off",
        }
        if self._unsafe_fast:
            values |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
        path = self.data / "mes.conf"
        path.write_text("".join(f"{name} = {value}\n" for name, value in values.items()), encoding="ascii")
        if self.programs.account:
            self.programs.account.own(path)

    def _answers(self, seconds: float) -> bool:
        """Wait until it takes connections (a server that recovers from a crash refuses them at first)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done = self.programs.run("pg_isready", "-q", "-h", HOST, "-p", str(self.port), "-t", "3", cwd=self.folder)
            if done.returncode == 0:
                return True
            if look_at(self.home).pid is None:
                return False
            time.sleep(0.1)
        return False

    def _log_since(self, position: int) -> str:
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as file:
            file.seek(position)
            return file.read().decode("utf-8", "replace")

    def _failure(self, said: str) -> Unavailable:
        if re.search(r"No space left|disk full", said, re.IGNORECASE):
            free = shutil.disk_usage(self.home).free
            return Unavailable("embedded.disk_full", home=str(self.home), free_mb=free >> 20, need_mb=LEAST_DISK >> 20)
        return Unavailable("embedded.not_started", log=str(self.log_file), reason=said.strip()[-500:])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _is_free(port: int, *, wait: float = 0.0) -> bool:
    """Whether a server could listen there, now or within some seconds."""
    deadline = time.monotonic() + wait
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                # As PostgreSQL does: connections of a server that was killed linger, and whoever knows its port needs
                # it.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody has now, and that no connection will get for its own end while the server is away."""
    for _ in range(50):
        port = secrets.choice(_PORTS)
        if _is_free(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
