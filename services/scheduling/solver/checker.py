"""Verifies a plan against its problem. Shares no code with what makes plans: only the definitions in `problem`.

Every rule that `services.scheduling.solver` states is looked at in each operation that an engine was free to place;
what was given as frozen, running or done is held to one rule, that it stands where it was given.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.scheduling.solver.problem import (
    ANY,
    Alternative,
    Fixing,
    Machine,
    Operation,
    Order,
    Plan,
    Planned,
    Predecessor,
    Problem,
)

_GIVEN = (Fixing.FROZEN, Fixing.RUNNING, Fixing.DONE)


@dataclass(frozen=True, slots=True)
class Violation:
    """kind: missing, unknown, twice, moved, alternative, duration, window, interrupted, setup, overlap, predecessor,
    release, pinned. operation: where it is. other: the operation that it collides with. detail: in English, for logs.
    """

    kind: str
    operation: str
    other: str = ""
    detail: str = ""


def check(problem: Problem, plan: Plan) -> list[Violation]:
    """Everything that is wrong with a plan; empty if it is valid."""
    return list(_Check(problem, plan).violations())


@dataclass(slots=True)
class _Shifts:
    """Opening times of a machine, endless from the horizon on, with the seconds open before each."""

    spans: list[tuple[int, int]]
    opens: list[int] = field(default_factory=list)
    total: list[int] = field(default_factory=list)
    longest: int = 0

    @classmethod
    def of(cls, machine: Machine, horizon: int) -> _Shifts:
        merged: list[list[int]] = []
        for begin, end in machine.windows or ():
            if merged and merged[-1][1] >= begin:
                merged[-1][1] = max(merged[-1][1], end)
            elif end > begin:
                merged.append([begin, end])
        longest = max((end - begin for begin, end in merged), default=0)
        cut = [(begin, min(end, horizon)) for begin, end in merged if begin < horizon]
        if cut and cut[-1][1] == horizon:
            cut[-1] = (cut[-1][0], 1 << 62)
        else:
            cut.append((horizon, 1 << 62))
        shifts, open_s = cls(cut, longest=longest), 0
        for begin, end in cut:
            shifts.opens.append(begin)
            shifts.total.append(open_s)
            open_s += end - begin
        return shifts

    def open_until(self, moment: int) -> int:
        """Seconds open before a moment."""
        at = bisect_right(self.opens, moment) - 1
        return 0 if at < 0 else self.total[at] + min(moment, self.spans[at][1]) - self.spans[at][0]

    def is_open(self, moment: int) -> bool:
        """Whether work can begin at a moment."""
        at = bisect_right(self.opens, moment) - 1
        return at >= 0 and moment < self.spans[at][1]

    def is_closing(self, moment: int) -> bool:
        """Whether work can end at a moment."""
        return self.is_open(moment - 1)

    def holds(self, begin: int, end: int) -> bool:
        """Whether one opening holds a span."""
        at = bisect_right(self.opens, begin) - 1
        return at >= 0 and end <= self.spans[at][1]


class _Check:
    def __init__(self, problem: Problem, plan: Plan) -> None:
        self.problem, self.plan = problem, plan
        self.operations = {each.id: each for each in problem.operations}
        self.orders: Mapping[str, Order] = {each.id: each for each in problem.orders}
        self.machines = {each.id: each for each in problem.machines}
        self.shifts = {
            each.id: None if each.windows is None else _Shifts.of(each, problem.horizon) for each in problem.machines
        }
        self.planned = {each.operation: each for each in plan.operations}
        self.used: dict[str, Alternative] = {}
        self.setups: dict[tuple[str, str, str], int | None] = {}

    def violations(self) -> Iterator[Violation]:
        yield from self._whole()
        for operation in self.problem.operations:
            if (planned := self.planned.get(operation.id)) is None:
                continue
            if operation.fixing in _GIVEN:
                yield from self._given(operation, planned)
            else:
                yield from self._free(operation, planned)
        yield from self._machines()

    def _whole(self) -> Iterator[Violation]:
        seen: set[str] = set()
        for each in self.plan.operations:
            if each.operation in seen:
                yield Violation("twice", each.operation)
            if each.operation not in self.operations:
                yield Violation("unknown", each.operation)
            seen.add(each.operation)
        yield from (Violation("missing", each) for each in self.operations if each not in seen)

    def _given(self, operation: Operation, planned: Planned) -> Iterator[Violation]:
        given = (operation.machine, operation.start, operation.end)
        if (planned.machine, planned.start, planned.end) != given:
            yield Violation("moved", operation.id, detail=f"{given} became {planned}")

    def _free(self, operation: Operation, planned: Planned) -> Iterator[Violation]:
        yield from self._where(operation, planned)
        order = self.orders.get(operation.order)
        if planned.start < max(operation.release, order.release if order else 0):
            yield Violation("release", operation.id, detail=f"starts at {planned.start}")
        if planned.setup_start < self.problem.now:
            yield Violation("release", operation.id, detail=f"set up at {planned.setup_start}, before now")
        if operation.fixing is Fixing.PINNED and (
            planned.start < operation.start or (operation.machine and planned.machine != operation.machine)
        ):
            yield Violation("pinned", operation.id)
        for link in operation.predecessors:
            yield from self._link(operation, planned, link)

    def _where(self, operation: Operation, planned: Planned) -> Iterator[Violation]:
        if not operation.alternatives:
            if planned.machine or planned.setup_start != planned.start:
                yield Violation("alternative", operation.id, detail="an outside operation has no machine and no setup")
            elif planned.end - planned.start != operation.outside_s:
                yield Violation("duration", operation.id, detail=f"{planned.end - planned.start} outside")
            return
        fits = [each for each in operation.alternatives if each.machine == planned.machine]
        if not fits or planned.machine not in self.machines:
            yield Violation("alternative", operation.id, detail=planned.machine)
            return
        shifts = self.shifts[planned.machine]
        run = _worked(shifts, planned.start, planned.end)
        used = next((each for each in fits if each.seconds == run), None)
        if used is None:
            yield Violation("duration", operation.id, detail=f"{run} s instead of {fits[0].seconds}")
            return
        self.used[operation.id] = used
        if planned.setup_start < self.machines[planned.machine].available_from:
            yield Violation("window", operation.id, detail="the machine is not there yet")
        if shifts is not None:
            yield from _windows(operation, planned, shifts, run)

    def _link(self, operation: Operation, planned: Planned, link: Predecessor) -> Iterator[Violation]:
        before, given = self.planned.get(link.operation), self.operations.get(link.operation)
        if before is None or given is None:
            return
        moment = planned.start - link.lag_s
        begun = moment >= before.end
        if link.overlap_s is not None:
            if not begun and given.fixing is not Fixing.DONE:
                # So many seconds are worked on the predecessor.
                worked = _worked(self.shifts.get(before.machine), before.start, moment)
                begun = moment >= before.start and worked >= link.overlap_s
            if planned.end < before.end + link.tail_s:
                yield Violation("predecessor", operation.id, link.operation, "ends before the last batch is through")
        if not begun:
            yield Violation("predecessor", operation.id, link.operation, f"starts at {planned.start}")

    def _machines(self) -> Iterator[Violation]:
        queues: dict[str, list[Planned]] = {each: [] for each in self.machines}
        for planned in self.planned.values():
            operation = self.operations.get(planned.operation)
            if operation and operation.fixing is not Fixing.DONE and planned.machine in queues:
                queues[planned.machine].append(planned)
        for name, queue in queues.items():
            queue.sort(key=lambda each: (each.start, each.end, each.rank))
            yield from self._overlaps(queue)
            yield from self._changes(self.machines[name], queue)

    def _overlaps(self, queue: Sequence[Planned]) -> Iterator[Violation]:
        """Free operations overlap nothing; given ones may overlap each other."""
        last: Planned | None = None
        last_free: Planned | None = None
        for each in queue:
            free = self.operations[each.operation].fixing not in _GIVEN
            other = last if free else last_free
            if other is not None and min(each.setup_start, each.start) < other.end:
                yield Violation("overlap", each.operation, other.operation)
            if last is None or each.end > last.end:
                last = each
            if free and (last_free is None or each.end > last_free.end):
                last_free = each

    def _changes(self, machine: Machine, queue: Sequence[Planned]) -> Iterator[Violation]:
        family, after_free = machine.initial_family, False
        shifts = self.shifts[machine.id]
        for each in queue:
            operation = self.operations[each.operation]
            given, free = _worked(shifts, each.setup_start, each.start), operation.fixing not in _GIVEN
            needed = self._setup(machine, family, operation)
            if (free and each.operation in self.used and given != needed) or (
                not free and after_free and given < needed
            ):
                yield Violation("setup", each.operation, detail=f"{given} s, from {family!r} it takes {needed} s")
            family, after_free = operation.family, free

    def _setup(self, machine: Machine, family: str, operation: Operation) -> int:
        used = self.used.get(operation.id) or next(
            (each for each in operation.alternatives if each.machine == machine.id), None
        )
        own = used.setup_s if used else 0
        if not operation.family:
            return own
        key = (machine.setup_class, family, operation.family)
        if key not in self.setups:
            self.setups[key] = self._row(*key)
        found = self.setups[key]
        return own if found is None else found

    def _row(self, setup_class: str, family: str, to_family: str) -> int | None:
        """Setup that the matrix says; None if it says nothing."""
        rows = self.problem.setups.get(setup_class, ())
        if family == to_family:
            exact = [row for row in rows if (row.from_family, row.to_family) == (family, family)]
            return min(exact, key=lambda row: row.priority).seconds if exact else 0
        fits = [row for row in rows if row.from_family in (family, ANY) and row.to_family in (to_family, ANY)]
        return min(fits, key=lambda row: row.priority).seconds if fits else None


def _worked(shifts: _Shifts | None, begin: int, end: int) -> int:
    return end - begin if shifts is None else shifts.open_until(end) - shifts.open_until(begin)


def _windows(operation: Operation, planned: Planned, shifts: _Shifts, run: int) -> Iterator[Violation]:
    if not shifts.is_open(planned.start) or not shifts.is_open(planned.setup_start):
        yield Violation("window", operation.id, detail="begins while the machine is closed")
    if run and not shifts.is_closing(planned.end):
        yield Violation("window", operation.id, detail="ends while the machine is closed")
    if not operation.interruptible and run <= shifts.longest and not shifts.holds(planned.start, planned.end):
        yield Violation("interrupted", operation.id)
