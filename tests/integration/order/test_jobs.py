"""Jobs: people and machines at work, outside operations, splits, rework, skipping, guards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from mes.events.v1 import order_pb2, quality_pb2

from services.order.tasks import look

if TYPE_CHECKING:
    from .conftest import Shop


async def test_several_people_on_one_job_and_several_jobs_in_one_run(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "O-01"))
    _, (first,) = await shop.released("FG-1", 40)
    _, (second,) = await shop.released("FG-1", 60)
    oven = shop.machine("O-01")
    lines = [{"job_id": first["job_id"], "qty": "40"}, {"job_id": second["job_id"], "qty": "60"}]
    run = await shop.post("/runs", 201, equipment_id=oven, workers=[{"worker": "w1"}], lines=lines)
    assert {each["qty"] for each in run["lines"]} == {"40", "60"}
    assert {(await shop.job(each["job_id"]))["state"] for each in (first, second)} == {"Running"}

    # Another person joins the first job only; saying it twice changes nothing.
    for _ in range(2):
        await shop.verb(first, "start", equipment_id=oven, workers=[{"worker": "w2", "share": "0.5"}])
    assert len(await shop.get(f"/jobs/{first['job_id']}/runs")) == 2
    said = await shop.verb(first, "reports", 201, good_qty="10", workers=[{"worker": "w2"}])
    runs = await shop.get(f"/jobs/{first['job_id']}/runs")
    assert said["report"]["run_id"] == runs[1]["run_id"]

    # The shared run ends; the second job goes on in a run of its own, the first is done.
    await shop.complete(first, 30)
    assert (await shop.job(first["job_id"]))["state"] == "Done"
    runs = await shop.get(f"/jobs/{second['job_id']}/runs")
    assert [(len(each["lines"]), each["cause"]) for each in runs] == [(2, "finish"), (1, "")]
    closed = await shop.post(f"/runs/{runs[1]['run_id']}/close", reason="P-BREAK")
    assert closed["ended_at"] is not None
    assert (await shop.job(second["job_id"]))["state"] == "Paused"
    await shop.post(f"/runs/{runs[1]['run_id']}/close", 409)
    await shop.verb(second, "resume", workers=[{"worker": "w3"}])
    await shop.advance(hours=9)
    await shop.verb(second, "handover", workers=[{"worker": "w4"}])
    said = await shop.verb(second, "reports", 201, good_qty="60")
    # 17:00 in Shanghai is the end of the day shift: outside every shift there is a day, and no shift.
    assert (said["report"]["production_date"], said["report"]["shift"]) == ("2026-03-02", "")
    opened = await shop.events(order_pb2.RunOpened)
    assert [[one.worker for one in each.workers] for each in opened][-1] == ["w4"]


async def test_a_night_shift_belongs_to_the_day_on_which_it_starts(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    _, (job,) = await shop.released("FG-1")
    await shop.verb(job, "start", equipment_id=shop.machine("P-01"))
    await shop.advance(hours=21)
    said = await shop.verb(job, "reports", 201, good_qty="1")
    assert (said["report"]["production_date"], said["report"]["shift"]) == ("2026-03-02", "N")


async def test_pausing_setting_up_and_foremans_decisions(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01", "P-02"), shop.op(20, "T-01", optional=True), shop.op(30, "Q-01"))
    _, (first, second, third) = await shop.released("FG-1")
    await shop.verb(first, "disallow", reason="tool missing")
    assert (await shop.verb(first, "start", 409))["code"] == "job.not_allowed"
    await shop.verb(first, "allow")
    await shop.verb(first, "start-setup", equipment_id=shop.machine("P-01"))
    trial = await shop.verb(first, "trial", 201, scrap_qty="2", scrap_reason="S-TRIAL")
    assert (trial["report"]["kind"], trial["report"]["scrap_class"]) == ("setup", "setup")
    assert (await shop.verb(first, "stop-setup", reason="die broken"))["state"] == "Ready"
    moved = await shop.verb(first, "reassign", equipment_id=shop.machine("P-02"), reason="die broken")
    assert (moved["planned_equipment_id"], moved["pinned"]) == (shop.machine("P-02"), True)
    await shop.verb(first, "start", equipment_id=shop.machine("P-02"))
    await shop.verb(first, "reports", 201, good_qty="50")
    assert (await shop.verb(first, "pause", reason="P-BREAK"))["state"] == "Paused"
    assert (await shop.verb(first, "finish", 409))["params"]["remaining"] == "48"
    assert (await shop.verb(first, "reassign", equipment_id=shop.machine("P-01")))["state"] == "Ready"
    await shop.complete(first, 48)
    skipped = await shop.verb(second, "skip", reason="edges are clean")
    assert (skipped["state"], skipped["written_off_qty"]) == ("Skipped", "100")
    assert (await shop.verb(third, "skip", 409, reason="no time"))["code"] == "job.not_optional"
    third = await shop.job(third["job_id"])
    assert (third["state"], third["remaining_qty"]) == ("Ready", "98")


async def test_material_that_comes_later(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    _, (job,) = await shop.released("FG-1")
    expected = shop.now + timedelta(hours=2)
    waiting = await shop.verb(job, "material-ready", expected_at=expected.isoformat())
    assert waiting["state"] == "Waiting"
    await shop.verb(job, "start", 409)
    await shop.advance(hours=3)
    assert await look(shop.order_service) in (0, 1)
    assert (await shop.job(job["job_id"]))["state"] == "Ready"


async def test_guards_warn_or_block_as_the_workshop_wants(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    _, (first,) = await shop.released("FG-1")
    _, (second,) = await shop.released("FG-1")
    place = shop.machine("P-01")
    await shop.verb(first, "start", equipment_id=place)
    warned = await shop.verb(second, "start-setup", equipment_id=place)
    assert [each["code"] for each in warned["warnings"]] == ["job.equipment_busy"]
    assert first["code"] in warned["warnings"][0]["message"]
    await shop.verb(second, "stop-setup", reason="busy")
    answer = await shop.http.put("/guards/equipment_busy", json={"level": "block"})
    assert answer.status_code == 200, answer.text
    assert (await shop.verb(second, "start", 409, equipment_id=place))["code"] == "job.equipment_busy"
    said = await shop.complete(second, 100, equipment_id=place)
    assert (said["report"]["state"], said["report"]["pending_reason"]) == ("Pending", "job.equipment_busy")
    assert (await shop.job(second["job_id"]))["state"] == "Ready"


async def test_an_outside_operation_comes_back_in_parts(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.outside(20), shop.op(30, "Q-01"))
    order, (first, plating, last) = await shop.released("FG-1")
    await shop.complete(first, 100)
    (listed,) = await shop.get("/jobs", kind="outside", state="Ready,Sent,PartlyReturned,Returned")
    assert (listed["job_id"], listed["supplier"], listed["remaining_qty"]) == (plating["job_id"], "HF", "100")
    assert (await shop.verb(plating, "start", 409))["params"]["legal"].count("send") == 1
    await shop.verb(plating, "send", qty="60", kg="3")
    assert (await shop.verb(plating, "send", 409, qty="50"))["params"]["here"] == "40"
    sent = await shop.verb(plating, "send", qty="40", kg="2", supplier="YX")
    assert (sent["state"], sent["sent_qty"], sent["supplier"]) == ("Sent", "100", "YX")
    assert sent["expected_back_at"] == "2026-03-04T00:00:00Z"
    back = await shop.verb(plating, "return", qty="70", kg="3.5")
    assert (back["job"]["state"], back["job"]["remaining_qty"]) == ("PartlyReturned", "30")
    assert (await shop.job(last["job_id"]))["state"] == "Waiting"
    await shop.verb(plating, "finish", 409)
    back = await shop.verb(plating, "return", qty="28", shortage_qty="2")
    assert (back["job"]["state"], back["report"]["scrap_class"]) == ("Returned", "material")
    done = await shop.verb(plating, "finish")
    assert (done["state"], done["good_qty"], done["scrap_qty"]) == ("Done", "98", "2")
    last = await shop.job(last["job_id"])
    assert (last["state"], last["remaining_qty"]) == ("Ready", "98")
    moves = await shop.get(f"/jobs/{plating['job_id']}/moves")
    assert [(each["direction"], each["qty"], each["kg"]) for each in moves] == [
        ("sent", "60", "3"), ("sent", "40", "2"), ("returned", "70", "3.5"), ("returned", "28", None),
    ]  # fmt: skip
    told = await shop.events(order_pb2.OutsideMoved)
    assert [each.qty for each in told] == ["60", "40", "70", "28"]
    assert {each.order_id for each in told} == {order["order_id"]}


async def test_overlap_lets_the_next_job_begin_after_the_first_batch(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01", overlap_qty="30"), shop.op(20, "T-01"))
    _, (first, second) = await shop.released("FG-1")
    await shop.verb(first, "start", equipment_id=shop.machine("P-01"))
    await shop.verb(first, "reports", 201, good_qty="29")
    assert (await shop.job(second["job_id"]))["state"] == "Waiting"
    await shop.verb(first, "reports", 201, good_qty="1")
    assert (await shop.job(second["job_id"]))["state"] == "Ready"
    await shop.verb(second, "start")
    early = await shop.verb(second, "reports", 201, good_qty="31")
    assert early["report"]["pending_reason"] == "report.more_than_arrived"
    accepted = await shop.verb(second, "reports", 201, good_qty="30")
    assert accepted["report"]["state"] == "Accepted"
    await shop.complete(first, 66, reason="coil is used up")
    second = await shop.job(second["job_id"])
    assert (second["written_off_qty"], second["remaining_qty"]) == ("4", "66")


async def test_an_assembly_waits_for_all_its_branches(shop: Shop) -> None:
    await shop.product(
        "FG-1", shop.op(10, "P-01"), shop.op(20, "P-02", predecessors=[]), shop.op(30, "T-01", predecessors=[10, 20])
    )
    order, (first, second, third) = await shop.released("FG-1")
    assert (first["state"], second["state"]) == ("Ready", "Ready")
    await shop.complete(first, 97, scrap_qty="3", scrap_reason="S-BURR")
    assert (await shop.job(third["job_id"]))["state"] == "Waiting"
    await shop.complete(second, 99, scrap_qty="1", scrap_reason="S-BURR")
    third = await shop.job(third["job_id"])
    assert (third["state"], third["remaining_qty"]) == ("Ready", "97")
    await shop.complete(third, 97)
    assert (await shop.order(order["order_id"]))["good_qty"] == "97"


async def test_a_job_is_split_between_two_machines(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01", "P-02"), shop.op(30, "Q-01"))
    order, (first, second, _) = await shop.released("FG-1")
    assert (await shop.verb(second, "split", 409, qty="100"))["code"] == "job.split_too_much"
    items = (await shop.verb(second, "split", 201, qty="40", equipment_id=shop.machine("P-02")))["items"]
    assert [each["qty"] for each in items] == ["60", "40"]
    await shop.complete(first, 95, scrap_qty="5", scrap_reason="S-BURR")
    jobs = await shop.jobs(order["order_id"])
    assert [(each["seq"], each["state"], each["remaining_qty"]) for each in jobs] == [
        (10, "Done", "0"), (20, "Ready", "60"), (20, "Ready", "35"), (30, "Waiting", "100"),
    ]  # fmt: skip
    assert set(jobs[3]["predecessor_ids"]) == {jobs[1]["job_id"], jobs[2]["job_id"]}
    await shop.complete(jobs[1], 60)
    await shop.complete(jobs[2], 35)
    await shop.complete(jobs[3], 95)
    order = await shop.order(order["order_id"])
    assert (order["state"], order["good_qty"]) == ("Completed", "95")
    (added,) = await shop.events(order_pb2.JobsAdded)
    assert (added.cause, [each.qty for each in added.jobs]) == ("split", ["40"])


async def test_rework_pieces_come_back_once(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.complete(first, 100)
    way = {"equipment_id": shop.machine("T-01"), "run_s_per_unit": "30", "name_zh": "重抛", "name_en": "Polish again"}
    items = (await shop.verb(first, "rework", 201, qty="10", reason="R-POLISH", operations=[way]))["items"]
    job, again = items
    assert (job["good_qty"], job["rework_qty"], again["rework_of"], again["rework_loop"]) == (
        "90", "10", first["job_id"], 1,
    )  # fmt: skip
    assert (await shop.job(second["job_id"]))["state"] == "Waiting"
    assert (await shop.job(again["job_id"]))["state"] == "Ready"
    await shop.verb(again, "start")
    await shop.verb(again, "reports", 201, good_qty="6", scrap_qty="1", scrap_reason="S-BURR")
    assert (await shop.verb(again, "finish", 409, reason="lost"))["code"] == "job.rework_remaining"
    said = await shop.verb(again, "reports", 201, rework_qty="2")
    assert said["report"]["state"] == "Accepted"
    twice = next(each for each in await shop.jobs(order["order_id"]) if each["rework_loop"] == 2)
    await shop.complete(again, 1)
    await shop.complete(twice, 2)
    first, *_ = await shop.jobs(order["order_id"])
    assert (first["good_qty"], first["scrap_qty"], first["rework_qty"]) == ("99", "1", "0")
    second = await shop.job(second["job_id"])
    assert (second["state"], second["remaining_qty"]) == ("Ready", "99")
    await shop.complete(second, 99)
    order = await shop.order(order["order_id"])
    assert (order["state"], order["good_qty"], order["scrap_qty"]) == ("Completed", "99", "1")


async def test_reworked_pieces_that_come_after_the_next_job_was_done_wake_it_up(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01", overlap_qty="10"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.verb(first, "start")
    await shop.verb(first, "reports", 201, good_qty="50")
    await shop.verb(second, "start")
    await shop.complete(first, 45, rework_qty="5")
    again = next(each for each in await shop.jobs(order["order_id"]) if each["rework_of"])
    done = await shop.complete(second, 95)
    assert done["job"]["state"] == "Done"
    assert (await shop.order(order["order_id"]))["state"] == "InProgress"
    await shop.complete(again, 5)
    second = await shop.job(second["job_id"])
    assert (second["state"], second["remaining_qty"]) == ("Paused", "5")
    await shop.verb(second, "resume")
    await shop.complete(second, 5)
    assert (await shop.order(order["order_id"]))["good_qty"] == "100"


async def test_nothing_arrives_so_there_is_nothing_to_do(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "T-01"), shop.op(30, "Q-01"))
    order, (first, *_) = await shop.released("FG-1", 2)
    await shop.complete(first, 0, scrap_qty="2", scrap_reason="S-BURR")
    assert [each["state"] for each in await shop.jobs(order["order_id"])] == ["Done", "Skipped", "Skipped"]
    order = await shop.order(order["order_id"])
    assert (order["state"], order["good_qty"], order["short"]) == ("Completed", "0", True)


async def test_aborting_one_job(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    order, (job,) = await shop.released("FG-1")
    await shop.verb(job, "start")
    await shop.verb(job, "reports", 201, good_qty="10")
    await shop.verb(job, "abort", 422, reason="wrong drawing")
    gone = await shop.verb(job, "abort", reason="wrong drawing", disposition="stock")
    assert (gone["state"], gone["legal"]) == ("Aborted", [])
    assert (await shop.order(order["order_id"]))["state"] == "Completed"
    assert UUID(gone["job_id"])


async def test_a_hold_by_hand_on_a_job_that_is_done(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.complete(first, 100)
    await shop.verb(first, "hold", reason_type="QUALITY_HOLD", reason="burrs seen")
    assert [each["state"] for each in await shop.jobs(order["order_id"])] == ["Done", "Held"]
    assert (await shop.verb(second, "start", 409))["params"]["state"] == "Held"
    assert (await shop.verb(first, "release", 422))["code"] == "hold.note_missing"
    await shop.verb(first, "release", note="measured, within limits")
    second = await shop.job(second["job_id"])
    assert (second["state"], await shop.get("/holds")) == ("Ready", [])
    history = await shop.get("/holds", order=order["order_id"])
    assert {each["release_note"] for each in history} == {"measured, within limits"}


async def test_after_a_long_stop_the_first_article_is_asked_for_again(shop: Shop) -> None:
    stage = {"stage": "FAI", "trigger": "first_off", "sampling": "fixed", "sample_size": 1, "gate": True}
    plan = await shop.define("inspection_plan", "IP-1", stages=[stage])
    await shop.product("FG-1", shop.op(10, "P-01", first_article=True, inspection_plan_id=str(plan)))
    order, (job,) = await shop.released("FG-1")
    await shop.verb(job, "start-setup")
    lot = quality_pb2.InspectionLot(
        inspection_lot_id=str(uuid4()), order_id=order["order_id"], job_id=job["job_id"], stage="FAI", state="Passed",
        gate=True,
    )  # fmt: skip
    await shop.tell("quality", quality_pb2.InspectionCompleted(lot=lot), order["order_id"])
    await shop.verb(job, "start")
    await shop.verb(job, "pause", reason="P-BREAK")
    await shop.advance(minutes=30)
    assert (await shop.verb(job, "resume"))["warnings"] == []
    await shop.verb(job, "pause", reason="P-BREAK")
    await shop.advance(hours=15)
    warned = await shop.verb(job, "resume")
    # 23:30 in Shanghai: the night shift has begun too, and goes on behind midnight.
    assert [each["code"] for each in warned["warnings"]] == ["job.first_article_again", "job.first_article_shift"]
    assert warned["warnings"][1]["params"] == {"date": "2026-03-02", "shift": "N"}
    await shop.advance(hours=2)
    workers = [{"worker": "w2"}]
    assert (await shop.verb(job, "handover", workers=workers))["warnings"] == []
    await shop.advance(hours=7)
    codes = [each["code"] for each in (await shop.verb(job, "handover", workers=workers))["warnings"]]
    assert codes == ["job.first_article_shift"], "08:30 the next day"


async def test_a_smaller_order_takes_from_what_is_not_begun(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.outside(20))
    order, (first, plating) = await shop.released("FG-1", 10)
    path = f"/orders/{order['order_id']}"

    async def change(qty: int) -> int:
        seen = (await shop.http.get(path)).headers["etag"]
        return (await shop.http.patch(path, json={"qty": str(qty)}, headers={"If-Match": seen})).status_code

    _, second = (await shop.verb(first, "split", 201, qty="4"))["items"]
    await shop.verb(first, "start")
    assert await change(6) == 200
    assert [each["state"] for each in await shop.jobs(order["order_id"])] == ["Running", "Superseded", "Waiting"]
    late = await shop.verb(second, "reports", 201, good_qty="1")
    assert late["report"]["pending_reason"] == "report.job_ended"
    assert (await shop.post(f"/reports/{late['report']['report_id']}/accept", 409))["code"] == "report.job_ended"
    await shop.complete(first, 6)
    await shop.verb(plating, "send", qty="5")
    # What is at the supplier has been begun.
    assert await change(4) == 409
    assert await change(7) == 200
