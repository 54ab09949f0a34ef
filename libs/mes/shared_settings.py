"""Small values that all processes of an installation share (the business clock), whatever carries the events.

They are in the database `log`, which every process reaches in both shapes.
"""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from mes.sessions import STATEMENT_S, server_settings

_TABLE = "CREATE TABLE IF NOT EXISTS setting (name text PRIMARY KEY, value jsonb NOT NULL)"
_SAVE = "INSERT INTO setting VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class SharedSettings:
    """The values of one installation; `dsn` is a libpq address."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: asyncpg.Pool[Any] | None = None

    @property
    def pool(self) -> asyncpg.Pool[Any]:
        """The pool of connections; only after `start`."""
        if self._pool is None:
            raise RuntimeError("the shared settings are not started")
        return self._pool

    async def start(self) -> None:
        """Connect, and make the table if it is missing."""
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=1,
            max_size=2,
            timeout=5,
            command_timeout=STATEMENT_S,
            server_settings=server_settings("mes-settings"),
        )
        async with self.pool.acquire() as connection, connection.transaction():
            # IF NOT EXISTS alone fails when two processes come at the same moment.
            await connection.execute("SELECT pg_advisory_xact_lock(7110908)")
            await connection.execute(_TABLE)

    async def get(self, name: str) -> Any:
        """A value; None when it was never set."""
        value = await self.pool.fetchval("SELECT value FROM setting WHERE name = $1", name)
        return None if value is None else json.loads(value)

    async def save(self, name: str, value: Any) -> None:
        """Store a value that JSON can say."""
        await self.pool.execute(_SAVE, name, json.dumps(value))

    async def connect(self, name: str) -> asyncpg.Connection[Any]:
        """A connection of its own (advisory locks live on it)."""
        return await asyncpg.connect(
            self._dsn, timeout=5, command_timeout=STATEMENT_S, server_settings=server_settings(name)
        )

    async def close(self) -> None:
        """Free the connections."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None
