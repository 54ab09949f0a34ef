"""Databases for tests: one PostgreSQL server a test run, a migrated template per service, a fresh copy per test."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from mes.config import Settings
from mes.embedded import EmbeddedServer, look_at
from mes.migrate import Target, upgrade

__all__ = ["TestDatabases", "test_server"]


@contextmanager
def test_server(version: int = 18) -> Iterator[EmbeddedServer]:
    """A server in a temporary folder, as fast as it gets; stopped and removed at the end, also of a killed test run.
    version: of PostgreSQL, 16 or 18."""
    home = Path(tempfile.mkdtemp(prefix="mes-test-"))
    # Root's server runs under another user, who must get through; nobody can list it.
    home.chmod(0o711)
    with _guard(home):
        try:
            with EmbeddedServer(home, version=version, databases=(), unsafe_fast=True) as server:
                yield server
        finally:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _guard(home: Path) -> Iterator[None]:
    """A process that clears up when this one is gone: it hears of that by the end of its input."""
    words = [sys.executable, "-m", "mes.testing", str(home)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as guard:  # noqa: S603 - our own
        assert guard.stdin is not None  # noqa: S101 - asked for
        try:
            yield
        finally:
            guard.stdin.close()
            guard.wait(timeout=60)


def _clear_up(home: Path) -> None:
    """Stop the server of a test run that was killed, and remove its data."""
    if (pid := look_at(home).pid) is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(pid)
            server.terminate()
            try:
                server.wait(timeout=30)
            except psutil.TimeoutExpired:
                server.kill()
    shutil.rmtree(home, ignore_errors=True)


class TestDatabases:
    """Makes databases on a test server. targets: the services whose schema they may have, by name."""

    __test__ = False

    def __init__(self, server: EmbeddedServer, targets: dict[str, Target]) -> None:
        self.server = server
        self._targets = targets
        self._templates: dict[str, str] = {}
        self._made: list[str] = []

    async def empty(self, label: str = "empty") -> str:
        """Address (`postgresql+asyncpg://...`) of a new database without tables."""
        return self._address(await self._create(f"{label}_{secrets.token_hex(4)}", "template1"))

    async def database(self, service: str) -> str:
        """Address of a new database with the service's current schema."""
        return self._address(await self._create(f"{service}_{secrets.token_hex(4)}", await self._template(service)))

    async def settings(
        self, services: Sequence[str], *, tables: Mapping[str, MetaData] | None = None, **changes: Any
    ) -> Settings:
        """Settings of an installation of its own: a migrated database for each service, and one for the log.

        tables: further services, of the test's own, with the tables that they get.
        """
        mark = f"t{secrets.token_hex(4)}"
        for service in services:
            await self._create(f"{mark}_{service}", await self._template(service))
        for service, metadata in (tables or {}).items():
            await _make_tables(self._address(await self._create(f"{mark}_{service}", "template1")), metadata)
        await self._create(f"{mark}_log", "template1")
        return Settings(database_url=self._address(f"{mark}_{{service}}"), **changes)

    async def drop(self) -> None:
        """Drop what was made since the last time, whoever is still connected."""
        made, self._made = self._made, []
        for name in made:
            await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _template(self, service: str) -> str:
        if service not in self._templates:
            name = f"template_{service}"
            await self._execute(f'CREATE DATABASE "{name}"')
            await upgrade(self._targets[service], self._address(name))
            self._templates[service] = name
        return self._templates[service]

    async def _create(self, name: str, template: str) -> str:
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        self._made.append(name)
        return name

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.admin_address())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _address(self, database: str) -> str:
        return self.server.admin_address(database, scheme="postgresql+asyncpg")


async def _make_tables(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    sys.stdin.read()
    _clear_up(Path(sys.argv[1]))
