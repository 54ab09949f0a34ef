"""The public API as a careful client uses it: every POST keeps its key until the answer is known.

A lost connection, a 502-504 or a 409 `http.in_flight` says nothing about the outcome, so the same request goes out
again with the same key until it is answered; the server's stored answer makes that safe.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

_TRY_AGAIN = {502, 503, 504}
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class Refused(Exception):
    """The server understood and said no. status, code and params are those of its problem+json."""

    def __init__(self, status: int, code: str, detail: str, path: str) -> None:
        super().__init__(f"{status} {code} {path}: {detail}")
        self.status = status
        self.code = code


class Stopped(Exception):
    """The run was told to stop while a request had no answer yet."""


@dataclass
class Requests:
    """What became of the requests. unknown: attempts without an answer (each was sent again with its key)."""

    ok: int = 0
    refused: int = 0
    unknown: int = 0
    by_path: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)


class Client:
    """Requests of one actor against one instance, at most `at_once` at the same time."""

    def __init__(self, http: httpx.AsyncClient, stop: asyncio.Event, *, actor: str = "simulator", at_once: int = 12):
        self._http = http
        self._stop = stop
        self._actor = actor
        self._gate = asyncio.Semaphore(at_once)
        self.requests = Requests()

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path. Raises Refused."""
        return await self._send("GET", path, params=params)

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, actor: str = "", key: UUID | None = None
    ) -> Any:
        """Do it once, however often it has to be sent. Raises Refused."""
        headers = {"Idempotency-Key": str(key or uuid4()), "X-Actor": actor or self._actor}
        return await self._send("POST", path, json=dict(body or {}), headers=headers)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Set something to a value. Raises Refused."""
        return await self._send("PUT", path, json=dict(body))

    async def _send(self, method: str, path: str, **kwargs: Any) -> Any:
        pause = _FIRST_PAUSE
        async with self._gate:
            while True:
                answer = await self._attempt(method, path, kwargs)
                if answer is not None:
                    return self._read(answer, path)
                self.requests.unknown += 1
                if self._stop.is_set():
                    raise Stopped(path)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _attempt(self, method: str, path: str, kwargs: dict[str, Any]) -> httpx.Response | None:
        """One attempt; None when nobody knows what became of it."""
        try:
            answer = await self._http.request(method, path, **kwargs)
        except httpx.TransportError:
            return None
        if answer.status_code in _TRY_AGAIN or (answer.status_code == 409 and _code(answer) == "http.in_flight"):
            return None
        return answer

    def _read(self, answer: httpx.Response, path: str) -> Any:
        self.requests.by_path[_shape(path)] += 1
        if answer.is_success:
            self.requests.ok += 1
            return answer.json() if answer.content else None
        self.requests.refused += 1
        code = _code(answer)
        self.requests.refusals[f"{_shape(path)} {code}"] += 1
        raise Refused(answer.status_code, code, answer.text[:500], path)


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""


def _shape(path: str) -> str:
    """A path with its ids left out, to count by."""
    return "/".join("*" if len(part) >= 32 else part for part in path.split("/"))
