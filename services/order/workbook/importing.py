"""An import: one file, one transaction; and its preview, which does the same and keeps nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mes.context import Context
from mes.errors import DomainError, Invalid, Stale
from mes.web import discard
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands.definitions import DefinitionChange, lock_definitions, put_definitions
from services.order.commands.orders import change_order, create_order
from services.order.models import Definition, ImportRun, ProductionOrder
from services.order.queries.definitions import all_definitions
from services.order.workbook.documents import message_of, spec_of
from services.order.workbook.layout import FileMapping
from services.order.workbook.orders import OrderWish, StoredOrder, in_order_of_parts
from services.order.workbook.preparing import Prepared, Said, Stored, prepare, understand
from services.order.workbook.problems import Problem
from services.order.workbook.sheets import Values

_COLUMNS = ("qty", "uom", "priority", "release_at", "due_at", "deadline_type", "source", "customer")


@dataclass(frozen=True, slots=True)
class File:
    """A file to import, and how it is to be read. zone: of local times where the file names none."""

    name: str
    content: bytes
    zone: str
    mapping: FileMapping | None = None


class Refused(Invalid):
    """A file with errors; nothing is imported. problems: all of them."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__("workbook.errors", field="file", file=file, count=len(problems))
        self.problems = problems


async def preview(session: AsyncSession, ctx: Context, file: File) -> Prepared:
    """What an import would do. Raises Invalid when the file cannot be read at all."""
    prepared = await _prepare(session, ctx, file)
    await _try_changes(session, ctx, prepared)
    return prepared


async def import_file(
    session: AsyncSession, ctx: Context, file: File, *, good_rows: bool = False, token: str = ""
) -> Prepared:
    """Import a file: everything, or with `good_rows` all rows that can be taken.

    token: of the preview that was confirmed. Raises Refused with the list of errors, Stale when the import would no
    longer do what the preview showed.
    """
    await lock_definitions(session, ctx)
    prepared = await _prepare(session, ctx, file)
    await _try_changes(session, ctx, prepared)
    if token and token != prepared.token():
        raise Stale("workbook.changed_since_preview")
    if prepared.errors and not good_rows:
        raise Refused(file.name, prepared.errors)
    await _apply(session, ctx, file, prepared)
    if prepared.changes:
        run = _run(ctx, file, prepared)
        session.add(run)
        prepared.run_id = run.id
    return prepared


async def _prepare(session: AsyncSession, ctx: Context, file: File) -> Prepared:
    # Reading and checking take seconds for a large file, in which the other requests go on.
    said = await asyncio.to_thread(understand, file.name, file.content, file.mapping, ZoneInfo(file.zone))
    stored = await _stored(session, ctx, said)
    return await asyncio.to_thread(prepare, said, stored, ctx.new_id)


async def _stored(session: AsyncSession, ctx: Context, said: Said) -> Stored:
    rows = await all_definitions(session, ctx.site_id)
    ids = {(row.kind, row.no): row.id for row in rows}
    orders = await _orders(session, ctx, sorted(said.order_numbers()), {row.id: row.no for row in rows})
    return Stored(ctx.site_id, ids, {(row.kind, row.no): row.spec for row in rows}, orders)


async def _orders(
    session: AsyncSession, ctx: Context, numbers: Sequence[str], materials: dict[UUID, str]
) -> dict[str, StoredOrder]:
    query = select(ProductionOrder).where(ProductionOrder.site_id == ctx.site_id, ProductionOrder.no.in_(numbers))
    rows = (await session.scalars(query)).all() if numbers else []
    parts = {part for row in rows for part in row.component_order_ids}
    nos = await order_numbers(session, parts - {row.id for row in rows}) | {row.id: row.no for row in rows}
    return {row.no: StoredOrder(row.id, row.state, order_values(row, materials, nos)) for row in rows}


async def order_numbers(session: AsyncSession, ids: set[UUID]) -> dict[UUID, str]:
    """Numbers of orders by their ids."""
    if not ids:
        return {}
    query = select(ProductionOrder.id, ProductionOrder.no).where(ProductionOrder.id.in_(ids))
    return {row.id: row.no for row in await session.execute(query)}


def order_values(row: ProductionOrder, materials: dict[UUID, str], nos: dict[UUID, str]) -> Values:
    """An order in the columns of the sheet."""
    return {
        "material": materials.get(row.material_id, str(row.material_id)),
        **{name: getattr(row, name) for name in _COLUMNS},
        "component_orders": tuple(nos.get(part, str(part)) for part in row.component_order_ids),
    }


# ---- orders ---------------------------------------------------------------------------------------------------------


async def _try_changes(session: AsyncSession, ctx: Context, prepared: Prepared) -> None:
    """Find out which changes of orders are refused (less than was made ...), by making them and taking them back."""
    for wish in [each for each in prepared.orders if each.stored]:
        trial = await session.begin_nested()
        try:
            await _change(session, ctx, wish, {})
        except DomainError as error:
            prepared.drop_order(wish, _problem(wish, error, wish.changed))
        finally:
            await trial.rollback()
            discard(session)


