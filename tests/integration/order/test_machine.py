"""Any sequence of commands against the real service: what succeeds was legal, what is refused changes nothing, and the
quantities of every job balance after every step."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from mes.clock import ClockState
from mes.runtime import Runtime
from mes.testing import TestDatabases
from mes.web import service_app

from services.order.domain.ledger import tolerance
from services.order.service import service

from .conftest import NOW, Shop, balanced, places

T = TypeVar("T")
ENDED = {"Done", "Skipped", "Cancelled", "Aborted", "Superseded"}


class World:
    """One service for all examples, on a loop of its own; every example gets orders of its own."""

    def __init__(self, databases: TestDatabases) -> None:
        self.runner = asyncio.Runner()
        self.databases = databases
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _begin(self) -> None:
        self.runtime = Runtime(await self.databases.settings(["order"], clock_start=NOW.isoformat()), [service])
        await self.runtime.start()
        await self.runtime.set_clock(ClockState(NOW.timestamp(), NOW.timestamp(), 1.0, "stepped"))
        transport = httpx.ASGITransport(app=service_app(self.runtime.services["order"]))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://shop")
        self.shop = shop = Shop(self.runtime, self.http)
        await places(shop)
        await shop.product(
            "FG-1", shop.op(10, "P-01", overlap_qty="3", over_tolerance="0.2"), shop.op(20, "P-02", predecessors=[]),
            shop.op(30, "T-01", predecessors=[10, 20], optional=True), shop.outside(40), shop.op(50, "Q-01"),
        )  # fmt: skip

    def close(self) -> None:
        async def end() -> None:
            await self.http.aclose()
            await self.runtime.stop()
            await self.databases.drop()

        self.run(end())
        self.runner.close()


# Verb of a job -> a body for it. Facts (reports, complete, scrap) are taken in any state.
QTY = st.sampled_from(["0", "1", "2", "3", "5", "8", "10", "12"])
SOME = st.sampled_from(["1", "2", "4", "10"])
REASON = st.just("why")
BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "start-setup": st.just({}),
    "stop-setup": st.fixed_dictionaries({"reason": REASON}),
    "trial": st.fixed_dictionaries({"scrap_qty": st.sampled_from(["0", "1"])}),
    "start": st.just({}),
    "pause": st.fixed_dictionaries({"reason": REASON}),
    "resume": st.just({}),
    "handover": st.just({"workers": [{"worker": "w2"}]}),
    "reports": st.fixed_dictionaries(
        {"good_qty": QTY, "scrap_qty": st.sampled_from(["0", "0", "1"]), "rework_qty": st.sampled_from(["0", "0", "1"])}
    ).map(lambda body: body | {"scrap_reason": "S-BURR"}),
    "complete": st.fixed_dictionaries({"good_qty": QTY, "reason": st.sampled_from(["", "short"])}),
    "finish": st.fixed_dictionaries({"reason": st.sampled_from(["", "short"])}),
    "undo-finish": st.just({}),
    "scrap": st.fixed_dictionaries({"qty": SOME, "reason": REASON}),
    "rework": st.fixed_dictionaries({"qty": SOME, "reason": REASON}),
    "hold": st.fixed_dictionaries({"reason": REASON}),
    "release": st.just({}),
    "skip": st.fixed_dictionaries({"reason": REASON, "approved_by": st.sampled_from(["", "boss"])}),
    "split": st.fixed_dictionaries({"qty": SOME}),
    "abort": st.fixed_dictionaries({"reason": REASON, "disposition": st.sampled_from(["", "stock"])}),
    "allow": st.just({}),
    "disallow": st.just({}),
    "material-ready": st.sampled_from([{}, {"expected_at": "2027-01-01T00:00:00Z"}]),
    "send": st.fixed_dictionaries({"qty": SOME}),
    "return": st.fixed_dictionaries({"qty": QTY, "shortage_qty": st.sampled_from(["0", "1"])}),
}
FACTS = {"reports", "complete", "scrap"}
ORDER_BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "release": st.just({}),
    "revoke": st.just({}),
    "reject": st.fixed_dictionaries({"reason": REASON}),
    "hold": st.fixed_dictionaries({"reason": REASON}),
    "resume": st.just({}),
    "split": st.fixed_dictionaries({"quantities": st.lists(SOME, min_size=1, max_size=2)}),
    "short-close": st.fixed_dictionaries({"reason": REASON}),
    "reopen": st.fixed_dictionaries({"reason": REASON}),
    "cancel": st.fixed_dictionaries({"reason": REASON, "disposition": st.sampled_from(["", "stock", "scrap"])}),
    "close": st.just({}),
}
# Verbs that end an order are tried rarely, so that most examples live for a while.
ENDING = {"revoke", "reject", "short-close", "cancel"}


class Orders(RuleBasedStateMachine):
    """One order and what comes of it."""

    world: ClassVar[World]

    @initialize(qty=st.sampled_from([4, 10]), released=st.sampled_from([True, True, True, False]))
    def create(self, qty: int, released: bool) -> None:
        order = self.post("/orders", {"material_no": "FG-1", "qty": str(qty)}).json()
        self.orders = [order["order_id"]]
        if released:
            assert self.post(f"/orders/{order['order_id']}/release", {}).status_code == 200
        self.seen = self.look()

    # ---- what is done ----

    @rule(data=st.data(), index=st.integers(0, 30), verb=st.sampled_from([*BODIES, "start", "complete", "reports"]))
    def act_on_a_job(self, data: st.DataObject, index: int, verb: str) -> None:
        jobs = [job for order in self.seen.values() for job in order["jobs"]]
        if not jobs:
            return
        job = jobs[index % len(jobs)]
        body = data.draw(BODIES[verb])
        answer = self.post(f"/jobs/{job['job_id']}/{verb}", body)
        self.judge(answer, verb, job["legal"], fact=verb in FACTS)

    @rule(index=st.integers(0, 30), good=QTY)
    def work_on_what_is_ready(self, index: int, good: str) -> None:
        """What people do most of the time, so that examples get somewhere."""
        verbs = {"Ready": "complete", "Running": "complete", "Paused": "resume", "Sent": "return", "Returned": "finish",
                 "PartlyReturned": "return"}  # fmt: skip
        jobs = [job for order in self.seen.values() for job in order["jobs"] if job["state"] in verbs]
        if not jobs:
            return
        job = jobs[index % len(jobs)]
        verb = "send" if job["kind"] == "outside" and job["state"] == "Ready" else verbs[job["state"]]
        all_of_it = job["remaining_qty"] if index % 2 else good
        body = {"complete": {"good_qty": all_of_it}, "send": {"qty": all_of_it}, "return": {"qty": all_of_it}}
        answer = self.post(f"/jobs/{job['job_id']}/{verb}", body.get(verb, {}))
        self.judge(answer, verb, job["legal"], fact=verb in FACTS)

    @rule(index=st.integers(0, 30), good=QTY, bad=st.sampled_from(["scrap_qty", "rework_qty"]), how_many=SOME)
    def report_badly(self, index: int, good: str, bad: str, how_many: str) -> None:
        """Some is scrap or needs rework."""
        jobs = [job for order in self.seen.values() for job in order["jobs"] if job["state"] in ("Ready", "Running")]
        jobs = [job for job in jobs if job["kind"] == "internal"]
        if not jobs:
            return
        job = jobs[index % len(jobs)]
        verb = "complete" if job["state"] == "Ready" else "reports"
        body = {"good_qty": good, bad: how_many, "scrap_reason": "S-BURR"}
        self.judge(self.post(f"/jobs/{job['job_id']}/{verb}", body), verb, job["legal"], fact=True)

    @rule(data=st.data(), index=st.integers(0, 5), verb=st.sampled_from([*ORDER_BODIES, "change"]))
    def act_on_an_order(self, data: st.DataObject, index: int, verb: str) -> None:
        order = self.seen[self.orders[index % len(self.orders)]]
        if verb in ENDING and data.draw(st.integers(0, 3)):
            return
        path = f"/orders/{order['order_id']}"
        if verb == "change":
            body, seen = {"qty": str(data.draw(st.integers(1, 14)))}, {"If-Match": f'"{order["version"]}"'}
            answer = self.world.run(self.world.http.patch(path, json=body, headers=seen))
        else:
            answer = self.post(f"{path}/{verb}", data.draw(ORDER_BODIES[verb]))
        if verb == "split" and answer.status_code == 201:
            self.orders += [each["order_id"] for each in answer.json()["items"] if each["order_id"] not in self.orders]
        self.judge(answer, verb, order["legal"])

    @rule(index=st.integers(0, 50), verb=st.sampled_from(["accept", "decline", "correct"]), good=QTY)
    def decide_about_a_report(self, index: int, verb: str, good: str) -> None:
        reports = [report for order in self.seen.values() for report in order["reports"]]
        if not reports:
            return
        report = reports[index % len(reports)]
        body = {"accept": {}, "decline": {"reason": "why"}, "correct": {"good_qty": good, "reason": "why"}}[verb]
        answer = self.post(f"/reports/{report['report_id']}/{verb}", body)
        self.judge(answer, verb, report["legal"])

    # ---- what must hold ----

    def judge(self, answer: httpx.Response, verb: str, legal: list[str], *, fact: bool = False) -> None:
        assert answer.status_code in (200, 201, 409, 422), answer.text
        before, self.seen = self.seen, self.look()
        if answer.status_code >= 400:
            assert before == self.seen, f"{verb} was refused ({answer.text}) and changed something"
            if answer.status_code == 409:
                assert "legal" in answer.json()["params"]
        elif not fact:
            assert verb in legal, f"{verb} succeeded where only {legal} was legal"

    @invariant()
    def quantities_balance(self) -> None:
        for order in getattr(self, "seen", {}).values():
            for job in order["jobs"]:
                balanced(job)
                over = tolerance(Decimal(job["qty"]), Decimal(job["over_tolerance"]), 0)
                assert Decimal(job["over_qty"]) <= over, job
                if job["state"] in ENDED:
                    assert job["remaining_qty"] == "0", job
                self.totals_are_those_of_the_reports(order, job)

    def totals_are_those_of_the_reports(self, order: dict[str, Any], job: dict[str, Any]) -> None:
        """Reports that count, and what rework jobs brought back, make up the totals of a job."""
        sums = dict.fromkeys(("good", "scrap", "rework"), Decimal(0))
        for report in order["reports"]:
            if report["job_id"] == job["job_id"] and report["state"] in ("Accepted", "Corrected"):
                for name in sums:
                    sums[name] += Decimal(report[f"{name}_qty"])
        for child in order["jobs"]:
            if child["rework_of"] == job["job_id"]:
                sums["good"] += Decimal(child["good_qty"])
                sums["scrap"] += Decimal(child["scrap_qty"])
                sums["rework"] -= Decimal(child["good_qty"]) + Decimal(child["scrap_qty"])
        assert {name: Decimal(job[f"{name}_qty"]) for name in sums} == sums, (job, sums)

    @invariant()
    def an_order_is_complete_when_its_jobs_are_over(self) -> None:
        for order in getattr(self, "seen", {}).values():
            if order["state"] in ("Completed", "Closed"):
                assert all(job["state"] in ENDED for job in order["jobs"]), order
            if order["state"] in ("Draft", "Rejected"):
                assert order["jobs"] == []

    # ---- how it is seen ----

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid4()), "X-Actor": "w1"}
        return self.world.run(self.world.http.post(path, json=body, headers=headers))

    def look(self) -> dict[str, Any]:
        async def all_of_it() -> dict[str, Any]:
            shop, found = self.world.shop, {}
            for order_id in self.orders:
                order = await shop.order(order_id)
                order["jobs"] = await shop.jobs(order_id)
                order["reports"] = await shop.get("/reports", order=order_id, limit=1000)
                found[order_id] = order
            return found

        return self.world.run(all_of_it())


@pytest.fixture
def world(_server_databases: TestDatabases) -> Iterator[World]:
    made = World(_server_databases)
    yield made
    made.close()


@pytest.mark.slow
def test_no_illegal_command_succeeds_and_quantities_always_balance(world: World) -> None:
    Orders.world = world
    run_state_machine_as_test(
        Orders,
        settings=settings(
            max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
