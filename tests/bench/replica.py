"""One consuming process: `python -m tests.bench.replica` applies what the shop sends and says when it did.

Prints `imported T` and then `event-id T` for each event, T by the clock that all processes of the machine share.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from typing import Any

from mes.config import Settings
from mes.context import Context
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.platform.tiny import mirror


async def on_reported(session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
    """Take note."""
    sys.stdout.write(f"{meta.event_id} {time.monotonic()}\n")


async def serve() -> None:
    """Until the input ends, as it does with whoever started this."""
    consumers = Consumers()
    consumers.on(order_pb2.ReportRecorded)(on_reported)
    runtime = Runtime(Settings(), [replace(mirror, consumers=consumers)])
    await runtime.start()
    reading = asyncio.to_thread(sys.stdin.buffer.read)
    await reading
    await runtime.stop()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.stdout.write(f"imported {time.monotonic()}\n")
    asyncio.run(serve())
