"""A network namespace for one process: it reaches the database, the log and its callers by a link each.

A link that is cut swallows everything, as a broken cable or a dropped route does: nobody is told, nothing is refused.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping

from mes.embedded import EmbeddedServer
from mes.embedded.server import HOST, free_port

_NAME = "mesfault"
# Our end and the process's end of each link.
_LINKS = {
    "database": ("10.77.1.1", "10.77.1.2"),
    "log": ("10.77.2.1", "10.77.2.2"),
    "web": ("10.77.3.1", "10.77.3.2"),
}
DATABASE_AT, LOG_AT, WEB_AT = _LINKS["database"][0], _LINKS["log"][0], _LINKS["web"][1]
LOG_PORT = free_port()


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


class Network:
    """The namespace and its links. Needs root and iproute2."""

    prefix = ("ip", "netns", "exec", _NAME)

    def start(self) -> None:
        """Make them; what an earlier run left is removed."""
        self.stop()
        _ip("netns", "add", _NAME)
        _ip("-n", _NAME, "link", "set", "lo", "up")
        for name, (ours, theirs) in _LINKS.items():
            here, there = f"mf-{name[:8]}-0", f"mf-{name[:8]}-1"
            _ip("link", "add", here, "type", "veth", "peer", "name", there)
            _ip("link", "set", there, "netns", _NAME)
            _ip("addr", "add", f"{ours}/30", "dev", here)
            _ip("-n", _NAME, "addr", "add", f"{theirs}/30", "dev", there)
            _ip("link", "set", here, "up")
            _ip("-n", _NAME, "link", "set", there, "up")

    def stop(self) -> None:
        """Remove them."""
        _ip("netns", "del", _NAME, check=False)
        for name in _LINKS:
            _ip("link", "del", f"mf-{name[:8]}-0", check=False)

    def cut(self, links: Iterable[str]) -> None:
        """Cut links: "database", "log"."""
        for name in links:
            _ip("link", "set", f"mf-{name[:8]}-0", "down")

    def mend(self, links: Iterable[str]) -> None:
        """Undo `cut`."""
        for name in links:
            _ip("link", "set", f"mf-{name[:8]}-0", "up")

    @staticmethod
    def seen_from_inside(env: Mapping[str, str], database_port: int) -> dict[str, str]:
        """Environment variables with the addresses that hold in the namespace."""
        inside = dict(env)
        here = f"{HOST}:{database_port}"
        inside["MES_DATABASE_URL"] = env["MES_DATABASE_URL"].replace(here, f"{DATABASE_AT}:{database_port}")
        if env.get("MES_BUS") == "kafka":
            inside["MES_KAFKA_BOOTSTRAP"] = f"{LOG_AT}:{LOG_PORT}"
        return inside


def listen_at(server: EmbeddedServer, address: str) -> None:
    """Let PostgreSQL listen at one more address, and start it again."""
    with (server.data / "postgresql.conf").open("a", encoding="ascii") as file:
        file.write(f"listen_addresses = '{HOST},{address}'\n")
    with (server.data / "pg_hba.conf").open("a", encoding="ascii") as file:
        file.write("host all all 10.77.0.0/16 scram-sha-256\n")
    done = server.programs.run("pg_ctl", "restart", "-D", server.data, "-l", server.log_file, "-w", "-m", "fast",
                               cwd=server.folder, capture=False)  # fmt: skip
    if done.returncode:
        raise RuntimeError("PostgreSQL does not start again")


def listener(address: str, port: int) -> dict[str, str]:
    """Settings of a broker that listens at one more address."""
    return {
        "listeners": f"PLAINTEXT://{HOST}:{{port}},CONTROLLER://{HOST}:{{controller_port}},FAR://{address}:{port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{{port}},FAR://{address}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:PLAINTEXT",
    }
