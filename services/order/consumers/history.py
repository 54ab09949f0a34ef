"""Every event of every topic passes here, so that an order's history is whole."""

from __future__ import annotations

from mes.bus import Received
from mes.context import Context
from mes.inbox import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import history
from services.order.consumers.registry import consumers


@consumers.on_every
async def on_every(session: AsyncSession, ctx: Context, record: Received, meta: Meta) -> None:
    history.note(session, ctx, record.value, meta)
