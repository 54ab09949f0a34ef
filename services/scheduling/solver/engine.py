"""The port: a problem in, a plan out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from services.scheduling.solver.decoder import Schedule
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Plan, Problem, Score
from services.scheduling.solver.rules import Figures, Tried, current, try_rules
from services.scheduling.solver.scoring import plan_of

if TYPE_CHECKING:
    from services.scheduling.solver.search import Incumbent

_FOREVER = 1e9
_RULED = 0.2
"""Share of its time that a replan gives the rules."""
_TELL_EVERY = 0.3
"""Seconds between two plans that are told; a large plan takes as long to write down."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run goes. phase: rules, search or proof. bound: None without one. moves: tried so far."""

    phase: str
    seconds: float
    score: Score
    bound: int | None
    moves: int


def rules_plan(problem: Problem, *, quick: bool = False, seconds: float | None = None) -> Plan:
    """The best plan of the dispatching rules. The same problem gives the same plan. Raises Infeasible.

    seconds: begin no other rule after so long; None: try all.

    quick: only the plan that stands, decoded again with what is new sorted in; one rule if none stands.
    """
    until = monotonic() + (_FOREVER if seconds is None else seconds)
    return _rule_plan(try_rules(Model(problem), quick=quick, should_stop=lambda: monotonic() > until))


def stand(problem: Problem) -> Plan:
    """What becomes of the plan that stands if nobody does anything: the same machines and order, as early as can be.

    Operations that are not in it are sorted in by their latest start. Raises Infeasible.
    """
    model = Model(problem)
    return plan_of(current(model, Figures(model)), "as planned")


def solve(
    problem: Problem,
    *,
    seconds: float,
    seed: int = 1,
    workers: int = 2,
    moves: int = 0,
    on_plan: Callable[[Plan], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Plan:
    """The best plan that is found in so many seconds of wall time; never worse than that of the rules.

    moves: in place of the time, so many for each chain: the same answer under any load. on_plan hears of the first plan
    at once and then of better ones. should_stop is asked many times a second, also from another thread; the best plan
    so far is then the answer. Ends before the time if nothing is left to gain. Raises Infeasible with all conflicts.
    """
    from services.scheduling.solver import search  # OR-Tools takes a second to load; rules do without

    until, stop = monotonic() + seconds, should_stop or _never
    told = _Teller(on_plan, on_progress)
    model = Model(problem)
    limits = search.Limits(until, stop, seed, workers, moves)
    # A replan begins at the plan that stands: what other rules could bring is little, and its time is short.
    ruled = monotonic() + seconds * _RULED if problem.current and problem.stability else until
    tried = try_rules(model, should_stop=lambda: not moves and (monotonic() > ruled or stop()), on_better=told.first)
    incumbent = search.Incumbent(tried, told.better)
    told.better(incumbent)
    search.improve(incumbent, limits)
    return told.last(incumbent)


class _Teller:
    """Tells of better plans, not more often than they can be written down."""

    def __init__(self, on_plan: Callable[[Plan], None] | None, on_progress: Callable[[Progress], None] | None) -> None:
        self._on_plan, self._on_progress = on_plan, on_progress
        self._began, self._next = monotonic(), 0.0
        self._told: tuple[Score, bool] | None = None
        self._plan: Plan | None = None

    def first(self, tried: Tried) -> None:
        """The first plan that there is."""
        if self._plan is None:
            self._tell(_rule_plan(tried))

    def _tell(self, plan: Plan) -> None:
        self._plan = plan
        if self._on_plan is not None:
            self._on_plan(plan)

    def better(self, incumbent: Incumbent) -> None:
        """Look whether there is something new to tell."""
        began = monotonic()
        if began < self._next:
            return
        if self._on_progress is not None:
            self._on_progress(
                Progress(incumbent.phase, began - self._began, incumbent.score, incumbent.bound, incumbent.moves)
            )
        state = (incumbent.score, incumbent.proven)
        if self._on_plan is not None and state != self._told:
            self._told = state
            plan = _plan(incumbent)
            if self._plan is None or plan.score.key() < self._plan.score.key() or plan.status != self._plan.status:
                self._tell(plan)
        self._next = monotonic() + max(_TELL_EVERY, 4 * (monotonic() - began))

    def last(self, incumbent: Incumbent) -> Plan:
        """The plan in the end; told too if it is new."""
        plan = _plan(incumbent)
        if self._plan is None or (plan.score, plan.status) != (self._plan.score, self._plan.status):
            self._tell(plan)
        return plan


def _plan(incumbent: Incumbent) -> Plan:
    status = "Optimal" if incumbent.proven else "Feasible"
    return plan_of(incumbent.schedule, incumbent.solver, status, bound=incumbent.bound, rules=incumbent.rules)


def _rule_plan(tried: Tried) -> Plan:
    return plan_of(Schedule(tried.flat, tried.block), f"rule:{tried.rule}", rules=dict(tried.scores))


def _never() -> bool:
    return False
