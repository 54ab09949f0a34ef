"""The parts of the objective, and a schedule as the plan that leaves the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.scheduling.solver.decoder import Schedule, score_from
from services.scheduling.solver.problem import Fixing, Plan, Planned, Score


def order_ends(schedule: Schedule) -> list[int | None]:
    """When the last operation of each order ends; None for an order without operations."""
    ends: list[int | None] = [None] * len(schedule.model.orders)
    for order, end in zip(schedule.model.order_of, schedule.end, strict=True):
        known = ends[order]
        if known is None or end > known:
            ends[order] = end
    return ends


def score_of(schedule: Schedule) -> Score:
    """Score of a schedule. moved and changeover count what is free or pinned."""
    return score_from(schedule.block, schedule.flat)


def lines(schedule: Schedule) -> list[list[int]]:
    """The operations on each machine in the order in which it does them; what is done is left out."""
    model = schedule.model
    found: list[list[int]] = [[] for _ in model.machines]
    for at, machine in enumerate(schedule.machine):
        if machine >= 0 and model.fixing[at] is not Fixing.DONE:
            found[machine].append(at)
    for line in found:
        line.sort(key=lambda at: (schedule.start[at], schedule.end[at], schedule.turn[at]))
    return found


class Neighbours:
    """Who is before and behind each operation on its machine (-1: nobody), and its rank."""

    def __init__(self, schedule: Schedule) -> None:
        count = len(schedule.model)
        self.previous, self.next, self.rank = [-1] * count, [-1] * count, [0] * count
        for line in lines(schedule):
            for place, at in enumerate(line):
                self.rank[at] = place + 1
                if place:
                    self.previous[at], self.next[line[place - 1]] = line[place - 1], at


def plan_of(
    schedule: Schedule,
    solver: str,
    status: str = "Feasible",
    *,
    bound: int | None = None,
    rules: Mapping[str, Score] | None = None,
) -> Plan:
    """The plan with causes, ranks and slack."""
    model, near = schedule.model, Neighbours(schedule)
    slack = slacks(schedule, near.next)
    planned, units = [], schedule.units()
    for at, operation in enumerate(model.operations):
        cause, reference = _cause(schedule, at, near.previous[at])
        machine = schedule.machine[at]
        planned.append(
            Planned(
                operation.id, model.machines[machine].id if machine >= 0 else operation.machine * model.fixed[at],
                schedule.setup_start[at], schedule.start[at], schedule.end[at], cause,
                model.operations[reference].id if reference >= 0 else "", near.rank[at], slack[at],
                operation.resources if model.fixed[at] else units[at],
            )
        )  # fmt: skip
    return Plan(tuple(planned), score_of(schedule), solver, status, bound, dict(rules or {}), _beyond_horizon(schedule))


def _beyond_horizon(schedule: Schedule) -> bool:
    calendars, horizon = schedule.model.calendars, schedule.model.problem.horizon
    return any(
        machine >= 0 and calendars[machine] is not None and end > horizon
        for machine, end in zip(schedule.machine, schedule.end, strict=True)
    )


def slacks(schedule: Schedule, behind: Sequence[int]) -> list[int | None]:
    """By how much each operation may slip before its order is late; negative if it is late already.

    Where only another order on the same machine would be late, the room in front of that operation counts, but not
    that order's own lateness. None without a due date.
    """
    model = schedule.model
    dues = [model.orders[order].due for order in model.order_of]
    slack = backward(schedule, dues, behind)
    return [None if due is None else each for due, each in zip(dues, slack, strict=True)]


def backward(schedule: Schedule, dues: Sequence[int | None], behind: Sequence[int]) -> list[int | None]:
    """A backward pass from the due moments over successors and `behind` (the next on the machine, -1: none).

    Times stay as they stand: a wait that a calendar causes counts as slack.
    """
    model, start, turn = schedule.model, schedule.start, schedule.turn
    slack: list[int | None] = [None] * len(model)
    for at in sorted(model.order, key=lambda at: (start[at], schedule.end[at], turn[at]), reverse=True):
        end, due = schedule.end[at], dues[at]
        room = [] if due is None else [due - end]
        room += [known + _wait(schedule, at, each) for each in model.after[at] if (known := slack[each]) is not None]
        if (follower := behind[at]) >= 0 and (known := slack[follower]) is not None:
            room.append(max(known, 0) + max(schedule.setup_start[follower] - end, 0))
        slack[at] = min(room, default=None)
    return slack


def _wait(schedule: Schedule, before: int, after: int) -> int:
    """Seconds between the moment from which a predecessor lets its successor begin and the successor's start."""
    waits = []
    for link in schedule.model.before[after]:
        if link.before == before:
            waits.append(schedule.start[after] - schedule.transfer(before, link.overlap) - link.lag)
            if link.overlap >= 0:
                waits.append(schedule.end[after] - schedule.end[before] - link.tail)
    return min(waits, default=0)


def _cause(schedule: Schedule, at: int, previous: int) -> tuple[str, int]:
    """Why an operation does not begin earlier, and the operation it waits for (-1: none)."""
    model = schedule.model
    if model.fixed[at]:
        fixing = model.fixing[at]
        return ("none" if fixing is Fixing.DONE else fixing.value), -1
    start, machine, release = schedule.start[at], schedule.machine[at], model.release[at]
    waits = [(model.problem.now, 0, "none", -1)]
    if release > model.problem.now:
        pinned = model.fixing[at] is Fixing.PINNED and model.operations[at].start == release
        waits.append((release, 1, "pinned" if pinned else "release", -1))
    waits += [(moment, 2, "predecessor", before) for moment, before in _waits_for(schedule, at)]
    moment, _, cause, reference = max(waits, key=lambda wait: wait[:2])
    if machine < 0:
        return cause, reference
    free = max([model.floor[machine], *([] if previous < 0 else [schedule.end[previous]])])
    set_up = _set_up(schedule, at, machine, free)
    if free > moment:
        moment, cause, reference = set_up, "equipment", previous
    elif set_up > moment:
        moment, cause, reference = set_up, "setup", previous
    return ("calendar" if start > moment else cause), reference


def _set_up(schedule: Schedule, at: int, machine: int, free: int) -> int:
    """From when a run could begin on a machine that is free from then on and then set up."""
    calendar, setup = schedule.model.calendars[machine], schedule.setup[at]
    if not setup:
        return free
    return free + setup if calendar is None else calendar.end(calendar.work(free) + setup)


def _waits_for(schedule: Schedule, at: int) -> list[tuple[int, int]]:
    """(from when a predecessor lets this operation begin, the predecessor)."""
    waits = []
    run = schedule.end[at] - schedule.start[at]
    for link in schedule.model.before[at]:
        waits.append((schedule.transfer(link.before, link.overlap) + link.lag, link.before))
        if link.overlap >= 0:
            waits.append((schedule.end[link.before] + link.tail - run, link.before))
    return waits
