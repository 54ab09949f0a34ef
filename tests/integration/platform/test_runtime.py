"""Starting, stopping and knowing when all is quiet."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from mes import outbox, runtime
from mes.bus.postgres import PostgresBus
from mes.clock import BusinessClock, ClockState, resumed
from mes.events.v1 import order_pb2
from mes.front import root_app
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
    assert isinstance(house.runtime.bus, PostgresBus)
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
    used = first.runtime.clock.now()
    await _crash(first)
    again = await open_house(clock_factor=1.0)
    assert again.runtime.clock.state.factor == 600.0
    assert used <= again.runtime.clock.now() <= used + timedelta(minutes=60)
    used = again.runtime.clock.now()
    await again.runtime.stop()
    after = await open_house(clock_factor=1.0)
    assert timedelta(0) <= after.runtime.clock.now() - used < timedelta(minutes=30)


async def _crash(house: House) -> None:
    """What a kill leaves of the clock: nothing more is saved, and its connection is gone."""
    keeper = house.runtime._keeper
    if house.runtime._clock_task:
        await runtime.ended([house.runtime._clock_task])
    assert keeper._connection is not None
    await keeper._connection.close()
    keeper.is_keeper = False


async def test_processes_have_one_clock(open_house: Open) -> None:
    first, second = await open_house(clock_factor=600.0), await open_house(clock_factor=1.0)
    clocks = [first.runtime.clock, second.runtime.clock]
    assert clocks[0].state == clocks[1].state
    assert [first.runtime._keeper.is_keeper, second.runtime._keeper.is_keeper] == [True, False]
    at = clocks[0].now() + timedelta(days=1)
    await second.runtime.set_clock(ClockState(at.timestamp(), 0.0, 60.0, "stepped"))
    await eventually(lambda: clocks[0].state.mode == "stepped")
    assert clocks[0].now() == clocks[1].now() == at
    # The keeper dies: the other one keeps what is used from now on.
    await _crash(first)
    await eventually(lambda: second.runtime._keeper.is_keeper)


def test_real_time_is_real_again_after_a_pause() -> None:
    day_ago = time.time() - 86400
    real = ClockState(day_ago, day_ago, 1.0).as_json()
    assert abs(resumed(real, day_ago + 3, factor=1.0, start=None).business - time.time()) < 1
    # Set to another time, or having run faster, it goes on from there.
    ahead = ClockState(day_ago + 1e6, day_ago, 1.0).as_json()
    assert resumed(ahead, day_ago + 1e6 + 50, factor=1.0, start=None).business == day_ago + 1e6 + 50
    assert resumed(ClockState(5.0, 0.0, 60.0).as_json(), None, factor=1.0, start=None).business == 5.0


async def test_a_stepped_clock_stays_where_it_was(open_house: Open) -> None:
    house = await open_house(services=[shop])
    at = datetime(2030, 1, 1, tzinfo=UTC)
    await house.runtime.set_clock(ClockState(at.timestamp(), 0.0, 60.0, "stepped"))
    await house.runtime.stop()
    assert (await open_house(services=[shop])).runtime.clock.now() == at


async def test_business_time_of_real_use_cannot_be_changed(open_house: Open) -> None:
    house = await open_house(clock_pinned=True)
    transport = httpx.ASGITransport(app=root_app(house.runtime, manage=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://house") as http:
        refused = await http.put("/clock", json={"mode": "running", "factor": 60})
        assert (refused.status_code, refused.json()["code"]) == (409, "clock.pinned")
        # A simulation that was there before may have left it stepped or fast.
        assert (await http.put("/clock", json={"mode": "running", "factor": 1})).status_code == 200
        assert (await http.get("/clock")).json()["factor"] == 1.0
