"""From an order of operations and a choice of machines to a schedule: the single truth of what is feasible.

Serial: operations are placed one after the other, each behind what was placed before it on its machine, as early as its
predecessors, people and tools let it. Around fixed operations a machine has several rooms; an operation goes into the
first one that holds it whole and leaves the machine fit for the fixed operation behind. No room between placed
operations is filled later: rules and searches decide the order, the decoder does not change it. The work is done by
`kernel.decode`; here is what it gets and what it made, by operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from math import inf

import numpy as np

from services.scheduling.solver.flat import Flat, flat_of
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.kernel.decode import decode as decode_block
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Fixing, Score

OUTSIDE = -1
"""Choice of an operation that needs no machine, of a fixed one, or of one that may go where it ends first."""


class Schedule:
    """A complete schedule. Lists are by operation index.

    setup: working seconds of the setup. chosen: index of the choice, OUTSIDE without one. machine: index or -1. turn:
    how many were placed before, from 1 (0: fixed). cal: the flat calendar in which it works. block: as it was decoded.
    """

    def __init__(self, flat: Flat, block: Ints) -> None:
        self.flat, self.model, self.block = flat, flat.model, block
        rows = layout.puts(flat.shop, block)
        self.setup_start: list[int] = rows[:, layout.BEGIN].tolist()
        self.start: list[int] = rows[:, layout.START].tolist()
        self.end: list[int] = rows[:, layout.END].tolist()
        self.setup: list[int] = rows[:, layout.SETUP].tolist()
        self.machine: list[int] = rows[:, layout.MACHINE].tolist()
        self.cal: list[int] = rows[:, layout.CAL].tolist()
        choice = rows[:, layout.CHOICE]
        self.chosen: list[int] = np.where(choice >= 0, choice - flat.choices_of[:-1], OUTSIDE).tolist()
        turn = np.empty(len(rows), np.int64)
        turn[np.argsort(rows[:, layout.KEY], kind="stable")] = np.arange(1, len(rows) + 1)
        self.turn: list[int] = np.where(flat.stands, 0, turn).tolist()

    def transfer(self, before: int, overlap: int) -> int:
        """When the first batch leaves a placed operation: after `overlap` working seconds, -1: at its end."""
        end = self.end[before]
        if overlap < 0 or self.model.fixing[before] is Fixing.DONE:
            return end
        start, time = self.start[before], self.flat.working_time(self.cal[before])
        if time is None:
            return min(end, start + overlap)
        return min(end, max(start, time.end(time.work(start) + overlap)))

    def units(self) -> list[tuple[str, ...]]:
        """What serves each operation: the resources of its needs, "" where a need is for no time."""
        return self.flat.units_of(self.block)


def score_from(block: Ints, flat: Flat) -> Score:
    """The score that a block carries."""
    parts = block[: layout.SUM].tolist()
    missed, tardiness, makespan, moved, changeover, cost, energy, flow = parts
    return Score(missed, tardiness, moved, changeover, flow, makespan, cost, energy, flat.stability)


def decode(
    model: Model, sequence: Sequence[int], chosen: Sequence[int], not_before: Sequence[int] | None = None
) -> Schedule:
    """Place operations in this sequence (predecessors first), each under its chosen alternative (OUTSIDE: any).

    What stands need not be in it, all else must. not_before: moments by operation that the runs are to wait for.
    """
    flat = flat_of(model)
    block = flat.plan()
    rows = layout.puts(flat.shop, block)
    choice, has = np.array(chosen, np.int64), np.diff(flat.choices_of)
    if (choice >= np.maximum(has, 1)).any():
        raise ValueError("a choice that an operation does not have")
    rows[:, layout.CHOICE] = np.where((choice < 0) | (has == 0) | flat.stands, -1, choice + flat.choices_of[:-1])
    if not_before is not None:
        rows[:, layout.HOLD] = not_before
    every = np.concatenate([np.setdiff1d(np.flatnonzero(flat.stands), sequence), np.array(sequence)]).astype(np.int64)
    if len(every) != len(model):
        raise ValueError(f"{len(every)} operations in a sequence of {len(model)}")
    decode_block(flat.shop, block, flat.room(), every)
    return Schedule(flat, block)


def by_keys(model: Model, keys: Sequence[float]) -> list[int]:
    """All operations by key, least first, but every one behind its predecessors."""
    # What stands holds nobody back, whatever its key.
    own = [-inf if fixed else key for key, fixed in zip(keys, model.fixed, strict=True)]
    waiting = [len(links) for links in model.before]
    heap = [(own[at], at) for at, count in enumerate(waiting) if not count]
    heapify(heap)
    sequence = []
    while heap:
        _, at = heappop(heap)
        sequence.append(at)
        for follower in model.after[at]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heappush(heap, (own[follower], follower))
    return sequence
