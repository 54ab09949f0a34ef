"""A published plan reaches the jobs: whole, once, newest first, and quickly."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from mes.events.v1 import order_pb2, scheduling_pb2
from mes.testing import TestDatabases
from sqlalchemy import func, select

from services.order.models import HistoryEntry, PlanChunk, ProductionOrder
from tests.integration.order.floor import Floor, after, open_floor, stamp


@pytest.fixture
async def floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    async with open_floor(databases) as made:
        yield made


async def planned(floor: Floor) -> list[order_pb2.Job]:
    return [each.job for each in await floor.published(order_pb2.JobChanged) if each.verb == "plan"]


async def test_a_version_in_chunks_is_applied_with_its_last_chunk(floor: Floor) -> None:
    order = floor.new_order("SO-1")
    first, second = floor.new_job(order, 10), floor.new_job(order, 20, state="Waiting")
    await floor.add(order, first, second)
    version_id = str(uuid4())
    one = floor.version(1, [floor.planned(first, floor.machines[0], 10)], version_id=version_id, chunks=2)
    two = floor.version(1, [floor.planned(second, floor.machines[1], 50)], version_id=version_id, chunk=1, chunks=2)
    await floor.publish(two)
    assert (await floor.job(second.id)).planned_start is None
    await floor.publish(two, one)
    assert (await floor.job(first.id)).planned_equipment_id == floor.machines[0]
    job = await floor.job(second.id)
    assert (job.planned_start, job.planned_end, job.plan_rank) == (after(50), after(80), 1)
    assert job.version == 1
    assert [each.job_id for each in await planned(floor)] == [str(first.id), str(second.id)]
    assert (await planned(floor))[0].order_no == "SO-1"
    async with floor.order.read() as session:
        assert await session.scalar(select(func.count()).select_from(PlanChunk)) == 0


async def test_an_older_or_repeated_version_changes_nothing(floor: Floor) -> None:
    order = floor.new_order("SO-1")
    job = floor.new_job(order, 10)
    await floor.add(order, job)
    newest = floor.version(5, [floor.planned(job, floor.machines[0], 10)])
    await floor.publish(newest, floor.version(4, [floor.planned(job, floor.machines[1], 99)]), newest)
    assert (await floor.job(job.id)).planned_equipment_id == floor.machines[0]
    assert len(await planned(floor)) == 1


async def test_removed_jobs_lose_their_plan_and_finished_ones_keep_it(floor: Floor) -> None:
    order = floor.new_order("SO-1")
    dropped, running = floor.new_job(order, 10), floor.new_job(order, 20, state="Running")
    running.equipment_id = floor.machines[1]
    done = floor.new_job(order, 30, state="Done", planned_equipment_id=floor.machines[0], planned_start=after(-60))
    await floor.add(order, dropped, running, done)
    await floor.publish(floor.version(1, [floor.planned(dropped, floor.machines[0], 10),
                                          floor.planned(running, floor.machines[0], 20)]))  # fmt: skip
    gone = [str(each.id) for each in (dropped, done)]
    await floor.publish(floor.version(2, [], removed_job_ids=gone))
    job = await floor.job(dropped.id)
    assert (job.planned_equipment_id, job.planned_start, job.plan_rank) == (None, None, None)
    assert (await floor.job(running.id)).equipment_id == floor.machines[1]
    assert (await floor.job(done.id)).planned_start == after(-60)


async def test_the_history_notes_a_plan_once_for_an_order_and_no_small_shift(floor: Floor) -> None:
    order, other = floor.new_order("SO-1"), floor.new_order("SO-2")
    jobs = [floor.new_job(order, seq) for seq in (10, 20, 30)]
    untouched = floor.new_job(other, 10)
    await floor.add(order, other, *jobs, untouched)
    await floor.publish(floor.version(1, [floor.planned(each, floor.machines[0], 10) for each in jobs]))
    await floor.publish(floor.version(2, [floor.planned(each, floor.machines[0], 15) for each in jobs]))
    await floor.publish(floor.version(3, [floor.planned(jobs[0], floor.machines[1], 15)]))
    assert len(await planned(floor)) == 3 + 3 + 1
    shown = await floor.get(f"/order/orders/{order.id}/history")
    assert [(each["type"], len(each["event"]["changed"])) for each in shown["items"]] == [
        ("SchedulePublished", 3), ("SchedulePublished", 1),
    ]  # fmt: skip
    assert "M-2" in shown["items"][1]["text"]
    assert (await floor.get(f"/order/orders/{other.id}/history"))["items"] == []


async def test_promises_are_kept_with_the_orders(floor: Floor) -> None:
    order, closed = floor.new_order("SO-1"), floor.new_order("SO-2", state="Closed")
    await floor.add(order, closed)
    promises = [
        scheduling_pb2.OrderPromise(order_id=str(each.id), projected_end=stamp(after(99)), lateness_s=-60)
        for each in (order, closed)
    ]
    unknown = scheduling_pb2.OrderPromise(order_id=str(uuid4()), projected_end=stamp(after(99)))
    event = scheduling_pb2.PromisesChanged(version_id=str(uuid4()), promises=[*promises, unknown])
    await floor.tell("scheduling", (event, floor.order.site_id))
    async with floor.order.read() as session:
        rows = (await session.scalars(select(ProductionOrder).order_by(ProductionOrder.no))).all()
    assert [(each.projected_end, each.lateness_s) for each in rows] == [(after(99), -60), (None, None)]


async def test_five_thousand_jobs_are_planned_and_announced_quickly(floor: Floor) -> None:
    orders = [floor.new_order(f"SO-{n:04}") for n in range(700)]
    jobs = [floor.new_job(order, seq) for order in orders for seq in range(10, 90, 10)][:5000]
    await floor.add(*orders, *jobs)
    changed = [floor.planned(job, floor.machines[n % 2], n) for n, job in enumerate(jobs)]
    version_id = str(uuid4())
    versions = [
        floor.version(1, changed[part * 500 : part * 500 + 500], version_id=version_id, chunk=part, chunks=10)
        for part in range(10)
    ]
    began = time.monotonic()
    await floor.publish(*versions)
    seconds = time.monotonic() - began
    assert len(await planned(floor)) == 5000
    async with floor.order.read() as session:
        assert await session.scalar(select(func.count()).select_from(HistoryEntry)) == len(
            {each.order_id for each in jobs}
        )
    # Two hops of the log with 5,000 events and a busy machine included; the application itself takes about a second.
    assert seconds < 20
