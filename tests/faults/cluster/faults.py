"""What is done to a cluster under work, as often as the stage says."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter

import psutil
from mes import crash

from tests.faults.cluster import injection
from tests.faults.cluster.deployment import SESSION_S
from tests.faults.cluster.stage import Stage

# A kill each so many seconds: what was killed needs about two of them on both cores to be back.
_BETWEEN_S = (2.0, 4.5)
_CRASH_S = 60.0
# How long a disturbance lasts that is meant to be noticed: longer than a session.
LONG_S = SESSION_S + 4


async def kill_anything(stage: Stage) -> None:
    """kill -9 of any process at random: replicas most of the time, their workers, a broker, PostgreSQL."""
    killed: Counter[str] = Counter()
    for _ in range(stage.times):
        await asyncio.sleep(stage.random.uniform(*_BETWEEN_S))
        killed[await _kill_one(stage)] += 1
    stage.round.figures |= {f"killed {name}": float(count) for name, count in sorted(killed.items())}
    stage.round.figures["kills"] = float(killed.total())
    await stage.recovered(time.monotonic())


async def _kill_one(stage: Stage) -> str:
    deployment, chance = stage.deployment, stage.random.random()
    if chance < 0.06:
        await asyncio.to_thread(deployment.kill_database)
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


async def crash_at_points(stage: Stage) -> None:
    """A process dies at every named point, as often as `times` says."""
    points = [each for each in crash.POINTS if stage.deployment.brokers or each != "append.handed_over"]
    for point in points:
        reached = 0
        for _ in range(stage.times):
            reached += await _crash(stage, point)
        stage.round.figures[f"crashed at {point}"] = float(reached)
        stage.promise(f"{point} was reached {reached} of {stage.times} times", reached == stage.times)
    stage.round.figures["points"] = float(len(points))
    await stage.recovered(time.monotonic())


async def _crash(stage: Stage, point: str) -> bool:
    """Whether a process died there. All replicas of the service are told to, since only one of them leads."""
    service = {"plan.solved": "scheduling", "event.parked": "scheduling"}.get(point, "order")
    members = stage.deployment.of(service)
    for member in members:
        member.held = True
        member.signal(signal.SIGKILL)
        await member.ended()
        member.start(MES_CRASH_AT=f"{point}:{stage.random.randint(1, 3)}" if point not in _RARE else point)
    try:
        async with asyncio.timeout(_CRASH_S):
            while not any(member.status == -signal.SIGKILL for member in members):
                await _provoke(stage, point)
                await asyncio.sleep(0.1)
        return True
    except TimeoutError:
        return False
    finally:
        for member in members:
            member.signal(signal.SIGKILL)
            await member.ended()
            member.held = False


# Points that a process does not come to by itself again and again.
_RARE = ("leader.elected", "plan.solved", "event.parked")


async def _provoke(stage: Stage, point: str) -> None:
    if point == "event.parked":
        await injection.inject(stage, injection.poison)
        await asyncio.sleep(0.5)
    elif point == "plan.solved":
        with contextlib.suppress(Exception):
            await stage.replan()
        await asyncio.sleep(0.5)


async def rolling_restarts(stage: Stage) -> None:
    """SIGTERM to one process after the other, each started again and ready before the next: no request fails."""
    members = [each for each in stage.deployment.members if len(stage.deployment.of(each.service)) > 1]
    before = stage.failed
    for turn in range(stage.times):
        member = members[turn % len(members)]
        member.held = True
        status = await member.stop()
        if status != 0:
            stage.round.bad_stops.append(f"{member.name} ended with {status}")
        member.start()
        member.held = False
        await member.ready()
        # The balancer looks every 0.2 s.
        await asyncio.sleep(0.5)
    stage.round.figures["restarts"] = float(stage.times)
    failed = stage.failed - before
    stage.promise(f"{failed} requests failed", failed == 0)


async def kill_database(stage: Stage) -> None:
    """PostgreSQL is killed with all of its processes, and started again by the supervisor."""
    for _ in range(stage.times):
        await asyncio.sleep(stage.random.uniform(1, 3))
        began = time.monotonic()
        await asyncio.to_thread(stage.deployment.kill_database)
        await stage.recovered(began)


async def kill_broker(stage: Stage) -> None:
    """A broker is killed and started again by the supervisor, or asked to end and started again."""
    assert stage.deployment.brokers is not None
    for turn in range(stage.times):
        await asyncio.sleep(stage.random.uniform(1, 3))
        node = stage.random.choice(stage.deployment.brokers.nodes)
        began = time.monotonic()
        await asyncio.to_thread(stage.deployment.kill_broker, node, gently=turn % 2 == 1)
        await stage.recovered(began)


async def broker_of_three(stage: Stage) -> None:
    """One of three brokers is killed and stays away for a while: the others carry on."""
    assert stage.deployment.brokers is not None
    for turn in range(stage.times):
        node = stage.deployment.brokers.nodes[turn % 3]
        stage.deployment.held.add(f"broker-{node}")
        began = time.monotonic()
        stage.deployment.kill_broker(node)
        await stage.recovered(began)
        stage.deployment.held.discard(f"broker-{node}")
        await asyncio.sleep(LONG_S)


async def no_broker_at_start(stage: Stage) -> None:
    """Everything is started while there is no broker; it comes later."""
    deployment = stage.deployment
    assert deployment.brokers is not None
    for _ in range(stage.times):
        for node in deployment.brokers.nodes:
            deployment.held.add(f"broker-{node}")
            deployment.kill_broker(node)
        for member in deployment.members:
            member.signal(signal.SIGKILL)
        await asyncio.sleep(5)
        deployment.held.clear()
        await stage.recovered(time.monotonic())


async def stop_and_go_on(stage: Stage) -> None:
    """SIGSTOP for longer than a session, then SIGCONT: the process comes back as one that has lost its partitions."""
    for _ in range(stage.times):
        member = stage.random.choice(stage.deployment.members)
        member.signal(signal.SIGSTOP)
        await asyncio.sleep(LONG_S)
        began = time.monotonic()
        member.signal(signal.SIGCONT)
        await stage.recovered(began)


async def cut_off(stage: Stage) -> None:
    """The network between one process and the database, or the broker, or both, swallows everything for a while."""
    network = stage.deployment.network
    assert network is not None
    ways: Counter[str] = Counter()
    for _ in range(stage.times):
        links = stage.random.choice([["database"], ["log"], ["database", "log"]])
        ways["+".join(links)] += 1
        network.cut(links)
        await asyncio.sleep(stage.random.choice([2.0, LONG_S]))
        began = time.monotonic()
        network.mend(links)
        await stage.recovered(began)
    stage.round.figures |= {f"cut {way}": float(count) for way, count in ways.items()}


async def fill_disk(stage: Stage) -> None:
    """The disk of the log or of PostgreSQL is full for a while; freed, everything goes on by itself."""
    disk = stage.deployment.disk
    assert disk is not None
    starts = {member.name: member.starts for member in stage.deployment.members}
    for _ in range(stage.times):
        await asyncio.sleep(1)
        await asyncio.to_thread(disk.fill)
        await asyncio.sleep(8)
        failed = stage.deployment.restarts
        disk.free()
        await stage.recovered(time.monotonic())
        stage.round.figures["parts started again by the supervisor"] = float(failed)
    again = [each.name for each in stage.deployment.members if each.starts != starts[each.name]]
    stage.promise(f"services had to be started again: {again}", not again)


async def hostile_records(stage: Stage) -> None:
    """Records that no service of ours would send: dead letters are exactly those, and everything else flows on."""
    for _ in range(stage.times):
        for kind in injection.KINDS:
            await injection.inject(stage, kind)
        began = time.monotonic()
        await stage.recovered(began)
        await asyncio.sleep(0.2)
    stage.round.figures["injected"] = float(stage.times * len(injection.KINDS))
