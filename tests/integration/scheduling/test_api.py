"""What people read and ask of planning over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

NOW = datetime(2026, 11, 23, tzinfo=UTC)


async def test_before_the_first_plan(plant: Any) -> None:
    assert (await plant.get("/versions/current", 404, lang="en"))["code"] == "scheduling.no_plan"
    assert await plant.get("/versions") == []
    assert (await plant.get("/status"))["due"] is False
    for path in ("/versions", "/runs"):
        assert (await plant.get(f"{path}/{uuid4()}", 404))["detail"]


async def test_versions_differences_and_promises(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a], [b]], due_at=None, deadline_type="ASAP")
    await plant.release("O2", [[a], [b]])
    versions = await plant.get("/versions")
    assert [(each["no"], each["state"]) for each in versions] == [(2, "Published"), (1, "Superseded")]
    assert versions[0]["changes"]["added"] == 2
    diff = await plant.get(f"/versions/{versions[0]['version_id']}/diff")
    assert {(each["code"], each["kind"]) for each in diff["items"]} == {("O2-1", "added"), ("O2-2", "added")}
    assert (diff["total"], diff["against_id"]) == (2, versions[1]["version_id"])
    assert diff["counts"]["added"] == versions[0]["changes"]["added"]
    current = await plant.get("/versions/current", limit=3)
    assert [each["start"] for each in current["items"]] == [f"2026-11-23T0{hour}:00:00Z" for hour in (0, 1, 1)]
    assert current["version"]["operations"] == 4
    promises = {each["order_no"]: each for each in await plant.get("/promises")}
    assert promises["O1"]["lateness_s"] is None
    assert promises["O2"]["projected_end"] == "2026-11-23T03:00:00Z"
    assert promises["O2"]["lateness_s"] < 0
    run = await plant.get(f"/runs/{versions[0]['run_id']}")
    assert (run["status"], run["trigger"], run["operations"]) == ("Feasible", ["jobs_released"], 4)
    assert len(run["input_hash"]) == 32


async def test_the_plan_as_bars(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a], [b]])
    bars = await plant.get("/plan")
    assert [(each["equipment_no"], each["code"]) for each in bars] == [("A", "O1-1"), ("B", "O1-2")]
    assert [each["code"] for each in await plant.get("/plan", machine=b)] == ["O1-2"]
    early = {"from": NOW.isoformat(), "to": (NOW + timedelta(minutes=30)).isoformat()}
    assert [each["code"] for each in await plant.get("/plan", **early)] == ["O1-1"]
    wrong = {"from": NOW.isoformat(), "to": NOW.isoformat()}
    assert (await plant.get("/plan", 422, **wrong))["code"] == "scheduling.window"


async def test_a_person_pins_a_job_and_lets_it_go(plant: Any) -> None:
    a, b, c = [await plant.machine(no) for no in "ABC"]
    await plant.release("O1", [[a, b]])
    job = plant.jobs["O1-1"].job_id
    pin = {"job_id": job, "equipment_id": b, "start": (NOW + timedelta(hours=4)).isoformat()}
    made = await plant.post("/pins", 201, **pin)
    assert made["by"] == "planner"
    plan = await plant.plan()
    assert plan["O1-1"].equipment_id == b
    assert plan["O1-1"].start.ToDatetime(tzinfo=UTC) == NOW + timedelta(hours=4)
    assert [each["job_id"] for each in await plant.get("/pins")] == [job]
    assert (await plant.post("/pins", 422, **{**pin, "equipment_id": c}))["code"] == "scheduling.pin_machine"
    assert (await plant.post("/pins", 404, **{**pin, "job_id": str(uuid4())}))["code"] == "scheduling.job_unknown"
    assert (await plant.http.delete(f"/pins/{job}")).status_code == 204
    assert (await plant.http.delete(f"/pins/{job}")).status_code == 404
    assert (await plant.plan())["O1-1"].start.ToDatetime(tzinfo=UTC) == NOW
    await plant.start("O1-1", (await plant.plan())["O1-1"].equipment_id)
    refused = await plant.post("/pins", 409, **pin)
    assert (refused["params"]["state"], refused["params"]["legal"]) == ("Running", ["Waiting", "Ready"])


async def test_settings_are_changed_by_who_saw_them(plant: Any) -> None:
    answer = await plant.http.get("/settings")
    assert (answer.json()["frozen_window_s"], answer.headers["ETag"]) == (1800, '"0"')
    body = {**answer.json(), "frozen_window_s": 0}
    assert (await plant.http.put("/settings", json=body)).status_code == 428
    changed = await plant.http.put("/settings", json=body, headers={"If-Match": '"0"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"1"')
    stale = await plant.http.put("/settings", json=body, headers={"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "scheduling.settings_stale")
    wrong = await plant.http.put("/settings", json={**body, "improvement_s": -1}, headers={"If-Match": '"1"'})
    assert wrong.status_code == 422
    assert (await plant.http.get("/settings")).json()["frozen_window_s"] == 0


async def test_old_versions_keep_their_summary_only(plant: Any) -> None:
    a = await plant.machine("A")
    for n in range(12):
        await plant.release(f"O{n}", [[a]])
    versions = await plant.get("/versions")
    assert [each["no"] for each in versions] == list(range(12, 0, -1))
    assert [each["no"] for each in versions if not each["detailed"]] == [2, 1]
    pruned = await plant.get(f"/versions/{versions[-1]['version_id']}", 404, lang="en")
    assert pruned["code"] == "scheduling.details_pruned"
    assert (await plant.get(f"/versions/{versions[0]['version_id']}"))["version"]["operations"] == 12


async def test_why_a_job_is_not_planned_is_said_in_the_readers_language(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a], [str(uuid4())]])
    (chinese,) = await plant.get("/unplanned")
    assert chinese["text"].startswith("能加工它的设备都不可用")
    (english,) = await plant.get("/unplanned", lang="en")
    assert (english["job_code"], english["code"]) == ("O1-2", "no_machine")
    (promise,) = await plant.get("/promises")
    assert (promise["projected_end"], promise["cause"]) == (None, "unplanned")
