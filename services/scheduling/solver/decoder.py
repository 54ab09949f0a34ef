"""The schedule-generation scheme: from an order of operations and a choice of machines to times.

Serial: operations are placed one after the other, each behind what was placed before it on its machine, as early as its
predecessors let it. Around fixed operations a machine has several rooms; an operation goes into the first one that
holds it whole and leaves the machine fit for the fixed operation behind. No room between placed operations is filled
later: rules and searches decide the order, the decoder does not change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from services.scheduling.solver.model import Choice, Model
from services.scheduling.solver.problem import Fixing
from services.scheduling.solver.working_time import FOREVER, WorkingTime

OUTSIDE = -1
"""Choice of an operation that needs no machine, or of a fixed one."""


class Place(NamedTuple):
    """Where an operation can go: its choice, the room on the machine, and the times."""

    choice: int
    room: int
    setup_start: int
    start: int
    end: int


class Schedule:
    """A plan in the making. Lists are by operation index; `placed` tells which entries hold.

    setup: working seconds of the setup. chosen: index of the choice, OUTSIDE without one. machine: index or -1. turn:
    how many were placed before (0: fixed).
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        count = len(model)
        self.placed = [False] * count
        self.setup_start, self.start, self.end = [0] * count, [0] * count, [0] * count
        self.setup, self.chosen, self.machine = [0] * count, [OUTSIDE] * count, [-1] * count
        self.turn, self._turns = [0] * count, 0
        # Rooms of each machine: [cursor, family, limit, setup that is given to the fixed operation behind, its index].
        self.rooms = [[[gap.cursor, gap.family, gap.limit, gap.given_setup, gap.after] for gap in gaps]
                      for gaps in model.gaps]  # fmt: skip
        for at, each in enumerate(model.operations):
            if model.fixed[at]:
                self.placed[at] = True
                self.setup_start[at] = min(each.setup_start, each.start)
                self.start[at], self.end[at] = each.start, each.end
                self.machine[at] = model.machine_index.get(each.machine, -1)

    def bounds(self, operation: int) -> tuple[int, int]:
        """(not before, end not before) of a run, as releases and the placed predecessors ask."""
        ready, bound = self.model.release[operation], 0
        for link in self.model.before[operation]:
            moment = self.transfer(link.before, link.overlap) + link.lag
            if moment > ready:
                ready = moment
            if link.overlap >= 0:
                bound = max(bound, self.end[link.before] + link.tail)
        return ready, bound

    def transfer(self, before: int, overlap: int) -> int:
        """When the first batch leaves a placed operation: after `overlap` working seconds, -1: at its end."""
        end = self.end[before]
        if overlap < 0 or self.model.fixing[before] is Fixing.DONE:
            return end
        machine = self.machine[before]
        calendar = None if machine < 0 else self.model.calendars[machine]
        start = self.start[before]
        if calendar is None:
            return min(end, start + overlap)
        return min(end, max(start, calendar.end(calendar.work(start) + overlap)))

    def fit(self, operation: int, number: int, ready: int, bound: int) -> Place:
        """The first place for an operation under one of its choices."""
        model = self.model
        choice = model.choices[operation][number]
        machine, family = choice.machine, model.family[operation]
        calendar, table = model.calendars[machine], model.setups[machine]
        whole = model.whole[operation][number]
        for room, (cursor, last, limit, given, after) in enumerate(self.rooms[machine]):
            if ready >= limit and limit < FOREVER:
                continue
            setup = table.seconds(last)[family]
            if setup < 0:
                setup = choice.setup
            if calendar is None:
                start = max(cursor + setup, ready, bound - choice.run)
                setup_start, end = start - setup, start + choice.run
            else:
                setup_start, start, end = _in_windows(calendar, cursor, setup, ready, bound, choice.run, whole)
            if limit == FOREVER or (end <= limit and self._leaves(machine, family, after) <= given):
                return Place(number, room, setup_start, start, end)
        raise AssertionError("the last room has no limit")

    def _leaves(self, machine: int, family: int, after: int) -> int:
        """Setup that a fixed operation would need behind this family."""
        setup = self.model.setups[machine].seconds(family)[self.model.family[after]]
        return setup if setup >= 0 else self.model.own_setup(after, machine)

    def best(self, operation: int, ready: int, bound: int) -> Place:
        """The place with the earliest end over all choices; preference, then the machine's place break ties."""
        choices = self.model.choices[operation]
        places = [self.fit(operation, number, ready, bound) for number in range(len(choices))]
        if len(places) == 1:
            return places[0]
        return min(places, key=lambda place: rating(place, choices[place.choice]))

    def put(self, operation: int, place: Place) -> None:
        """Place an operation on a machine."""
        choice, family = self.model.choices[operation][place.choice], self.model.family[operation]
        room = self.rooms[choice.machine][place.room]
        setup = self.model.setups[choice.machine].seconds(room[1])[family]
        self.setup[operation] = setup if setup >= 0 else choice.setup
        room[0], room[1] = place.end, family
        self._turns += 1
        self.turn[operation], self.placed[operation] = self._turns, True
        self.setup_start[operation], self.start[operation], self.end[operation] = place[2:]
        self.chosen[operation], self.machine[operation] = place.choice, choice.machine

    def put_outside(self, operation: int, ready: int, bound: int) -> None:
        """Place an outside operation."""
        span = self.model.operations[operation].outside_s
        start = max(ready, bound - span)
        self.placed[operation] = True
        self.setup_start[operation] = self.start[operation] = start
        self.end[operation] = start + span


def rating(place: Place, choice: Choice) -> tuple[int, int, int]:
    """Less is better between the choices of one operation."""
    return (place.end, choice.preference, choice.machine)


def _in_windows(
    calendar: WorkingTime, cursor: int, setup: int, ready: int, bound: int, run: int, whole: bool
) -> tuple[int, int, int]:
    """(setup start, start, end) of the earliest run behind `cursor` in a calendar's windows."""
    worked = max(calendar.work(cursor) + setup, calendar.work(ready))
    if bound:
        worked = max(worked, calendar.reach(bound) - run)
    if whole:
        worked = calendar.fit(worked, run)
    start = calendar.begin(worked)
    setup_start = calendar.begin(worked - setup) if setup else start
    return setup_start, start, calendar.end(worked + run) if run else start


def decode(
    model: Model, sequence: Iterable[int], chosen: Sequence[int], not_before: Sequence[int] | None = None
) -> Schedule:
    """Place all operations in this sequence (predecessors first), each under its chosen alternative (OUTSIDE: any).

    not_before: moments by operation that the runs are to wait for.
    """
    schedule = Schedule(model)
    for operation in sequence:
        if schedule.placed[operation]:
            continue
        ready, bound = schedule.bounds(operation)
        if not_before is not None:
            ready = max(ready, not_before[operation])
        if not model.choices[operation]:
            schedule.put_outside(operation, ready, bound)
        elif chosen[operation] == OUTSIDE:
            schedule.put(operation, schedule.best(operation, ready, bound))
        else:
            schedule.put(operation, schedule.fit(operation, chosen[operation], ready, bound))
    return schedule


def by_keys(model: Model, keys: Sequence[float]) -> list[int]:
    """All operations by key, least first, but every one behind its predecessors."""
    waiting = [len(links) for links in model.before]
    heap = [(keys[at], at) for at, count in enumerate(waiting) if not count]
    heapify(heap)
    sequence = []
    while heap:
        _, at = heappop(heap)
        sequence.append(at)
        for follower in model.after[at]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heappush(heap, (keys[follower], follower))
    return sequence
