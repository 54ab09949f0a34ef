"""The dispatch list: what every machine does next, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mes.testing import TestDatabases

from services.simulator.views import Job as Seen
from tests.integration.order.floor import NOW, Floor, after, open_floor
from tests.integration.order.scenes import busy_day

Rows = dict[str, dict[str, Any]]


@pytest.fixture
async def floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    async with open_floor(databases) as made:
        yield made


async def listed(floor: Floor, language: str = "en", **params: Any) -> Rows:
    return {row["job_id"]: row for row in (await floor.get("/order/dispatch", language, **params))["items"]}


async def test_what_is_at_work_comes_first_and_what_waits_says_why(floor: Floor) -> None:
    jobs = await busy_day(floor)
    rows = await listed(floor)
    shown = {name: rows.get(str(job.id)) for name, job in jobs.items()}
    assert {name for name, row in shown.items() if row is None} == {"done", "outside", "sent"}
    expected = {"running": "running", "waiting": "predecessor", "setup": "setup", "fai": "first_article_open",
                "paused": "paused", "down": "machine_down", "held": "held", "ready": "planned"}  # fmt: skip
    assert {name: shown[name]["why"]["code"] for name in expected if shown[name]} == expected
    places = [shown[name]["rank"] for name in ("running", "waiting", "ready") if shown[name]]
    assert places == [1, 2, 3]
    waiting = shown["waiting"]
    assert waiting is not None
    assert waiting["why"]["text"] == "waits for 20 Blanking 20 (running), expected by 08:15"
    assert waiting["place_because"]["code"] == "most_urgent"
    assert waiting["startable"] is False
    ready = shown["ready"]
    assert ready is not None
    assert ready["startable"] is True
    assert (ready["equipment_id"], ready["setup_s"], ready["run_s_per_unit"]) == (str(floor.machines[1]), 600, "2.4")
    assert (ready["qty"], ready["remaining_qty"], ready["material"]) == ("100", "100", "Hinge")
    seen = Seen.of(ready)
    assert (seen.equipment_id, seen.rank, seen.setup_s, seen.run_s) == (str(floor.machines[1]), 3, 600.0, 2.4)
    assert "孔径超差" in (await listed(floor, "zh-CN"))[str(jobs["held"].id)]["why"]["text"]


async def test_one_machine_alone(floor: Floor) -> None:
    jobs = await busy_day(floor)
    assert set(await listed(floor, equipment=floor.machines[2])) == {str(jobs["setup"].id)}


async def test_long_queues_are_cut_but_never_what_is_at_work_or_held(floor: Floor) -> None:
    order = floor.new_order("SO-1", state="InProgress")
    queue = [floor.new_job(order, seq) for seq in range(30)]
    waiting = [floor.new_job(order, 100 + seq, state="Waiting") for seq in range(30)]
    running = floor.new_job(order, 200, state="Running", equipment_id=floor.machines[0])
    held = floor.new_job(order, 201, state="Held", state_before_hold="Ready")
    unplanned = floor.new_job(order, 202)
    everything = [*queue, *waiting, running, held]
    await floor.add(order, *everything, unplanned)
    await floor.publish(
        floor.version(1, [floor.planned(job, floor.machines[0], n, n) for n, job in enumerate(everything, 1)])
    )
    rows = await listed(floor, limit_per_equipment=5)
    expected = [running, *queue[:5], *waiting[:5], held, unplanned]
    assert list(rows) == [str(job.id) for job in expected]
    assert rows[str(unplanned.id)]["why"]["code"] == "unplanned"
    assert rows[str(unplanned.id)]["equipment_id"] is None
    queues = (await floor.get("/order/dispatch/queues", limit_per_equipment=5))["items"]
    assert [each["job_id"] for each in queues] == list(rows)
    assert all(each.items() <= rows[each["job_id"]].items() for each in queues)


async def test_reasons_for_a_place(floor: Floor) -> None:
    order = floor.new_order("SO-1", priority=5, due_at=after(500))
    urgent = floor.new_order("SO-2", priority=1, due_at=after(900))
    jobs = [
        floor.new_job(urgent, 10),
        floor.new_job(order, 10, setup_family="DIE-A"),
        floor.new_job(urgent, 20, setup_family="DIE-A"),
        floor.new_job(order, 20, pinned=True),
        floor.new_job(order, 30, material_ready_at=after(60), allowed_to_start=False),
    ]
    await floor.add(order, urgent, *jobs)
    await floor.publish(
        floor.version(1, [floor.planned(job, floor.machines[0], n, n) for n, job in enumerate(jobs, 1)])
    )
    rows = await listed(floor)
    found = [rows[str(job.id)]["place_because"]["code"] for job in jobs]
    assert found == ["planned", "due_first", "same_family", "pinned", "planned"]
    last = rows[str(jobs[4].id)]
    assert [each["code"] for each in last["not_ready"]] == ["material", "not_allowed"]
    assert NOW.isoformat() not in last["why"]["text"]
