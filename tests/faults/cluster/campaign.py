"""Which faults there are, how often each is done, and the controls: broken products that the count has to find out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.faults.cluster import faults
from tests.faults.cluster.deployment import Shape
from tests.faults.cluster.stage import Disturbance, Stage

KAFKA, POSTGRES = Shape(), Shape(kafka=0)


@dataclass(frozen=True, slots=True)
class Fault:
    """rounds x times is how often it is done in the full form, each round on an installation of its own. orders: that
    clients make in a round at least."""

    name: str
    disturb: Disturbance
    shape: Shape
    rounds: int = 1
    times: int = 1
    orders: int = 0

    def scaled(self, scale: float) -> Fault:
        """Less of it: rounds where there are several, else how often in the one."""
        if self.rounds > 1:
            return replace(self, rounds=max(1, round(self.rounds * scale)))
        return replace(self, times=max(1, round(self.times * scale)))


def _with_orders(disturb: Disturbance, orders: int) -> Disturbance:
    async def both(stage: Stage) -> None:
        await disturb(stage)
        await stage.orders(orders)

    return both


def disturbance(fault: Fault) -> Disturbance:
    """What is to be done in a round of a fault."""
    return _with_orders(fault.disturb, fault.orders) if fault.orders else fault.disturb


FULL: Sequence[Fault] = (
    Fault("kill -9 at crash points", faults.crash_at_points, KAFKA, 1, 5),
    Fault("kill -9 at crash points, log in PostgreSQL", faults.crash_at_points, POSTGRES, 1, 5),
    Fault("rolling restarts", faults.rolling_restarts, KAFKA, 1, 100),
    Fault("broker killed or restarted", faults.kill_broker, KAFKA, 1, 20),
    Fault("no broker at start", faults.no_broker_at_start, KAFKA, 1, 3),
    Fault("one of three brokers down", faults.broker_of_three, Shape(kafka=3), 1, 6),
    Fault("PostgreSQL killed", faults.kill_database, KAFKA, 1, 15),
    Fault("PostgreSQL killed, log in PostgreSQL", faults.kill_database, POSTGRES, 1, 15),
    Fault("network cut", faults.cut_off, replace(KAFKA, isolated="order"), 1, 24),
    Fault("network cut, log in PostgreSQL", faults.cut_off, replace(POSTGRES, isolated="order"), 1, 6),
    Fault("stopped and gone on", faults.stop_and_go_on, KAFKA, 1, 24),
    Fault("stopped and gone on, log in PostgreSQL", faults.stop_and_go_on, POSTGRES, 1, 6),
    Fault("disk of the log full", faults.fill_disk, replace(KAFKA, small_disk="log"), 1, 3),
    Fault("disk of PostgreSQL full", faults.fill_disk, replace(KAFKA, small_disk="database"), 1, 3),
    Fault("hostile records", faults.hostile_records, KAFKA, 1, 25),
    Fault("hostile records, log in PostgreSQL", faults.hostile_records, POSTGRES, 1, 25),
    Fault("kill -9 of anything", faults.kill_anything, KAFKA, 15, 50, 5000),
    Fault("kill -9 of anything, log in PostgreSQL", faults.kill_anything, POSTGRES, 5, 50, 5000),
)


def _one_after_another(*parts: tuple[Disturbance, int]) -> Disturbance:
    async def all_of_them(stage: Stage) -> None:
        for disturb, times in parts:
            stage.times = times
            await disturb(stage)

    return all_of_them


# The short form has one installation for all: to make one costs more than most of the faults.
SHORT: Sequence[Fault] = (
    Fault(
        "everything once",
        _one_after_another(
            (faults.rolling_restarts, 4),
            (faults.cut_off, 2),
            (faults.stop_and_go_on, 1),
            (faults.hostile_records, 1),
            (faults.kill_database, 1),
            (faults.kill_broker, 2),
            (faults.fill_disk, 1),
            (faults.crash_at_points, 1),
            (faults.kill_anything, 40),
        ),
        replace(KAFKA, isolated="order", small_disk="log"),
    ),
)


# ---- controls ------------------------------------------------------------------------------------------------------

_ALONE = {"order": 2}


async def _all_on_one_job(stage: Stage) -> None:
    """Many men report on one job at once: its events come close together."""
    await stage.orders(20)
    del stage.work.jobs[1:]
    stage.work.report_share = 1.0
    async with asyncio.timeout(60):
        while len(stage.history.attempts) < 600:  # noqa: ASYNC110 - one counter of many clients
            await asyncio.sleep(0.1)


async def _kill_replicas(stage: Stage) -> None:
    for _ in range(stage.times):
        await asyncio.sleep(stage.random.uniform(0.5, 1.0))
        for member in stage.deployment.members:
            member.signal(signal.SIGKILL)
        await stage.deployment.all_ready()
        await asyncio.sleep(1)


async def _die_before_commit(stage: Stage) -> None:
    """After the effect, before the offset: what was applied is delivered again."""
    for member in stage.deployment.members:
        member.held = True
        await member.stop()
        member.start(MES_CRASH_AT="effect.committed:5")
    async with asyncio.timeout(60):
        while any(member.pid is not None for member in stage.deployment.members):  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0.1)
    for member in stage.deployment.members:
        member.held = False
    await stage.deployment.all_ready()


async def _stop_before_commit(stage: Stage) -> None:
    """Each in turn, when it has applied something and not committed it: the other one carries on from there."""
    for _ in range(stage.times):
        for member in stage.deployment.members:
            member.signal(signal.SIGUSR1)
            async with asyncio.timeout(60):
                while not member.is_stopped:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.05)
            await asyncio.sleep(faults.LONG_S)
            member.signal(signal.SIGCONT)
            await asyncio.sleep(2)


@dataclass(frozen=True, slots=True)
class Control:
    """caught_by: kinds of wrong of which one has to be found."""

    name: str
    disturb: Callable[[Stage], Awaitable[None]]
    shape: Shape
    times: int = 3
    caught_by: Sequence[str] = field(default=("lost", "doubled", "disorder", "unbalanced", "rewound"))


def _broken(name: str, kafka: int) -> Shape:
    return Shape(kafka, replicas=_ALONE, env={"MES_BROKEN": name}, module="tests.faults.cluster.broken")


CONTROLS: Sequence[Control] = (
    Control("inbox off", _die_before_commit, Shape(0, replicas=_ALONE, env={"MES_INBOX_ENABLED": "false"})),
    Control("offset committed before the effect", _kill_replicas, _broken("commit_before_effect", 0)),
    Control("two relays without the lock", _all_on_one_job, _broken("two_relays", 0)),
    Control("auto-commit on", _kill_replicas, _broken("auto_commit", 1)),
    Control("blind commit retry", _stop_before_commit, _broken("blind_commit_retry", 1), 1),
)
