"""One process of one service, as a supervisor on a node would keep it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[3]
_STOP_S = 40.0


@dataclass
class Member:
    """module: what `python -m` runs, the product or a broken form of it. prefix: words before the command, to run it
    elsewhere. held: not to be started again when it ends."""

    service: str
    number: int
    port: int
    log_file: Path
    env: Mapping[str, str]
    module: str = "services"
    host: str = "127.0.0.1"
    prefix: Sequence[str] = ()
    held: bool = False
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Service and number."""
        return f"{self.service}-{self.number}"

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process id, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped and may go on (SIGSTOP)."""
        with contextlib.suppress(psutil.Error):
            return self.pid is not None and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        return False

    def start(self, **env: str) -> None:
        """Start it (again), this time with further environment variables."""
        path = os.pathsep.join([str(ROOT), str(ROOT / "libs")])
        words = [*self.prefix, sys.executable, "-m", self.module, "serve", self.service]
        words += ["--port", str(self.port), "--host", self.host, "--end-with-input"]
        with self.log_file.open("ab") as output:
            self._process = subprocess.Popen(
                words, cwd=ROOT, env={**os.environ, "PYTHONPATH": path, **self.env, **env},
                stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self.starts += 1

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it has ended already."""
        if pid := self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def workers(self) -> list[psutil.Process]:
        """Processes that it has started itself."""
        with contextlib.suppress(psutil.Error):
            if pid := self.pid:
                return psutil.Process(pid).children(recursive=True)
        return []

    async def ended(self, seconds: float = _STOP_S) -> int:
        """Wait until it has ended; its status. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while self.pid is not None:  # noqa: ASYNC110 - processes tell nobody
                await asyncio.sleep(0.02)
        assert self._process is not None
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        return int(self._process.returncode)

    async def stop(self) -> int:
        """Ask it to end, as a supervisor does; its status."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return await self.ended()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.ended()

    async def ready(self, seconds: float = 90) -> None:
        """Wait until it is ready. Raises RuntimeError with its last words."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        async with httpx.AsyncClient(timeout=3) as http:
            while loop.time() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"{self.address}/readyz")).is_success:
                        return
                await asyncio.sleep(0.05)
        raise RuntimeError(f"{self.name} does not get ready:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its output."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")[-2000:]
