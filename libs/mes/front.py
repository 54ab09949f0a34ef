"""The root of an instance: services below their names, clock, idleness, health, metrics, a page of what is where."""

from __future__ import annotations

import asyncio
import contextlib
import html
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import text

from mes import metrics
from mes.errors import Conflict
from mes.i18n import LANGUAGES, t
from mes.runtime import Runtime, ServiceRuntime
from mes.web import handle_errors, language_of, service_app

# Real seconds that a figure is waited for.
_MEASURE_S = 1.5


class Clock(BaseModel):
    """Business time and how it runs."""

    now: datetime = Field(description="business time, UTC", examples=["2026-03-02T00:00:00Z"])
    factor: float = Field(description="business seconds per real second", examples=[60.0])
    mode: str = Field(description="running, or stepped: it stands still until it is advanced", examples=["running"])


class Advance(BaseModel):
    """Where to set a stepped clock."""

    to: datetime = Field(description="business time with its zone; not in the past", examples=["2026-03-02T00:05:00Z"])

    settle: float = Field(
        default=0,
        ge=0,
        le=60,
        description="seconds to wait at most for every event to have had its effects, before and again after",
    )


class Advanced(Clock):
    """The clock after a step. idle: whether what the step set off has had its effects; null when nobody waited."""

    idle: bool | None = None


class ClockChange(BaseModel):
    """How the clock is to run from now on."""

    mode: str = Field(pattern="^(running|stepped)$", examples=["stepped"])
    factor: float = Field(default=1.0, gt=0, le=100_000, examples=[60.0])


class Idle(BaseModel):
    """Whether every event has had all its effects."""

    idle: bool
    reasons: list[str] = Field(default=[], description="what still moves", examples=[[]])
    ends: dict[str, int] = Field(
        default={}, description="where the log ended for each group of this process", examples=[{"mes.order": 1250}]
    )


