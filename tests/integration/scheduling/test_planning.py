"""Events in, plans out: what makes a new plan, what a new plan leaves alone, and what makes none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def minute(moment: Timestamp) -> float:
    return (moment.ToDatetime(tzinfo=UTC) - NOW).total_seconds() / 60


async def test_a_released_order_is_planned_and_told(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a], [b]])
    plan = await plant.plan()
    assert (plan["O1-1"].equipment_id, minute(plan["O1-1"].start), minute(plan["O1-1"].end)) == (a, 0, 60)
    assert (plan["O1-2"].equipment_id, minute(plan["O1-2"].start), minute(plan["O1-2"].end)) == (b, 60, 120)
    assert plan["O1-2"].cause == "predecessor"
    assert plan["O1-2"].cause_ref == plant.jobs["O1-1"].job_id
    event = plant.published()[-1]
    assert (event.version_no, event.chunk, event.chunks, event.policy) == (1, 0, 1, "auto")
    assert plant.runs()[-1].version_id == event.version_id


async def test_after_a_breakdown_the_plan_avoids_the_machine_and_begun_work_stays(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a, b], [a, b]])
    await plant.release("O2", [[a, b], [a, b]])
    before = await plant.plan()
    one = before["O1-1"].equipment_id
    other = b if one == a else a
    assert before["O2-1"].equipment_id == other
    await plant.start("O1-1", one)
    await plant.start("O2-1", other)
    await plant.step(60)
    await plant.finish("O1-1")
    await plant.step(0.5)
    await plant.state(one, "UNPLANNED_DOWN")
    after = await plant.plan()
    assert "O1-1" in after and after["O1-1"] == before["O1-1"]
    assert (after["O2-1"].equipment_id, after["O2-1"].start) == (other, before["O2-1"].start)
    down_until = plant.now() + timedelta(hours=2)
    for code in ("O1-2", "O2-2"):
        assert after[code].equipment_id == other or after[code].setup_start.ToDatetime(tzinfo=UTC) >= down_until


async def test_what_runs_as_planned_makes_no_new_plan(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a], [b]])
    plan = await plant.plan()
    runs = len(plant.runs())
    for code, verb in (("O1-1", "plan"), ("O1-2", "plan")):
        planned = {"planned_equipment_id": plan[code].equipment_id}
        await plant.change(code, verb, **planned, planned_start=plan[code].start.ToDatetime(tzinfo=UTC))
    await plant.start("O1-1", a)
    await plant.step(30)
    await plant.change("O1-1", "report", remaining_qty="0.5", good_qty="0.5")
    await plant.step(30)
    await plant.finish("O1-1")
    await plant.change("O1-2", "ready", state="Ready")
    await plant.start("O1-2", b)
    await plant.step(60)
    await plant.finish("O1-2")
    assert len(plant.runs()) == runs
    assert plant.versions() == 1


async def test_a_held_job_and_its_followers_leave_the_plan_and_come_back(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a], [b]])
    await plant.release("O2", [[a], [b]])
    assert set(await plant.plan()) == {"O1-1", "O1-2", "O2-1", "O2-2"}
    await plant.change("O1-1", "hold", state="Held", state_before_hold="Ready")
    plan = await plant.plan()
    assert set(plan) == {"O2-1", "O2-2"}
    assert minute(plan["O2-1"].start) == 0
    await plant.change("O1-1", "release", state="Ready")
    assert set(await plant.plan()) == {"O1-1", "O1-2", "O2-1", "O2-2"}


async def test_a_cancelled_order_makes_room(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a]], priority=1)
    await plant.release("O2", [[a]])
    first = min((await plant.plan()).items(), key=lambda each: minute(each[1].start))[0]
    await plant.change(first, "cancel", state="Cancelled")
    await plant.change_order(first[:2], "cancelled", state="Cancelled")
    plan = await plant.plan()
    (other,) = {"O1-1", "O2-1"} - {first}
    assert minute(plan[other].start) == 0


async def test_work_far_from_the_plan_makes_a_new_one(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a], [b]])
    await plant.plan()
    await plant.start("O1-1", a)
    await plant.step(100)
    await plant.finish("O1-1")
    plan = await plant.plan()
    assert plant.versions() == 2
    assert Decimal(minute(plan["O1-2"].start)) == 100
