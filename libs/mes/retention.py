"""What the platform's own tables need not keep: sent outbox rows, and answers that nobody will ask for again.

The inbox is kept as long as the log, which keeps everything.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

if TYPE_CHECKING:
    from mes.runtime import ServiceRuntime

EVERY_S = 3600
SENT_DAYS = 7
ANSWER_DAYS = 30

_SENT = text("DELETE FROM outbox WHERE sent_at < clock_timestamp() - make_interval(days => :days)")
_ANSWERS = text("DELETE FROM idempotency_key WHERE created_at < clock_timestamp() - make_interval(days => :days)")


async def keep(running: ServiceRuntime) -> None:
    """Forget what is old, once an hour of real time."""
    while True:
        async with running.transaction() as session:
            await forget(session)
        await asyncio.sleep(EVERY_S)


async def forget(session: AsyncSession) -> None:
    """Delete outbox rows sent over a week ago and answers stored over 30 days ago."""
    await session.execute(_SENT, {"days": SENT_DAYS})
    await session.execute(_ANSWERS, {"days": ANSWER_DAYS})
