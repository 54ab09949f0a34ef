"""What could not be applied is looked at, and applied in order once its cause is mended."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
from mes.context import Context
from mes.inbox import Consumers, Meta
from mes.web import service_app
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.platform.conftest import TOPIC, House, Open
from tests.integration.platform.test_inbox import parked, reporting, seen
from tests.integration.platform.tiny import on_reported


class Poison:
    """A mirror that chokes on some events of one order, for as long as it is told to."""

    def __init__(self, bad: UUID, *sequences: int) -> None:
        self.bad, self.sequences = str(bad), set(sequences)

    def consumers(self) -> Consumers:
        async def handle(session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
            await on_reported(session, ctx, event, meta)
            if meta.subject == self.bad and meta.sequence in self.sequences:
                raise RuntimeError("poison")

        return reporting(handle)


def mirror_of(house: House) -> httpx.AsyncClient:
    """The API of the service that parks."""
    app = service_app(house.runtime.services["mirror"])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tiny")


async def replay(http: httpx.AsyncClient, key: UUID) -> httpx.Response:
    path = f"/parked-events/{TOPIC}/{key}/replay"
    return await http.post(path, headers={"Idempotency-Key": str(uuid4())})


async def test_what_waits_is_shown_by_aggregate_and_whole(open_house: Open) -> None:
    bad = uuid4()
    house = await open_house(Poison(bad, 2).consumers())
    await house.tell(bad, bad, bad, qty="7")
    await house.idle()
    async with mirror_of(house) as http:
        (row,) = (await http.get("/parked-events")).json()
        assert (row["topic"], row["key"], row["events"]) == (TOPIC, str(bad), 2)
        assert row["type"] == "mes.events.v1.ReportRecorded"
        assert "poison" in row["error"]
        first, second = (await http.get(f"/parked-events/{TOPIC}/{bad}")).json()
        assert first["payload"]["report"] == {"order_id": str(bad), "good_qty": "7"}
        assert (first["headers"]["ce_sequence"], second["headers"]["ce_sequence"]) == ("2", "3")
        nothing = await http.get(f"/parked-events/{TOPIC}/{uuid4()}")
        assert (nothing.status_code, nothing.json()["code"]) == (404, "parking.nothing")


async def test_a_replay_goes_on_in_order_and_later_events_follow(open_house: Open) -> None:
    bad = uuid4()
    poison = Poison(bad, 2)
    house = await open_house(poison.consumers())
    await house.tell(bad, bad, bad)
    await house.idle()
    poison.sequences.clear()
    async with mirror_of(house) as http:
        assert (await replay(http, bad)).json() == {"applied": 2, "left": 0, "error": ""}
        assert (await replay(http, bad)).status_code == 404
    await house.tell(bad)
    await house.idle()
    # Four events, the last sequence 4, none out of order.
    assert await seen(house) == {str(bad): (4, 4)}
    assert await parked(house) == []


async def test_a_replay_stops_at_what_still_cannot_be_applied(open_house: Open) -> None:
    bad = uuid4()
    poison = Poison(bad, 2, 3)
    house = await open_house(poison.consumers())
    await house.tell(bad, bad, bad, bad)
    await house.idle()
    poison.sequences.discard(2)
    async with mirror_of(house) as http:
        done = (await replay(http, bad)).json()
    assert (done["applied"], done["left"]) == (1, 2)
    assert "poison" in done["error"]
    assert await parked(house) == [(str(bad), "3"), (str(bad), "4")]
    assert await seen(house) == {str(bad): (2, 2)}


async def test_events_that_come_during_a_replay_lose_neither_place_nor_effect(open_house: Open) -> None:
    bad = uuid4()
    poison = Poison(bad, 1)
    house = await open_house(poison.consumers())
    await house.tell(*[bad] * 40)
    await house.idle()
    poison.sequences.clear()
    async with mirror_of(house) as http:
        telling = [house.tell(bad) for _ in range(40)]
        await asyncio.gather(replay(http, bad), *telling)
        await house.idle()
        if await parked(house):
            await replay(http, bad)
    assert await seen(house) == {str(bad): (80, 80)}
    assert await parked(house) == []
