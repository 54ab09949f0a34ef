"""The shared business clock: what was set stays set, whoever looks at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from mes.clock import BusinessClock
from mes.clock_keeper import ClockKeeper
from mes.shared_settings import SharedSettings
from mes.testing import TestDatabases

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)


async def test_a_look_that_began_before_a_step_does_not_take_it_back(databases: TestDatabases) -> None:
    address = await databases.empty("log")
    settings, clock = SharedSettings(address.replace("postgresql+asyncpg", "postgresql")), BusinessClock()
    await settings.start()
    keeper = ClockKeeper(settings, clock)
    try:
        await keeper.start(factor=1.0, start=EPOCH)
        await keeper.set(type(clock.state)(EPOCH.timestamp(), EPOCH.timestamp(), 1.0, "stepped"))
        for step in range(1, 100):
            then = EPOCH + timedelta(minutes=step)
            looks = [asyncio.create_task(keeper.look()) for _ in range(4)]
            await keeper.set(clock.advanced(then))
            assert clock.now() == then
            await asyncio.gather(*looks)
            assert clock.now() == then
    finally:
        await keeper.stop()
        await settings.close()
