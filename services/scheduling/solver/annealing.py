"""Annealing in several threads at once, exchanging what is best.

Threads, not processes: compiled moves run without the interpreter's lock, so threads use all processors, start at once
and exchange schedules by copying an array. Each chain cools by the share of its time (or, to give the same answer
under any load, of its moves) that is over, and now and then a chain that fell behind goes on from another's schedule.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import numpy as np

from services.scheduling.solver.flat import RATES, Flat
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.kernel.anneal import anneal, renumber
from services.scheduling.solver.kernel.layout import Ints

_HOT, _HOT_MOVES, _COOLER = 8.0, 60_000, 0.4
"""Temperature at the start, in mean cost of an operation, where there is time for so many moves of each operation; with
less time the search begins cooler, by this power (found by trying: 1,000 and 5,000 operations, 30-60 s)."""
_COLD = 0.01
"""Temperature at the end, in that at the start."""
_REPLAN, _REPLAN_COLD = 0.4, 0.06
"""A replan begins so much cooler: it mends a plan that is good but for what happened. However short it is, it ends
at so much of the mean cost of an operation."""
_PACE = 800_000
"""Moves a second of a chain, about."""
_WORK = 1_500_000
_EXCHANGES = 12
_REACH, _REPLAN_REACH = 20, 10
"""How far along a machine an operation may go in one move."""
_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Budget:
    """Until when a search goes on: seconds of wall time, or so many moves for each chain.

    should_stop ends it before. moves: 0: by time.
    """

    seconds: float
    should_stop: Callable[[], bool]
    moves: int = 0


@dataclass(slots=True)
class _Chain:
    block: Ints
    best: Ints
    work: Ints
    moves: int = 0
    failed: BaseException | None = None
    met: int = 0


@dataclass(slots=True)
class Annealing:
    """A run. best: the best schedule so far. moves: tried in all chains. hot, cold: from which temperature to which."""

    flat: Flat
    budget: Budget
    chains: list[_Chain]
    free: Ints
    chunk: int
    hot: float
    cold: float
    reach: int
    began: float = field(default_factory=monotonic)
    ended: bool = False
    barrier: threading.Barrier | None = None

    @property
    def best(self) -> Ints:
        """The best schedule of all chains."""
        return min((chain.best for chain in self.chains), key=lambda block: int(block[layout.SUM]))

    @property
    def moves(self) -> int:
        """How many were tried."""
        return sum(chain.moves for chain in self.chains)

    def share(self, chain: _Chain) -> float:
        """Of the budget that is used up, 1 at the end."""
        if self.ended or self.budget.should_stop():
            return 1.0
        if self.budget.moves:
            return chain.moves / self.budget.moves
        return (monotonic() - self.began) / self.budget.seconds if self.budget.seconds > 0 else 1.0


def begin(flat: Flat, block: Ints, budget: Budget, *, seed: int, workers: int) -> Annealing:
    """Prepare a run from a schedule that was decoded."""
    count = len(flat.model)
    choices = np.diff(flat.choices_of)
    free = np.flatnonzero(~flat.stands & (choices[:count] > 0)).astype(np.int64)
    chains = []
    for number in range(workers):
        work = flat.room(seed * 1_000 + number)
        work[layout.N_FREE] = len(free)
        chains.append(_Chain(block.copy(), block.copy(), work))
    each = (budget.moves or budget.seconds * _PACE) / max(len(free), 1)
    # A missed deadline counts so much that it would drown all else.
    cost = float(block[layout.SUM]) - float(block[layout.MISSED]) * RATES[layout.MISSED]
    mean = cost / max(len(free), 1)
    hot = _HOT * min(each / _HOT_MOVES, 1.0) ** _COOLER * mean
    cold, reach = hot * _COLD, _REACH
    if flat.stability:
        hot *= _REPLAN
        cold, reach = min(_REPLAN_COLD * mean, hot), _REPLAN_REACH
    barrier = threading.Barrier(workers) if budget.moves else None
    return Annealing(flat, budget, chains, free, max(50, _WORK // max(count, 500)), hot, cold, reach, barrier=barrier)


def run(annealing: Annealing, look: Callable[[], None]) -> Ints:
    """Run to the end of the budget; `look` is called some fifty times a second. The best schedule."""
    if not len(annealing.free):
        return annealing.best
    threads = [threading.Thread(target=_live, args=(annealing, at), daemon=True) for at in range(len(annealing.chains))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK)
                look()
    finally:
        annealing.ended = True
    for chain in annealing.chains:
        if chain.failed is not None:
            raise chain.failed
    return annealing.best


def _live(annealing: Annealing, number: int) -> None:
    chain = annealing.chains[number]
    try:
        _cool(annealing, chain)
    except BaseException as error:
        chain.failed, annealing.ended = error, True
    finally:
        if annealing.barrier is not None:
            annealing.barrier.abort()


def _cool(annealing: Annealing, chain: _Chain) -> None:
    shop, since = annealing.flat.shop, 0
    chain.block = renumber(shop, chain.block, chain.work)
    while (share := annealing.share(chain)) < 1.0:
        chunk = annealing.chunk
        if annealing.budget.moves:
            chunk = min(chunk, annealing.budget.moves - chain.moves)
        heat = annealing.hot ** (1.0 - share) * annealing.cold**share
        anneal(shop, chain.block, chain.work, annealing.free, chunk, heat, annealing.reach)
        chain.moves += chunk
        since += chunk
        if since > len(annealing.free):
            chain.block = renumber(shop, chain.block, chain.work)
            since = 0
        if chain.block[layout.SUM] < chain.best[layout.SUM]:
            chain.best = chain.block.copy()
        if share * _EXCHANGES > chain.met + 1:
            chain.met = int(share * _EXCHANGES)
            _exchange(annealing, chain)


def _exchange(annealing: Annealing, chain: _Chain) -> None:
    """Go on from the best chain's best if this one fell behind it."""
    _meet(annealing)
    others = min((each.best for each in annealing.chains), key=lambda block: int(block[layout.SUM]))
    _meet(annealing)
    if others[layout.SUM] < 0.99 * chain.block[layout.SUM]:
        chain.block = others.copy()


def _meet(annealing: Annealing) -> None:
    """Where moves are counted, chains wait for each other: what they see then does not depend on their pace."""
    if annealing.barrier is not None:
        try:
            annealing.barrier.wait()
        except threading.BrokenBarrierError:
            return
