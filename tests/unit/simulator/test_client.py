"""The careful client against a server that loses connections: nothing is done twice, nothing is given up."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.simulator.client import Client, Refused, Stopped


class Till:
    """A server that adds up what it is sent once per key, and loses its voice for the first answers to each."""

    def __init__(self, lost: int) -> None:
        self.total = 0
        self.seen: dict[str, int] = {}
        self.lost = lost
        self.app = Starlette(routes=[Route("/add", self.add, methods=["POST"]), Route("/no", self.no, methods=["GET"])])

    async def add(self, request: Request) -> Response:
        key = request.headers["idempotency-key"]
        if key not in self.seen:
            self.total += (await request.json())["amount"]
        self.seen[key] = self.seen.get(key, 0) + 1
        if self.seen[key] <= self.lost:
            return Response(status_code=503)
        return JSONResponse({"total": self.total})

    async def no(self, request: Request) -> Response:
        return JSONResponse({"code": "order.not_found"}, 404)


def client_of(till: Till, stop: asyncio.Event | None = None) -> tuple[Client, httpx.AsyncClient]:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(till.app), base_url="http://till")
    return Client(http, stop or asyncio.Event()), http


async def test_a_post_without_an_answer_is_sent_again_with_its_key() -> None:
    till = Till(lost=3)
    client, http = client_of(till)
    async with http:
        answers: list[Any] = await asyncio.gather(*(client.post("/add", {"amount": 5}) for _ in range(4)))
    assert till.total == 20
    assert len(answers) == 4
    assert (client.requests.ok, client.requests.unknown) == (4, 12)


async def test_a_refusal_carries_its_code_and_is_not_repeated() -> None:
    client, http = client_of(Till(lost=0))
    async with http:
        with pytest.raises(Refused) as caught:
            await client.get("/no")
    assert (caught.value.status, caught.value.code) == (404, "order.not_found")
    assert (client.requests.refused, client.requests.unknown) == (1, 0)


async def test_a_stop_ends_the_waiting() -> None:
    stop = asyncio.Event()
    stop.set()
    client, http = client_of(Till(lost=1000), stop)
    async with http:
        with pytest.raises(Stopped):
            await client.post("/add", {"amount": 5})
