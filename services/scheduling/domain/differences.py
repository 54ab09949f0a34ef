"""How one plan differs from another, and whether the difference is worth telling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.scheduling.domain.facts import OrderFacts, Placed


@dataclass(frozen=True, slots=True)
class Difference:
    """A plan against the one before, by job ids. removed: were planned, are open still, and are not planned any more.

    moved: on the same machine at another time, be it only the setup's; reassigned: on another machine.
    """

    added: Sequence[str]
    removed: Sequence[str]
    moved: Sequence[str]
    reassigned: Sequence[str]


Where = tuple[Hashable, datetime, datetime, datetime]
"""Machine, start of the setup, start and end of the run."""


def how_moved(before: Where, after: Where) -> str:
    """moved, reassigned, or "" where nothing differs."""
    if before == after:
        return ""
    return "moved" if before[0] == after[0] else "reassigned"


def with_kept_ranks(before: Mapping[str, Placed], plan: Iterable[Placed]) -> list[Placed]:
    """The plan with ranks that grow along each machine, changed only where the order on the machine demands it.

    What is finished leaves gaps, so that those behind it need not be told a new rank.
    """
    lines: dict[str, list[Placed]] = defaultdict(list)
    for each in plan:
        lines[each.machine].append(each)
    made: list[Placed] = []
    for machine, line in lines.items():
        last = 0
        for each in sorted(line, key=lambda one: (one.setup_start, one.start, one.rank, one.job)):
            known = before.get(each.job)
            keeps = known is not None and known.machine == machine and known.rank > last
            last = known.rank if known is not None and keeps else last + 1
            made.append(replace(each, rank=last))
    return made


def changed(before: Mapping[str, Placed], plan: Iterable[Placed]) -> list[Placed]:
    """Operations of the plan that are new, elsewhere, at another time or at another place in their queue."""
    return [each for each in plan if each.job not in before or _is_other(before[each.job], each)]


def _is_other(before: Placed, after: Placed) -> bool:
    return before.rank != after.rank or how_moved(_where(before), _where(after)) != ""


def _where(each: Placed) -> Where:
    return each.machine, each.setup_start, each.start, each.end


def difference(before: Mapping[str, Placed], plan: Mapping[str, Placed], over: Collection[str]) -> Difference:
    """What differs. over: jobs that are finished or gone and need no place."""
    kinds = {job: how_moved(_where(before[job]), _where(each)) for job, each in plan.items() if job in before}
    return Difference(
        added=[job for job in plan if job not in before],
        removed=[job for job in before if job not in plan and job not in over],
        moved=[job for job, kind in kinds.items() if kind == "moved"],
        reassigned=[job for job, kind in kinds.items() if kind == "reassigned"],
    )


def matters(before: Mapping[str, Placed], plan: Mapping[str, Placed], found: Difference, threshold_s: int) -> bool:
    """Whether the new plan is worth publishing: other jobs, another machine or order, times beyond the threshold."""
    if found.added or found.removed or found.reassigned:
        return True
    for job in found.moved:
        a, b = before[job], plan[job]
        if max(abs(b.start - a.start), abs(b.end - a.end)).total_seconds() > threshold_s:
            return True
    return _sequences(before, plan) != _sequences(plan, before)


def _sequences(plan: Mapping[str, Placed], other: Mapping[str, Placed]) -> dict[str, list[str]]:
    """Machine -> the jobs that both plans have there, in order."""
    lines: dict[str, list[Placed]] = defaultdict(list)
    for job, each in plan.items():
        if each.machine and job in other and other[job].machine == each.machine:
            lines[each.machine].append(each)
    return {
        machine: [each.job for each in sorted(line, key=lambda one: (one.setup_start, one.rank))]
        for machine, line in lines.items()
    }


@dataclass(frozen=True, slots=True)
class Promise:
    """When an order is going to end. projected_end: None while some of its jobs cannot be planned."""

    order: str
    projected_end: datetime | None
    due_at: datetime | None
    lateness_s: int | None
    cause: str


def promises(
    plan: Iterable[Placed], orders: Mapping[str, OrderFacts], incomplete: Collection[str]
) -> dict[str, Promise]:
    """What a plan promises each order: the end of its last operation. incomplete: orders with unplanned jobs."""
    last: dict[str, Placed] = {}
    for each in plan:
        if each.order not in last or last[each.order].end < each.end:
            last[each.order] = each
    made = {order: _promise(orders[order], each) for order, each in last.items() if order in orders}
    for order in incomplete:
        if order in orders:
            made[order] = Promise(order, None, orders[order].due_at, None, "unplanned")
    return made


def _promise(order: OrderFacts, last: Placed) -> Promise:
    due = order.due_at if order.deadline_type != "None" else None
    lateness = round((last.end - due).total_seconds()) if due else None
    return Promise(order.id, last.end, due, lateness, last.cause)
