"""Starting, stopping and knowing when all is quiet."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from mes import outbox, runtime
from mes.clock import BusinessClock, ClockState
from mes.events.v1 import order_pb2
from mes.runtime import ServiceRuntime
from sqlalchemy import text

from tests.integration.platform.conftest import TOPIC, House, Open, eventually
from tests.integration.platform.tiny import shop


async def test_a_task_that_loses_a_cancellation_is_stopped_all_the_same(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_CANCEL_AGAIN_S", 0.05)
    begun = asyncio.Event()

    async def deaf(running: ServiceRuntime) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    house = await open_house(services=[replace(shop, tasks={"deaf": deaf})])
    await begun.wait()
    async with asyncio.timeout(10):
        await house.runtime.stop()


async def test_a_cancellation_that_comes_with_a_wake_is_not_lost(house: House) -> None:
    member = await house.runtime.bus.subscribe("g", [TOPIC])
    clock = BusinessClock(ClockState(0.0, 0.0, 1.0, "stepped"))
    fetching = asyncio.create_task(member.fetch(limit=1, wait=30))
    sleeping = asyncio.create_task(clock.sleep(timedelta(hours=1)))
    await eventually(lambda: _waits(fetching) and _waits(sleeping))
    house.runtime.bus.wake()
    clock.set(ClockState(1.0, 0.0, 1.0, "stepped"))
    for task in (fetching, sleeping):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


def _waits(task: asyncio.Task[Any]) -> bool:
    """Whether it waits for an event right now."""
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        if getattr(coroutine, "__qualname__", "") == "Event.wait":
            return True
        coroutine = getattr(coroutine, "cr_await", None)
    return False


async def test_a_task_that_fails_or_ends_is_started_again(open_house: Open) -> None:
    runs = 0

    async def frail(running: ServiceRuntime) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("once")

    await open_house(services=[replace(shop, tasks={"frail": frail})])
    await eventually(lambda: runs >= 3)


async def test_a_start_that_fails_leaves_nothing_running(open_house: Open) -> None:
    async def refuse(running: ServiceRuntime) -> None:
        raise RuntimeError("not today")

    before = len(asyncio.all_tasks())
    with pytest.raises(RuntimeError, match="not today"):
        await open_house(services=[shop, replace(shop, name="mirror", startup=refuse)])
    assert len(asyncio.all_tasks()) == before


async def test_stopping_twice_is_stopping_once(house: House) -> None:
    await house.runtime.stop()
    await house.runtime.stop()
    assert not house.runtime.ready


async def test_what_was_committed_before_a_stop_is_sent_by_the_next_start(open_house: Open) -> None:
    house, key = await open_house(services=[shop]), uuid4()
    running = house.runtime.services["shop"]
    await runtime.ended(running._tasks)
    async with running.transaction() as session:
        outbox.publish(session, running.context(), order_pb2.OrderClosed(), key=key)
    assert await running.unsent() == 1
    assert await house.runtime.not_idle() == ["shop: 1 events unsent"]
    await house.runtime.stop()
    after = await open_house()
    await after.idle()
    assert [each.key for each in await after.log()] == [str(key)]


async def test_it_is_not_idle_while_a_handler_works_or_a_service_says_so(open_house: Open) -> None:
    doing: str | None = "solving"

    async def busy(running: ServiceRuntime) -> str | None:
        return doing

    house = await open_house(services=[replace(shop, busy=busy)])
    assert await house.runtime.wait_idle(0.05) == ["shop: solving"]
    doing = None
    assert await house.runtime.wait_idle(10) == []


async def test_work_that_commits_as_it_ends_is_not_overlooked(open_house: Open) -> None:
    # The probe says "done" right after the commit; the row must be seen then, whatever was counted before.
    async def busy(running: ServiceRuntime) -> str | None:
        async with running.database.engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO outbox (event_id, topic, key, payload, headers) "
                     "VALUES (gen_random_uuid(), '', 'k', '', '{}')")
            )  # fmt: skip
        return None

    house = await open_house(services=[replace(shop, busy=busy)])
    await runtime.ended(house.runtime.services["shop"]._tasks)
    assert await house.runtime.not_idle() == ["shop: 1 events unsent"]


async def test_the_clock_never_goes_back_over_a_crash_and_goes_on_over_a_stop(open_house: Open) -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    first = await open_house(clock_factor=600.0, clock_start=start.isoformat())
    assert first.runtime.clock.now() - start < timedelta(minutes=10)
    saved = await first.runtime.bus.setting("business_clock")
    used = first.runtime.clock.now()
    # A crash: nothing more is saved.
    assert datetime.fromtimestamp(saved["business"], UTC) > used
    again = await open_house(clock_factor=1.0)
    assert again.runtime.clock.state.factor == 600.0
    assert again.runtime.clock.now() >= used
    await again.runtime.stop()
    await first.runtime.stop()


async def test_a_stepped_clock_stays_where_it_was(open_house: Open) -> None:
    house = await open_house(services=[shop])
    at = datetime(2030, 1, 1, tzinfo=UTC)
    await house.runtime.set_clock(ClockState(at.timestamp(), 0.0, 60.0, "stepped"))
    await house.runtime.stop()
    assert (await open_house(services=[shop])).runtime.clock.now() == at
