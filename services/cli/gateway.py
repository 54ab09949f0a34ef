"""One address for services that run as processes of their own: passes requests on, and answers for all of them.

Several replicas stand behind one name; a request that could not be delivered goes to the next one, or waits a moment
for a process that is being started again. What may have been delivered is sent again only if it reads: the caller's key
decides about the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from mes.errors import Unavailable
from mes.front import Advance, Clock, ClockChange, Idle, front_page
from mes.web import handle_errors, language_of, problem
from starlette.background import BackgroundTask

# Headers of a connection, not of a message (RFC 9110, 7.6.1), and what is set anew. The host is passed on: redirects of
# a service lead back to us.
_NOT_PASSED = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_PATIENCE_S, _PAUSE_S = 10.0, 0.05
# A process that follows the clock of another one looks once a second.
_FOLLOW_S = 5.0


class Upstreams:
    """The processes of each service by their addresses."""

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self.addresses = {name: list(found) for name, found in addresses.items()}
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(120, connect=2), limits=limits)
        self._turns = {name: cycle(found) for name, found in self.addresses.items()}

    @property
    def all(self) -> list[str]:
        """Every process."""
        return [address for found in self.addresses.values() for address in found]

    async def send(self, service: str, method: str, target: str, **kwargs: Any) -> httpx.Response:
        """Send to a replica that takes it; the body of the answer is not read yet. Raises httpx.TransportError."""
        undelivered = (httpx.ConnectError, httpx.ConnectTimeout)
        again = httpx.TransportError if method in ("GET", "HEAD") else undelivered
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while True:
            for _ in self.addresses[service]:
                request = self._http.build_request(method, next(self._turns[service]) + target, **kwargs)
                try:
                    return await self._http.send(request, stream=True)
                except again:
                    if asyncio.get_running_loop().time() >= deadline:
                        raise
            await asyncio.sleep(_PAUSE_S)

    async def ask(self, address: str, method: str, path: str, **kwargs: Any) -> httpx.Response | None:
        """The answer of one process; None when it gives none."""
        try:
            return await self._http.request(method, address + path, **kwargs)
        except httpx.TransportError:
            return None

    async def ask_all(self, method: str, path: str, **kwargs: Any) -> list[httpx.Response | None]:
        """The answers of every process, in the order of `all`."""
        return await asyncio.gather(*(self.ask(each, method, path, **kwargs) for each in self.all))

    async def ask_any(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """The answer of the first process that gives one. Raises Unavailable."""
        for address in self.all:
            if (answer := await self.ask(address, method, path, **kwargs)) is not None:
                return answer
        raise Unavailable("gateway.down", service=", ".join(self.addresses))

    async def close(self) -> None:
        await self._http.aclose()


def gateway_app(upstreams: Upstreams, shortcuts: Mapping[str, str], zone: ZoneInfo) -> FastAPI:
    """The application of the whole. shortcuts: short paths at the root and where they lead."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await upstreams.close()

    app = FastAPI(title="Lingnan MES", lifespan=lifespan, openapi_url=None)
    handle_errors(app)
    _add_platform_routes(app, upstreams, zone)
    for short, target in shortcuts.items():
        app.add_api_route(f"{short}/{{rest:path}}", _redirect(target))
    _add_services(app, upstreams)
    return app


def _redirect(target: str) -> Any:
    async def redirect(rest: str, request: Request) -> RedirectResponse:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{target}/{rest}{query}", 307)

    return redirect


# ---- what concerns one service -------------------------------------------------------------------------------------


def _add_services(app: FastAPI, upstreams: Upstreams) -> None:
    @app.api_route("/{service}/{path:path}", methods=_METHODS)
    async def pass_on(service: str, path: str, request: Request) -> Response:
        if service not in upstreams.addresses:
            return problem(request, 404, "http.404", {"path": request.url.path})
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        headers = [(name, value) for name, value in request.headers.raw if name.decode().lower() not in _NOT_PASSED]
        # Read whole first: what is sent again to the next replica has to be there still.
        body = await request.body()
        try:
            answer = await upstreams.send(service, request.method, target, headers=headers, content=body)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return problem(request, 503, "gateway.down", {"service": service})
        except httpx.TransportError:
            return problem(request, 502, "gateway.broken", {"service": service})
        return _passed_back(answer)


def _passed_back(answer: httpx.Response) -> Response:
    response = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
    kept = [(name, value) for name, value in answer.headers.raw if name.decode().lower() not in _NOT_PASSED]
    if "content-length" in answer.headers:
        kept.append((b"content-length", answer.headers["content-length"].encode()))
    response.raw_headers = [(name.lower(), value) for name, value in kept]
    return response


