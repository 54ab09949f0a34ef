"""The port: a problem in, a plan out."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Plan, Problem
from services.scheduling.solver.rules import Tried, try_rules
from services.scheduling.solver.scoring import plan_of

_SMALL = 1000
"""Up to so many operations the rules are done before a plan is shown."""


def rules_plan(problem: Problem, *, quick: bool = False) -> Plan:
    """The best plan of the dispatching rules. The same problem gives the same plan. Raises Infeasible.

    quick: only the plan that stands, decoded again with what is new sorted in; one rule if none stands.
    """
    return _rule_plan(try_rules(Model(problem), quick=quick))


def solve(
    problem: Problem,
    *,
    seconds: float,
    seed: int = 1,
    on_plan: Callable[[Plan], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Plan:
    """The best plan that is found in so many seconds of wall time; never worse than that of the rules.

    on_plan hears of the first plan at once and then of each better one. should_stop is asked many times a second, also
    from another thread; the best plan so far is then the answer. Ends before the time if nothing is left to gain.
    Raises Infeasible with all conflicts.
    """
    from services.scheduling.solver import search  # OR-Tools takes a second to load; rules do without

    until, told, stop = monotonic() + seconds, on_plan or _nobody, should_stop or _never
    model = Model(problem)
    limits = search.Limits(until, stop, seed)
    large = len(model) > _SMALL
    tried = try_rules(
        model,
        should_stop=lambda: limits.left() <= 0,
        on_better=(lambda each: told(_rule_plan(each))) if large else None,
    )
    if not large:
        told(_rule_plan(tried))

    def plan() -> Plan:
        status = "Optimal" if incumbent.proven else "Feasible"
        solver = "cp-sat" if incumbent.improved else f"rule:{tried.rule}"
        return plan_of(incumbent.schedule, solver, status, bound=incumbent.bound, rules=tried.scores)

    incumbent = search.Incumbent(tried.schedule, tried.score, lambda: told(plan()))
    search.improve(incumbent, limits)
    return plan()


def _rule_plan(tried: Tried) -> Plan:
    return plan_of(tried.schedule, f"rule:{tried.rule}", rules=dict(tried.scores))


def _nobody(plan: Plan) -> None:
    pass


def _never() -> bool:
    return False
