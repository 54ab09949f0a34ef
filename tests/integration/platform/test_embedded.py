"""The embedded PostgreSQL server: made, stopped, attached to after a crash, refused with reasons."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest
from mes.embedded import RECORD, EmbeddedServer, HomeLock, back_up, look_at, restore
from mes.embedded.server import free_port
from mes.errors import Conflict, Invalid, Unavailable
from mes.testing import TestDatabases


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mes-home-"))
    folder.chmod(0o711)
    yield folder
    state = look_at(folder)
    if state.pid:
        server = EmbeddedServer(folder)
        server.lock.acquire()
        server.stop()
    shutil.rmtree(folder)


def _server(home: Path) -> EmbeddedServer:
    return EmbeddedServer(home, databases=("order", "log"), unsafe_fast=True)


def test_data_outlives_a_stop(home: Path) -> None:
    with _server(home) as server:
        server.sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)", "order")
        port = server.port
    assert look_at(home).pid is None
    with _server(home) as server:
        assert server.sql("SELECT n FROM kept", "order") == "7\n"
        assert server.port == port


async def test_a_role_enters_its_own_database_only(home: Path) -> None:
    server = _server(home)
    await asyncio.to_thread(server.start)
    try:
        own = server.address(scheme="postgresql").format(service="order")
        connection = await asyncpg.connect(own)
        await connection.execute("CREATE TABLE mine (n int)")
        await connection.close()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(own.removesuffix("order") + "log")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(own.replace(server.passwords["services"], "wrong"))
    finally:
        server.stop()


def test_secrets_are_private(home: Path) -> None:
    with _server(home) as server:
        assert set(server.passwords) == {"admin", "services"}
    if sys.platform != "win32":
        assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600
        assert (home / "pg" / "data").stat().st_mode & 0o077 == 0


def test_a_second_owner_is_refused_by_name(home: Path) -> None:
    with _server(home):
        with pytest.raises(Conflict) as refused:
            _server(home).start()
        assert refused.value.code == "embedded.home_in_use"
        assert refused.value.params["pid"] == os.getpid()
    assert HomeLock(home).is_free()


_OWNER = """
import sys, pathlib
from mes.embedded import EmbeddedServer
server = EmbeddedServer(pathlib.Path(sys.argv[1]), databases=("order", "log"))
server.start()
server.sql("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)", "order")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_owner_leaves_a_server_that_the_next_start_takes_over(home: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _OWNER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True
        ) as owner:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "ready\n"
            owner.send_signal(signal.SIGKILL)
    left = look_at(home).pid
    assert left is not None
    with _server(home) as server:
        assert server.attached
        assert look_at(home).pid == left
        assert server.sql("SELECT count(*) FROM kept", "order") == "3\n"
    assert not _runs(left)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_server_comes_back_at_its_port_although_something_of_it_lingers(home: Path) -> None:
    server = _server(home)
    server.start()
    port, pid = server.port, look_at(home).pid
    assert pid is not None
    with contextlib.ExitStack() as connections:
        for _ in range(5):
            connections.enter_context(socket.create_connection(("127.0.0.1", port)))
        # One of its processes outlives it for a moment, and keeps the memory that they shared.
        slow, *_ = psutil.Process(pid).children()
        slow.suspend()
        os.kill(pid, signal.SIGKILL)
        with ThreadPoolExecutor(1) as executor:
            starting = executor.submit(server.revive)
            deadline = time.monotonic() + 30
            while "shared memory block" not in server.log_file.read_text(encoding="utf-8"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            slow.kill()
            assert starting.result()
    assert server.port == port
    assert not server.revive()
    server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_a_port_is_none_that_a_connection_may_get_for_its_near_end() -> None:
    least, most = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    assert not [port for port in (free_port() for _ in range(50)) if least <= port <= most]


def test_a_pid_that_now_belongs_to_another_process_does_not_stop_the_start(home: Path) -> None:
    with _server(home):
        stale = (home / "pg" / "data" / "postmaster.pid").read_text().splitlines()
    (home / "pg" / "data" / "postmaster.pid").write_text("\n".join([str(os.getppid()), *stale[1:]]) + "\n")
    assert look_at(home).pid is None
    with _server(home) as server:
        assert server.sql("SELECT 1") == "1\n"


def test_a_taken_port_is_avoided(home: Path) -> None:
    with _server(home) as server:
        port = server.port
    with socket.socket() as other:
        # Connections of the server that has ended may still wait to be forgotten by the system.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with _server(home) as server:
            assert server.port != port
            assert server.sql("SELECT 1") == "1\n"


def test_an_interrupted_initdb_is_begun_anew(home: Path) -> None:
    (home / "pg" / "data.new").mkdir(parents=True)
    (home / "pg" / "data.new" / "PG_VERSION").write_text("18\n")
    with _server(home) as server:
        assert server.sql("SELECT 1") == "1\n"


def test_data_of_an_unknown_version_is_refused_by_name(home: Path) -> None:
    (home / "pg" / "data").mkdir(parents=True)
    (home / "pg" / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(Unavailable) as refused:
        _server(home).start()
    assert refused.value.code == "embedded.data_version"
    assert refused.value.params["version"] == 15


def test_postgres_16_can_be_chosen_and_is_kept(home: Path) -> None:
    with EmbeddedServer(home, version=16, databases=(), unsafe_fast=True) as server:
        assert server.sql("SHOW server_version").startswith("16.")
    with EmbeddedServer(home, databases=(), unsafe_fast=True) as server:
        assert server.sql("SHOW server_version").startswith("16.")


def test_a_backup_of_the_running_server_is_restored_whole(home: Path, tmp_path: Path) -> None:
    (home / RECORD).write_text('{"sample": "none"}')
    with _server(home) as server:
        server.sql("CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) n", "order")
        backup = back_up(server, tmp_path / "backup", product="test")
        server.sql("DELETE FROM kept", "order")
        with pytest.raises(Conflict):
            back_up(server, tmp_path / "backup", product="test")
    assert backup.postgres == 18
    other = Path(tempfile.mkdtemp(prefix="mes-home-"))
    other.chmod(0o711)
    try:
        assert restore(tmp_path / "backup", other) == backup
        # Without it the next start would load the sample on top of real data.
        assert (other / RECORD).read_text() == '{"sample": "none"}'
        with _server(other) as server:
            assert server.sql("SELECT count(*), sum(n) FROM kept", "order") == "1000|500500\n"
        with pytest.raises(Conflict):
            restore(tmp_path / "backup", other)
    finally:
        shutil.rmtree(other)


def test_a_damaged_backup_restores_nothing(home: Path, tmp_path: Path) -> None:
    with _server(home) as server:
        back_up(server, tmp_path / "backup", product="test")
    manifest = json.loads((tmp_path / "backup" / "data" / "backup_manifest").read_text())
    victim = max(manifest["Files"], key=lambda each: each["Size"])["Path"]
    damaged = tmp_path / "backup" / "data" / victim
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    other = Path(tempfile.mkdtemp(prefix="mes-home-"))
    other.chmod(0o711)
    try:
        with pytest.raises(Invalid) as refused:
            restore(tmp_path / "backup", other)
        assert refused.value.code == "embedded.backup_damaged"
        assert look_at(other).version is None
    finally:
        shutil.rmtree(other)


async def test_each_test_gets_its_own_database(databases: TestDatabases) -> None:
    first, second = await databases.empty(), await databases.empty()
    for address in (first, second):
        connection = await asyncpg.connect(address.replace("+asyncpg", ""))
        await connection.execute("CREATE TABLE alone (n int)")
        await connection.close()
    assert first != second
