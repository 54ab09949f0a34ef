"""The port: a problem in, a plan out."""

from __future__ import annotations

from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Plan, Problem
from services.scheduling.solver.rules import Tried, try_rules
from services.scheduling.solver.scoring import plan_of


def rules_plan(problem: Problem) -> Plan:
    """The best plan of the dispatching rules. Deterministic. Raises Infeasible."""
    return _rule_plan(try_rules(Model(problem), should_stop=lambda: False))


def _rule_plan(tried: Tried) -> Plan:
    return plan_of(tried.schedule, f"rule:{tried.rule}", rules=tried.scores)
