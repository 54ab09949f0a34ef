"""`mes solve FILE`: plan a problem from a file, without a database."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic

from mes.errors import Invalid

from services.scheduling.solver.checker import check
from services.scheduling.solver.engine import solve
from services.scheduling.solver.jsonform import FormatError, plan_to_json, problem_from_json
from services.scheduling.solver.problem import (
    Alternative,
    Infeasible,
    Machine,
    Operation,
    Order,
    Plan,
    Predecessor,
    Problem,
)


def solve_file(path: Path, *, seconds: float, target: Path | None) -> dict[str, object]:
    """Plan a public instance (.txt) or a problem in our JSON; write the plan as JSON to `target`.

    Returns figures to print, by name. Raises Invalid for a file that cannot be read or planned.
    """
    problem = read_problem(path)
    began = monotonic()
    first: list[float] = []
    try:
        plan = solve(problem, seconds=seconds, on_plan=lambda _: first.append(monotonic() - began))
    except Infeasible as error:
        reasons = "; ".join(f"{each}: {reason} {dict(params)}" for each, reason, params in error.conflicts)
        raise Invalid("solve.infeasible", conflicts=reasons) from error
    taken = monotonic() - began
    if target is not None:
        target.write_text(json.dumps(plan_to_json(plan, problem.origin), ensure_ascii=False), encoding="utf-8")
    return _figures(problem, plan, first[0], taken)


def read_problem(path: Path) -> Problem:
    """A problem from a file. Raises Invalid naming what is wrong with it."""
    try:
        if path.suffix.lower() == ".txt":
            return instance_problem(path)
        return problem_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, FormatError, ValueError, IndexError) as error:
        raise Invalid("solve.file_unreadable", file=path.name, reason=str(error)) from error


def instance_problem(path: Path) -> Problem:
    """A public instance as a problem: machines always work, no order has a date, so the last end counts."""
    from examples.instances import EPOCH, read_instance  # samples are not loaded by the service

    instance = read_instance(path)
    horizon = sum(max(seconds for _, seconds in choices) for job in instance.jobs for choices in job)
    operations = tuple(
        Operation(
            f"J{job + 1}.{place + 1}",
            f"J{job + 1}",
            tuple(Alternative(f"M{machine + 1}", seconds) for machine, seconds in choices),
            (Predecessor(f"J{job + 1}.{place}"),) if place else (),
            interruptible=False,
        )
        for job, route in enumerate(instance.jobs)
        for place, choices in enumerate(route)
    )
    machines = tuple(Machine(f"M{at + 1}") for at in range(instance.machines))
    orders = tuple(Order(f"J{at + 1}") for at in range(len(instance.jobs)))
    return Problem(EPOCH, 0, horizon, machines, orders, operations)


def _figures(problem: Problem, plan: Plan, first: float, taken: float) -> dict[str, object]:
    wrong = check(problem, plan)
    dated = any(order.due is not None for order in problem.orders)
    parts = ("missed", "tardiness", "moved", "changeover", "flow")
    return {
        "operations": len(plan.operations),
        "solver": plan.solver,
        "status": plan.status,
        "makespan": max((each.end for each in plan.operations), default=0),
        **{part: getattr(plan.score, part) for part in parts},
        "bound": "none" if plan.bound is None else f"{plan.bound} ({'tardiness' if dated else 'makespan'})",
        "first plan": f"{first:.2f} s",
        "seconds": f"{taken:.2f}",
        "checker": "valid" if not wrong else f"{len(wrong)} violations: {wrong[:3]}",
    }
