"""A real browser on the pages of a floor.

A driver page of the same origin shows a page in a frame as wide as an old phone, works in it, and writes what it found
into its own document, which the browser prints at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import struct
import tempfile
import zlib
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.responses import HTMLResponse
from mes.front import mount_services, root_app
from mes.testing import TestDatabases

from tests.integration.order.floor import Floor, open_floor

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--lang=zh-CN",
)  # fmt: skip
PHONE = (360, 640)

_DRIVER = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" src="PATH" style="border:0;width:WIDTHpx;height:HEIGHTpx"></iframe><pre id="found"></pre><script>
var frame = document.getElementById("page"), step = 0, steps = [STEPS];
frame.onload = function () {
  var found = steps[step++](frame.contentDocument, frame);
  if (found) { document.getElementById("found").textContent = JSON.stringify(found); document.title = "done"; }
};
</script>"""

_MEASURE = """function (page, frame) {
  var all = page.querySelectorAll("button, input:not([type=hidden]), select, summary"), small = [], primary = null;
  for (var i = 0; i < all.length; i++) {
    var box = all[i].getBoundingClientRect();
    if (box.height && box.height < 56) { small.push(all[i].outerHTML.slice(0, 80) + " " + box.height); }
    if (all[i].className === "primary" && !primary) { primary = box; }
  }
  var seen = {small: small, wide: page.documentElement.scrollWidth, bottom: primary ? primary.bottom : null,
              tallest: primary ? primary.height : null};
  window.measured = (window.measured || []).concat([seen]);
  if (NEXT) { frame.src = NEXT; } else { return window.measured; }
}"""


def missing(what: str) -> None:
    """Skip in a user's clone; in CI everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next((each for each in ("chromium", "chromium-browser", "google-chrome") if shutil.which(each)), None)
    if found is None:
        missing("chromium")
        raise AssertionError
    return str(shutil.which(found))


async def run(*words: str, at_most: float = 90) -> bytes:
    """What a program prints."""
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), at_most)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return output


class Browser:
    """A browser on a floor that listens on a port of its own."""

    def __init__(self, program: str, floor: Floor, app: Any, address: str) -> None:
        self.program, self.floor, self.app, self.address = program, floor, app, address
        self.drivers = 0

    async def __call__(self, *words: str) -> bytes:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            return await run(self.program, *_FLAGS, f"--user-data-dir={profile}", *words)

    async def drive(self, path: str, *steps: str, width: int = PHONE[0]) -> Any:
        """Open a page in a frame, run one function at each of its loads; what the last one returns."""
        self.drivers += 1
        html = _DRIVER.replace("PATH", path).replace("STEPS", ",".join(steps))
        html = html.replace("WIDTH", str(width)).replace("HEIGHT", str(PHONE[1]))
        here = f"/driver/{self.drivers}"
        self.app.add_api_route(here, lambda: HTMLResponse(html), include_in_schema=False)
        words = ("--virtual-time-budget=30000", "--dump-dom", "--window-size=1400,1000", self.address + here)
        dom = (await self(*words)).decode()
        found = re.search(r'<pre id="found">(.+?)</pre>', dom, re.S)
        assert found, dom[-2000:]
        return json.loads(unescape(found[1]))

    async def measure(self, *paths: str) -> list[Any]:
        """What a phone makes of pages: too small targets, width, where the main action ends and how high it is."""
        following = [*(json.dumps(each) for each in paths[1:]), "null"]
        steps = [_MEASURE.replace("NEXT", each) for each in following]
        found: list[Any] = await self.drive(paths[0], *steps)
        return found

    async def shoot(self, path: str, width: int, height: int) -> tuple[int, int, float]:
        """A picture of a page: its width and height, and the share of dots that are not of its commonest colour."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            picture = Path(folder) / "page.png"
            await self(f"--screenshot={picture}", f"--window-size={width},{height}", self.address + path)
            return drawn(picture.read_bytes())


def drawn(png: bytes) -> tuple[int, int, float]:
    """Width, height, and the share of dots unlike the commonest; 8-bit RGB(A) only (PNG specification, filters)."""
    at, data, head = 8, b"", (0, 0, 0, 0)
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            head = struct.unpack(">IIBB", body[:10])
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour = head
    assert depth == 8
    size = {2: 3, 6: 4}[colour]
    counts: dict[bytes, int] = {}
    for row in _rows(zlib.decompress(data), width * size, size):
        for x in range(0, len(row), size):
            dot = bytes(row[x : x + 3])
            counts[dot] = counts.get(dot, 0) + 1
    return width, height, 1 - max(counts.values()) / (width * height)


def _rows(raw: bytes, stride: int, size: int) -> list[bytearray]:
    rows, above = [], bytearray(stride)
    for at in range(0, len(raw), stride + 1):
        kind, row = raw[at], bytearray(raw[at + 1 : at + 1 + stride])
        for x in range(stride):
            left, up = (row[x - size] if x >= size else 0), above[x]
            corner = above[x - size] if x >= size else 0
            if kind == 1:
                row[x] = (row[x] + left) & 255
            elif kind == 2:
                row[x] = (row[x] + up) & 255
            elif kind == 3:
                row[x] = (row[x] + (left + up) // 2) & 255
            elif kind == 4:
                row[x] = (row[x] + _paeth(left, up, corner)) & 255
        rows.append(row)
        above = row
    return rows


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))


@pytest.fixture
async def browser(databases: TestDatabases, chromium: str) -> AsyncIterator[Browser]:
    async with open_floor(databases) as floor:
        app = root_app(floor.runtime, manage=False)
        mount_services(app, floor.runtime)
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        port = listening.getsockname()[1]
        try:
            yield Browser(chromium, floor, app, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            await serving
