"""New versions of state mappings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mes.context import Context
from mes.errors import Invalid
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.domain.states import BUILT_IN, category_of
from services.equipment.models import MappingRow


async def define_mapping(
    session: AsyncSession, ctx: Context, name: str, words: Mapping[str, str], valid_from: datetime | None = None
) -> MappingRow:
    """The next version of a mapping, in force from now or later, so that history stays. Raises Invalid."""
    start = valid_from or ctx.now
    if start < ctx.now:
        raise Invalid("mapping.changes_history", field="valid_from", valid_from=start.isoformat())
    if not words:
        raise Invalid("mapping.empty", field="words")
    kept = {word.strip().upper(): category_of(to, f"words.{word}").value for word, to in words.items()}
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:k, 0))"), {"k": f"mapping/{name}"})
    newest = await session.scalar(
        select(func.max(MappingRow.version)).where(MappingRow.site_id == ctx.site_id, MappingRow.name == name)
    )
    number = (newest or int(name in BUILT_IN)) + 1
    row = MappingRow(
        id=ctx.new_id(), site_id=ctx.site_id, name=name, version=number, valid_from=start, words=kept, by=ctx.actor
    )
    session.add(row)
    await session.flush()
    return row
