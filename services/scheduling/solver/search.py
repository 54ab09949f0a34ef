"""Making a plan better: annealing, and CP-SAT: the whole problem if it is small, else windows of it in the end.

The best plan is held here, outside CP-SAT. A solution is decoded and replaces it only if its score is better.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from time import monotonic

from ortools.sat.python import cp_model

from services.scheduling.solver import annealing, makespan
from services.scheduling.solver.cpsat import Expression, Found, Part
from services.scheduling.solver.decoder import Schedule, decode, score_from
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.model import Model
from services.scheduling.solver.objective import Objective, objective_of
from services.scheduling.solver.rules import Tried
from services.scheduling.solver.windows import Chooser, Window

PROVABLE = 600
"""Up to so many operations CP-SAT can find or prove something in a plain job shop."""
WHOLE = 60
"""Up to so many free operations the whole problem is one model."""
_MARGIN = 0.05
_LOOK_EVERY = 0.05
_ANNEALED = 0.85
"""Share of the time after which windows take over: few operations at once, but in the strict order."""
_RETURN = 0.4
"""Share of a search after which a replan goes on from the best plan of all if its own still misses more deadlines."""
_WINDOWS_FROM = 10.0
"""With fewer seconds a replan is left to annealing."""
_WINDOW_S, _WINDOW_WORK = 1.5, 0.15
_PATIENCE = 40
_FIRST = 1000
_MOVES_PER_WORK, _MOVES_PER_WINDOW = 50_000, 20_000
_FOREVER = 1e6


class Incumbent:
    """The best schedule so far. bound: of tardiness (of makespan without dates), None without one.

    proven: nothing is better in missed deadlines and tardiness (in makespan without dates). solver: who made it. phase
    and moves: what the search does now, and how many moves it has tried.
    """

    def __init__(self, tried: Tried, on_change: Callable[[Incumbent], None]) -> None:
        self.flat, self.model, self.block, self.score = tried.flat, tried.flat.model, tried.block, tried.score
        self.solver, self.rules, self._on_change = f"rule:{tried.rule}", dict(tried.scores), on_change
        # A replan goes on from what stands: from another plan it would have to find its way back, move by move.
        self.start = tried.block if tried.stands is None or not tried.flat.stability else tried.stands
        self.phase, self.moves = "rules", 0
        self.bound = makespan_bound(self.schedule) if not self.model.dated else None
        self.proven = False
        self._look()

    @property
    def schedule(self) -> Schedule:
        """The block as a schedule."""
        return Schedule(self.flat, self.block)

    def look(self) -> None:
        """Let whoever watches know."""
        self._on_change(self)

    def take(self, block: Ints, solver: str) -> bool:
        """Keep a schedule if it is better."""
        score = score_from(block, self.flat)
        if score.key() >= self.score.key():
            return False
        self.block, self.score, self.solver = block, score, solver
        self._look()
        return True

    @property
    def behind(self) -> bool:
        """Whether the search would begin where more hard deadlines are missed than in the best plan."""
        return int(self.start[layout.MISSED]) > self.score.missed

    @property
    def first(self) -> int:
        """What the bound is compared with."""
        return self.score.tardiness if self.model.dated else self.score.makespan

    def _look(self) -> None:
        if not self.score.missed and self.first <= (self.bound or 0):
            self.bound, self.proven = self.first, True

    def prove(self, bound: int, per_missed: int) -> None:
        """Take note of a lower bound of missed x per_missed + tardiness (of makespan without dates)."""
        missed = self.score.missed * per_missed
        self.bound = max(self.bound or 0, bound - missed)
        self.proven = self.proven or missed + self.first <= bound

    def offer(self, found: Found) -> bool:
        """Decode a solution and keep it if it is better."""
        schedule = decode(self.model, found.sequence(self.model), found.chosen)
        taken = self.take(schedule.block, "cp-sat")
        self.look()
        return taken


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: a moment of the monotonic clock, or when told; moves: after so many of each chain instead."""

    until: float
    should_stop: Callable[[], bool]
    seed: int
    workers: int = 2
    moves: int = 0

    def left(self) -> float:
        """Seconds that are left; 0 when told to stop. Any number where moves are counted."""
        if self.should_stop():
            return 0.0
        return _FOREVER if self.moves else max(self.until - monotonic(), 0.0)

    def moves_of(self, share: float) -> int:
        """How many moves a share of the search is; 0 where time is looked at."""
        return max(round(self.moves * share), 1) if self.moves else 0


