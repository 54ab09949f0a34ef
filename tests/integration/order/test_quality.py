"""What quality says: inspections as gates, nonconformances as holds, dispositions; told twice it has one effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mes.events.v1 import quality_pb2

if TYPE_CHECKING:
    from .conftest import Shop

FAI = {"stage": "FAI", "trigger": "first_off", "sampling": "fixed", "sample_size": 1, "gate": True}
FQC = {"stage": "FQC", "trigger": "per_lot", "sampling": "fixed", "sample_size": 1, "gate": True}


class Quality:
    """Speaks as the quality service."""

    def __init__(self, shop: Shop, job: Any) -> None:
        self.shop, self.job = shop, job
        self.lot_id, self.nc_id = str(uuid4()), str(uuid4())
        self.hold = True

    def lot(self, stage: str, state: str, *, gate: bool = True) -> quality_pb2.InspectionLot:
        return quality_pb2.InspectionLot(
            inspection_lot_id=self.lot_id, order_id=self.job["order_id"], job_id=self.job["job_id"], stage=stage,
            state=state, gate=gate,
        )  # fmt: skip

    async def opened(self, stage: str) -> None:
        event = quality_pb2.InspectionLotOpened(lot=self.lot(stage, "Pending"))
        await self.shop.tell("quality", event, self.job["order_id"])

    async def completed(self, stage: str, state: str) -> None:
        event = quality_pb2.InspectionCompleted(lot=self.lot(stage, state))
        await self.shop.tell("quality", event, self.job["order_id"])

    def nonconformance(self, state: str, qty: int, lot: bool) -> quality_pb2.Nonconformance:
        return quality_pb2.Nonconformance(
            nonconformance_id=self.nc_id, no="NC-1", order_id=self.job["order_id"], job_id=self.job["job_id"],
            state=state, defect="burr", qty=str(qty), hold=self.hold, inspection_lot_id=self.lot_id if lot else "",
        )  # fmt: skip

    async def found(self, qty: int, *, lot: bool = False) -> None:
        event = quality_pb2.NonconformanceOpened(nonconformance=self.nonconformance("Registered", qty, lot))
        await self.shop.tell("quality", event, self.job["order_id"])

    async def closed(self, state: str) -> None:
        event = quality_pb2.NonconformanceClosed(nonconformance=self.nonconformance(state, 1, False))
        await self.shop.tell("quality", event, self.job["order_id"])

    async def decided(self, *parts: tuple[str, int], lot: bool = False, make_up: bool = False, **more: Any) -> None:
        event = quality_pb2.NonconformanceDispositioned(
            nonconformance=self.nonconformance("Dispositioned", sum(qty for _, qty in parts), lot),
            dispositions=[
                quality_pb2.Disposition(kind=kind, qty=str(qty), reason="decided", make_up=make_up, **more)
                for kind, qty in parts
            ],
        )  # fmt: skip
        await self.shop.tell("quality", event, self.job["order_id"])


async def test_the_first_article_is_a_gate(shop: Shop) -> None:
    plan = await shop.define("inspection_plan", "IP-1", stages=[FAI])
    gated = {"first_article": True, "inspection_plan_id": str(plan)}
    await shop.product("FG-1", shop.op(10, "P-01", **gated))
    _, (job,) = await shop.released("FG-1")
    assert (await shop.verb(job, "start", 409))["code"] == "job.first_article"
    early = await shop.complete(job, 100)
    assert early["report"]["pending_reason"] == "job.first_article"
    await shop.verb(job, "start-setup", equipment_id=shop.machine("P-01"))
    await shop.verb(job, "trial", 201, scrap_qty="1")
    assert (await shop.verb(job, "start", 409))["code"] == "job.first_article"
    quality = Quality(shop, job)
    await quality.opened("FAI")
    assert (await shop.job(job["job_id"]))["fai"] == "open"
    await quality.completed("FAI", "Failed")
    assert (await shop.verb(job, "start", 409))["code"] == "job.first_article"
    again = Quality(shop, job)
    await again.opened("FAI")
    await again.completed("FAI", "Passed")
    assert (await shop.verb(job, "start"))["state"] == "Running"


async def test_the_last_inspection_is_a_gate_and_finishes_what_only_waited_for_it(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    order, (job,) = await shop.released("FG-1")
    await shop.verb(job, "start")
    quality = Quality(shop, job)
    await quality.opened("FQC")
    done = await shop.complete(job, 100)
    assert (done["report"]["state"], done["job"]["state"], done["not_finished"]["code"]) == (
        "Accepted", "Running", "job.inspection_open",
    )  # fmt: skip
    assert (await shop.verb(job, "finish", 409))["params"]["stage"] == "FQC"
    assert [each["ended_at"] is not None for each in await shop.get(f"/jobs/{job['job_id']}/runs")] == [True]
    await quality.completed("FQC", "Passed")
    assert (await shop.job(job["job_id"]))["state"] == "Done"
    assert (await shop.order(order["order_id"]))["state"] == "Completed"


async def test_an_inspection_after_the_end_keeps_the_next_job_and_the_order_waiting(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.complete(first, 100)
    quality = Quality(shop, first)
    await quality.opened("IQC")
    assert (await shop.job(second["job_id"]))["state"] == "Waiting"
    await quality.completed("IQC", "Passed")
    assert (await shop.job(second["job_id"]))["state"] == "Ready"
    last = Quality(shop, second)
    await last.opened("FQC")
    await shop.verb(second, "start")
    await shop.verb(second, "reports", 201, good_qty="100")
    assert (await shop.order(order["order_id"]))["state"] == "InProgress"


async def test_a_nonconformance_holds_and_its_disposition_reworks_scraps_and_makes_up(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.verb(first, "start", workers=[{"worker": "w1"}])
    await shop.verb(first, "reports", 201, good_qty="60")
    quality = Quality(shop, first)
    for _ in range(2):
        await quality.found(10)
    held = await shop.job(first["job_id"])
    assert (held["state"], held["state_before_hold"]) == ("Held", "Running")
    holds = await shop.get("/holds")
    assert [(each["reason_type"], each["opened_by"]) for each in holds] == [("QUALITY_HOLD", "inspector")]
    assert (await shop.verb(first, "release", 409, note="let it go"))["code"] == "hold.needs_disposition"
    for _ in range(2):
        await quality.decided(("rework", 3), ("scrap", 2), ("use_as_is", 5), make_up=True, scrap_reason="S-BURR")
    first = await shop.job(first["job_id"])
    assert (first["state"], first["good_qty"], first["rework_qty"], first["scrap_qty"]) == ("Running", "55", "3", "2")
    jobs = await shop.jobs(order["order_id"])
    (again,) = [each for each in jobs if each["rework_of"]]
    assert again["qty"] == "3"
    (made,) = [each for each in await shop.get("/orders") if each["rework_of"] == order["order_id"]]
    assert (made["qty"], made["state"], made["source"]) == ("2", "Released", "make-up")
    assert await shop.get("/holds") == []
    await shop.complete(again, 3)
    await shop.complete(first, 40)
    second = await shop.job(second["job_id"])
    assert (second["state"], second["remaining_qty"]) == ("Ready", "98")


async def test_a_hold_on_a_job_that_is_done_holds_the_next_and_on_the_last_the_order(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"), shop.op(20, "Q-01"))
    order, (first, second) = await shop.released("FG-1")
    await shop.complete(first, 100)
    await shop.verb(second, "start")
    quality = Quality(shop, first)
    await quality.found(100)
    assert [each["state"] for each in await shop.jobs(order["order_id"])] == ["Done", "Held"]
    await quality.decided(("scrap", 10), ("use_as_is", 90), scrap_reason="S-BURR")
    first, second = await shop.jobs(order["order_id"])
    assert (first["good_qty"], second["state"], second["remaining_qty"]) == ("90", "Running", "90")
    last = Quality(shop, second)
    await last.opened("FQC")
    await shop.complete(second, 90)
    await last.completed("FQC", "Failed")
    await last.found(90, lot=True)
    assert (await shop.job(second["job_id"]))["state"] == "Held"
    await last.decided(("use_as_is", 90), lot=True)
    order = await shop.order(order["order_id"])
    assert (order["state"], order["good_qty"]) == ("Completed", "90")
    late = Quality(shop, second)
    await late.found(5)
    assert (await shop.order(order["order_id"]))["state"] == "Completed"
    assert (await shop.post(f"/orders/{order['order_id']}/close", 409))["code"] == "order.held"
    await late.decided(("scrap", 5), scrap_reason="S-BURR")
    order = await shop.post(f"/orders/{order['order_id']}/close")
    assert (order["state"], order["good_qty"]) == ("Closed", "85")


async def test_an_order_is_not_complete_while_pieces_are_in_question_even_without_a_hold(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    order, (job,) = await shop.released("FG-1")
    path = f"/orders/{order['order_id']}"
    one, other = Quality(shop, job), Quality(shop, job)
    one.hold = other.hold = False
    await one.found(5)
    await other.found(1)
    assert (await shop.complete(job, 100))["job"]["state"] == "Done", "nothing holds the job"
    assert (await shop.order(order["order_id"]))["state"] == "InProgress"
    refused = await shop.post(f"{path}/short-close", 409, reason="enough")
    assert (refused["code"], refused["params"]["nonconformances"]) == ("order.open_nonconformance", "NC-1, NC-1")
    for _ in range(2):
        await one.decided(("scrap", 5), scrap_reason="S-BURR")
    assert (await shop.order(order["order_id"]))["state"] == "InProgress"
    await other.closed("Cancelled")
    assert (await shop.order(order["order_id"]))["state"] == "Completed"
    # Back under review, with fewer pieces in question, and decided about once more.
    await one.found(2)
    assert (await shop.post(f"{path}/close", 409))["code"] == "order.open_nonconformance"
    await one.decided(("scrap", 2), scrap_reason="S-BURR")
    assert (await shop.post(f"{path}/close"))["good_qty"] == "93"


async def test_what_a_chart_found_is_said_in_the_readers_language(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    order, (job,) = await shop.released("FG-1")
    quality = Quality(shop, job)
    problem = quality.nonconformance("Registered", 5, False)
    problem.defect = ""
    params = {"characteristic": "OD", "chart": "X̄", "rule": "1"}
    problem.findings.add(code="nonconformance.rule").params.update(params)
    await shop.tell("quality", quality_pb2.NonconformanceOpened(nonconformance=problem), order["order_id"])
    (hold,) = await shop.get("/holds")
    assert (hold["reason"], hold["findings"]) == ("NC-1", [{"code": "nonconformance.rule", "params": params}])
    said = {"en": "NC-1; OD, X̄ chart: rule 1 violated", "zh-CN": "NC-1; OD 的 X̄ 控制图违反规则 1"}
    for language, text in said.items():
        page = await shop.http.get(f"/t/{job['code']}", params={"lang": language})
        assert text in page.text, page.text


async def test_what_no_longer_applies_is_no_error(shop: Shop) -> None:
    await shop.product("FG-1", shop.op(10, "P-01"))
    order, (job,) = await shop.released("FG-1")
    await shop.post(f"/orders/{order['order_id']}/cancel", reason="C-CUSTOMER")
    quality = Quality(shop, job)
    await quality.found(5)
    await quality.decided(("rework", 5))
    nobody = Quality(shop, {"order_id": str(uuid4()), "job_id": str(uuid4())})
    await nobody.opened("FAI")
    await nobody.found(1)
    assert (await shop.order(order["order_id"]))["state"] == "Cancelled"
