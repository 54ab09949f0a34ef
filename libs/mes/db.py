"""Engines, sessions and column types of the services' databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID

from sqlalchemy import DateTime, Numeric, Table, Text, TextClause, TypeDecorator, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, mapped_column

from mes import crash, outbox
from mes.sessions import STATEMENT_S, server_settings

__all__ = [
    "Database", "Id", "Json", "PrimaryId", "Quantity", "ServiceBase", "Str", "UtcTime", "create_engine",
    "insert_many", "put", "upsert",
]  # fmt: skip


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC; a naive datetime is refused before it reaches the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a time without zone cannot be stored: {value!r}")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None


Id = Annotated[UUID, mapped_column(Uuid)]
PrimaryId = Annotated[UUID, mapped_column(Uuid, primary_key=True)]
Quantity = Annotated[Decimal, mapped_column(Numeric(18, 6))]
Str = Annotated[str, mapped_column(Text)]
Json = Annotated[Any, mapped_column(JSONB)]


class ServiceBase(DeclarativeBase):
    """Base of all mapped classes. A service makes its own: `class Base(ServiceBase)` with `__abstract__ = True` and
    `metadata = mes.tables.service_metadata()`."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime(),
        str: Text(),
        Decimal: Numeric(18, 6),
        UUID: Uuid(),
    }


def create_engine(url: str, *, pool_size: int = 10, application: str = "mes", read_only: bool = False) -> AsyncEngine:
    """An asyncpg engine whose sessions work in UTC, without JIT (short statements only lose by it).

    The pool does not overflow: a connection made for one request and thrown away costs more than the request, and more
    connections than this do not make two cores faster. read_only: statements stand alone, without a transaction around
    them, and cannot change anything.
    """
    alone = {"isolation_level": "AUTOCOMMIT"} if read_only else {}
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,
        pool_pre_ping=False,
        connect_args={
            "timeout": 5,
            "command_timeout": STATEMENT_S,
            "server_settings": server_settings(
                application, timezone="UTC", jit="off", default_transaction_read_only="on" if read_only else "off"
            ),
        },
        **alone,
    )


@cache
def upsert(model: type[DeclarativeBase], names: tuple[str, ...], newer: str = "") -> Insert:
    """The statement that inserts a row with these columns, or changes them in the row of the same `id`.

    newer: a column; a row whose value there is higher than the one that comes stays as it is. Made once: to make a
    statement costs several times what it costs to execute it.
    """
    table = cast(Table, model.__table__)
    statement = insert(table)
    rest = {name: statement.excluded[name] for name in names if name != "id"}
    where = table.c[newer] <= statement.excluded[newer] if newer else None
    return statement.on_conflict_do_update(index_elements=["id"], set_=rest or {"id": table.c.id}, where=where)


async def put(session: AsyncSession, model: type[DeclarativeBase], *rows: dict[str, Any], newer: str = "") -> None:
    """Insert or change rows that have the same columns, see `upsert`."""
    if rows:
        await session.execute(upsert(model, tuple(rows[0]), newer), rows)


@cache
def _insert_many(model: type[DeclarativeBase], names: tuple[str, ...]) -> TextClause:
    table, dialect = cast(Table, model.__table__), PGDialect()  # type: ignore[no-untyped-call]
    quoted = dialect.identifier_preparer
    columns = ", ".join(quoted.quote(name) for name in names)
    arrays = ", ".join(f"CAST(:{name} AS {table.c[name].type.compile(dialect)}[])" for name in names)
    return text(f"INSERT INTO {quoted.format_table(table)} ({columns}) SELECT * FROM unnest({arrays})")  # noqa: S608


async def insert_many(session: AsyncSession, model: type[DeclarativeBase], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that have the same columns, all in one statement of arrays (values as the database knows them)."""
    if rows:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        await session.execute(_insert_many(model, tuple(columns)), columns)


class Database:
    """One service's database: sessions whose commit carries the outbox with it."""

    def __init__(self, url: str, *, pool_size: int = 10, application: str = "mes") -> None:
        self.engine = create_engine(url, pool_size=pool_size, application=application)
        # A statement alone needs no transaction around it: two round trips less for every read.
        self.reading = create_engine(url, pool_size=pool_size, application=f"{application}-read", read_only=True)
        self.on_publish: list[Any] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session in one transaction: committed with its outbox rows at the end, rolled back on any error."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session
            await self.commit(session)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
        await self.reading.dispose()

    async def commit(self, session: AsyncSession) -> None:
        """Write the events published in the session to the outbox, commit, and wake the relay."""
        published = await outbox.flush(session)
        crash.reached("transaction.flushed")
        await session.commit()
        crash.reached("transaction.committed")
        if published:
            for wake in self.on_publish:
                wake()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading only: no transaction, each statement sees what is committed when it begins."""
        async with AsyncSession(self.reading, expire_on_commit=False, autoflush=False) as session:
            yield session
