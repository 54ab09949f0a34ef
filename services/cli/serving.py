"""Runs services in this process until told to stop: database, migrations, HTTP, the sample, its simulated machines."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import typer
import uvicorn
from fastapi import FastAPI
from mes.config import Settings
from mes.embedded import EmbeddedServer, HomeLock, look_at
from mes.errors import Unavailable
from mes.front import root_app
from mes.migrate import Target, pending, upgrade
from mes.runtime import Runtime, make_topics
from mes.service import Service

from services.cli.installation import announce, home_of, require_free_port, running_address, withdraw
from services.cli.terminal import say, working

T = TypeVar("T")
log = logging.getLogger(__name__)

# The status of a command that was interrupted, as shells have it.
_TOLD = 130

# Real seconds between two looks at what has to run, and after it could not be started.
_LOOK_S, _LONGEST_PAUSE_S = 0.5, 10.0

# Called with the address once it answers; what it starts ends before the services do.
Beside = Callable[[str], Awaitable[None]]


@contextmanager
def database(settings: Settings, *, join: bool = True) -> Iterator[Settings]:
    """Settings whose database answers: as given, or the embedded server, started if no other process has it running.

    Without `join` a home that another process owns is refused.
    """
    if settings.database_url:
        yield settings
        return
    home = home_of(settings)
    server = EmbeddedServer(home)
    if join and not HomeLock(home).is_free() and look_at(home).pid and server.attach():
        yield server.settings(settings)
        return
    with working("cli.starting_database", home=str(home)):
        server.start()
    try:
        with kept("PostgreSQL", server.revive):
            yield server.settings(settings)
    finally:
        with working("cli.stopping_database"):
            server.stop()


@contextmanager
def kept(what: str, revive: Callable[[], bool]) -> Iterator[None]:
    """Within the block a thread starts again what has ended by itself; where that does not work it goes on trying."""
    done = threading.Event()

    def keep() -> None:
        pause = _LOOK_S
        while not done.wait(pause):
            try:
                if revive():
                    log.warning("ended by itself, started again", extra={"what": what})
                pause = _LOOK_S
            except Exception as error:
                log.warning("cannot be started again now", extra={"what": what, "error": str(error)})
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    thread = threading.Thread(target=keep, name=f"keep {what}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def migrate(settings: Settings, services: Sequence[Service]) -> int:
    """Bring the databases of the services up to date, and make their topics; how many revisions were applied."""
    applied = 0
    for service in services:
        target, url = Target(service.name, service.metadata), settings.service_url(service.name)
        if missing := await pending(target, url):
            await upgrade(target, url)
            log.info("migrated", extra={"service": service.name, "revisions": missing})
            applied += len(missing)
    await make_topics(settings, services)
    return applied


class Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again after its end, which would skip stopping the database."""

    runtime: Runtime | None = None

    async def drain(self, seconds: float) -> None:
        """Answer for so long still, but no longer as one that is ready."""
        if self.runtime and seconds:
            self.runtime.ready = False
            await asyncio.sleep(seconds)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(settings: Settings, services: Sequence[Service]) -> AsyncIterator[Server]:
    """Start services and HTTP; within the block they answer, and `should_exit` of the server ends them."""
    runtime = Runtime(settings, services)
    await runtime.start()
    # What is loaded now stays until the end: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    try:
        async with http_for(settings, root_app(runtime, manage=False)) as server:
            server.runtime = runtime
            yield server
    finally:
        await runtime.stop()


@asynccontextmanager
async def http_for(settings: Settings, app: FastAPI) -> AsyncIterator[Server]:
    """HTTP for an application; after the block it is waited for until `should_exit` of the server was set."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=10,
    )
    server = Server(config)
    serve = asyncio.create_task(server.serve(), name="http")
    try:
        while not server.started:
            if serve.done():
                await serve
                raise Unavailable("cli.http_not_started", port=settings.port)
            await asyncio.sleep(0.01)
        yield server
        await serve
    finally:
        if not serve.done():
            server.should_exit = True
            await asyncio.gather(serve, return_exceptions=True)


def address_of(settings: Settings) -> str:
    """The address that a person on this machine opens."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def run_until_stopped(
    settings: Settings,
    services: Sequence[Service],
    beside: Beside | None = None,
    *,
    join: bool = False,
    end_with_input: bool = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM, then stop everything, the database last. join: see `database`.

    end_with_input: end also when the standard input does, as it does with the process that started us.
    """
    require_free_port(settings.host, settings.port)
    home = home_of(settings)
    with database(settings, join=join) as reachable:
        # Other commands find the first instance of a home; a further one (`serve quality`) only joins its database.
        alone = not settings.database_url and running_address(home) is None

        async def work() -> None:
            with working("cli.migrating"):
                await migrate(reachable, services)
            house = serving(reachable, services)
            await until_stopped(
                house,
                address_of(reachable),
                beside,
                home if alone else None,
                end_with_input=end_with_input,
                drain_s=settings.drain_s,
            )

        try:
            run_async(work())
        finally:
            withdraw(home)
    say("cli.stopped")


async def until_stopped(
    house: AbstractAsyncContextManager[Server],
    address: str,
    beside: Beside | None,
    home: Path | None,
    *,
    end_with_input: bool = False,
    drain_s: float = 0.0,
    log_settings: Mapping[str, Any] | None = None,
) -> None:
    """Open the house, announce it in its home if it has one, and keep it open until told to stop.

    log_settings: those of its log, where that runs only as long as the house.
    """
    stop = asyncio.Event()
    with _signals(stop):
        if end_with_input:
            _stop_with_input(stop)
        async with house as server:
            if home:
                announce(home, address, log_settings)
            work = asyncio.create_task(_beside(beside, address), name="beside")
            waits = [asyncio.create_task(stop.wait())]
            await asyncio.wait([work, *waits], return_when=asyncio.FIRST_COMPLETED)
            if work.done() and work.exception() is None:
                await asyncio.wait(waits)
            say("cli.stopping")
            await server.drain(drain_s)
            for task in [work, *waits]:
                task.cancel()
            ended = await asyncio.gather(work, return_exceptions=True)
            server.should_exit = True
        if isinstance(ended[0], Exception):
            raise ended[0]


def _stop_with_input(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        # Not by `sys.stdin`: a thread that reads from it when the interpreter ends makes that a fatal error.
        with contextlib.suppress(OSError, ValueError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_end, name="input", daemon=True).start()


async def _beside(beside: Beside | None, address: str) -> None:
    if beside:
        await beside(address)
    else:
        say("cli.ready", address=address)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set the event; a second one ends at once. `signal.signal` works on every system."""
    loop = asyncio.get_running_loop()
    before = {}

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def unless_told(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. Told to stop, by Ctrl-C or SIGTERM, it is cancelled, and typer.Exit raised."""
    stop = asyncio.Event()
    with _signals(stop):
        doing, told = asyncio.create_task(work, name="work"), asyncio.create_task(stop.wait(), name="told")
        await asyncio.wait({doing, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if stop.is_set():
            doing.cancel()
        await asyncio.gather(doing, told, return_exceptions=True)
    if doing.cancelled():
        raise typer.Exit(_TOLD)
    return doing.result()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one."""
    factory: Any = None
    if sys.platform != "win32":
        with contextlib.suppress(ImportError):
            factory = import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
