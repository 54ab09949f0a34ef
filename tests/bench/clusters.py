"""The cluster's shape on one machine: how soon it is ready, and the memory of each process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from mes.embedded.server import free_port

from tests.bench.memory import pss_bytes
from tests.faults.victim import Victim


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """first, again: seconds from the command to ready, jars fetched. memory: PSS in bytes by process."""

    first: float
    again: float
    memory: dict[str, int]


def measure_cluster(home: Path, *, settle_s: float = 10) -> ClusterFigures:
    """`mes cluster` with one replica of each service, empty, on Kafka."""
    home.mkdir(mode=0o711)
    victim = Victim("services", ("cluster", "--sample", "none"), home, free_port(), home / "output.log")
    try:
        victim.start()
        first = victim.wait_ready()
        victim.stop()
        victim.start()
        again = victim.wait_ready()
        time.sleep(settle_s)
        found: dict[str, int] = {}
        # Backends of PostgreSQL overwrite the environment by which the others are found.
        found["PostgreSQL"] = sum(pss_bytes(victim.alive(database=True)).values())
        for process in victim.alive(database=False):
            name = _name(process)
            found[name] = found.get(name, 0) + sum(pss_bytes([process], descendants=False).values())
        victim.stop()
    finally:
        victim.kill(database_too=True)
    return ClusterFigures(first, again, found)


def _name(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.Error:
        return "gone"
    if "serve" in words:
        return words[words.index("serve") + 1]
    if "cluster" in words:
        return "gateway"
    if "kafka.Kafka" in words:
        return "Kafka"
    return "workers and guards"
