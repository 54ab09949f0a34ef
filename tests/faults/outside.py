"""The client outside the system: works at several things at once, and sends again what nobody answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

import httpx

from tests.faults.checker import Event, Observed
from tests.faults.history import Attempt, History, Outcome, Request

_PAUSE = 0.1


class Work(Protocol):
    """What there is to do in a product."""

    async def prepare(self, http: httpx.AsyncClient) -> None:
        """Look around before the work begins; the system answers."""

    def next(self) -> Request | None:
        """The next thing to do; None when nothing is possible right now."""

    async def learn(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        """Take note of an outcome that is known."""


class Workload(Work, Protocol):
    """Work, and how to see what became of it."""

    async def observe(self, http: httpx.AsyncClient, log: Sequence[Event]) -> Observed:
        """What is there in the end, when nothing moves any more."""


class Client:
    """Sends a workload's requests until told to stop."""

    def __init__(self, http: httpx.AsyncClient, workload: Work, history: History) -> None:
        self._http = http
        self._workload = workload
        self._history = history
        self._began = time.monotonic()
        self.stopping = asyncio.Event()

    async def work(self, at_once: int = 8) -> None:
        """Until `stopping`; then what is under way is brought to a known outcome."""
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while not self.stopping.is_set():
            request = self._workload.next()
            if request is None:
                await asyncio.sleep(_PAUSE)
                continue
            await self._until_known(request)

    async def _until_known(self, request: Request) -> None:
        pause = _PAUSE
        while True:
            attempt = await self._attempt(request)
            self._history.add(attempt)
            if attempt.outcome != "unknown":
                await self._learn(attempt)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    async def _learn(self, attempt: Attempt) -> None:
        # To learn may need a look at the product, which may be dead just now.
        while True:
            try:
                return await self._workload.learn(self._http, attempt)
            except (httpx.TransportError, httpx.HTTPStatusError):
                await asyncio.sleep(_PAUSE)

    async def _attempt(self, request: Request) -> Attempt:
        headers = {"Idempotency-Key": request.key, "X-Actor": request.mark}
        try:
            answer = await self._http.request(request.method, request.path, json=request.body, headers=headers)
        except httpx.TransportError as error:
            return self._noted(request, "unknown", None, type(error).__name__)
        body = _body(answer)
        if answer.is_success:
            return self._noted(request, "ok", answer.status_code, body)
        in_flight = answer.status_code == 409 and isinstance(body, dict) and body.get("code") == "http.in_flight"
        outcome: Outcome = "unknown" if answer.is_server_error or in_flight else "failed"
        return self._noted(request, outcome, answer.status_code, body)

    def _noted(self, request: Request, outcome: Outcome, status: int | None, answer: Any) -> Attempt:
        return Attempt(request, round(time.monotonic() - self._began, 4), outcome, status, answer)


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text[:500]
