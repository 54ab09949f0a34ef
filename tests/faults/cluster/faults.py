"""What is done to a cluster under work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import psutil

from tests.faults.cluster.member import Member
from tests.faults.cluster.stage import Stage

# A kill each so many seconds: what was killed needs about two of them on both cores to be back.
_BETWEEN_S = (2.5, 5.0)


async def kill_anything(stage: Stage) -> None:
    """kill -9 of any process at random: replicas most of the time, their workers, a broker, PostgreSQL."""
    killed: dict[str, int] = {}
    for _ in range(stage.times):
        await asyncio.sleep(stage.random.uniform(*_BETWEEN_S))
        name = _kill_one(stage)
        killed[name] = killed.get(name, 0) + 1
    stage.round.figures |= {f"killed_{name}": float(count) for name, count in sorted(killed.items())}
    await stage.recovered(time.monotonic())


def _kill_one(stage: Stage) -> str:
    deployment, chance = stage.deployment, stage.random.random()
    if chance < 0.06:
        deployment.kill_database()
        return "database"
    if chance < 0.12 and deployment.brokers:
        deployment.kill_broker(stage.random.choice(deployment.brokers.nodes))
        return "broker"
    member = stage.random.choice(deployment.members)
    if chance < 0.2 and (workers := member.workers()):
        with contextlib.suppress(psutil.Error):
            stage.random.choice(workers).kill()
        return "worker"
    member.signal(signal.SIGKILL)
    return "service"


async def kill_database(stage: Stage) -> None:
    """PostgreSQL is killed with all of its processes, and started again by the supervisor."""
    for _ in range(stage.times):
        await asyncio.sleep(stage.random.uniform(2, 4))
        began = time.monotonic()
        await asyncio.to_thread(stage.deployment.kill_database)
        await stage.recovered(began)
