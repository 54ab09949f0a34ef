"""An impossible problem made possible, on request: each conflict costs what it names, and no more.

A pin on a machine that cannot do it is dropped, so are needs that nobody can fulfil and a supplier that is not there;
of what cannot be done at all the order is left out, with the orders that wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Fixing, Infeasible, Operation, Problem

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What was given up. kind: pin, needs or supplier (of an operation), or order (left out); code: of the conflict."""

    kind: str
    id: str
    code: str


def relaxed(problem: Problem) -> tuple[Problem, list[Relaxation]]:
    """A problem that has a plan, and what was given up for it: nothing where it has one as it is."""
    found: list[Relaxation] = []
    for _ in range(_MOST):
        try:
            Model(problem)
        except Infeasible as infeasible:
            made = _relaxations(problem, infeasible)
            problem = _without(problem, made)
            found += made
            continue
        return problem, found
    raise AssertionError("each round gives something up")


def _relaxations(problem: Problem, infeasible: Infeasible) -> list[Relaxation]:
    operations = {each.id: each for each in problem.operations}
    made: dict[tuple[str, str], Relaxation] = {}
    for one, code, params in infeasible.conflicts:
        kind = {"pinned_elsewhere": "pin", "no_resource": "needs", "too_many_needs": "needs"}.get(code)
        if code == "no_supplier":
            kind = "supplier"
        order = params.get("order") or (operations[one].order if one in operations else one)
        each = Relaxation(kind, one, code) if kind else Relaxation("order", order, code)
        made.setdefault((each.kind, each.id), each)
    return list(made.values())


def _without(problem: Problem, given_up: Sequence[Relaxation]) -> Problem:
    by_kind: dict[str, set[str]] = {"pin": set(), "needs": set(), "supplier": set(), "order": set()}
    for each in given_up:
        by_kind[each.kind].add(each.id)
    gone = _with_followers(problem, by_kind["order"])
    operations = [_free_of(each, by_kind) for each in problem.operations if each.order not in gone]
    kept = {each.id for each in operations}
    return replace(
        problem, operations=operations, orders=[each for each in problem.orders if each.id not in gone],
        current={name: each for name, each in problem.current.items() if name in kept},
    )  # fmt: skip


def _free_of(operation: Operation, by_kind: Mapping[str, set[str]]) -> Operation:
    given_up: dict[str, Any] = {}
    if operation.id in by_kind["pin"]:
        given_up |= {"fixing": Fixing.FREE, "machine": "", "setup_start": 0, "start": 0, "end": 0}
    if operation.id in by_kind["needs"]:
        given_up |= {"needs": ()}
    if operation.id in by_kind["supplier"]:
        given_up |= {"supplier": ""}
    return replace(operation, **given_up)


def _with_followers(problem: Problem, orders: set[str]) -> set[str]:
    """Orders, and all that wait for one of them: what is not in a problem would hold nobody back."""
    order_of = {each.id: each.order for each in problem.operations}
    gone = set(orders)
    while True:
        more = {each.order for each in problem.operations if each.order not in gone and _waits(each, order_of, gone)}
        if not more:
            return gone
        gone |= more


def _waits(operation: Operation, order_of: dict[str, str], gone: set[str]) -> bool:
    return any(order_of.get(link.operation) in gone for link in operation.predecessors)
