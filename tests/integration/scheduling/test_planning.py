"""Events in, plans out: what makes a new plan, what a new plan leaves alone, and what makes none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from mes.events.v1 import scheduling_pb2

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def minute(moment: Timestamp) -> float:
    return (moment.ToDatetime(tzinfo=UTC) - NOW).total_seconds() / 60


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


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


async def test_nothing_new_publishes_nothing(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a]])
    await plant.plan()
    await plant.post("/runs", 202, reason="to be sure")
    await plant.idle()
    assert [each.reason for each in plant.runs()] == ["", "unchanged"]
    assert plant.versions() == 1
    # A machine that nothing waits for stops: looked at, and nothing to tell.
    other = await plant.machine("B")
    await plant.state(other, "UNPLANNED_DOWN")
    await plant.state(other, "STANDBY")
    assert plant.versions() == 1


async def test_time_alone_shows_that_the_plan_is_not_kept(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a]])
    await plant.plan()
    await plant.step(14)
    assert plant.versions() == 1
    await plant.step(16)
    for _ in range(200):
        if plant.versions() == 2:
            break
        await asyncio.sleep(0.05)
    plan = await plant.plan()
    assert minute(plan["O1-1"].start) == 30
    assert plant.published()[-1].trigger == "far_from_plan"


async def test_frozen_operations_stay_when_a_rush_order_comes(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a]], seconds=1200, priority=9)
    await plant.release("O2", [[a]], seconds=1200, priority=9)
    await plant.release("O3", [[a]], seconds=1200, priority=9)
    before = await plant.plan()
    rush = {"priority": 1, "due_at": stamp(NOW + timedelta(minutes=1))}
    await plant.release("R", [[a]], **rush)
    plan = await plant.plan()
    soon = sorted((code for code in before), key=lambda code: minute(before[code].start))[:2]
    assert [plan[code].start for code in soon] == [before[code].start for code in soon]
    assert minute(plan["R-1"].start) == 40
    assert plant.versions() == 4


async def test_components_come_first_and_an_unreleased_one_is_named(plant: Any) -> None:
    a = await plant.machine("A")
    part = plant.order("PART", [[a]])
    await plant.release("WHOLE", [[a]], component_order_ids=[part.order.order_id])
    (left_out,) = await plant.get("/unplanned", lang="en")
    assert (left_out["job_code"], left_out["code"]) == ("WHOLE-1", "component_not_planned")
    assert part.order.order_id in left_out["text"]
    await plant.tell((part, part.order.order_id))
    plan = await plant.plan()
    assert minute(plan["WHOLE-1"].start) == minute(plan["PART-1"].end) == 60
    assert await plant.get("/unplanned") == []


async def test_outside_operations_are_planned_around(plant: Any) -> None:
    a = await plant.machine("A")
    event = plant.order("O", [[a], [], [a]])
    outside = event.jobs[1]
    outside.kind, outside.lead_days = "outside", 2
    plant.jobs["O-2"].CopyFrom(outside)
    await plant.tell((event, event.order.order_id))
    plan = await plant.plan()
    assert (plan["O-2"].equipment_id, minute(plan["O-2"].end)) == ("", 60 + 2 * 1440)
    await plant.start("O-1", a)
    await plant.step(60)
    await plant.finish("O-1")
    sent = {"state": "Sent", "started_at": plant.now()}
    await plant.change("O-2", "send", **sent, expected_back_at=plant.now() + timedelta(days=2))
    assert plant.versions() == 1
    await plant.change("O-2", "expect", expected_back_at=plant.now() + timedelta(days=3))
    plan = await plant.plan()
    assert minute(plan["O-3"].start) == 60 + 3 * 1440


@pytest.mark.slow
async def test_a_large_shop_is_told_in_chunks_below_the_limit(plant: Any) -> None:
    machines = [await plant.machine(f"M{n}") for n in range(20)]
    events = [plant.order(f"O{n}", [[machines[(n + k) % 20]] for k in range(6)], seconds=60) for n in range(840)]
    await plant.tell(*((event, event.order.order_id) for event in events))
    plan = await plant.plan()
    assert len(plan) == 5040
    # A first plan may have been made before the last order was heard of.
    largest = max(plant.published(), key=lambda each: each.chunks).version_no
    told = [each for each in plant.published() if each.version_no == largest]
    assert [each.chunk for each in told] == list(range(told[0].chunks))
    assert told[0].chunks > 1
    assert all(each.ByteSize() <= 256 * 1024 for each in told)
    whole = await plant.get("/versions/current", limit=1000, offset=4500)
    assert (whole["version"]["operations"], len(whole["items"])) == (5040, 540)


async def test_another_due_date_changes_the_promise_though_not_the_plan(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a]])
    await plant.change_order("O1", "changed", due_at=NOW + timedelta(minutes=30))
    assert plant.versions() == 1
    (promise,) = await plant.get("/promises", late=True)
    assert promise["lateness_s"] == 1800
    told = [each for each in plant.heard if isinstance(each, scheduling_pb2.PromisesChanged)][-1]
    assert [(each.order_id, each.lateness_s) for each in told.promises] == [(promise["order_id"], 1800)]


async def test_the_end_of_all_work_is_no_event(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a]])
    await plant.start("O1-1", a)
    await plant.step(60)
    await plant.finish("O1-1")
    await plant.post("/runs", 202)
    await plant.idle()
    assert [each.status for each in plant.runs()] == ["Feasible", "Optimal"] or plant.runs()[-1].reason == "unchanged"
    assert plant.versions() == 1


async def test_what_an_engine_finds_impossible_is_named_and_the_rest_is_planned(plant: Any) -> None:
    a = await plant.machine("A")
    circle = plant.order("C", [[a], [a]])
    circle.jobs[0].predecessor_ids.append(circle.jobs[1].job_id)
    await plant.tell((circle, circle.order.order_id))
    await plant.release("O1", [[a]])
    assert set(await plant.plan()) == {"O1-1"}
    named = await plant.get("/unplanned")
    assert {(each["job_code"], each["code"]) for each in named} == {("C-1", "infeasible"), ("C-2", "infeasible")}
    assert (await plant.get("/runs"))[0]["conflicts"]
