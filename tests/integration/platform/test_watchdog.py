"""A consumer that stands still is helped, then told of."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
from mes.context import Context
from mes.front import root_app
from mes.inbox import Meta
from mes.watchdog import Watchdog
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.platform.conftest import House, Open, eventually
from tests.integration.platform.test_inbox import reporting, seen
from tests.integration.platform.tiny import on_reported

PATIENCE_S = 0.6


class Hanging:
    """A handler that never comes back the first few times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.let_go = asyncio.Event()

    async def handle(self, session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
        if self.left:
            self.left -= 1
            await self.let_go.wait()
        await on_reported(session, ctx, event, meta)


def watchdog_of(house: House) -> Watchdog:
    return house.runtime.services["mirror"].watchdog


async def readiness(house: House) -> tuple[int, Any]:
    app = root_app(house.runtime, manage=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://house") as http:
        answer = await http.get("/readyz")
        return answer.status_code, answer.json()["failing"].get("mirror", "")


async def test_what_hangs_once_is_ended_by_joining_again(open_house: Open) -> None:
    hanging = Hanging(1)
    house = await open_house(reporting(hanging.handle), watchdog_s=PATIENCE_S)
    order = uuid4()
    await house.tell(order)
    await house.idle()
    assert hanging.left == 0
    assert await seen(house) == {str(order): (1, 1)}
    assert await readiness(house) == (200, "")


async def test_what_hangs_again_makes_the_process_not_ready_until_it_goes_on(open_house: Open) -> None:
    hanging = Hanging(1000)
    house = await open_house(reporting(hanging.handle), watchdog_s=PATIENCE_S)
    order = uuid4()
    await house.tell(order)
    await eventually(lambda: bool(watchdog_of(house).stalled))
    status, reason = await readiness(house)
    assert status == 503
    assert "1 records of mes.mirror wait" in reason
    hanging.left = 0
    hanging.let_go.set()
    await eventually(lambda: not watchdog_of(house).stalled)
    assert await readiness(house) == (200, "")
    assert await seen(house) == {str(order): (1, 1)}