class _Listener(cp_model.CpSolverSolutionCallback):
    def __init__(self, heard: Callable[[Callable[[Expression], int]], object]) -> None:
        super().__init__()
        self._heard = heard

    def on_solution_callback(self) -> None:
        self._heard(self.value)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run of CP-SAT came to: value and lower bound of its objective; None without a solution."""

    optimal: bool
    value: int | None
    bound: int
    found: Found | None


def minimise(
    part: Part,
    objective: Expression,
    limits: Limits,
    seconds: float,
    heard: Callable[[Found], object] | None = None,
) -> Answer:
    """Run CP-SAT for at most so many seconds; every solution is told. A part with tails is a window: no fuss."""
    part.cp.minimize(objective)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(min(seconds, limits.left()) - _MARGIN, 0.02)
    solver.parameters.random_seed = limits.seed
    solver.parameters.num_workers = limits.workers
    if part.tails is not None:
        # What prepares for a long search takes longer here than the search: measured, a third of the time is left.
        solver.parameters.num_workers = 1
        solver.parameters.linearization_level = 0
        solver.parameters.cp_model_probing_level = 0
        solver.parameters.symmetry_level = 0
        solver.parameters.max_deterministic_time = _WINDOW_WORK
    if limits.moves:
        # The same answer under any load: work is counted, not time.
        solver.parameters.max_time_in_seconds = 1e9
        solver.parameters.interleave_search = True
        work = _WINDOW_WORK if part.tails is not None else limits.moves / _MOVES_PER_WORK
        solver.parameters.max_deterministic_time = work
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(solver, limits, ended), daemon=True)
    watcher.start()
    try:
        listener = None if heard is None else _Listener(lambda value: heard(part.found(value)))
        status = solver.solve(part.cp, listener)
    finally:
        ended.set()
        watcher.join()
    bound = max(round(solver.best_objective_bound), 0)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(False, None, bound, None)
    return Answer(status == cp_model.OPTIMAL, round(solver.objective_value), bound, part.found(solver.value))


def _watch(solver: cp_model.CpSolver, limits: Limits, ended: threading.Event) -> None:
    """The solver's own limit is not kept in every phase: stop it from outside."""
    while not ended.wait(_LOOK_EVERY):
        if not limits.left():
            solver.stop_search()


def makespan_bound(schedule: Schedule) -> int:
    """Nothing can end before the longest route, nor before a machine has done what only it can do.

    Setups count nothing, calendars little: only runs behind the earliest moments at which they can begin.
    """
    model = schedule.model
    heads, tails = [0] * len(model), [0] * len(model)
    runs = [
        min((choice.run for choice in model.choices[at]), default=model.operations[at].outside_s)
        for at in range(len(model))
    ]  # fmt: skip
    for at in model.order:
        if model.fixed[at]:
            heads[at], runs[at] = schedule.start[at], schedule.end[at] - schedule.start[at]
            continue
        ready = [heads[link.before] + (runs[link.before] + link.lag if link.overlap < 0 else 0)
                 for link in model.before[at]]  # fmt: skip
        heads[at] = max([model.release[at], *ready])
    for at in reversed(model.order):
        links = [(each, link) for each in model.after[at] for link in model.before[each] if link.before == at]
        tails[at] = max((tails[each] + runs[each] + link.lag for each, link in links if link.overlap < 0), default=0)
    loads: dict[int, list[int]] = {}
    for at, choices in enumerate(model.choices):
        if not model.fixed[at] and choices and len({choice.machine for choice in choices}) == 1:
            loads.setdefault(choices[0].machine, []).append(at)
    machines = [
        min(heads[at] for at in line) + sum(runs[at] for at in line) + min(tails[at] for at in line)
        for line in loads.values()
    ]
    routes = [head + run + tail for head, run, tail in zip(heads, runs, tails, strict=True)]
    return max([*machines, *routes], default=0)


def free_operations(model: Model) -> list[int]:
    """What may be moved."""
    return [at for at in range(len(model)) if not model.fixed[at]]


def improve(incumbent: Incumbent, limits: Limits) -> None:
    """Make the incumbent better as long as the limits let it."""
    model = incumbent.model
    free = free_operations(model)
    if not free or (incumbent.proven and not model.dated):
        return
    if makespan.is_plain(model):
        shorten(incumbent, limits)
        return
    hasty = incumbent.flat.stability and limits.left() < _WINDOWS_FROM
    if not exact(model) or (hasty and len(free) > WHOLE):
        search(incumbent, limits, 1.0)
        return
    if len(free) > WHOLE:
        search(incumbent, limits, _ANNEALED)
        solve_windows(incumbent, limits)
        return
    search(incumbent, limits, 0.1)
    incumbent.phase = "proof"
    if not solve_whole(incumbent, limits):
        search(incumbent, limits, 1.0)


def shorten(incumbent: Incumbent, limits: Limits) -> None:
    """A plain job shop: tabu search, and CP-SAT from its answer where that can still prove something."""
    if len(incumbent.model) > PROVABLE:
        _tabu(incumbent, limits, 1.0)
        return
    small = len(incumbent.model) <= WHOLE
    _tabu(incumbent, limits, 0.1 if small else 0.35)
    if not incumbent.proven:
        incumbent.phase = "proof"
        solve_whole(incumbent, limits, 0.9 if small else 0.7)
    _tabu(incumbent, limits, 1.0)


