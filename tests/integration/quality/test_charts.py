"""Charts at work: limits of the plan hold a job, estimated ones only notify until a person confirms them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from mes.events.v1 import order_pb2, quality_pb2

from tests.integration.quality.shop import Shop, attribute, variable
from tests.unit.quality.published import FLOWRATE, PISTON_RINGS


def in_process(*characteristics: order_pb2.Characteristic, n: int) -> order_pb2.InspectionStage:
    return order_pb2.InspectionStage(
        stage="IPQC", trigger="every_n", every=100, sampling="fixed", sample_size=n, characteristics=characteristics
    )


class Process:
    """A running job that is inspected every 100 pieces."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.job, self.good = shop, uuid4(), 0

    async def sample(self, *values: float, **more: Any) -> Any:
        self.good += 100
        await self.shop.step(
            self.job, "Running", "Running", "report", good_qty=str(self.good), remaining_qty=str(100_000 - self.good)
        )
        (lot,) = await self.shop.lots(state="Pending", job=self.job)
        return await self.shop.measure(lot, *values, **more)


async def test_rule_1_on_confirmed_limits_holds_and_the_others_notify(shop: Shop) -> None:
    spec = variable(
        "HOLE", lsl=31.9, target=32.0, usl=32.1, chart="xbar_r", subgroup_size=2, rules_signal=range(1, 9),
        rules_hold=[1], limit_lcl=31.976, limit_cl=32.0, limit_ucl=32.024, limit_sigma=0.0113,
    )  # fmt: skip
    await shop.define(in_process(spec, n=2))
    process = Process(shop)
    for _ in range(5):
        assert (await process.sample(32.005, 32.003))["nonconformance_id"] is None
    for low in (32.004, 32.006, 32.008, 32.010):
        await process.sample(low, low)
    (signal,) = await shop.get("/signals", state="New", lang="en")
    assert (signal["rule"]["rule"], signal["chart"], signal["hold"], signal["point_no"]) == (2, "xbar", False, 9)
    assert signal["rule"]["name"] == "nine points in a row on one side of the centre line"
    # going on is no new signal; breaking out is, though every piece is within tolerance
    await process.sample(32.011, 32.011)
    assert len(await shop.get("/signals")) == 1
    taken = await process.sample(32.03, 32.032)
    assert taken["state"] == "Passed"
    (problem,) = await shop.get("/nonconformances")
    assert (problem["source"], problem["qty"], problem["hold"]) == ("chart", "100", True)
    assert problem["nonconformance_id"] == taken["nonconformance_id"]
    signals = await shop.events(quality_pb2.ControlChartSignal)
    # the same sample completes six rising points and four of five beyond one sigma
    assert [(each.rule, each.hold) for each in signals] == [(2, False), (1, True), (3, False), (6, False)]
    assert signals[1].rule_set == "GB/T 4091-2001"
    opened = (await shop.events(quality_pb2.NonconformanceOpened))[0].nonconformance
    assert (opened.signal_id, opened.source, opened.hold) == (signals[1].signal_id, "chart", True)

    (chart,) = await shop.get("/charts")
    assert (chart["points"], chart["open_signals"], chart["limits"]["source"]) == (11, 4, "plan")
    drawn = await shop.get(f"/charts/{chart['chart_id']}", points=3, lang="en")
    last = drawn["drawn"][-1]
    assert [each["no"] for each in drawn["drawn"]] == [9, 10, 11]
    assert (last["location"]["ucl"], last["location"]["zone"]) == (32.024, "out")
    assert [each["rule"] for each in last["location"]["rules"]] == [1, 2, 3, 6]
    assert last["spread"]["rules"] == [] and last["limits_version"] == 1

    base = f"/signals/{signals[1].signal_id}"
    refused = await shop.post(f"{base}/close", 409)
    assert refused["params"] == {"verb": "close", "state": "New", "legal": ["acknowledge"]}
    await shop.post(f"{base}/acknowledge")
    await shop.post(f"{base}/assign-cause", cause="die worn")
    closed = await shop.post(f"{base}/close", reason="die ground")
    assert (closed["state"], closed["cause"]) == ("Closed", "die worn")
    assert [each["verb"] for each in closed["history"]] == ["raise", "acknowledge", "assign_cause", "close"]

    excluded = await shop.post(f"/charts/{chart['chart_id']}/points/11/exclude", reason="die worn")
    assert excluded["excluded"] and excluded["location"]["rules"] == []
    refused = await shop.post(f"/charts/{chart['chart_id']}/points/11/exclude", 409, reason="again")
    assert refused["params"]["legal"] == ["include"]


