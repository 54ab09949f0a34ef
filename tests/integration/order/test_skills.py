"""The guard of skills: who is registered as qualified, until when, and what is said of the others."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from mes.events.v1 import order_pb2

from .conftest import Shop


def _said(answer: Any) -> list[tuple[str, str]]:
    return [(each["code"], each["params"]["worker"]) for each in answer["warnings"]]


async def _level(shop: Shop, level: str) -> None:
    answer = await shop.http.put("/guards/skill", json={"level": level})
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def job(shop: Shop) -> Any:
    """A welding job; the calendar's night shift of Sunday 2026-03-01 would still be that day's."""
    await shop.product("FG-1", shop.op(10, "P-01", skill="WELD"))
    _, (made,) = await shop.released("FG-1")
    return made


def by(*codes: str) -> list[dict[str, str]]:
    return [{"worker": code} for code in codes]


async def test_nothing_is_said_while_nobody_is_registered_with_the_skill(shop: Shop, job: Any) -> None:
    await shop.worker("W-1", CNC="")
    await _level(shop, "block")
    assert (await shop.verb(job, "start", workers=by("W-1", "W-9")))["warnings"] == []


async def test_it_warns_wherever_somebody_begins_to_work(shop: Shop, job: Any) -> None:
    await shop.worker("W-1", WELD="")
    await shop.worker("W-2", CNC="")
    await shop.worker("W-3", WELD="2026-03-01")
    guards = {each["guard"]: each["level"] for each in await shop.get("/guards")}
    assert guards["skill"] == "warn"

    setup = await shop.verb(job, "start-setup", workers=by("W-1", "W-2"))
    assert _said(setup) == [("job.skill_missing", "W-2")]
    assert setup["warnings"][0]["message"] == "W-2 is not qualified for WELD, which the job needs."
    started = await shop.verb(job, "start", workers=by("W-1"))
    assert (started["state"], started["warnings"]) == ("Running", [])
    joined = await shop.verb(job, "start", workers=by("W-3"))
    assert _said(joined) == [("job.skill_expired", "W-3")]
    assert "2026-03-01 was its last valid day" in joined["warnings"][0]["message"]
    assert (await shop.verb(job, "start", workers=by("W-3")))["warnings"] == []  # it runs so already
    given = await shop.verb(job, "handover", workers=by("W-9", "W-1"))
    assert _said(given) == [("job.worker_unknown", "W-9")]
    await shop.verb(job, "pause", reason="break")
    assert _said(await shop.verb(job, "resume", actor="W-2")) == [("job.skill_missing", "W-2")]

    await _level(shop, "off")
    assert (await shop.verb(job, "handover", workers=by("W-9")))["warnings"] == []


async def test_warnings_and_conflicts_are_said_in_chinese_too(shop: Shop, job: Any) -> None:
    await shop.worker("W-1", WELD="2026-02-28")
    headers = {"Idempotency-Key": str(uuid4()), "X-Actor": "W-1", "Accept-Language": "zh-CN"}
    answer = await shop.http.post(f"/jobs/{job['job_id']}/start", json={}, headers=headers)
    assert answer.json()["warnings"][0]["message"] == "W-1 的技能 WELD 已过期，有效期到 2026-02-28 为止。"


async def test_it_blocks_and_changes_nothing(shop: Shop, job: Any) -> None:
    await shop.worker("W-1", WELD="")
    await shop.worker("W-2", CNC="")
    await _level(shop, "block")
    refused = await shop.verb(job, "start-setup", 409, workers=by("W-1", "W-2"))
    assert (refused["code"], refused["params"]["worker"]) == ("job.skill_missing", "W-2")
    assert (await shop.job(job["job_id"]))["state"] == "Ready"
    await shop.verb(job, "start", workers=by("W-1"))
    assert (await shop.verb(job, "start", 409, workers=by("W-9")))["code"] == "job.worker_unknown"
    assert (await shop.verb(job, "handover", 409, workers=by("W-2")))["code"] == "job.skill_missing"
    (run,) = await shop.get(f"/jobs/{job['job_id']}/runs")
    assert [each["worker"] for each in run["workers"]] == ["W-1"] and run["ended_at"] is None
    await shop.verb(job, "pause", reason="break")
    assert (await shop.verb(job, "resume", 409, workers=by("W-2")))["code"] == "job.skill_missing"
    assert (await shop.verb(job, "resume", workers=by("W-1")))["state"] == "Running"


async def test_a_certificate_holds_through_the_shift_of_its_last_day(shop: Shop, job: Any) -> None:
    """22:00 to 06:00 belongs to the day on which it starts."""
    await shop.worker("W-1", WELD="2026-03-02")
    await _level(shop, "block")
    # 05:00 on Tuesday in Shanghai: still Monday's night shift.
    await shop.advance(hours=21)
    await shop.verb(job, "start", workers=by("W-1"))
    await shop.verb(job, "pause", reason="end of shift")
    await shop.advance(hours=4)
    late = await shop.verb(job, "resume", 409, workers=by("W-1"))
    assert (late["code"], late["params"]["valid_to"]) == ("job.skill_expired", "2026-03-02")


async def test_a_report_is_kept_pending_only_where_the_guard_blocks(shop: Shop, job: Any) -> None:
    await shop.worker("W-1", WELD="")
    await shop.worker("W-2", CNC="")
    await shop.verb(job, "start", workers=by("W-1"))
    warned = await shop.verb(job, "reports", 201, good_qty="10", workers=by("W-2"))
    assert warned["report"]["state"] == "Accepted"
    await _level(shop, "block")
    held = (await shop.verb(job, "reports", 201, good_qty="20", workers=by("W-1", "W-2")))["report"]
    assert (held["state"], held["pending_reason"]) == ("Pending", "job.skill_missing")
    assert held["pending_message"] == "W-2 is not qualified for WELD, which the job needs."
    assert (await shop.verb(job, "reports", 201, good_qty="5", workers=by("W-1")))["report"]["state"] == "Accepted"
    # Whoever finds scrap later, or corrects, does not work at the job.
    assert (await shop.verb(job, "scrap", 201, qty="1", reason="S-BURR", workers=by("W-2")))["report"]["state"] == (
        "Accepted"
    )
    assert (await shop.job(job["job_id"]))["good_qty"] == "14"
    await shop.post(f"/reports/{held['report_id']}/accept", note="W-2 was being trained by W-1")
    assert (await shop.job(job["job_id"]))["good_qty"] == "34"


async def test_a_completion_that_implies_its_start_is_kept_too(shop: Shop, job: Any) -> None:
    await shop.worker("W-1", WELD="2026-03-01")
    await _level(shop, "block")
    held = await shop.complete(job, 100, workers=by("W-1"))
    assert (held["report"]["state"], held["report"]["pending_reason"]) == ("Pending", "job.skill_expired")
    assert held["job"]["state"] == "Ready"
    # What was made while the certificate was valid counts, however late it is told.
    done = await shop.complete(job, 100, workers=by("W-1"), occurred_at="2026-03-01T02:00:00Z")
    assert (done["report"]["state"], done["job"]["state"]) == ("Accepted", "Done")


async def test_a_run_of_several_jobs_says_each_thing_once(shop: Shop, job: Any) -> None:
    await shop.worker("W-1", WELD="")
    _, (other,) = await shop.released("FG-1")
    lines = [{"job_id": each["job_id"]} for each in (job, other)]
    run = await shop.post("/runs", 201, workers=by("W-9"), lines=lines)
    assert _said(run) == [("job.worker_unknown", "W-9")]
    await _level(shop, "block")
    lines[1] = {"job_id": (await shop.released("FG-1"))[1][0]["job_id"]}
    refused = await shop.post("/runs", 409, workers=by("W-9"), lines=lines)
    assert refused["code"] == "job.worker_unknown"
    assert (await shop.job(lines[1]["job_id"]))["state"] == "Ready"


async def test_what_the_import_says_holds_at_once(shop: Shop, job: Any) -> None:
    async def load(*rows: dict[str, str]) -> Any:
        content = json.dumps({"workers": rows}).encode()
        answer = await shop.http.post(
            "/workbook/import", files={"file": ("people.json", content)}, headers={"Idempotency-Key": str(uuid4())}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    await load({"code": "W-1", "name_zh": "关铭锋", "skills": "CNC;WELD:2026-12-31"}, {"code": "W-2", "skills": "CNC"})
    assert _said(await shop.verb(job, "start", workers=by("W-1", "W-2"))) == [("job.skill_missing", "W-2")]
    await load({"code": "W-2", "skills": "CNC;WELD"})
    assert (await shop.verb(job, "handover", workers=by("W-2")))["warnings"] == []
    await load({"code": "W-2", "outdated": "yes"})
    assert _said(await shop.verb(job, "handover", workers=by("W-2", "W-1"))) == [("job.worker_unknown", "W-2")]

    found = await shop.get("/definitions/workers/W-1")
    skills = [{"skill": "CNC", "valid_to": ""}, {"skill": "WELD", "valid_to": "2026-12-31"}]
    assert (found["code"], found["name"]["zh"], found["skills"]) == ("W-1", "关铭锋", skills)
    assert [each["code"] for each in await shop.get("/definitions/workers", outdated=False)] == ["W-1"]
    told = await shop.events(order_pb2.WorkerDefined)
    assert [(each.code, each.outdated) for each in told if each.code == "W-2"] == [
        ("W-2", False), ("W-2", False), ("W-2", True),
    ]  # fmt: skip


async def test_an_outside_operation_asks_nobody(shop: Shop) -> None:
    await shop.worker("W-1", PLATE="")
    await _level(shop, "block")
    await shop.product("FG-2", shop.outside(10, skill="PLATE"))
    _, (plating,) = await shop.released("FG-2")
    await shop.verb(plating, "send", qty="100")
    assert (await shop.verb(plating, "return", qty="100"))["report"]["state"] == "Accepted"
