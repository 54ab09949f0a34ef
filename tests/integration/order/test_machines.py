"""What machines tell: states hold jobs back where that guard blocks, long stops pause, counts become reports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
from mes.events.v1 import equipment_pb2
from mes.testing import TestDatabases
from sqlalchemy import select

from services.order.commands.guarding import set_guard
from services.order.models import EquipmentState, Report
from services.order.tasks import look_at_machines
from tests.integration.order.floor import NOW, Floor, after, open_floor, stamp
from tests.integration.order.scenes import busy_day


@pytest.fixture
async def floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    async with open_floor(databases) as made:
        yield made


async def say(floor: Floor, machine: int, category: str, since: float = 0) -> None:
    key = floor.machines[machine]
    event = equipment_pb2.EquipmentStateChanged(
        equipment_id=str(key), category=category, since=stamp(after(since)), reason="D-BELT"
    )
    await floor.tell("equipment", (event, key))


async def test_a_machine_that_is_down_holds_jobs_back_only_where_that_guard_blocks(floor: Floor) -> None:
    order = floor.new_order("SO-1")
    job = floor.new_job(order, 10, planned_equipment_id=floor.machines[0])
    await floor.add(order, job)
    await say(floor, 0, "UNPLANNED_DOWN")
    assert (await floor.job(job.id)).state == "Ready"
    async with floor.order.transaction() as session:
        await set_guard(session, floor.order.context(), "equipment_down", "block")
    await say(floor, 0, "PRODUCING")
    await say(floor, 0, "UNPLANNED_DOWN")
    assert (await floor.job(job.id)).state == "Waiting"
    # Planned elsewhere it is ready again.
    await floor.publish(floor.version(1, [floor.planned(job, floor.machines[1], 10)]))
    assert (await floor.job(job.id)).state == "Ready"
    await floor.publish(floor.version(2, [floor.planned(job, floor.machines[0], 10)]))
    assert (await floor.job(job.id)).state == "Waiting"
    await say(floor, 0, "STANDBY")
    assert (await floor.job(job.id)).state == "Ready"


async def test_a_long_stop_pauses_the_work_on_the_machine(floor: Floor) -> None:
    jobs = await busy_day(floor)
    await say(floor, 1, "UNPLANNED_DOWN")
    await floor.runtime.set_clock(floor.runtime.clock.advanced(NOW + timedelta(minutes=29)))
    await look_at_machines(floor.order)
    assert (await floor.job(jobs["running"].id)).state == "Running"
    await floor.runtime.set_clock(floor.runtime.clock.advanced(NOW + timedelta(minutes=31)))
    await look_at_machines(floor.order)
    assert (await floor.job(jobs["running"].id)).state == "Paused"
    assert await look_at_machines(floor.order) == 0


async def test_counts_of_a_machine_become_reports_of_what_runs_there(floor: Floor) -> None:
    jobs = await busy_day(floor)
    event = equipment_pb2.CounterAdvanced(
        equipment_id=str(floor.machines[1]), counter="count", counts="7", from_value="100", to_value="107",
        from_time=stamp(after(-10)), to_time=stamp(NOW),
    )  # fmt: skip
    await floor.tell("equipment", (event, floor.machines[1]))
    job = await floor.job(jobs["running"].id)
    assert job.good_qty == Decimal(47)
    async with floor.order.read() as session:
        rows = (await session.scalars(select(Report).where(Report.source == "machine"))).all()
    assert [(row.job_id, row.good_qty, row.counter_to) for row in rows] == [(job.id, Decimal(7), Decimal(107))]


async def test_an_older_state_does_not_replace_a_newer_one(floor: Floor) -> None:
    await say(floor, 0, "PRODUCING")
    async with floor.order.read() as session:
        row = await session.get(EquipmentState, floor.machines[0])
    assert row is not None
    assert (row.category, row.since, row.as_of) == ("PRODUCING", NOW, NOW)
