"""The planner's desk: why orders are late, what if, by when, and what planners decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp
from mes.events.v1 import scheduling_pb2

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def at(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat()


def hour(text: str | Timestamp) -> float:
    moment = datetime.fromisoformat(text) if isinstance(text, str) else text.ToDatetime(tzinfo=UTC)
    return (moment - NOW).total_seconds() / 3600


def due(hours: float) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(NOW + timedelta(hours=hours))
    return made


def step(machine: str, seconds: int, seq: int = 10, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "alternatives": [{"equipment_id": machine, "run_s_per_unit": str(seconds)}], **more}


async def tried(plant: Any, *changes: dict[str, Any], **more: Any) -> Any:
    asked = await plant.post("/scenarios", 202, changes=list(changes), seconds=0.5, **more)
    assert asked["state"] == "Queued"
    await plant.idle()
    return await plant.get(f"/scenarios/{asked['scenario_id']}")


async def thaw(plant: Any, **more: Any) -> None:
    """Settings without a frozen zone."""
    body = {**(await plant.get("/settings")), "frozen_window_s": 0, **more}
    assert (await plant.http.put("/settings", json=body, headers={"If-Match": '"0"'})).status_code == 200


async def test_a_late_order_is_explained_to_the_second(plant: Any) -> None:
    await thaw(plant)
    a = await plant.machine("A")
    await plant.release("O1", [[a]], due_at=due(1), priority=1)
    await plant.release("O2", [[a]], due_at=due(1.5))
    found = await plant.get("/explanations", lang="en")
    (late,) = found["late"]
    assert (late["order_no"], late["lateness_s"], hour(late["projected_end"])) == ("O2", 1800, 2)
    assert sum(each["seconds"] for each in late["waits"]) - late["allowance_s"] == late["lateness_s"]
    (wait,) = late["waits"]
    assert (wait["kind"], wait["seconds"], wait["other_order_no"]) == ("equipment", 3600, "O1")
    assert wait["text"] == "A is busy with order O1, or kept for it."
    assert [(each["kind"], each["gained_s"]) for each in late["remedies"]] == [("priority", 3600)]
    assert found["bottlenecks"][0]["equipment_no"] == "A"
    only = await plant.get("/explanations", order=plant.orders["O1"].order_id)
    assert only["late"] == []
    assert (await plant.get("/explanations"))["late"][0]["waits"][0]["text"].startswith("A 正被订单 O1 占用")


async def test_an_inquiry_reserves_nothing_and_names_who_would_be_hurt(plant: Any) -> None:
    await thaw(plant)
    a, b = await plant.machine("A"), await plant.machine("B")
    for number in range(1, 4):
        await plant.release(f"O{number}", [[a]], due_at=due(number))
    asked = {"operations": [step(a, 3600), step(b, 1800, 20)], "qty": "1", "due_at": at(2)}
    answer = await plant.post("/inquiries", **asked)
    assert hour(answer["earliest"]) == 4.5
    assert answer["offers"][0]["harmed"] == []
    assert [each["equipment_no"] for each in answer["offers"][0]["operations"]] == ["A", "B"]
    wished = answer["wished"]
    assert hour(wished["end"]) <= 2
    # The one that is put before must wait an hour, and everybody behind it.
    assert {each["order_no"] for each in wished["harmed"]} <= {"O1", "O2", "O3"}
    assert all(each["later_s"] == 3600 for each in wished["harmed"])
    assert await plant.get("/decisions") == []
    like = await plant.post("/inquiries", like_order_id=plant.orders["O1"].order_id, qty="2")
    assert hour(like["earliest"]) == 5
    assert (await plant.post("/inquiries", 422, qty="1"))["code"] == "http.request_invalid"
    unknown = await plant.post("/inquiries", 422, operations=[step(str(uuid4()), 60)], qty="1")
    assert unknown["code"] == "scheduling.machine_unknown"
    nobody = await plant.post("/inquiries", 422, like_order_id=str(uuid4()), qty="1")
    assert nobody["code"] == "scheduling.order_without_jobs"
    past = await plant.post("/inquiries", 422, **{**asked, "due_at": at(-1)})
    assert past["code"] == "scheduling.due_past"


async def test_a_quote_keeps_its_place_until_it_expires(plant: Any) -> None:
    await thaw(plant)
    a = await plant.machine("A")
    await plant.release("O1", [[a]], due_at=due(20))
    quote = {"operations": [step(a, 3600)], "qty": "2", "expires_at": at(10), "name": "ACME"}
    first = await plant.post("/quotes", 201, **quote)
    assert hour(first["promised_end"]) == 2  # before O1, which has time
    second = await plant.post("/quotes", 201, **quote)
    assert hour(second["promised_end"]) == 4
    # What is released later plans around both places, though nothing but O1 is published.
    await plant.release("O2", [[a]], due_at=due(1), priority=1)
    plan = await plant.plan()
    assert sorted(plan) == ["O1-1", "O2-1"]
    assert hour(plan["O2-1"].start) >= 4
    (late_order,) = (await plant.get("/explanations"))["late"]
    assert {each["other_order_no"] for each in late_order["waits"]} == {"ACME"}
    assert late_order["waits"][0]["text"].startswith("A 正被订单 ACME 占用")
    late = await plant.post("/quotes", 409, **{**quote, "due_at": at(3)})
    assert late["code"] == "scheduling.quote_late"
    assert (await plant.post("/quotes", 422, **{**quote, "expires_at": at(-1)}))["code"] == "scheduling.expired"
    gone = await plant.http.delete(f"/decisions/{first['quote_id']}")
    assert (gone.status_code, gone.json()["state"]) == (200, "Withdrawn")
    assert (await plant.http.delete(f"/decisions/{first['quote_id']}")).json()["code"] == "scheduling.decision_over"
    assert hour((await plant.plan())["O2-1"].start) == 0
    await plant.step(11 * 60)
    assert [each["state"] for each in await plant.get("/decisions")] == ["Expired", "Withdrawn"]
    told = [(each.kind, each.state) for each in plant.heard if isinstance(each, scheduling_pb2.PlanningDecided)]
    assert told == [("new_order", "InForce")] * 2 + [("new_order", "Withdrawn"), ("new_order", "Expired")]


async def test_what_if_a_machine_is_out_and_the_answer_becomes_the_plan(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a, b]], due_at=due(2))
    before = await plant.plan()
    machine = before["O1-1"].equipment_id
    out = {"kind": "machine_out", "equipment_id": machine, "start": at(0), "end": at(24)}
    found = await tried(plant, out, name="overhaul")
    result = found["result"]
    assert (found["state"], result["helped"], result["harmed"]) == ("Ready", 1, 0)
    assert (result["nothing"]["late"], result["proposal"]["late"], result["late_as_published"]) == (1, 0, 0)
    assert (result["proposal"]["moved"], result["proposal"]["reassigned"], result["proposal"]["of"]) == (1, 1, 1)
    (order,) = result["orders"]
    assert (order["order_no"], order["effect"], hour(order["nothing_end"])) == ("O1", "helped", 25)
    assert (await plant.plan())["O1-1"].equipment_id == machine
    event = next(each for each in plant.heard if isinstance(each, scheduling_pb2.ScenarioFinished))
    assert (event.state, event.helped, event.moved) == ("Ready", 1, 1)
    promoted = await plant.post(f"/scenarios/{found['scenario_id']}/promote")
    assert promoted["state"] == "Promoted"
    assert (await plant.plan())["O1-1"].equipment_id == ({a, b} - {machine}).pop()
    assert plant.published()[-1].policy == "manual"
    (decision,) = await plant.get("/decisions")
    assert (decision["kind"], decision["state"], decision["note"]) == ("machine_out", "InForce", "overhaul")
    # It holds for what comes later, until the machine is back.
    await plant.release("O2", [[machine]], due_at=due(2))
    assert hour((await plant.plan())["O2-1"].start) == 24
    twice = await plant.post(f"/scenarios/{found['scenario_id']}/promote", 409)
    assert twice["code"] == "scenario.state"


async def test_what_if_priorities_shifts_holds_and_rush_orders(plant: Any) -> None:
    await thaw(plant)
    a = await plant.machine("A")
    await plant.release("O1", [[a]], due_at=due(1))
    await plant.release("O2", [[a]], due_at=due(1))
    plan = await plant.plan()
    last = "O1" if hour(plan["O1-1"].start) == 1 else "O2"
    terms = {"kind": "order_terms", "order_id": plant.orders[last].order_id, "priority": 1}
    first = await tried(plant, terms)
    assert {each["order_no"]: each["effect"] for each in first["result"]["orders"]} == {
        last: "helped", ({"O1", "O2"} - {last}).pop(): "harmed",
    }  # fmt: skip
    held = await tried(plant, {"kind": "order_held", "order_id": plant.orders["O1"].order_id})
    assert (held["result"]["proposal"]["late"], held["result"]["proposal"]["of"]) == (0, 1)
    rush = {"kind": "new_order", "operations": [step(a, 3600)], "qty": "1", "priority": 1, "due_at": at(1)}
    hurried = await tried(plant, rush)
    assert hurried["result"]["proposal"]["late"] == 2
    assert (await plant.get("/decisions")) == []
    promoted = await plant.post(f"/scenarios/{hurried['scenario_id']}/promote")
    assert promoted["state"] == "Promoted"
    (kept,) = await plant.get("/decisions")
    assert [hour(each["end"]) for each in kept["body"]["placed"]] == [1]
    # It is planned around, though only jobs that are there are published.
    around = await plant.plan()
    assert sorted(around) == ["O1-1", "O2-1"]
    assert sorted(hour(each.start) for each in around.values()) == [1, 2]
    assert (await plant.http.delete(f"/decisions/{kept['decision_id']}")).status_code == 200
    await plant.idle()
    weights = await tried(plant, {"kind": "weights", "weights": {"5": 3}})
    assert weights["result"]["proposal"]["score"]["tardiness"] == 3 * 3600
    wrong = {"kind": "order_held", "order_id": str(uuid4())}
    assert (await plant.post("/scenarios", 422, changes=[wrong]))["code"] == "scheduling.order_not_open"
    backward = {"kind": "extra_time", "equipment_id": a, "start": at(2), "end": at(1)}
    assert (await plant.post("/scenarios", 422, changes=[backward]))["code"] == "http.request_invalid"
    assert [each["no"] for each in await plant.get("/scenarios")] == [4, 3, 2, 1]


async def test_a_scenario_of_an_older_plan_cannot_be_promoted(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await plant.release("O1", [[a, b]])
    found = await tried(plant)
    await plant.release("O2", [[a, b]])
    assert (await plant.get(f"/scenarios/{found['scenario_id']}"))["state"] == "Outdated"
    refused = await plant.post(f"/scenarios/{found['scenario_id']}/promote", 409)
    assert refused["code"] == "scenario.state"
    again = await plant.post(f"/scenarios/{found['scenario_id']}/again", 202)
    assert again["state"] == "Queued"
    await plant.idle()
    assert (await plant.get(f"/scenarios/{found['scenario_id']}"))["state"] == "Ready"
    other = await tried(plant)
    assert (await plant.post(f"/scenarios/{other['scenario_id']}/discard"))["state"] == "Discarded"
    assert (await plant.post(f"/scenarios/{uuid4()}/promote", 404))["code"] == "scenario.unknown"


async def test_beyond_a_planners_limits_a_better_plan_waits_for_a_word(plant: Any) -> None:
    a, b = await plant.machine("A"), await plant.machine("B")
    await thaw(plant, accept_moved=0, accept_harmed=0)
    await plant.release("O1", [[a, b]], due_at=due(2))
    before = (await plant.plan())["O1-1"]
    await plant.state(before.equipment_id, "UNPLANNED_DOWN", NOW + timedelta(hours=10))
    # What stands is mended as far as it must be, and the better plan is proposed.
    after = (await plant.plan())["O1-1"]
    assert (after.equipment_id, hour(after.start)) == (before.equipment_id, 10)
    (proposal,) = [each for each in await plant.get("/scenarios") if each["state"] == "Ready"]
    assert (proposal["kind"], proposal["result"]["helped"], proposal["result"]["proposal"]["moved"]) == (
        "proposal",
        1,
        1,
    )
    await plant.post(f"/scenarios/{proposal['scenario_id']}/promote")
    final = (await plant.plan())["O1-1"]
    assert (final.equipment_id, hour(final.start)) == (({a, b} - {before.equipment_id}).pop(), 0)


async def test_a_run_that_is_over_cannot_be_stopped(plant: Any) -> None:
    a = await plant.machine("A")
    await plant.release("O1", [[a]])
    run = (await plant.get("/runs"))[0]
    assert (run["engine"] != "", run["progress"]) == (True, None)
    refused = await plant.post(f"/runs/{run['run_id']}/stop", 409)
    assert refused["code"] == "scheduling.run_over"
    assert (await plant.post(f"/runs/{uuid4()}/stop", 404))["code"] == "scheduling.run_unknown"
