"""haproxy in front of the replicas: readiness checks, one retry on another replica, nothing kept."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.cluster.member import Member

# An answer that never began is tried once more, on another replica: every request of ours carries its key.
_CONFIG = """
global
  maxconn 1000
defaults
  mode http
  timeout connect 500ms
  timeout client 60s
  timeout server 5s
  timeout queue 5s
  timeout check 1s
  retries 1
  option redispatch 1
  retry-on conn-failure empty-response
  default-server check inter 200ms fastinter 100ms downinter 100ms fall 1 rise 1
frontend front
  bind 127.0.0.1:{port}
{choices}
{backends}
"""


class Balancer:
    """One haproxy."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, members: Sequence[Member]) -> None:
        """Start, and wait until it takes connections. Raises RuntimeError where there is no haproxy."""
        program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            raise RuntimeError("haproxy is not installed: apt-get install haproxy")
        services = dict.fromkeys(member.service for member in members)
        choices = [f"  use_backend {name} if {{ path_beg /{name}/ }}" for name in services]
        backends = []
        for name in services:
            backends += [f"backend {name}", "  balance roundrobin", "  option httpchk GET /readyz"]
            backends += [f"  server {each.name} {each.host}:{each.port}" for each in members if each.service == name]
        config = self._folder / "haproxy.cfg"
        config.write_text(
            _CONFIG.format(port=self.port, choices="\n".join(choices), backends="\n".join(backends)), encoding="ascii"
        )
        with (self._folder / "haproxy.log").open("ab") as output:
            self._process = subprocess.Popen([program, "-db", "-f", str(config)], stdout=output, stderr=output)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("haproxy did not start")

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None
