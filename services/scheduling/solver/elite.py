"""Good schedules of a plain job shop that differ, and schedules between two of them, from which a search goes on.

Path relinking after Peng, Lü and Cheng (2015, Computers & Operations Research 53:154). Ours goes from one schedule to
another by time: an operation's moment is the middle between its earliest and latest begin. Where two operations of one
machine come in the same order in both schedules, they do in every weighted mean of the moments; and as routes keep
their order too, every mean is a schedule without a circle.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.scheduling.solver.kernel import routes, tabu
from services.scheduling.solver.kernel.layout import Ints

_SIZE = 12
"""How many schedules are kept at most."""
_ALIKE = 0.03
"""Two schedules with less than this share of their operations behind another or elsewhere count as one."""
_FRESH = 0.15
"""How often a search begins between a good schedule and one by lot although there are enough good ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Elite:
    """A schedule. kept: (operations, 3), machine, run, who is before on it; moment and rank: (operations,)."""

    makespan: int
    kept: Ints
    moment: NDArray[np.float64]
    rank: Ints

    def distance(self, other: Elite) -> int:
        """How many operations are on another machine or come behind another."""
        return int(np.any(self.kept[:, ::2] != other.kept[:, ::2], axis=1).sum())


def elite_of(g: Ints) -> Elite:
    """The best of a search, which goes back to it."""
    tabu.resume(g)
    n = int(g[routes.T_OPS])
    rows = g[routes.TABU_HEAD : routes.TABU_HEAD + n * routes.ROW].reshape(n, routes.ROW)
    latest = g[routes.T_NOW] - rows[:, routes.TAIL] - rows[:, routes.RUN]
    return Elite(int(g[routes.T_NOW]), kept_of(g), (rows[:, routes.HEAD] + latest) / 2.0, rows[:, routes.RANK].copy())


def kept_of(g: Ints) -> Ints:
    """What a search has kept as its best, (operations, 3): machine, run, who is before on it."""
    n = int(g[routes.T_OPS])
    found: Ints = g[g[routes.T_KEPT] : g[routes.T_KEPT] + 3 * n].reshape(n, 3).copy()
    return found


class Pool:
    """The good schedules that searches share. Nothing but the seed and the order of calls decides what it answers."""

    def __init__(self, jobs: Sequence[Sequence[int]], choices: Sequence[Sequence[tuple[int, int]]], seed: int) -> None:
        """jobs: the operations of each route in their order; choices: (machine, run) of each operation."""
        self._jobs, self._choices = jobs, choices
        self._rng, self._lock = np.random.default_rng(seed), threading.Lock()
        self.elites: list[Elite] = []

    def offer(self, new: Elite) -> None:
        """Keep a schedule if it is better than the worst, or than the one that it resembles."""
        with self._lock:
            near = [each for each in self.elites if each.distance(new) <= _ALIKE * len(new.kept)]
            if any(each.makespan <= new.makespan for each in near):
                return
            self.elites = [*(each for each in self.elites if each not in near), new]
            if len(self.elites) > _SIZE:
                self.elites.remove(max(self.elites, key=lambda each: each.makespan))

    def between(self) -> Ints:
        """Where to go on: `kept` of a schedule between two good ones, or between a good one and one by lot."""
        with self._lock:
            have = len(self.elites)
            few = have < 2 or (have < _SIZE and self._rng.random() < 0.5)
            if few or self._rng.random() < _FRESH:
                one = self.elites[int(self._rng.integers(have))]
                return self._mean(one, self._by_lot(one), self._rng.uniform(0.1, 0.5))
            first, second = self._rng.choice(have, 2, replace=False)
            return self._mean(self.elites[first], self.elites[second], self._rng.uniform(0.3, 0.7))

    def _by_lot(self, like: Elite) -> Elite:
        """Any schedule, about as long as another."""
        n = len(like.kept)
        kept, moment = like.kept.copy(), np.empty(n)
        for job in self._jobs:
            moment[job] = np.sort(self._rng.random(len(job))) * like.makespan
        for at, choices in enumerate(self._choices):
            if len(choices) > 1:
                kept[at, :2] = choices[int(self._rng.integers(len(choices)))]
        return Elite(like.makespan, kept, moment, like.rank)

    def _mean(self, one: Elite, other: Elite, weight: float) -> Ints:
        kept = one.kept.copy()
        taken = self._rng.random(len(kept)) < weight
        kept[taken, :2] = other.kept[taken, :2]
        moment = (1 - weight) * one.moment + weight * other.moment
        last: dict[int, int] = {}
        for at in np.lexsort((one.rank, moment)).tolist():
            machine = int(kept[at, 0])
            kept[at, 2] = last.get(machine, -1)
            last[machine] = at
        return kept
