"""Pages by plain HTTP, as an old phone without scripts uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from uuid import uuid4

import httpx
import pytest
from mes.testing import TestDatabases

from services.order.models import Definition, Job
from tests.integration.order.floor import NOW, Floor, open_floor
from tests.integration.order.scenes import busy_day


@pytest.fixture
async def floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    async with open_floor(databases) as made:
        yield made


async def see(floor: Floor, path: str, status: int = 200, language: str = "en") -> str:
    answer = await floor.http.get(path, headers={"Accept-Language": language}, follow_redirects=True)
    assert answer.status_code == status, answer.text
    assert "text/html" in answer.headers["content-type"]
    assert "—" not in re.findall(r"<title>(.*?)</title>", answer.text)
    return unescape(answer.text)


async def send(floor: Floor, page: str, action: str, **fields: str) -> httpx.Response:
    """Submit the form of an action as it stands in the page, with what was typed."""
    found = re.search(rf'action="([^"]*/{action}\?idempotency_key=[^"]+)"', page)
    assert found, f"no form for {action}"
    return await floor.http.post(found[1], data=fields, headers={"Accept-Language": "en"})


async def follow(floor: Floor, answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return await see(floor, answer.headers["location"])


async def test_boards_and_order_pages_in_both_languages(floor: Floor) -> None:
    jobs = await busy_day(floor)
    order = jobs["running"].order_id
    orders = await see(floor, "/order/orders/board")
    assert orders.index("SO-2603-001") < orders.index("SO-2603-002") < orders.index("SO-2603-003")
    assert "late" in orders and "at risk" in orders
    assert "SO-2603-002" not in await see(floor, "/order/orders/board?show=late")
    assert "冲床6" in await see(floor, "/order/dispatch/board", language="zh-CN")
    assert "down" in await see(floor, "/order/dispatch/board?lang=en", language="zh-CN")
    one = await see(floor, f"/order/orders/{order}/page")
    assert "first article passed, 3 measurements, 1 out of tolerance" in one
    assert "12.024" in one
    await see(floor, f"/order/orders/{jobs['running'].id}/page", 404)


async def test_the_job_card_has_a_code_for_every_operation(floor: Floor) -> None:
    jobs = await busy_day(floor)
    card = await see(floor, f"/order/orders/{jobs['running'].order_id}/card", language="zh-CN")
    assert card.count("<svg") == 3
    assert "流转卡" in card
    for name in ("done", "running", "waiting"):
        assert jobs[name].code in card
    assert "--host 0.0.0.0" not in card


async def test_a_card_printed_where_no_phone_can_follow_says_so(floor: Floor) -> None:
    jobs = await busy_day(floor)
    card = await see(floor, f"http://127.0.0.1:8080/order/orders/{jobs['running'].order_id}/card")
    assert "The codes lead to http://127.0.0.1:8080" in card and "--host 0.0.0.0" in card


async def test_a_code_opens_by_scanning_and_by_typing(floor: Floor) -> None:
    job = (await busy_day(floor))["running"]
    scanned = await floor.http.get(f"/t/{job.code}")
    assert (scanned.status_code, scanned.headers["location"]) == (307, f"/order/t/{job.code}")
    typed = await floor.http.get("/order/t/", params={"code": f"http://shop:8080/t/{job.code.lower()}"})
    assert (typed.status_code, typed.headers["location"]) == (303, f"/order/t/{job.code}")
    unknown = await see(floor, "/order/t/?code=NOPE", 404)
    assert "There is no job with the code NOPE" in unknown and 'value="NOPE"' in unknown
    await see(floor, "/t/NOPE", 404)


@pytest.mark.parametrize(
    ("scene", "first"),
    [("ready", "Start set-up"), ("setup", "Report trial pieces"), ("running", "Report"), ("paused", "Resume"),
     ("outside", "Send out"), ("sent", "Take back")],
)  # fmt: skip
async def test_the_next_action_is_the_largest(floor: Floor, scene: str, first: str) -> None:
    jobs = await busy_day(floor)
    page = await see(floor, f"/t/{jobs[scene].code}")
    primary = re.findall(r'<button class="primary">[^<\w]*(.*?)</button>', page)
    assert primary == [first]


async def test_what_cannot_go_on_says_why(floor: Floor) -> None:
    jobs = await busy_day(floor)
    held = await see(floor, f"/t/{jobs['held'].code}")
    assert "bore out of tolerance" in held and "quality engineer" in held and 'class="primary"' not in held
    assert "waits for 20 Blanking 20 (running)" in await see(floor, f"/t/{jobs['waiting'].code}")
    assert "machine M-6 is down since 07:20" in await see(floor, f"/t/{jobs['down'].code}")
    assert "First article is being inspected" in await see(floor, f"/t/{jobs['fai'].code}")


async def test_reporting_gives_a_receipt_and_repeating_changes_nothing(floor: Floor) -> None:
    job = (await busy_day(floor))["running"]
    page = await see(floor, f"/t/{job.code}")
    answer = await send(floor, page, "report", worker="W-017", good="１０", scrap="")
    again = await send(floor, page, "report", worker="W-017", good="１０", scrap="")
    assert again.headers["location"] == answer.headers["location"]
    receipt = await follow(floor, answer)
    assert "Reported: good 10 pcs" in receipt and "W-017" in receipt
    assert (await floor.job(job.id)).good_qty == 50
    final = await send(floor, receipt, "report", good="49", final="1")
    assert "Reported and finished" in await follow(floor, final) or (await floor.job(job.id)).state == "Done"
    done: Job = await floor.job(job.id)
    assert (done.state, done.good_qty, done.scrap_qty) == ("Done", 99, 1)


async def test_an_error_says_what_to_do_and_keeps_what_was_typed(floor: Floor) -> None:
    job = (await busy_day(floor))["running"]
    page = await see(floor, f"/t/{job.code}")
    answer = await send(floor, page, "report", worker="W-017", good="12", scrap="3")
    assert answer.status_code == 422
    text = unescape(answer.text)
    assert "Not done, nothing was changed" in text
    assert 'name="good" value="12"' in text and 'name="scrap" value="3"' in text
    assert (await floor.job(job.id)).good_qty == 40
    nobody = await send(floor, page, "report", good="12")
    assert nobody.status_code == 422 and "Enter your worker code" in nobody.text
    words = await send(floor, page, "report", worker="W-017", good="a few")
    assert words.status_code == 422 and "is not a quantity" in words.text
    # From the page of a moment ago: the answer names the state and what can be done.
    resumed = await floor.http.post(
        f"/order/t/{job.code}/resume?idempotency_key=r1", data={"worker": "W-017"}, headers={"Accept-Language": "en"}
    )
    assert resumed.status_code == 409 and "running" in resumed.text


async def test_plus_and_minus_without_scripts_keep_the_rest(floor: Floor) -> None:
    job = (await busy_day(floor))["running"]
    page = await see(floor, f"/t/{job.code}?good=9&scrap=2&scrap_reason=S-DIM&worker=W-1&step=good%2B1")
    assert 'name="good" value="10"' in page and 'name="scrap" value="2"' in page and 'value="W-1"' in page
    assert 'value="S-DIM" selected' in page
    page = await see(floor, f"/t/{job.code}?good=0&step=good-1")
    assert 'name="good" value="0"' in page


async def test_set_up_start_pause_resume_finish(floor: Floor) -> None:
    job = (await busy_day(floor))["ready"]
    page = await see(floor, f"/t/{job.code}")
    machine = str(floor.machines[1])
    page = await follow(floor, await send(floor, page, "start-setup", worker="W-9", equipment_id=machine))
    assert "Set-up started" in page and "W-9" in page
    page = await follow(floor, await send(floor, page, "start"))
    page = await follow(floor, await send(floor, page, "pause", reason="P-BREAK"))
    page = await follow(floor, await send(floor, page, "resume"))
    page = await follow(floor, await send(floor, page, "report", good="100"))
    page = await follow(floor, await send(floor, page, "finish"))
    assert "Finished" in page
    assert (await floor.job(job.id)).state == "Done"


async def test_who_is_not_qualified_is_told_on_the_page(floor: Floor) -> None:
    workers = [
        Definition(
            id=uuid4(), site_id=floor.order.site_id, kind="worker", no=code, changed_at=NOW, changed_by="t",
            spec={"code": code, "skills": [{"skill": "WELD", "valid_to": valid_to}]},
        )
        for code, valid_to in (("W-1", ""), ("W-2", "2026-02-28"))
    ]  # fmt: skip
    order = floor.new_order("SO-9")
    job = floor.new_job(order, 10, skill="WELD")
    await floor.add(order, job, *workers)
    machine = str(floor.machines[0])
    page = await see(floor, f"/t/{job.code}")
    page = await follow(floor, await send(floor, page, "start", worker="W-2", equipment_id=machine))
    assert "The qualification WELD of W-2 has expired: 2026-02-28 was its last valid day." in page
    page = await follow(floor, await send(floor, page, "pause", reason="P-BREAK"))
    assert (await floor.http.put("/order/guards/skill", json={"level": "block"})).status_code == 200
    refused = await send(floor, page, "resume", worker="W-3")
    assert refused.status_code == 409 and "W-3 is not registered as a worker" in refused.text
    page = await follow(floor, await send(floor, page, "resume", worker="W-1"))
    page = await follow(floor, await send(floor, page, "report", worker="W-2", good="10"))
    assert "The qualification WELD of W-2 has expired" in page
    assert (await floor.job(job.id)).good_qty == 0


async def test_a_report_is_taken_back_by_a_counter_entry(floor: Floor) -> None:
    job = (await busy_day(floor))["running"]
    page = await see(floor, f"/t/{job.code}")
    page = await follow(floor, await send(floor, page, "report", worker="W-017", good="10"))
    undo = re.search(r'name="report_id" value="([^"]+)"', page)
    assert undo
    page = await follow(floor, await send(floor, page, "undo", report_id=undo[1]))
    assert "taken back" in page and "good -10 pcs" in page
    assert (await floor.job(job.id)).good_qty == 40


async def test_trial_pieces_and_hold(floor: Floor) -> None:
    jobs = await busy_day(floor)
    page = await see(floor, f"/t/{jobs['setup'].code}")
    page = await follow(floor, await send(floor, page, "trial", worker="W-9", scrap="2"))
    assert "Trial pieces reported: scrap 2 pcs" in page
    page = await follow(floor, await send(floor, page, "hold", reason_type="SAFETY", reason="guard is missing"))
    assert "guard is missing" in page and "safety officer" in page
    assert (await floor.job(jobs["setup"].id)).state == "Held"


async def test_outside_work_goes_out_and_comes_back_in_parts(floor: Floor) -> None:
    order = floor.new_order("SO-9")
    job = floor.new_job(order, 10, kind="outside", supplier="HF", alternatives=[], lead_days=2)
    await floor.add(order, job)
    page = await see(floor, f"/t/{job.code}")
    page = await follow(floor, await send(floor, page, "send", worker="D-1", qty="100", kg="4,5", supplier="HF"))
    assert "Sent out" in page
    page = await follow(floor, await send(floor, page, "return", qty="60"))
    assert (await floor.job(job.id)).state == "PartlyReturned"
    page = await follow(floor, await send(floor, page, "return", qty="40"))
    page = await follow(floor, await send(floor, page, "finish"))
    assert "Finished" in page
    assert (await floor.job(job.id)).state == "Done"
