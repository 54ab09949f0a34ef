"""The product as a process that is started, killed without warning, started again, and stopped at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
_MARK = "MES_FAULTS_RUN"


@dataclass
class Victim:
    """module and arguments: what `python -m` runs. All that descends from it carries a mark in its environment."""

    module: str
    arguments: Sequence[str]
    home: Path
    port: int
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    _mark: str = field(default_factory=lambda: secrets.token_hex(8))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; `wait_ready` says when it answers."""
        path = os.pathsep.join([str(ROOT), str(ROOT / "libs")])
        env = {**os.environ, "PYTHONPATH": path, "MES_HOME": str(self.home), _MARK: self._mark, **self.env}
        command = [sys.executable, "-m", self.module, *self.arguments, "--port", str(self.port)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)

    def wait_ready(self, seconds: float = 120, path: str = "/readyz") -> float:
        """Wait until it is ready; how long that took. Raises RuntimeError with its last words when it ends instead."""
        began = time.monotonic()
        # One client: to make another one for each question costs more than the start of what is asked.
        with httpx.Client(timeout=2) as http:
            while time.monotonic() - began < seconds:
                if self._process is None or self._process.poll() is not None:
                    break
                with contextlib.suppress(httpx.TransportError):
                    if http.get(f"{self.address}{path}").is_success:
                        return time.monotonic() - began
                time.sleep(0.05)
        raise RuntimeError(f"it did not get ready:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its output."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def kill(self, *, database_too: bool = False) -> None:
        """End it without warning, with PostgreSQL if wanted."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        if database_too:
            for each in self.alive(database=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()

    def stop(self, seconds: float = 60) -> int | None:
        """Ask it to end, as Ctrl-C does; its status, None when it did not end in time."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def alive(self, *, database: bool) -> list[psutil.Process]:
        """Living processes that descend from it: PostgreSQL's, or the others."""
        return [each for each in psutil.process_iter() if self._is_ours(each) and _is_database(each) == database]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == self._mark
        except psutil.Error:
            return False

    def survivors(self, seconds: float = 5) -> list[str]:
        """What of it, except PostgreSQL, still lives so long after a kill."""
        return self._left(seconds, database=False)

    def remains(self, seconds: float = 5) -> list[str]:
        """What of it, with PostgreSQL, still lives so long after a stop."""
        return self._left(seconds, database=False) + self._left(seconds, database=True)

    def _left(self, seconds: float, *, database: bool) -> list[str]:
        deadline = time.monotonic() + seconds
        while (left := self.alive(database=database)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [_described(each) for each in left]


def _is_database(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("postgres")
    except psutil.Error:
        return False


def _described(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:100]}"
    except psutil.Error:
        return str(process.pid)
