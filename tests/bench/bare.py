"""What the order API is measured against: bare FastAPI handlers that run the same statements and nothing else.

`core` runs them by SQLAlchemy Core, `raw` by asyncpg alone. `python -m tests.bench.bare core|raw --port N` serves them;
MES_DATABASE_URL says where.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from mes import outbox, web
from mes.config import Settings
from mes.events.v1 import order_pb2
from mes.ids import new_id, site_id
from sqlalchemy import bindparam, insert, select
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.order.api.orders import OrderIn
from services.order.api.schemas import OrderOut
from services.order.domain.quantity import plain
from services.order.models import Definition, Hold, ProductionOrder
from services.order.queries.orders import order_view

ORDER, DEFINITION, HOLD = ProductionOrder.__table__, Definition.__table__, Hold.__table__

MATERIAL = select(DEFINITION).where(
    DEFINITION.c.site_id == bindparam("site_id"), DEFINITION.c.kind == "material", DEFINITION.c.no == bindparam("no")
)
TAKEN = select(ORDER.c.id).where(ORDER.c.site_id == bindparam("site_id"), ORDER.c.no == bindparam("no"))
BY_ID = select(ORDER).where(ORDER.c.id == bindparam("id"))
HOLDS = (
    select(HOLD)
    .where(HOLD.c.order_id == bindparam("order_id"), HOLD.c.released_at.is_(None))
    .order_by(HOLD.c.opened_at)
)
INSERT = insert(ProductionOrder)

# Runs a statement with its parameters; rows as mappings.
Run = Callable[[Any, Mapping[str, Any]], Awaitable[Sequence[Mapping[str, Any]]]]
Transaction = Callable[[], AbstractAsyncContextManager[Run]]


async def create(run: Run, request: Request, body: OrderIn) -> bytes:
    """POST: look for the key, check, insert, remember the answer, insert the event."""
    site, now = site_id("main"), datetime.now(UTC)
    identity = {
        "principal": request.headers.get("x-actor", "anonymous"), "method": "POST", "path": request.url.path,
        "key": request.headers["idempotency-key"],
    }  # fmt: skip
    digest = hashlib.sha256(request.url.query.encode() + b"\0" + await request.body()).digest()
    (found,) = await run(web._FIND, identity)
    if found["body_hash"] is not None:
        return bytes(found["body"])
    (material,) = await run(MATERIAL, {"site_id": site, "no": body.material_no})
    if await run(TAKEN, {"site_id": site, "no": body.no}):
        raise HTTPException(409)
    order = _values(site, now, body, material["id"])
    await run(INSERT, order)
    answer = shown(order, ())
    stored = {"status": 201, "media_type": "application/json", "headers": '{"etag": "\\"1\\""}', "body": answer}
    await run(web._REMEMBER, identity | {"body_hash": digest} | stored)
    await run(outbox._INSERT, _event(order, now, site))
    return answer


async def show(run: Run, order_id: UUID) -> bytes:
    """GET: the order and its open holds."""
    rows = await run(BY_ID, {"id": order_id})
    if not rows:
        raise HTTPException(404)
    return shown(rows[0], await run(HOLDS, {"order_id": order_id}))


def _values(site: UUID, now: datetime, body: OrderIn, material: UUID) -> dict[str, Any]:
    values = dict.fromkeys(ORDER.c.keys())
    return values | {
        "id": new_id(), "site_id": site, "no": body.no, "material_id": material, "qty": body.qty,
        "uom": body.uom or "pcs", "state": "Draft", "state_before_hold": "", "priority": body.priority,
        "release_at": body.release_at, "due_at": body.due_at, "deadline_type": body.deadline_type,
        "source": body.source, "customer": body.customer, "component_order_ids": [], "good_qty": 0, "scrap_qty": 0,
        "created_at": now, "created_by": "anonymous", "short": False, "version": 1,
    }  # fmt: skip


def shown(order: Mapping[str, Any], holds: Sequence[Mapping[str, Any]]) -> bytes:
    """The answer as the product gives it."""
    view = order_view(SimpleNamespace(**order), [SimpleNamespace(**each) for each in holds])  # type: ignore[arg-type, misc]
    return OrderOut.model_validate(view).model_dump_json().encode()


def _event(order: Mapping[str, Any], now: datetime, site: UUID) -> dict[str, Any]:
    event_id, key = new_id(), str(order["id"])
    message = order_pb2.OrderCreated(
        order=order_pb2.Order(order_id=key, no=order["no"], qty=plain(order["qty"]), state="Draft", uom=order["uom"])
    )
    headers = {
        "ce_specversion": "1.0", "ce_id": str(event_id), "ce_type": message.DESCRIPTOR.full_name,
        "ce_time": now.isoformat(), "ce_subject": key, "ce_actor": "anonymous", "ce_site": str(site),
        "content-type": outbox.CONTENT_TYPE,
    }  # fmt: skip
    return {
        "keys": [key], "counts": [1], "ids": [event_id], "topics": [""], "event_keys": [key],
        "payloads": [message.SerializeToString(deterministic=True)], "headers": [json.dumps(headers)],
        "counted": [key], "backs": [0],
    }  # fmt: skip


def make_app(transaction: Transaction) -> FastAPI:
    """The two routes."""
    app = FastAPI()

    @app.post("/orders")
    async def post_order(body: OrderIn, request: Request) -> Response:
        async with transaction() as run:
            answer = await create(run, request, body)
        return Response(answer, 201, {"etag": '"1"'}, "application/json")

    @app.get("/orders/{order_id}")
    async def get_order(order_id: UUID) -> Response:
        async with transaction() as run:
            answer = await show(run, order_id)
        return Response(answer, 200, {"etag": '"1"'}, "application/json")

    return app


def core_on(engine: AsyncEngine) -> Transaction:
    """Transactions by SQLAlchemy Core."""

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Run]:
        async with engine.begin() as connection:

            async def run(statement: Any, values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
                result = await connection.execute(statement, values)
                rows: Sequence[Any] = result.mappings().all() if result.returns_rows else []
                return rows

            yield run

    return transaction


@asynccontextmanager
async def core(url: str, pool: int) -> AsyncIterator[Transaction]:
    """The same on an engine of its own."""
    engine = create_async_engine(url, pool_size=pool, max_overflow=0)
    yield core_on(engine)
    await engine.dispose()


_DIALECT: Any = asyncpg_dialect.dialect


@cache
def _compiled(statement: Any, names: tuple[str, ...]) -> tuple[str, list[str]]:
    keys = list(names) if statement is INSERT else None
    compiled = statement.compile(dialect=_DIALECT(), column_keys=keys)
    return str(compiled), list(compiled.positiontup)


@asynccontextmanager
async def raw(url: str, pool: int) -> AsyncIterator[Transaction]:
    """Transactions by asyncpg alone."""
    made = await asyncpg.create_pool(url.replace("+asyncpg", ""), min_size=1, max_size=pool)

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Run]:
        async with made.acquire() as connection, connection.transaction():

            async def run(statement: Any, values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
                text, names = _compiled(statement, tuple(values))
                fixed = {"kind_1": "material"}
                rows = await connection.fetch(text, *[values[n] if n in values else fixed[n] for n in names])
                return [dict(row) for row in rows]

            yield run

    yield transaction
    await made.close()


KINDS = {"core": core, "raw": raw}


async def _serve(kind: str, port: int) -> None:
    settings = Settings()
    async with KINDS[kind](settings.database_url, settings.pool_size) as transaction:
        config = uvicorn.Config(make_app(transaction), host="127.0.0.1", port=port, access_log=False, log_config=None)
        await uvicorn.Server(config).serve()


def main() -> None:
    """Serve until stopped."""
    from services.cli.serving import run_async

    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--port", type=int, required=True)
    wish = parser.parse_args()
    run_async(_serve(wish.kind, wish.port))


if __name__ == "__main__":
    main()