def _tabu(incumbent: Incumbent, limits: Limits, share: float) -> None:
    left = limits.left() * share - _MARGIN
    if incumbent.proven or left <= 0:
        return
    incumbent.phase, before = "search", incumbent.moves

    def look(better: Ints | None, steps: int) -> None:
        incumbent.moves = before + steps
        if better is not None:
            incumbent.take(better, "tabu")
        incumbent.look()

    best = makespan.run(
        incumbent.flat, incumbent.block, seconds=left, should_stop=limits.should_stop,
        turns=limits.moves_of(share), seed=limits.seed + before, workers=limits.workers,
        goal=incumbent.bound or 0, look=look,
    )  # fmt: skip
    incumbent.take(best, "tabu")
    incumbent.look()


def exact(model: Model) -> bool:
    """Whether CP-SAT knows everything that the problem has; else it would prove what does not hold."""
    problem = model.problem
    return not (
        problem.tariff
        or any(each.batch_capacity for each in problem.machines)
        or any(each.needs or each.supplier or each.lot for each in problem.operations)
    )


def search(incumbent: Incumbent, limits: Limits, share: float) -> None:
    """Annealing for this share of the time that is left."""
    if incumbent.proven and not incumbent.model.dated:
        return
    left = limits.left()
    seconds, moves = left * share - _MARGIN, limits.moves_of(share)
    if not moves and seconds <= 0:
        return
    if incumbent.behind and share > _RETURN:
        # What stands, repaired, still misses a deadline that the rules keep: give it a while to mend that.
        search(incumbent, limits, share * _RETURN)
        seconds, moves = seconds - left + limits.left(), limits.moves_of(share * (1.0 - _RETURN))
        if incumbent.behind:
            incumbent.start = incumbent.block
        if not moves and seconds <= 0:
            return
    budget = annealing.Budget(seconds, limits.should_stop, moves)
    made = annealing.begin(incumbent.flat, incumbent.start, budget, seed=limits.seed, workers=limits.workers)
    incumbent.phase, before = "search", incumbent.moves

    def look() -> None:
        incumbent.moves = before + made.moves
        if not limits.moves:
            incumbent.take(made.best, "annealing")
        incumbent.look()

    best = annealing.run(made, look)
    incumbent.take(best, "annealing")
    incumbent.start = best
    incumbent.moves = before + made.moves
    incumbent.look()


def solve_whole(incumbent: Incumbent, limits: Limits, share: float = 0.5) -> bool:
    """One model of everything: what is first in the score, and once that is proven the lesser parts in their order.

    False if the proof did not succeed in this share of the time that is left.
    """
    part = Part(incumbent.schedule, free_operations(incumbent.model))
    objective = objective_of(part)
    if not incumbent.proven:
        part.hint(incumbent.schedule)
        answer = minimise(part, objective.first, limits, limits.left() * share, incumbent.offer)
        incumbent.prove(answer.bound, objective.per_missed)
    if not incumbent.proven:
        return False
    part.cp.add(objective.first <= incumbent.score.missed * objective.per_missed + incumbent.first)
    for number, lesser in enumerate(objective.lesser):
        seconds = limits.left() / (len(objective.lesser) - number)
        if seconds < 4 * _MARGIN:
            break
        part.hint(incumbent.schedule)
        answer = minimise(part, lesser, limits, seconds, incumbent.offer)
        if answer.value is None:
            break
        part.cp.add(lesser <= answer.value)
    return True


def solve_windows(incumbent: Incumbent, limits: Limits) -> None:
    """One window after the other until the time is over, or nothing seems to be left to gain."""
    rng, idle, solved = Random(limits.seed), 0, 0
    incumbent.phase = "windows"
    schedule, block = incumbent.schedule, incumbent.block
    chooser = Chooser(schedule, rng)
    patience = _PATIENCE + len(incumbent.model) // 10
    while limits.left() > 4 * _MARGIN and not (incumbent.proven and idle > patience):
        if limits.moves and solved * _MOVES_PER_WINDOW >= limits.moves:
            return
        if incumbent.block is not block:
            schedule, block = incumbent.schedule, incumbent.block
            chooser = Chooser(schedule, rng)
        idle = 0 if _solve_window(incumbent, schedule, chooser.draw(), limits) else idle + 1
        solved += 1
        if incumbent.proven and not incumbent.model.dated:
            return


def _solve_window(incumbent: Incumbent, schedule: Schedule, window: Window, limits: Limits) -> bool:
    part = Part(schedule, window.free, window.tails)
    objective = objective_of(part)
    part.hint(schedule)
    answer = minimise(part, _mixed(objective), limits, _WINDOW_S)
    # Only the last solution is decoded, and a plan made of it: for thousands of operations both take a while.
    return answer.found is not None and incumbent.offer(answer.found)


def _mixed(objective: Objective) -> Expression:
    """First part and lesser ones in one sum. Not strict, as whatever comes out is judged by its score anyway."""
    mixed = objective.first * _FIRST
    for number, lesser in enumerate(reversed(objective.lesser)):
        mixed = mixed + lesser * 4**number
    return mixed
