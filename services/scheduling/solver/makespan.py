"""Problems whose only goal is the makespan and that are nothing but routes on machines: tabu search.

Every thread searches from a schedule until it stagnates, offers what it found to a pool of good ones, and goes on from
one that lies between two of them (see `elite`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import numpy as np

from services.scheduling.solver.elite import Pool, elite_of, kept_of
from services.scheduling.solver.flat import Flat
from services.scheduling.solver.kernel import layout, routes, tabu
from services.scheduling.solver.kernel.decode import decode
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.kernel.tools import seeded
from services.scheduling.solver.model import Model

_PATIENCE = 10_000
"""A search that made no progress in so many steps goes on elsewhere."""
_WORK = 1_500_000
_LOOK = 0.02


def is_plain(model: Model) -> bool:
    """Whether a problem is a job shop, with or without alternatives: the tabu search knows nothing else."""
    problem = model.problem
    return (
        not model.dated
        and problem.now == 0
        and not problem.current
        and not any(model.fixed)
        and all(calendar is None for calendar in model.calendars)
        and not any(floor > problem.now for floor in model.floor)
        and not any(each.batch_capacity for each in problem.machines)
        and not any(each.needs or each.supplier or each.lot for each in problem.operations)
        and not any(moment > problem.now for moment in model.release)
        and not any(any(rows) for rows in problem.setups.values())
        and not any(choice.setup for choices in model.choices for choice in choices)
        and all(len(links) <= 1 and len(after) <= 1 for links, after in zip(model.before, model.after, strict=True))
        and all(link.lag == 0 and link.overlap < 0 for links in model.before for link in links)
        and all(model.choices)
    )


def block_of(flat: Flat, plan: Ints, seed: int) -> Ints:
    """A schedule as a tabu search sees it."""
    model = flat.model
    n, machines = len(model), len(model.machines)
    choices = [(choice.machine, choice.run) for row in model.choices for choice in row]
    sizes = {
        routes.T_ROWS: n * routes.ROW, routes.T_CHOICES: 2 * len(choices), routes.T_HEAD: machines,
        routes.T_TAIL: machines, routes.T_QUEUE: n, routes.T_PATH: n, routes.T_KEPT: 3 * n,
        routes.T_ARCS: tabu.ARCS, routes.T_PLACES: n * machines, routes.T_CANDIDATES: tabu.CANDIDATES,
    }  # fmt: skip
    g = np.zeros(routes.TABU_HEAD + sum(sizes.values()), np.int64)
    at = routes.TABU_HEAD
    for name, size in sizes.items():
        g[name] = at
        at += size
    g[routes.T_OPS], g[routes.T_MACHINES] = n, machines
    g[routes.T_RNG] = seeded(seed)
    g[g[routes.T_CHOICES] : g[routes.T_CHOICES] + 2 * len(choices)] = np.array(choices, np.int64).ravel()
    rows = g[routes.TABU_HEAD : routes.TABU_HEAD + n * routes.ROW].reshape(n, routes.ROW)
    rows[:, routes.J_PRED] = [links[0].before if links else -1 for links in model.before]
    rows[:, routes.J_SUCC] = [after[0] if after else -1 for after in model.after]
    rows[:, routes.J_FIRST], rows[:, routes.J_LAST] = flat.choices_of[:-1], flat.choices_of[1:]
    put = layout.puts(flat.shop, plan)
    kept = g[g[routes.T_KEPT] : g[routes.T_KEPT] + 3 * n].reshape(n, 3)
    kept[:, 0], kept[:, 2] = put[:, layout.MACHINE], put[:, layout.PREV]
    kept[:, 1] = [choices[choice][1] for choice in put[:, layout.CHOICE].tolist()]
    tabu.resume(g)
    return g


def pool_of(model: Model, seed: int) -> Pool:
    """An empty pool of schedules of a problem."""
    jobs = []
    for at, links in enumerate(model.before):
        if not links:
            job = [at]
            while after := model.after[job[-1]]:
                job.append(after[0])
            jobs.append(job)
    return Pool(jobs, [[(choice.machine, choice.run) for choice in row] for row in model.choices], seed)


def _plan_from(flat: Flat, best: Ints) -> Ints:
    """A schedule from what was kept."""
    model, n = flat.model, len(flat.model)
    kept = best.tolist()
    plan = flat.plan()
    rows = layout.puts(flat.shop, plan)
    behind = [-1] * n
    waits = [len(links) for links in model.before]
    for at, (machine, run, before) in enumerate(kept):
        number = next(k for k, c in enumerate(model.choices[at]) if c.machine == machine and c.run == run)
        rows[at, layout.CHOICE] = flat.choices_of[at] + number
        if before >= 0:
            behind[before] = at
            waits[at] += 1
    sequence = [at for at in range(n) if not waits[at]]
    for at in sequence:
        for follower in (*model.after[at], behind[at]):
            if follower >= 0:
                waits[follower] -= 1
                if not waits[follower]:
                    sequence.append(follower)
    decode(flat.shop, plan, flat.room(), np.array(sequence, np.int64))
    return plan


def run(
    flat: Flat, plan: Ints, *, seconds: float, should_stop: Callable[[], bool], turns: int, seed: int, workers: int,
    goal: int, look: Callable[[Ints | None, int], None],
) -> Ints:  # fmt: skip
    """Search in several threads for so many seconds (turns > 0: so many steps of each); the best schedule.

    goal: a makespan that cannot be beaten. `look` hears some fifty times a second of a better schedule, or None, and of
    the steps made.
    """
    began, found = monotonic(), plan
    blocks = [block_of(flat, plan, seed * 1_000 + number) for number in range(workers)]
    bests = [(int(plan[layout.MAKESPAN]), kept_of(g)) for g in blocks]
    # Who counts steps wants the same answer again: then nobody hears of what others find, and when.
    shared = pool_of(flat.model, seed)
    pools = [pool_of(flat.model, seed * 1_000 + number) if turns else shared for number in range(workers)]
    chunk = max(50, _WORK // max(len(flat.model), 100) // 4)
    steps, ended = [0] * workers, threading.Event()
    failed: list[BaseException] = []
    n = len(flat.model)

    def live(number: int) -> None:
        g = blocks[number]
        try:
            while not ended.is_set() and bests[number][0] > goal:
                if turns and steps[number] >= turns:
                    break
                count = min(chunk, turns - steps[number]) if turns else chunk
                steps[number] += tabu.search(g, count, _PATIENCE, goal)
                if int(g[routes.T_BEST]) < bests[number][0]:
                    bests[number] = int(g[routes.T_BEST]), kept_of(g)
                if g[routes.T_SINCE] > _PATIENCE:
                    pools[number].offer(elite_of(g))
                    g[g[routes.T_KEPT] : g[routes.T_KEPT] + 3 * n] = pools[number].between().ravel()
                    tabu.resume(g)
        except BaseException as error:
            failed.append(error)
            ended.set()

    threads = [threading.Thread(target=live, args=(number,), daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    while alive := [thread for thread in threads if thread.is_alive()]:
        alive[0].join(_LOOK)
        leader = min(bests, key=lambda each: each[0])
        if should_stop() or (not turns and (monotonic() - began > seconds or leader[0] <= goal)):
            ended.set()
        if leader[0] < int(found[layout.MAKESPAN]) and not turns:
            found = _plan_from(flat, leader[1])
            look(found, sum(steps))
        else:
            look(None, sum(steps))
    if failed:
        raise failed[0]
    # A thread may have ended since the last look; from how many steps there were the next search draws its numbers.
    look(None, sum(steps))
    leader = min(bests, key=lambda each: each[0])
    return _plan_from(flat, leader[1]) if leader[0] < int(found[layout.MAKESPAN]) else found
