"""A running clock: a search behind the first plan, workers and processes that die, newer requests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 23, tzinfo=UTC)


async def until(true: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for something that comes by itself; the test fails when it does not."""
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


async def set_improvement(plant: Any, seconds: float) -> None:
    answer = await plant.http.get("/settings")
    body = {**answer.json(), "improvement_s": seconds}
    changed = await plant.http.put("/settings", json=body, headers={"If-Match": answer.headers["ETag"]})
    assert changed.status_code == 200, changed.text


async def flow(plant: Any, orders: int = 12, wait: bool = True) -> None:
    """Orders whose machines are chosen so that rules do not find the best plan at once."""
    machines = [await plant.machine(f"M{n}") for n in range(4)]
    events = []
    for n in range(orders):
        ways = [[machines[(n * k + k) % 4], machines[(n + k) % 4]] for k in range(4)]
        event = plant.order(f"O{n}", ways, priority=1 + n % 5)
        for k, job in enumerate(event.jobs):
            for way in job.alternatives:
                way.run_s_per_unit = str(600 + 700 * ((n * 7 + k * 5) % 6))
        event.order.due_at.FromDatetime(NOW.replace(hour=2 + n % 3))
        events.append((event, event.order.order_id))
    await plant.tell(*events, wait=wait)


async def test_the_first_plan_is_out_before_the_search_ends(plant: Any) -> None:
    await set_improvement(plant, 1.5)
    await plant.set_clock(NOW, "running")
    await flow(plant)
    await plant.idle()
    run = (await plant.get("/runs"))[0]
    assert run["status"] in {"Optimal", "Feasible"}
    published = [each for each in plant.published() if each.chunk == 0]
    assert published[0].solver.startswith("rule:")
    current = (await plant.get("/versions/current"))["version"]
    order = ("missed", "tardiness", "makespan", "moved", "changeover", "flow")
    best = min(tuple(score[part] for part in order) for score in run["rules"].values())
    assert tuple(current["score"][part] for part in order) <= best


async def test_a_newer_request_ends_the_search(plant: Any) -> None:
    await set_improvement(plant, 20)
    await plant.set_clock(NOW, "running")
    await flow(plant, wait=False)
    await until(plant.published)
    started = asyncio.get_running_loop().time()
    await plant.change("O0-1", "hold", state="Held", wait=False)
    await until(plant.runs)
    assert asyncio.get_running_loop().time() - started < 10
    assert (plant.runs()[0].status, plant.runs()[0].reason) == ("Cancelled", "newer_request")
    await until(lambda: plant.versions() > 1)
    await plant.set_clock(plant.now(), "stepped")
    plan = await plant.plan()
    assert "O0-1" not in plan
    assert "O1-1" in plan


async def test_a_planner_stops_a_run_and_keeps_what_it_found(plant: Any) -> None:
    await set_improvement(plant, 60)
    await plant.set_clock(NOW, "running")
    await flow(plant, wait=False)
    await until(plant.published)
    (run,) = await plant.get("/runs")
    assert run["status"] == "Solving"
    started = asyncio.get_running_loop().time()
    await plant.post(f"/runs/{run['run_id']}/stop")
    await until(plant.runs)
    assert asyncio.get_running_loop().time() - started < 10
    assert plant.runs()[0].status in {"Optimal", "Feasible"}
    await plant.set_clock(plant.now(), "stepped")
    assert len(await plant.plan()) == 48


async def test_a_killed_worker_costs_time_but_no_plan(plant: Any) -> None:
    await set_improvement(plant, 3)
    await plant.set_clock(NOW, "running")
    await flow(plant, wait=False)
    await until(plant.published)
    process = plant.scheduling.state["solving"].process
    os.kill(process.pid, signal.SIGTERM)
    await until(plant.runs)
    assert plant.runs()[0].status in {"Optimal", "Feasible"}
    await plant.set_clock(plant.now(), "stepped")
    assert len(await plant.plan()) == 48


async def test_a_restart_answers_what_was_asked(plant: Any) -> None:
    await set_improvement(plant, 20)
    await plant.set_clock(NOW, "running")
    await flow(plant, wait=False)
    await until(plant.published)
    # Not answered yet: the machine that is down now is in the first plan.
    machine = plant.published()[0].changed[0].equipment_id
    await plant.sql("UPDATE planning SET requested = requested + 1, reasons = '{equipment_down}'")
    await plant.sql(
        "INSERT INTO equipment_state (id, site_id, category, reason, since) "
        "SELECT CAST(:machine AS uuid), site_id, 'UNPLANNED_DOWN', '', now() FROM planning",
        machine=machine,
    )
    await plant.end()
    plant.heard.clear()
    await plant.begin()
    await plant.set_clock(NOW, "stepped")
    await plant.idle()
    assert plant.versions() > 1
    runs = await plant.get("/runs")
    assert runs[0]["trigger"] == ["equipment_down"]
    assert {each["status"] for each in runs} <= {"Optimal", "Feasible", "Cancelled"}
    assert "Solving" not in {each["status"] for each in runs}
