"""An HTTP/1.1 client that costs next to nothing, so that what is measured is the server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer, and how long it took in seconds."""

    status: int
    body: bytes
    seconds: float


def request_bytes(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """A whole request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: bench", f"content-length: {len(content)}"]
    if content:
        lines.append("content-type: application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Connection:
    """One kept-alive connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect to this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, request: bytes) -> Answer:
        """Send and wait for the whole answer."""
        began = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        place = head.lower().index(b"content-length:") + 15
        length = int(head[place : head.index(b"\r\n", place)])
        body = await self._reader.readexactly(length)
        return Answer(status, body, time.perf_counter() - began)

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


@dataclass(slots=True)
class Figures:
    """Seconds of each answered request, and how long all took together."""

    seconds: list[float]
    wall: float

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.seconds) / self.wall


class WrongAnswer(Exception):
    """The server refused what it should do: the figures would mean nothing."""


async def measure(port: int, make: Callable[[], bytes], *, count: int, connections: int) -> Figures:
    """Send `count` requests over so many connections. Raises WrongAnswer on anything but 2xx."""
    opened = [await Connection.open(port) for _ in range(connections)]
    seconds: list[float] = []
    left = count

    async def work(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            answer = await connection.send(make())
            if not 200 <= answer.status < 300:
                raise WrongAnswer(f"{answer.status} {answer.body[:300]!r}")
            seconds.append(answer.seconds)

    began = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in opened))
    wall = time.perf_counter() - began
    for connection in opened:
        await connection.close()
    return Figures(seconds, wall)
