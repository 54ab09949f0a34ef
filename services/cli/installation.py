"""What is kept in MES_HOME beside the data: what kind of installation it is, and where the running one answers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from mes.config import Settings
from mes.embedded import RECORD, HomeLock, default_home, look_at, make_home
from mes.errors import Conflict

SAMPLES = ("foshan", "none")


def home_of(settings: Settings) -> Path:
    """Where data lives."""
    return (settings.home or default_home()).expanduser().absolute()


@dataclass(frozen=True, slots=True)
class Installation:
    """sample: which workshop it began with; loaded: whether that is in the data already."""

    sample: str
    loaded: bool = False

    def save(self, home: Path) -> None:
        """Remember it, before there is any data: what has data and no record is somebody's own."""
        path = make_home(home) / RECORD
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(path)


def installation_of(home: Path, wish: str | None) -> Installation:
    """What the home is, or becomes. Raises Conflict when it is the other kind: samples never mix with real data.

    Data that no `run` began (an import, a simulation of one's own shop) are real: no sample is loaded on top of them.
    """
    empty = look_at(home).version is None
    try:
        found = Installation(**json.loads((home / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        found = Installation("foshan" if empty else "none")
    if wish and wish != found.sample:
        # A first start may have ended before it made anything.
        if not empty or found.loaded:
            raise Conflict("cli.other_sample", home=str(home), is_=found.sample, wish=wish)
        return Installation(wish)
    return found


def is_for_real_use(home: Path) -> bool:
    """Whether the home was begun empty, for a workshop of one's own."""
    return (home / RECORD).is_file() and installation_of(home, None).sample == "none"


def announce(home: Path, address: str, log: Mapping[str, Any] | None = None) -> None:
    """Tell other commands where this instance answers, and the settings of its log if it started that itself."""
    said = {"pid": os.getpid(), "address": address, "log": dict(log or {})}
    (home / "instance.json").write_text(json.dumps(said), encoding="utf-8")


def withdraw(home: Path) -> None:
    """The opposite of `announce`; another process's announcement stays."""
    path = home / "instance.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid():
            path.unlink()


def running_address(home: Path) -> str | None:
    """Where the running instance of a home answers, None when none runs."""
    said = _announced(home)
    return str(said["address"]) if said else None


def running_log(home: Path) -> dict[str, Any]:
    """Settings of the log that the running instance of a home has started itself; empty when there is none."""
    said = _announced(home)
    return dict(said.get("log", {})) if said else {}


def _announced(home: Path) -> dict[str, Any] | None:
    """What `announce` wrote, None when no instance runs."""
    if not home.is_dir():
        return None
    with contextlib.suppress(OSError, ValueError):
        said = json.loads((home / "instance.json").read_text(encoding="utf-8"))
        if isinstance(said, dict) and "address" in said and not HomeLock(home).is_free():
            return said
    return None


def require_free_port(host: str, port: int) -> None:
    """Raise Conflict naming the process that listens on the port already, and a port that is free."""
    if _binds(host, port):
        return
    free = next((other for other in range(port + 1, min(port + 200, 65536)) if _binds(host, other)), 0)
    pid, name = _listener(port)
    raise Conflict("cli.port_taken", port=port, pid=pid or "?", process=name or "?", free=free)


def _binds(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _listener(port: int) -> tuple[int | None, str]:
    with contextlib.suppress(psutil.Error, OSError):
        for each in psutil.net_connections("tcp"):
            if each.laddr and each.laddr.port == port and each.status == psutil.CONN_LISTEN and each.pid:
                return each.pid, psutil.Process(each.pid).name()
    return None, ""
