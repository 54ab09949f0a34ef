"""`mes solve`, `mes check`, `mes generate-shop`: problems and plans in files, without a database."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from mes.errors import Invalid

from services.scheduling.solver.checker import Violation, check
from services.scheduling.solver.generate import generate_shop
from services.scheduling.solver.jsonform import (
    FormatError,
    plan_from_json,
    plan_to_json,
    problem_from_json,
    problem_to_json,
    schema,
)
from services.scheduling.solver.kernel import COMPILED
from services.scheduling.solver.problem import (
    Alternative,
    Infeasible,
    Machine,
    Operation,
    Order,
    Plan,
    Predecessor,
    Problem,
    split_lots,
)
from services.scheduling.solver.relax import Relaxation, relaxed

__all__ = ["Solved", "check_file", "generate_file", "prepare", "read_problem", "schema", "solve_file"]


@dataclass(frozen=True, slots=True)
class Solved:
    """A problem from a file, its plan, and how long that took, from the problem read."""

    problem: Problem
    plan: Plan
    first_plan_seconds: float
    seconds: float
    violations: list[Violation]
    given_up: Sequence[Relaxation] = ()

    @property
    def makespan(self) -> int:
        """The last end, in seconds from the origin."""
        return max((each.end for each in self.plan.operations), default=0)

    def figures(self) -> dict[str, object]:
        """What to print, by name."""
        plan, wrong = self.plan, self.violations
        dated = any(order.due is not None for order in self.problem.orders)
        return {
            "operations": len(plan.operations),
            "solver": plan.solver,
            "status": plan.status,
            "makespan": self.makespan,
            **asdict(plan.score),
            "bound": "none" if plan.bound is None else f"{plan.bound} ({'tardiness' if dated else 'makespan'})",
            "first plan": f"{self.first_plan_seconds:.2f} s",
            "seconds": f"{self.seconds:.2f}",
            **({"given up": ", ".join(f"{each.kind} {each.id}" for each in self.given_up)} if self.given_up else {}),
            "checker": "valid" if not wrong else f"{len(wrong)} violations: {wrong[:3]}",
        } | {"makespan": self.makespan}

    def machine_readable(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "status": self.plan.status,
            "solver": self.plan.solver,
            "makespan": self.makespan,
            "objective": asdict(self.plan.score),
            "bound": self.plan.bound,
            "first_plan_seconds": round(self.first_plan_seconds, 3),
            "seconds": round(self.seconds, 3),
            "valid": not self.violations,
            "given_up": [asdict(each) for each in self.given_up],
            "plan": plan_to_json(self.plan, self.problem.origin),
        }


def prepare() -> None:
    """Have the solver compiled, or loaded from the cache, before time is counted: half a minute once, then a moment."""
    os.environ.setdefault(COMPILED, "1")
    from services.scheduling.solver.warm import warm

    warm()


def solve_file(
    path: Path,
    *,
    seconds: float,
    target: Path | None = None,
    form: str = "auto",
    workers: int = 2,
    seed: int = 1,
    svg: Path | None = None,
    relax: bool = False,
) -> Solved:
    """Plan a public instance or a problem in our JSON; write the plan as JSON to `target`, as a Gantt chart to `svg`.

    relax: where there is no plan, give up what is in conflict, and say what.
    Raises Invalid for a file that cannot be read or planned.
    """
    prepare()
    from services.scheduling.solver.engine import solve  # decides when it is loaded whether to compile

    problem = read_problem(path, form)
    problem, given_up = relaxed(problem) if relax else (problem, [])
    began = monotonic()
    first: list[float] = []
    try:
        plan = solve(
            problem, seconds=seconds, seed=seed, workers=workers, on_plan=lambda _: first.append(monotonic() - began)
        )
    except Infeasible as error:
        reasons = "; ".join(f"{each}: {reason} {dict(params)}" for each, reason, params in error.conflicts)
        raise Invalid("solve.infeasible", conflicts=reasons) from error
    taken = monotonic() - began
    if target is not None:
        target.write_text(json.dumps(plan_to_json(plan, problem.origin), ensure_ascii=False), encoding="utf-8")
    if svg is not None:
        from services.scheduling.gantt import gantt_svg

        svg.write_text(gantt_svg(problem, plan), encoding="utf-8")
    return Solved(problem, plan, first[0], taken, check(problem, plan), given_up)


def check_file(problem_path: Path, plan_path: Path, form: str = "auto") -> list[Violation]:
    """Everything that is wrong with a plan in a file. Raises Invalid for files that cannot be read."""
    problem = read_problem(problem_path, form)
    try:
        plan = plan_from_json(json.loads(plan_path.read_text(encoding="utf-8")))
    except (OSError, FormatError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("solve.plan_unreadable", file=plan_path.name, reason=str(error)) from error
    return check(problem, plan)


def generate_file(operations: int, seed: int, *, full: bool, target: Path | None) -> str:
    """A realistic problem as JSON text; written to `target` if that is given."""
    text = json.dumps(problem_to_json(generate_shop(operations, seed, full=full)))
    if target is not None:
        target.write_text(text + "\n", encoding="utf-8")
    return text


def read_problem(path: Path, form: str = "auto") -> Problem:
    """A problem from a file; form: jobshop, flexible, json, or auto. Raises Invalid naming what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        if form == "json" or (form == "auto" and (path.suffix.lower() == ".json" or text.lstrip().startswith("{"))):
            data = json.loads(text)
            if not isinstance(data, Mapping):
                raise FormatError("an object is expected")
            return split_lots(problem_from_json(data))
        return instance_problem(path, form)
    except (OSError, FormatError, ValueError, IndexError) as error:
        raise Invalid("solve.file_unreadable", file=path.name, reason=str(error)) from error


def instance_problem(path: Path, form: str = "auto") -> Problem:
    """A public instance as a problem: machines always work, no order has a date, so the last end counts."""
    from examples.instances import EPOCH, read_instance  # samples are not loaded by the service

    instance = read_instance(path, form)
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