# ---- what concerns all of them -------------------------------------------------------------------------------------


async def idle_of(upstreams: Upstreams, wait: float) -> Idle:
    """Whether all processes were idle at one moment: each twice, and nothing was written in between."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        left = max(0.0, deadline - loop.time())
        first = await _look(upstreams, min(left, 5.0))
        if first and all(each.idle for each in first):
            second = await _look(upstreams, 0)
            if all(each.idle for each in second) and [a.ends for a in first] == [b.ends for b in second]:
                return Idle(idle=True, ends={group: end for each in second for group, end in each.ends.items()})
            first = second
        if loop.time() >= deadline:
            reasons = [reason for each in first for reason in each.reasons]
            return Idle(idle=False, reasons=reasons or ["events arrived"])
        await asyncio.sleep(0.005)


async def _look(upstreams: Upstreams, wait: float) -> list[Idle]:
    answers = await upstreams.ask_all("GET", "/idle", params={"wait": wait})
    return [
        Idle.model_validate(answer.json()) if answer is not None and answer.is_success
        else Idle(idle=False, reasons=[f"{address} does not answer"])
        for address, answer in zip(upstreams.all, answers, strict=True)
    ]  # fmt: skip


async def _clocks(upstreams: Upstreams) -> list[Clock]:
    """The clocks of the processes that answer."""
    answers = await upstreams.ask_all("GET", "/clock")
    return [Clock.model_validate(each.json()) for each in answers if each is not None and each.is_success]


def _as_it_is(answer: httpx.Response) -> Response:
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


async def _all_follow(upstreams: Upstreams, wish: ClockChange) -> None:
    """Wait until the clock of every process runs as wished, and a stepped one stands at the same time everywhere."""
    deadline = asyncio.get_running_loop().time() + _FOLLOW_S
    while asyncio.get_running_loop().time() < deadline:
        seen = await _clocks(upstreams)
        same = bool(seen) and all((each.mode, each.factor) == (wish.mode, wish.factor) for each in seen)
        if same and (wish.mode == "running" or len({each.now for each in seen}) == 1):
            return
        await asyncio.sleep(_PAUSE_S)
    raise Unavailable("gateway.clock")


def _add_platform_routes(app: FastAPI, upstreams: Upstreams, zone: ZoneInfo) -> None:
    @app.get("/idle")
    async def idle(wait: float = 0) -> Idle:
        return await idle_of(upstreams, min(max(wait, 0.0), 60.0))

    @app.get("/clock")
    async def get_clock() -> Response:
        return _as_it_is(await upstreams.ask_any("GET", "/clock"))

    @app.put("/clock")
    async def put_clock(change: ClockChange) -> Response:
        answer = await upstreams.ask_any("PUT", "/clock", json=change.model_dump())
        if answer.is_success:
            await _all_follow(upstreams, change)
        return _as_it_is(answer)

    @app.post("/clock/advance")
    async def advance(step: Advance, request: Request) -> Response:
        if step.settle and not (seen := await idle_of(upstreams, step.settle)).idle:
            return problem(request, 409, "clock.busy", {"reasons": "; ".join(seen.reasons)})
        # Each process is told: to hear of it from another one would take a second. One that is being started reads it.
        told = await upstreams.ask_all("POST", "/clock/advance", json={"to": step.to.isoformat()})
        answers = [each for each in told if each is not None]
        if not answers:
            raise Unavailable("gateway.down", service=", ".join(upstreams.addresses))
        answer = next((each for each in answers if not each.is_success), answers[0])
        if not (answer.is_success and step.settle):
            return _as_it_is(answer)
        return JSONResponse({**answer.json(), "idle": (await idle_of(upstreams, step.settle)).idle})

    @app.get("/healthz")
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        failing = {}
        for name, addresses in upstreams.addresses.items():
            ready = await asyncio.gather(*(_is_ready(upstreams, each) for each in addresses))
            if not any(ready):
                failing[name] = "no process is ready"
        return JSONResponse({"ready": not failing, "failing": failing}, 503 if failing else 200)

    @app.get("/")
    async def front(request: Request) -> HTMLResponse:
        clock = Clock.model_validate((await upstreams.ask_any("GET", "/clock")).json())
        return HTMLResponse(front_page(list(upstreams.addresses), clock, zone, language_of(request)))


async def _is_ready(upstreams: Upstreams, address: str) -> bool:
    answer = await upstreams.ask(address, "GET", "/readyz", timeout=5)
    return answer is not None and answer.is_success
