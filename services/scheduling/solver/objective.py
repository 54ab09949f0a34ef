"""The parts of the objective in a CP-SAT model, in the strict order of `problem.Score`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.scheduling.solver.cpsat import Expression, Part
from services.scheduling.solver.scoring import order_ends


@dataclass(frozen=True, slots=True)
class Objective:
    """first: hard deadlines missed, times `per_missed`, and weighted tardiness; or the makespan without due dates.

    lesser: stability, changeover, flow - those that are not constant.
    """

    first: Expression
    per_missed: int
    lesser: list[Expression]


def objective_of(part: Part) -> Objective:
    """Build the variables of the objective."""
    ends = _ends(part)
    moved, flow = _moved(part), sum(ends.values())
    lesser: list[Expression] = [each for each in (moved, part.changeover, flow) if not isinstance(each, int)]
    if not part.model.dated:
        return Objective(_makespan(part, ends), 1, lesser)
    return _tardiness(part, ends, lesser)


def _tardiness(part: Part, ends: dict[int, Expression], lesser: list[Expression]) -> Objective:
    model, cp, late, missed, per_missed = part.model, part.cp, 0, 0, 1
    weighted: Expression = late
    hard: Expression = missed
    for order, end in ends.items():
        each = model.orders[order]
        if each.due is None:
            continue
        most = max(part.latest + max((part.tails or {}).values(), default=0) - each.due, 0)
        tardiness = cp.new_int_var(0, most, "")
        cp.add(tardiness >= end - each.due)
        weighted = weighted + tardiness * each.weight
        per_missed += most * each.weight
        if each.hard:
            is_late = cp.new_bool_var("")
            cp.add(end <= each.due).only_enforce_if(~is_late)
            hard = hard + is_late
    fixed_missed, fixed_tardiness = _standing(part, ends)
    return Objective((hard + fixed_missed) * per_missed + weighted + fixed_tardiness, per_missed, lesser)


def _standing(part: Part, ends: dict[int, Expression]) -> tuple[int, int]:
    """(hard deadlines missed, weighted tardiness) of the orders that the part does not touch."""
    missed = tardiness = 0
    for order, end in enumerate(order_ends(part.schedule)):
        each = part.model.orders[order]
        if order not in ends and end is not None and each.due is not None and end > each.due:
            missed, tardiness = missed + each.hard, tardiness + each.weight * (end - each.due)
    return missed, tardiness


def _makespan(part: Part, ends: dict[int, Expression]) -> Expression:
    makespan = part.cp.new_int_var(0, part.latest + max((part.tails or {}).values(), default=0), "")
    for end in ends.values():
        part.cp.add(makespan >= end)
    if part.tails is None:
        standing = [end for at, end in enumerate(part.schedule.end) if at not in part.tasks]
        part.cp.add(makespan >= max(standing, default=0))
    return makespan


def _ends(part: Part) -> dict[int, Expression]:
    """When the orders of the free operations end, estimated by tails where followers stand outside."""
    model, cp, found = part.model, part.cp, {}  # type: ignore[var-annotated]
    tails = part.tails or {}
    beyond = _beyond(part)
    for at, task in part.tasks.items():
        order = model.order_of[at]
        inside = any(each in part.tasks and model.order_of[each] == order for each in model.after[at])
        if not inside or tails.get(at):
            found.setdefault(order, []).append(part.end(task) + tails.get(at, 0))
    ends: dict[int, Expression] = {}
    for order, moments in found.items():
        standing = [
            part.schedule.end[at]
            for at in model.operations_of[order]
            if at not in part.tasks and at not in beyond
        ]  # fmt: skip
        end = cp.new_int_var(0, part.latest + max(tails.values(), default=0), "")
        for moment in [*moments, max(standing, default=0)]:
            cp.add(end >= moment)
        ends[order] = end
    return ends


def _beyond(part: Part) -> set[int]:
    """What follows free operations: it will move with them, if they move."""
    found: set[int] = set()
    for at in part.model.order:
        if any(link.before in part.tasks or link.before in found for link in part.model.before[at]):
            found.add(at)
    return found if part.tails is not None else set()


def _moved(part: Part) -> Expression:
    """How far starts lie from the plan that stands, in working time."""
    return sum(_shifts(part))


def _shifts(part: Part) -> Iterator[Expression]:
    model, cp = part.model, part.cp
    for at, task in part.tasks.items():
        stood = model.problem.current.get(model.operations[at].id)
        if stood is None:
            continue
        for clock, start in task.starts.items():
            stands = clock.work(stood.start)
            shift = cp.new_int_var(0, max(clock.work(part.latest), stands) + abs(min(stands, 0)), "")
            away = start - stands
            literals = [
                literal for literal, choice in zip(task.literals, task.choices, strict=True)
                if part.clocks[choice.machine] is clock
            ]  # fmt: skip
            for literal in literals or [cp.new_constant(1)]:
                cp.add(shift >= away).only_enforce_if(literal)
                cp.add(shift >= -away).only_enforce_if(literal)
            yield shift
        if model.lost(stood):
            continue
        for literal, choice in zip(task.literals, task.choices, strict=True):
            if len(task.choices) > 1 and model.machines[choice.machine].id != stood.machine:
                yield literal * model.problem.machine_change_s