async def test_limits_are_estimated_after_25_subgroups_and_hold_once_confirmed(shop: Shop) -> None:
    spec = variable("BORE", lsl=73.9, target=74.0, usl=74.1, chart="xbar_r", subgroup_size=5)
    await shop.define(in_process(spec, n=5))
    process = Process(shop)
    # more than the sample asks for: further subgroups
    await process.sample(*[value for row in PISTON_RINGS[:24] for value in row])
    (chart,) = await shop.get("/charts")
    assert chart["limits"] is None
    path = f"/charts/{chart['chart_id']}"
    trial = await shop.get(path)
    assert (trial["limits_source"], trial["limits_confirmed"]) == ("trial", False)
    await process.sample(*PISTON_RINGS[24])
    estimated = await shop.get(path)
    assert (estimated["limits_source"], estimated["limits_confirmed"]) == ("estimated", False)
    assert estimated["versions"][0]["centre"] == pytest.approx(74.001, abs=0.0005)
    # far out, but nobody has confirmed the limits: it notifies
    assert (await process.sample(*[74.05] * 5))["nonconformance_id"] is None
    (signal,) = [each for each in await shop.get("/signals") if each["rule"]["rule"] == 1]
    assert signal["hold"] is False
    confirmed = await shop.post(f"{path}/confirm-limits", first_no=1, last_no=25, reason="stable")
    assert (confirmed["confirmed"], confirmed["from_no"], confirmed["version"]) == (True, 1, 2)
    assert confirmed["centre"] == estimated["versions"][0]["centre"]
    assert (await process.sample(*[74.05] * 5))["nonconformance_id"] is not None
    refused = await shop.post(f"{path}/confirm-limits", 422, centre=74.0)
    assert refused["code"] == "chart.needs_sigma"
    fixed = await shop.post(f"{path}/confirm-limits", centre=74.0, sigma=0.02)
    assert (fixed["source"], fixed["from_no"]) == ("fixed", 28)

    found = await shop.get("/capability", characteristic=spec.characteristic_id, equipment=shop.machine)
    assert (found["n"], found["subgroups"], found["method"]) == (135, 27, "R/d2")
    assert found["cp"] > found["cpk"] > 0 and found["pp"] is not None
    nothing = await shop.get("/capability", characteristic=spec.characteristic_id, equipment=uuid4())
    assert (nothing["n"], nothing["mean"], nothing["cpk"], nothing["method"]) == (0, None, None, None)


async def test_counts_of_attributes_are_charted_and_a_failed_sample_is_one_nonconformance(shop: Shop) -> None:
    spec = attribute("DENT", chart="np", subgroup_size=20, limit_cl=0.5, rules_hold=[1])
    await shop.define(in_process(spec, n=20))
    process = Process(shop)
    await process.sample(*[0.0] * 20)
    taken = await process.sample(*[0.0] * 20, defects=1)
    assert taken["state"] == "Failed"
    (problem,) = await shop.get("/nonconformances")
    assert problem["source"] == "inspection"
    for language, said in (
        ("en", "DENT, DENT, np chart: rule 1 violated"),
        ("zh-CN", "DENT, DENT 的 np 控制图违反规则 1"),
    ):
        path = f"/nonconformances/{problem['nonconformance_id']}"
        assert (await shop.get(path, lang=language))["defect"] == said
    opened = (await shop.events(quality_pb2.NonconformanceOpened))[-1].nonconformance
    assert (opened.defect, [each.code for each in opened.findings]) == ("DENT", ["nonconformance.rule"])
    (signal,) = await shop.get("/signals")
    assert (signal["hold"], signal["nonconformance_id"]) == (True, problem["nonconformance_id"])
    (chart,) = await shop.get("/charts")
    drawn = await shop.get(f"/charts/{chart['chart_id']}")
    assert [(each["count"], each["n"], each["spread"]) for each in drawn["drawn"]] == [(0, 20, None), (20, 20, None)]


async def test_calculators_need_no_data_and_no_key(shop: Shop) -> None:
    """NIST/SEMATECH e-Handbook, 6.3.2.2, and a plan of GB/T 2828.1-2012."""
    answer = await shop.http.post("/calculate/i_mr", json={"values": FLOWRATE})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    first = found["points"][1]
    assert first["location"]["ucl"] == pytest.approx(55.80, abs=0.005)
    assert first["spread"]["cl"] == pytest.approx(1.8778, abs=0.0001)
    assert found["points"][0]["spread"]["value"] is None
    answer = await shop.http.post("/calculate/sampling-plan", json={"lot_size": 400, "aql": "0.65"})
    assert {name: answer.json()[name] for name in ("initial_letter", "letter", "n", "accept", "reject")} == {
        "initial_letter": "H", "letter": "J", "n": 80, "accept": 1, "reject": 2,
    }  # fmt: skip
    answer = await shop.http.post("/calculate/capability", json={"values": [14.0, 16.0, 18.0], "lsl": 8.0, "usl": 20.0})
    assert answer.json()["ppk"] == pytest.approx(2 / 3)
    answer = await shop.http.post("/calculate/capability", json={"values": [14.0, 16.0], "lsl": 20.0, "usl": 8.0})
    assert (answer.status_code, answer.json()["code"]) == (422, "calculate.limits")
    answer = await shop.http.post("/calculate/p", json={"counts": [3], "n": 2})
    assert (answer.status_code, answer.json()["code"]) == (422, "calculate.count_above_size")
    assert (await shop.get("/calculate/factors", n=5))["A2"] == pytest.approx(0.577, abs=0.0005)
    few = await shop.http.post("/calculate/xbar_r", json={"subgroups": [[1.0, 2.0]]})
    assert few.json()["centre"] is None
