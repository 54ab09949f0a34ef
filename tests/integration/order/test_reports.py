"""Reports are facts: counted, or kept pending with a reason; corrected by counter-entries; machines count too."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from mes.events.v1 import order_pb2

from services.order.commands import reports

if TYPE_CHECKING:
    from .conftest import Shop


async def test_what_comes_late_or_too_much_is_pending_until_somebody_decides(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01", over_tolerance="0.02"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    early = await shop.verb(first, "reports", 201, good_qty="5")
    assert (early["report"]["state"], early["report"]["pending_reason"]) == ("Pending", "report.not_started")
    assert "(ready)" in early["report"]["pending_message"]
    assert early["job"]["good_qty"] == "0"
    await shop.verb(first, "start")
    await shop.verb(first, "reports", 422, good_qty="5", scrap_qty="1")
    await shop.verb(first, "reports", 422, good_qty="-5")
    over = await shop.verb(first, "reports", 201, good_qty="103")
    assert over["report"]["pending_reason"] == "report.over"
    future = await shop.verb(first, "reports", 201, good_qty="1", occurred_at="2027-01-01T00:00:00Z")
    assert future["report"]["pending_reason"] == "report.in_future"
    pending = await shop.get("/reports", state="Pending")
    assert len(pending) == 3

    accepted = await shop.post(f"/reports/{early['report']['report_id']}/accept", note="forgot to start")
    assert (accepted["report"]["state"], accepted["job"]["good_qty"]) == ("Accepted", "5")
    await shop.post(f"/reports/{early['report']['report_id']}/accept", 409)
    declined = await shop.post(f"/reports/{future['report']['report_id']}/decline", reason="typo")
    assert declined["report"]["state"] == "Declined"
    done = await shop.complete(first, 97)
    assert (done["job"]["state"], done["job"]["over_qty"]) == ("Done", "2")
    leader = await shop.post(f"/reports/{over['report']['report_id']}/decline", reason="counted twice")
    assert leader["report"]["decided_by"] == "w7"

    # 102 arrived; the next operation has 100 to do and no tolerance, the leader approves the surplus.
    await shop.verb(second, "start")
    more = await shop.verb(second, "reports", 201, good_qty="101")
    assert more["report"]["pending_reason"] == "report.over"
    taken = await shop.post(f"/reports/{more['report']['report_id']}/accept", note="surplus to stock")
    assert (taken["job"]["over_qty"], taken["job"]["remaining_qty"]) == ("1", "0")
    await shop.verb(second, "finish")
    assert (await shop.order(order["order_id"]))["good_qty"] == "101"
    decided = await shop.events(order_pb2.ReportDecided)
    assert [(each.from_state, each.report.state) for each in decided] == [
        ("Pending", "Accepted"), ("Pending", "Declined"), ("Pending", "Declined"), ("Pending", "Accepted"),
    ]  # fmt: skip


async def test_a_release_with_a_report_on_it_is_not_taken_back(shop: Shop) -> None:
    """A report that waits for its decision is somebody's piece count: its job stays, and so does a declined one's."""
    await shop.product("FG-1", shop.op(10, "P-01"))
    order, (job,) = await shop.released("FG-1", 10)
    said = await shop.verb(job, "reports", 201, good_qty="5")
    assert said["report"]["state"] == "Pending"
    refused = await shop.post(f"/orders/{order['order_id']}/revoke", 409)
    assert (refused["code"], refused["params"]["jobs"]) == ("order.job_begun", [job["code"]])
    await shop.post(f"/reports/{said['report']['report_id']}/decline", reason="counted twice")
    assert (await shop.post(f"/orders/{order['order_id']}/revoke", 409))["code"] == "order.job_begun"


async def test_what_is_counted_in_wholes_has_no_fractions(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.outside(20))
    refused = await shop.post("/orders", 422, material_no="FG-1", qty="10.5")
    assert (refused["code"], refused["params"]["digits"]) == ("order.qty_digits", 0)
    order, (first, _) = await shop.released("FG-1")
    await shop.verb(first, "start")
    for verb, body in (
        ("reports", {"good_qty": "2.5"}),
        ("complete", {"good_qty": "1", "scrap_qty": "0.5", "scrap_reason": "S-BURR"}),
        ("scrap", {"qty": "0.5", "reason": "S-BURR"}),
    ):
        assert (await shop.verb(first, verb, 422, **body))["code"] == "order.qty_digits"
    made = await shop.verb(first, "reports", 201, good_qty="2.0")
    await shop.post(f"/reports/{made['report']['report_id']}/correct", 422, good_qty="1.5", reason="typo")
    assert (await shop.verb(first, "rework", 422, qty="0.5", reason="burr"))["code"] == "order.qty_digits"
    await shop.verb(first, "pause", reason="P-BREAK")
    assert (await shop.verb(first, "split", 422, qty="0.5"))["code"] == "order.qty_digits"
    parts = await shop.post(f"/orders/{order['order_id']}/split", 422, quantities=["1.5"])
    assert parts["code"] == "order.qty_digits"


async def test_a_count_that_differs_corrects_the_operation_before_in_one_touch(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.complete(first, 95, reason="coil used up")
    said = await shop.complete(second, 97)
    assert (said["report"]["state"], said["report"]["pending_reason"]) == ("Pending", "report.more_than_arrived")
    assert said["job"]["state"] == "Ready"
    taken = await shop.post(f"/reports/{said['report']['report_id']}/accept", correct_upstream=True)
    assert taken["job"]["state"] == "Done"
    first, second = await shop.jobs(order["order_id"])
    assert (first["good_qty"], second["good_qty"]) == ("97", "97")
    reported = await shop.get(f"/jobs/{first['job_id']}/reports")
    assert [(each["kind"], each["good_qty"]) for each in reported] == [("production", "95"), ("correction", "2")]


async def test_a_correction_is_a_signed_counter_entry(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01", overlap_qty="1"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.verb(first, "start")
    said = (await shop.verb(first, "reports", 201, good_qty="60", scrap_qty="2", scrap_reason="S-BURR"))["report"]
    fixed = await shop.post(f"/reports/{said['report_id']}/correct", 201, good_qty="50", reason="typo")
    entry = fixed["report"]
    assert (entry["good_qty"], entry["scrap_qty"], entry["kind"]) == ("-10", "0", "correction")
    assert (entry["corrects_report_id"], fixed["job"]["good_qty"]) == (said["report_id"], "50")
    assert (await shop.get(f"/reports/{said['report_id']}"))["state"] == "Corrected"
    assert (await shop.post(f"/reports/{said['report_id']}/correct", 409, good_qty="1", reason="x"))["params"][
        "legal"
    ] == []
    again = await shop.post(f"/reports/{entry['report_id']}/correct", 201, good_qty="55", scrap_qty="0", reason="again")
    assert (again["report"]["good_qty"], again["report"]["scrap_qty"]) == ("5", "-2")
    assert (again["job"]["good_qty"], again["job"]["scrap_qty"]) == ("55", "0")

    await shop.verb(second, "start")
    await shop.verb(second, "reports", 201, good_qty="54")
    low = await shop.post(f"/reports/{again['report']['report_id']}/correct", 201, good_qty="50", reason="less")
    assert low["report"]["pending_reason"] == "report.below_consumed"
    assert low["job"]["good_qty"] == "55"
    total = sum(Decimal(each["good_qty"]) for each in await shop.get("/reports", state="Accepted,Corrected",
                                                                       order=order["order_id"]))  # fmt: skip
    assert total == 55 + 54


async def test_scrap_found_later_and_what_caused_it(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "Q-01"))
    _, (first, second) = await shop.released("FG-1")
    await shop.complete(first, 100)
    said = await shop.verb(
        second, "scrap", 201, qty="4", reason="S-BURR", caused_by_job_id=first["job_id"], caused_by_worker="w1"
    )
    assert (said["report"]["state"], said["report"]["caused_by_job_id"]) == ("Accepted", first["job_id"])
    assert (said["job"]["scrap_qty"], said["job"]["remaining_qty"], said["job"]["state"]) == ("4", "96", "Ready")
    await shop.verb(first, "scrap", 201, qty="10", reason="S-BURR")
    second = await shop.job(second["job_id"])
    assert (second["written_off_qty"], second["remaining_qty"]) == ("10", "86")


class Counter:
    """A machine that counts."""

    def __init__(self, shop: Shop, no: str) -> None:
        self.shop, self.equipment, self.total = shop, UUID(shop.machine(no)), Decimal(0)

    async def count(self, counts: int, at: datetime, minutes: int = 10, *, correction: bool = False) -> list[Any]:
        before, self.total = self.total, self.total + counts
        running = self.shop.order_service
        async with running.transaction() as session:
            return await reports.count(
                session, running.context(), self.equipment, Decimal(counts), at - timedelta(minutes=minutes), at,
                before, self.total, correction,
            )  # fmt: skip


async def test_a_machine_counts_and_a_person_adds_what_is_missing(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01", pieces_per_count="2"))
    _, (job,) = await shop.released("FG-1")
    counter = Counter(shop, "P-01")
    assert await counter.count(3, shop.now) == []
    await shop.verb(job, "start", equipment_id=shop.machine("P-01"), workers=[{"worker": "w1"}])
    start = shop.now
    await shop.advance(minutes=30)
    await counter.count(20, start + timedelta(minutes=10))
    (made,) = await counter.count(10, start + timedelta(minutes=20))
    assert (made.source, made.good_qty, made.counter_to, made.workers[0]["worker"]) == ("machine", 20, 33, "w1")
    assert (await shop.job(job["job_id"]))["good_qty"] == "60"

    # The person adds 30; of the counts that come late and tell of the time before, 15 are already said.
    said = await shop.verb(job, "reports", 201, good_qty="30")
    assert said["report"]["source"] == "both"
    (made,) = await counter.count(10, start + timedelta(minutes=25))
    assert (made.good_qty, made.entered) == (0, {"counted": "20", "said": "20"})
    (made,) = await counter.count(6, start + timedelta(minutes=28))
    assert (made.good_qty, made.entered) == (2, {"counted": "12", "said": "10"})
    # What exceeds the order is pending.
    first, rest = await counter.count(10, start + timedelta(minutes=30))
    assert (first.state, first.good_qty, rest.state, rest.good_qty) == ("Accepted", 8, "Pending", 12)
    assert (await shop.job(job["job_id"]))["remaining_qty"] == "0"
    (back,) = await counter.count(-2, start + timedelta(minutes=30), correction=True)
    assert (back.kind, back.good_qty) == ("correction", -4)
    await shop.verb(job, "scrap", 201, qty="3", reason="S-BURR")
    await shop.complete(job, 4)
    job = await shop.job(job["job_id"])
    assert (job["state"], job["good_qty"], job["scrap_qty"]) == ("Done", "97", "3")
    await shop.advance(minutes=30)
    # The last 4 were said by the person too: half of them arrive now, the rest of the count is too much.
    (late,) = await counter.count(1, start + timedelta(minutes=30))
    assert (late.state, late.good_qty, late.entered) == ("Accepted", 0, {"counted": "2", "said": "2"})
    (late,) = await counter.count(3, start + timedelta(minutes=30))
    assert (late.state, late.good_qty, late.pending_reason) == ("Pending", 4, "report.over")


async def test_counts_of_a_shared_run_are_split_by_its_lines(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    _, (first,) = await shop.released("FG-1")
    _, (second,) = await shop.released("FG-1")
    lines = [{"job_id": first["job_id"], "qty": "30"}, {"job_id": second["job_id"], "qty": "60"}]
    await shop.post("/runs", 201, equipment_id=shop.machine("P-01"), lines=lines)
    made = await Counter(shop, "P-01").count(31, shop.now + timedelta(minutes=10))
    assert {each.job_id: each.good_qty for each in made} in (
        {UUID(first["job_id"]): 10, UUID(second["job_id"]): 21},
        {UUID(first["job_id"]): 11, UUID(second["job_id"]): 20},
    )


async def test_a_report_sent_twice_counts_once(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    _, (job,) = await shop.released("FG-1")
    await shop.verb(job, "start")
    key = str(uuid4())
    path = f"/jobs/{job['job_id']}/reports"
    said = await shop.post(path, 201, key=key, good_qty="10")
    assert await shop.post(path, 201, key=key, good_qty="10") == said
    await shop.post(path, 422, key=key, good_qty="11")
    assert (await shop.job(job["job_id"]))["good_qty"] == "10"
    assert len(await shop.events(order_pb2.ReportRecorded)) == 1