def _problem(wish: OrderWish, error: DomainError, columns: Sequence[str]) -> Problem:
    """What the order's own rules say, at the column that they name, else at the first of `columns`."""
    field = error.params.get("field", "")
    return wish.thing.problem(field if field in columns else columns[0], error.code, **_told(error.params))


def _told(params: dict[str, Any]) -> dict[str, Any]:
    return {name: ", ".join(map(str, each)) if isinstance(each, list) else each for name, each in params.items()}


async def _apply(session: AsyncSession, ctx: Context, file: File, prepared: Prepared) -> None:
    await put_definitions(session, ctx, await asyncio.to_thread(definition_changes, prepared))
    made: dict[str, UUID] = {}
    parts = {part for wish in prepared.orders for part in wish.values["component_orders"]}
    if parts:
        query = select(ProductionOrder.no, ProductionOrder.id).where(
            ProductionOrder.site_id == ctx.site_id, ProductionOrder.no.in_(parts)
        )
        made |= {row.no: row.id for row in await session.execute(query)}
    # The session forgets what nobody holds: held here, each order finds its material without asking the database.
    held = await _materials(session, prepared)
    with session.no_autoflush:
        for wish in in_order_of_parts(prepared.orders):
            if wish.stored:
                await _change(session, ctx, wish, made)
            else:
                try:
                    made[wish.no] = await _create(session, ctx, wish, prepared, made)
                except DomainError as error:
                    # The preview is to find everything; what it does not is at least told with its row.
                    raise Refused(file.name, [_problem(wish, error, ("no", *_COLUMNS))]) from error
    del held


async def _materials(session: AsyncSession, prepared: Prepared) -> Sequence[Definition]:
    numbers = {wish.values["material"] for wish in prepared.orders if wish.stored is None}
    ids = [UUID(prepared.names.id("material", no)) for no in numbers]
    return (await session.scalars(select(Definition).where(Definition.id.in_(ids)))).all()


def definition_changes(prepared: Prepared) -> list[DefinitionChange]:
    """The definitions of an import as `put_definitions` takes them."""
    changes = []
    for wish in prepared.wishes:
        message = message_of(wish.kind, wish.no, wish.document, prepared.names)
        each = UUID(prepared.names.id(wish.kind, wish.no))
        changes.append(DefinitionChange(wish.kind, wish.no, each, message, spec_of(message)))
    return changes


async def _create(
    session: AsyncSession, ctx: Context, wish: OrderWish, prepared: Prepared, made: dict[str, UUID]
) -> UUID:
    values = wish.values
    order = await create_order(
        session, ctx, no=wish.no, material_id=UUID(prepared.names.id("material", values["material"])),
        component_order_ids=[made[no] for no in values["component_orders"]],
        **{name: values[name] for name in _COLUMNS},
    )  # fmt: skip
    return order.id


async def _change(session: AsyncSession, ctx: Context, wish: OrderWish, made: dict[str, UUID]) -> None:
    if wish.stored is None:
        return
    changes = {name: wish.values[name] for name in wish.changed if name in _COLUMNS}
    if "component_orders" in wish.changed:
        # In a trial the others may not be there yet, and it does not matter which they are.
        changes["component_order_ids"] = [made.get(no, wish.stored.id) for no in wish.values["component_orders"]]
    await change_order(session, ctx, wish.stored.id, changes, reason="import")


def _run(ctx: Context, file: File, prepared: Prepared) -> ImportRun:
    counts = Counter(f"{each.level}.{each.action}" for each in prepared.changes)
    edits = [
        [each.level, each.key, each.field, each.old, each.new] for each in prepared.changes if each.action == "changed"
    ]
    left_out = {(each.sheet, each.row) for each in (*prepared.errors, *prepared.skipped)}
    return ImportRun(
        id=ctx.new_id(), site_id=ctx.site_id, file_name=file.name, file_hash=hashlib.sha256(file.content).hexdigest(),
        changes={"counts": dict(counts), "changed": edits}, skipped_rows=len(left_out),
        imported_at=ctx.now, imported_by=ctx.actor,
    )  # fmt: skip


async def import_run(session: AsyncSession, ctx: Context, run_id: UUID) -> ImportRun | None:
    """An import that changed something."""
    return await session.scalar(select(ImportRun).where(ImportRun.site_id == ctx.site_id, ImportRun.id == run_id))


async def import_runs(session: AsyncSession, ctx: Context, limit: int, offset: int) -> Sequence[ImportRun]:
    """Imports that changed something, the last first."""
    query = select(ImportRun).where(ImportRun.site_id == ctx.site_id).order_by(ImportRun.id.desc())
    return (await session.scalars(query.limit(limit).offset(offset))).all()
