"""What a planner asks beside planning: why, what if, by when. Each is answered in the solver's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.scheduling.solver.explain import Bottleneck, Late, bottlenecks, explain
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Plan, Problem
from services.scheduling.solver.promise import promise
from services.scheduling.solver.rules import Figures, current


@dataclass(frozen=True, slots=True)
class Explanation:
    """late: every late order, or those asked for, the latest by weight first. bottlenecks: the worst first."""

    late: Sequence[Late]
    bottlenecks: Sequence[Bottleneck]


def explained(problem: Problem, order: str = "") -> Explanation:
    """Why orders are late in the plan that stands, decoded with what is known now; order: only this one."""
    model = Model(problem)
    schedule = current(model, Figures(model))
    late = explain(schedule, only=order)
    return Explanation(tuple(late), tuple(bottlenecks(schedule, late)))


def proposed(problem: Problem, seconds: float, seed: int) -> tuple[Plan, Plan]:
    """The plan if nothing is done but what has to be, and the best that is found in so many seconds."""
    from services.scheduling.solver.engine import solve, stand

    return stand(problem), solve(problem, seconds=seconds, seed=seed)


ANSWERS: Mapping[str, Callable[..., Any]] = {"explained": explained, "promised": promise, "proposed": proposed}
"""By name, as the worker is asked for them."""