def root_app(runtime: Runtime, *, manage: bool = True) -> FastAPI:
    """The application of the instance. With `manage` it starts and stops the runtime with the server's lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if manage:
            await runtime.start()
        mount_services(app, runtime)
        try:
            yield
        finally:
            if manage:
                await runtime.stop()

    app = FastAPI(title="Lingnan MES", version="0.1.0", lifespan=lifespan)
    app.state.runtime = runtime
    handle_errors(app)
    _add_clock_routes(app, runtime)
    _add_platform_routes(app, runtime)
    return app


def mount_services(app: FastAPI, runtime: Runtime) -> None:
    """Put each running service below its name, and its short paths at the root."""
    for name, running in runtime.services.items():
        app.mount(f"/{name}", service_app(running))
        for short, path in running.service.shortcuts.items():
            app.add_api_route(f"{short}/{{rest:path}}", _redirect(f"/{name}{path}"), include_in_schema=False)


def _redirect(target: str) -> Any:
    async def redirect(rest: str, request: Request) -> RedirectResponse:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{target}/{rest}{query}", 307)

    return redirect


def clock_of(runtime: Runtime) -> Clock:
    """How the clock of this process stands."""
    state = runtime.clock.state
    return Clock(now=runtime.clock.now(), factor=state.factor, mode=state.mode)


def _add_clock_routes(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/clock", summary="Business time")
    async def get_clock() -> Clock:
        return clock_of(runtime)

    @app.put("/clock", summary="Change how business time runs")
    async def put_clock(change: ClockChange) -> Clock:
        # What was simulated before may still have to be set to the pace of real time.
        if runtime.settings.clock_pinned and (change.mode, change.factor) != ("running", 1):
            raise Conflict("clock.pinned")
        state = runtime.clock.running(change.factor)
        if change.mode == "stepped":
            state = type(state)(state.business, state.real, change.factor, "stepped")
        await runtime.set_clock(state)
        return clock_of(runtime)

    @app.post("/clock/advance", summary="Set a stepped clock forward")
    async def advance(step: Advance) -> Advanced:
        if runtime.clock.state.mode != "stepped":
            raise Conflict("clock.not_stepped")
        if step.settle and not (seen := await runtime.settle(step.settle)).idle:
            raise Conflict("clock.busy", reasons="; ".join(seen.reasons))
        await runtime.set_clock(runtime.clock.advanced(step.to))
        idle = (await runtime.settle(step.settle)).idle if step.settle else None
        return Advanced(**clock_of(runtime).model_dump(), idle=idle)


def _add_platform_routes(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/idle", summary="Whether every event has had all its effects")
    async def idle(wait: Annotated[float, Query(ge=0, le=60, description="seconds to wait for it")] = 0) -> Idle:
        seen = await runtime.settle(wait)
        return Idle(idle=seen.idle, reasons=seen.reasons, ends=dict(seen.ends))

    @app.get("/healthz", summary="The process answers", include_in_schema=False)
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", summary="Database and log answer", include_in_schema=False)
    async def readyz() -> Response:
        failing = {}
        for name, running in runtime.services.items():
            try:
                async with running.read() as session:
                    await session.execute(text("SELECT 1 FROM aggregate_sequence LIMIT 1"))
            except Exception as error:
                failing[name] = type(error).__name__
            if running.watchdog.stalled:
                failing[name] = running.watchdog.stalled
        ready = runtime.ready and not failing
        return JSONResponse({"ready": ready, "failing": failing}, 200 if ready else 503)

    @app.get("/metrics", summary="Prometheus metrics", include_in_schema=False)
    async def get_metrics() -> Response:
        await asyncio.gather(*(_measure(running) for running in runtime.services.values()))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", summary="What is where", include_in_schema=False)
    async def front(request: Request) -> HTMLResponse:
        zone = ZoneInfo(runtime.settings.time_zone)
        return HTMLResponse(front_page(list(runtime.services), clock_of(runtime), zone, language_of(request)))


async def _measure(running: ServiceRuntime) -> None:
    """Set the gauges that have to be asked for. What nobody answers for is not shown: unknown is not what it was."""
    name = running.service.name
    try:
        async with asyncio.timeout(_MEASURE_S):
            metrics.OUTBOX_UNSENT.labels(name).set(await running.unsent())
    except Exception:
        _forget(metrics.OUTBOX_UNSENT, name)
    if not running.topics:
        return
    try:
        async with asyncio.timeout(_MEASURE_S):
            lag = await running.bus.lag({running.group: running.topics})
        metrics.CONSUMER_LAG.labels(name).set(lag[running.group].behind)
    except Exception:
        _forget(metrics.CONSUMER_LAG, name)


def _forget(gauge: Gauge, service: str) -> None:
    with contextlib.suppress(KeyError):
        gauge.remove(service)


def front_page(services: Sequence[str], clock: Clock, zone: ZoneInfo, language: str) -> str:
    """The page that says what is where."""

    def say(code: str, **params: Any) -> str:
        return html.escape(t(code, language, **params))

    rows = "".join(
        f"<tr><td><b>{say(f'front.{name}')}</b><br><small>{say(f'front.{name}.what')}</small></td>"
        f'<td><a href="/{name}/docs">{say("front.docs")}</a></td>'
        f'<td><a href="/{name}/reference">{say("front.reference")}</a></td>'
        f'<td><a href="/{name}/openapi.json">OpenAPI</a></td></tr>'
        for name in services
    )
    links = "".join(
        f'<li><a href="{path}">{say(code)}</a></li>'
        for path, code in (
            ("/order/orders/board", "front.link.orders"),
            ("/order/dispatch/board", "front.link.dispatch"),
            ("/order/workbook", "front.link.workbook"),
            ("/order/workbook/template.xlsx", "front.link.template"),
            ("/order/workbook/export.xlsx", "front.link.export"),
            ("/metrics", "front.link.metrics"),
        )
    )
    other = next(each for each in LANGUAGES if each != language)
    now = clock.now.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return f"""<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{say("front.title")}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 "Noto Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif;max-width:46rem;
margin:2rem auto;padding:0 1rem;color:#222;background:#fafafa}}
table{{border-collapse:collapse;width:100%;background:#fff}}
td{{border:1px solid #ddd;padding:.6rem}}a{{color:#1F5FA8}}small{{color:#555}}</style></head><body>
<p style="float:right"><a href="/?lang={other}">{say("front.other_language")}</a></p>
<h1>{say("front.title")}</h1><p>{say("front.clock", now=now, factor=f"{clock.factor:g}")}</p>
<h2>{say("front.start")}</h2><ul>{links}</ul><h2>{say("front.services")}</h2><table>{rows}</table></body></html>"""
