"""HTTP: a request takes effect once, nobody overwrites what he has not seen, and an error says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from inspect import iscoroutinefunction
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute
from mes import web
from mes.service import Service
from mes.tables import service_metadata
from mes.web import Ctx, Session, service_router
from sqlalchemy import text

from services.cli.composition import load_services, service_names
from tests.integration.platform.conftest import House, Open
from tests.integration.platform.tiny import ShopBase


async def orders(house: House) -> int:
    return int((await house.rows("shop", "SELECT count(*) FROM shop_order"))[0][0])


async def test_the_same_request_is_answered_from_memory(house: House) -> None:
    first = await house.post("/orders", {"no": "A-1"}, key="once")
    again = await house.post("/orders", {"no": "A-1"}, key="once")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["etag"] == again.headers["etag"] == '"1"'
    assert first.headers["content-type"] == again.headers["content-type"]
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    await house.idle()
    assert (await orders(house), len(await house.log())) == (1, 1)


async def test_a_key_belongs_to_actor_and_path(house: House) -> None:
    one = (await house.post("/orders", {"no": "A-1"}, key="k", **{"X-Actor": "w1"})).json()["id"]
    two = (await house.post("/orders", {"no": "A-2"}, key="k", **{"X-Actor": "w2"})).json()["id"]
    assert one != two
    for order in (one, two):
        assert (await house.post(f"/orders/{order}/reports", {"good_qty": "1"}, key="k")).json()["id"] == order


async def test_a_key_with_another_body_is_refused(house: House) -> None:
    await house.post("/orders", {"no": "A-1"}, key="once")
    other = await house.post("/orders", {"no": "A-2"}, key="once")
    assert (other.status_code, other.json()["code"]) == (422, "http.idempotency_key_reused")
    assert await orders(house) == 1


@pytest.mark.parametrize(
    ("key", "code"), [("", "http.idempotency_key_missing"), ("k" * 201, "http.idempotency_key_long")]
)
async def test_a_post_without_a_proper_key_is_refused(house: House, key: str, code: str) -> None:
    answer = await house.http.post("/orders", json={"no": "A-1"}, headers={"Idempotency-Key": key} if key else {})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await orders(house) == 0


async def test_a_form_may_carry_its_key_in_the_address_and_a_fact_needs_none(house: House) -> None:
    assert (await house.http.post("/orders?idempotency_key=k", json={"no": "A-1"})).status_code == 201
    assert (await house.http.post("/orders?idempotency_key=k", json={"no": "A-1"})).headers["idempotent-replay"]
    assert (await house.http.post("/facts", json={"no": "A-1"})).status_code == 202


async def test_a_refused_request_may_be_mended_and_sent_with_its_key(house: House) -> None:
    order = (await house.post("/orders", {"no": "A-1"})).json()["id"]
    assert (await house.post(f"/orders/{order}/reports", {"good_qty": "1001"}, key="k")).status_code == 409
    assert (await house.post(f"/orders/{order}/reports", {"good_qty": "5"}, key="k")).json()["qty"] == "5.000000"


class Gate:
    """A service whose one route waits until it is let go on."""

    def __init__(self) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        router = service_router()

        @router.post("/slow")
        async def slow(session: Session, ctx: Ctx) -> dict[str, str]:
            self.reached.set()
            await self.open.wait()
            return {"id": str(ctx.new_id())}

        self.service = Service("shop", ShopBase.metadata, router)


async def test_a_twin_of_a_request_in_flight_is_told_to_wait(open_house: Open) -> None:
    gate = Gate()
    house = await open_house(services=[gate.service])
    first = asyncio.create_task(house.post("/slow", {}, key="k"))
    await gate.reached.wait()
    twin = await house.post("/slow", {}, key="k")
    assert (twin.status_code, twin.json()["code"]) == (409, "http.in_flight")
    gate.open.set()
    assert (await first).status_code == 200
    assert (await house.post("/slow", {}, key="k")).content == (await first).content


async def test_a_twin_that_overtakes_unseen_leaves_the_other_without_effect(open_house: Open) -> None:
    # The twin commits between the look for a stored answer and the end of the command.
    router = service_router()
    metadata = ShopBase.metadata

    @router.post("/order")
    async def order(session: Session, ctx: Ctx) -> dict[str, str]:
        await session.execute(
            text("INSERT INTO shop_order (id, site_id, no, qty, version) VALUES (:id, :site, 'A', 0, 1)"),
            {"id": ctx.new_id(), "site": ctx.site_id},
        )
        async with house.runtime.services["shop"].transaction() as twin:
            await twin.execute(
                text("INSERT INTO idempotency_key (principal, method, path, key, body_hash, status, headers, body) "
                     "VALUES ('anonymous', 'POST', '/order', 'k', '', 200, '{}', '')")
            )  # fmt: skip
        return {}

    house = await open_house(services=[Service("shop", metadata, router)])
    answer = await house.post("/order", {}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "http.in_flight")
    assert await orders(house) == 0


async def test_many_twins_take_effect_once(house: House) -> None:
    answers = await asyncio.gather(*(house.post("/orders", {"no": "A-1"}, key="k") for _ in range(12)))
    assert await orders(house) == 1
    codes = {answer.status_code if answer.status_code == 201 else answer.json()["code"] for answer in answers}
    assert codes <= {201, "http.in_flight"}
    assert (await house.post("/orders", {"no": "A-1"}, key="k")).status_code == 201


async def test_a_change_needs_the_version_that_was_seen(house: House) -> None:
    order = (await house.post("/orders", {"no": "A-1"})).json()["id"]
    etag = (await house.http.get(f"/orders/{order}")).headers["etag"]

    async def rename(no: str, **headers: str) -> httpx.Response:
        return await house.http.put(f"/orders/{order}", json={"no": no}, headers=headers)

    missing = await rename("A-2")
    assert (missing.status_code, missing.json()["code"]) == (428, "http.if_match_missing")
    assert (await rename("A-2", **{"If-Match": etag})).status_code == 200
    stale = await rename("A-3", **{"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "http.stale")
    assert (await rename("A-3", **{"If-Match": "yesterday"})).json()["code"] == "http.if_match"
    assert (await rename("A-3", **{"If-Match": 'W/"2"'})).status_code == 200
    assert (await house.http.get(f"/orders/{order}")).json()["no"] == "A-3"


@pytest.mark.parametrize(
    ("wish", "title", "word"), [("zh-CN,en;q=0.5", "当前状态不允许", "冲突"), ("en", "Not allowed", "conflicts")]
)
async def test_an_error_is_a_problem_in_the_readers_language(house: House, wish: str, title: str, word: str) -> None:
    await house.post("/orders", {"no": "A-1"})
    answer = await house.post("/orders", {"no": "A-1"}, **{"Accept-Language": wish})
    body = answer.json()
    assert answer.status_code == body["status"] == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert (body["type"], body["code"]) == ("urn:lingnan-mes:problem:http.integrity", "http.integrity")
    assert body["params"] == {"constraint": "uq_shop_order_site_id_no"}
    assert body["title"].startswith(title)
    assert word in body["detail"]
    assert body["instance"] == "/orders"


async def test_every_kind_of_wrong_input_names_its_field(house: House) -> None:
    answer = await house.post("/orders", {"no": "", "qty": "many"}, **{"Accept-Language": "en"})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "http.request_invalid")
    assert {each["field"] for each in body["errors"]} == {"no", "qty"}
    assert "no, qty" in body["detail"]
    messages = {each["field"]: each["message"] for each in body["errors"]}
    assert messages == {"no": "is shorter than 1 characters", "qty": "has to be a number"}
    chinese = (await house.post("/orders", {"no": "", "qty": "many"}, **{"Accept-Language": "zh"})).json()
    assert {each["message"] for each in chinese["errors"]} == {"少于 1 个字符", "应为数字"}
    garbled = await house.http.post("/orders", content=b"{", headers={"Idempotency-Key": "k"})
    assert (garbled.status_code, garbled.headers["content-type"]) == (422, web.PROBLEM)
    assert (garbled.json()["params"], garbled.json()["errors"][0]["field"]) == ({"fields": "body"}, "")
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("DELETE", "/orders", 405),
        ("GET", f"/orders/{uuid4()}", 404),
    ):
        answer = await house.http.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, web.PROBLEM)
        assert answer.json()["detail"] != answer.json()["code"]


async def test_a_fault_of_ours_is_a_problem_without_its_secrets(open_house: Open) -> None:
    router = service_router()

    @router.get("/fault")
    async def fault() -> None:
        raise RuntimeError("password=hunter2")

    @router.get("/cut")
    async def cut(session: Session) -> None:
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    house = await open_house(services=[Service("shop", service_metadata(), router)])
    answer = await house.http.get("/fault")
    assert (answer.status_code, answer.json()["code"]) == (500, "http.internal")
    assert "hunter2" not in answer.text
    answer = await house.http.get("/cut")
    assert (answer.status_code, answer.json()["code"]) == (503, "http.database_unavailable")
    # The next request gets a new connection.
    assert (await house.http.get("/nowhere")).status_code == 404


async def test_a_commit_that_fails_is_not_answered_with_success(open_house: Open) -> None:
    router = service_router()

    @router.post("/deferred")
    async def deferred(session: Session, ctx: Ctx) -> dict[str, str]:
        await session.execute(text("CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        await session.execute(text("INSERT INTO late VALUES (1), (1)"))
        return {}

    house = await open_house(services=[Service("shop", ShopBase.metadata, router)])
    answer = await house.post("/deferred", {}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "http.integrity")
    assert await house.rows("shop", "SELECT 1 FROM idempotency_key") == []


async def test_a_trace_that_comes_in_goes_on_and_one_begins_where_none_came(house: House) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await house.post("/orders", {"no": "A-1"}, traceparent=trace)
    await house.post("/orders", {"no": "A-2"}, traceparent="nonsense")
    await house.idle()
    carried = {each.headers["traceparent"] for each in await house.log()}
    assert trace in carried
    assert len(carried) == 2
    assert "nonsense" not in carried


def _calls(dependant: Any) -> Iterator[Any]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from _calls(each)


@pytest.mark.parametrize("name", service_names())
def test_no_request_waits_for_a_thread(name: str) -> None:
    # FastAPI runs plain functions in threads; each hop costs more than most handlers.
    (service,) = load_services([name])
    routes = [route for route in service.router.routes if isinstance(route, APIRoute)]
    assert routes
    slow = {call for route in routes for call in _calls(route.dependant) if not iscoroutinefunction(call)}
    assert slow == set()
