"""A problem compiled for speed: indices instead of ids, tables instead of rules. Refuses what cannot be planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.scheduling.solver.problem import (
    ANY,
    Fixing,
    Infeasible,
    Machine,
    Operation,
    Order,
    Planned,
    Problem,
    SetupRow,
)
from services.scheduling.solver.working_time import FOREVER, WorkingTime

FIXED = frozenset({Fixing.FROZEN, Fixing.RUNNING, Fixing.DONE})
MOST_NEEDS = 8
Conflict = tuple[str, str, Mapping[str, str]]


class Choice(NamedTuple):
    """An alternative by machine index; setup: where the matrix has no row."""

    machine: int
    run: int
    setup: int
    preference: int


class Link(NamedTuple):
    """A predecessor by index; overlap -1: none."""

    before: int
    lag: int
    overlap: int
    tail: int


class Gap(NamedTuple):
    """Room on a machine between fixed operations: from `cursor`, set up for `family`, until `limit`.

    after: the fixed operation that ends the room (-1: none) and given_setup the working seconds its setup has. behind:
    the last fixed operation before the room, -1: none.
    """

    cursor: int
    family: int
    limit: int
    after: int
    given_setup: int
    behind: int


class SetupTable:
    """seconds(from)[to]: setup by family index, -1 where the operation's own setup holds. Rows are made when asked."""

    __slots__ = ("_families", "_made", "_rows")

    def __init__(self, rows: Sequence[SetupRow], families: Mapping[str, int]) -> None:
        self._families = families
        # The lowest priority is written last and stays; of equal ones the first given.
        self._rows = sorted(rows, key=lambda row: row.priority)[::-1]
        self._made: dict[int, list[int]] = {}

    def seconds(self, from_family: int) -> list[int]:
        """Setup to every family, coming from this one."""
        made = self._made.get(from_family)
        if made is None:
            made = self._made[from_family] = self._make(from_family)
        return made

    def _make(self, from_family: int) -> list[int]:
        families, made, stay = self._families, [-1] * len(self._families), 0
        for row in self._rows:
            if row.from_family != ANY and families.get(row.from_family) != from_family:
                continue
            if row.to_family == ANY:
                made = [row.seconds] * len(made)
            elif (to := families.get(row.to_family)) is not None:
                made[to] = row.seconds
                if to == from_family and row.from_family != ANY:
                    stay = row.seconds
        made[from_family] = stay
        made[0] = -1
        return made


class Model:
    """Everything by index: operations, machines, orders. Family 0 is none or unknown. flat: see `flat.flat_of`."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.flat: Any = None
        self.operations: Sequence[Operation] = problem.operations
        self.machines: Sequence[Machine] = problem.machines
        self.index = {each.id: at for at, each in enumerate(self.operations)}
        self.machine_index = {each.id: at for at, each in enumerate(self.machines)}
        self.fixing = [each.fixing for each in self.operations]
        self.fixed = [each.fixing in FIXED for each in self.operations]
        self._conflicts: list[Conflict] = []
        self._capacity = {each.id: each.capacity for each in problem.resources}
        self._suppliers = {each.id for each in problem.suppliers}
        self._compile_orders()
        self._compile_families()
        self._compile_links()
        self.choices = [self._choices(each) for each in self.operations]
        self.order = self._topological()
        if self._conflicts:
            raise Infeasible(self._conflicts)
        self._compile_machines()
        self._compile_times()

    def __len__(self) -> int:
        return len(self.operations)

    def lost(self, stood: Planned) -> bool:
        """Whether the machine of an operation of the plan that stands is out at its time."""
        machine = self.machine_index.get(stood.machine, -1)
        return machine >= 0 and stood.start < self.machines[machine].available_from

    def _compile_orders(self) -> None:
        orders = {each.id: each for each in self.problem.orders}
        for operation in self.operations:
            orders.setdefault(operation.order, Order(operation.order))
        self.orders = list(orders.values())
        at = {each.id: number for number, each in enumerate(self.orders)}
        self.order_of = [at[each.order] for each in self.operations]
        self.operations_of: list[list[int]] = [[] for _ in self.orders]
        for number, order in enumerate(self.order_of):
            self.operations_of[order].append(number)
        self.dated = any(each.due is not None for each in self.orders)
        if len(self.index) < len(self.operations):
            seen: set[str] = set()
            twice = [each.id for each in self.operations if each.id in seen or seen.add(each.id)]  # type: ignore[func-returns-value]
            self._conflicts += [(each, "duplicate", {}) for each in twice]

    def _compile_families(self) -> None:
        names = ["", *(each.family for each in self.operations), *(each.initial_family for each in self.machines)]
        self.families = {name: at for at, name in enumerate(dict.fromkeys(names))}
        self.family = [self.families[each.family] for each in self.operations]
        tables = {name: SetupTable(rows, self.families) for name, rows in self.problem.setups.items()}
        none = SetupTable((), self.families)
        self.setups = [tables.get(each.setup_class, none) for each in self.machines]

    def _compile_links(self) -> None:
        self.before: list[list[Link]] = []
        self.after: list[list[int]] = [[] for _ in self.operations]
        for at, operation in enumerate(self.operations):
            links = []
            # What is fixed waits for nobody: it stands where it stands.
            for each in () if self.fixed[at] else operation.predecessors:
                if (found := self.index.get(each.operation)) is None:
                    continue
                links.append(Link(found, each.lag_s, -1 if each.overlap_s is None else each.overlap_s, each.tail_s))
                self.after[found].append(at)
            self.before.append(links)

    def _choices(self, operation: Operation) -> list[Choice]:
        choices = [
            Choice(self.machine_index[each.machine], each.seconds, each.setup_s, each.preference)
            for each in operation.alternatives
            if each.machine in self.machine_index
        ]
        if operation.fixing in FIXED:
            return choices
        self._look_at_needs(operation)
        rooms = [self.machines[each.machine].batch_capacity for each in choices]
        if rooms and all(0 < room < operation.size for room in rooms):
            names = ", ".join(self.machines[each.machine].id for each in choices)
            self._conflicts.append(
                (operation.id, "too_large", {"order": operation.order, "machines": names, "size": str(operation.size)})
            )
            return choices
        choices = [each for each, room in zip(choices, rooms, strict=True) if not 0 < room < operation.size]
        if operation.fixing is Fixing.PINNED and operation.machine:
            choices = [each for each in choices if self.machines[each.machine].id == operation.machine]
        if not operation.alternatives and operation.outside_s <= 0:
            self._conflicts.append((operation.id, "no_alternative", {"order": operation.order}))
        elif operation.alternatives and not choices:
            pinned = operation.fixing is Fixing.PINNED and operation.machine
            names = operation.machine if pinned else ", ".join(each.machine for each in operation.alternatives)
            reason = "pinned_elsewhere" if pinned else "no_machine"
            self._conflicts.append((operation.id, reason, {"order": operation.order, "machines": names}))
        return choices

    def _look_at_needs(self, operation: Operation) -> None:
        """What an operation needs is there, and enough of it for all its needs together."""
        if operation.supplier and operation.supplier not in self._suppliers:
            self._conflicts.append(
                (operation.id, "no_supplier", {"order": operation.order, "supplier": operation.supplier})
            )
        wanted = sum(need.quantity for need in operation.needs)
        if wanted > MOST_NEEDS:
            self._conflicts.append(
                (operation.id, "too_many_needs", {"order": operation.order, "most": str(MOST_NEEDS)})
            )
        for need in operation.needs:
            names = set(need.resources)
            alike = sum(each.quantity for each in operation.needs if names & set(each.resources))
            if sum(self._capacity.get(name, 0) for name in names) < alike:
                named = ", ".join(sorted(names))
                self._conflicts.append(
                    (operation.id, "no_resource", {"order": operation.order, "resources": named, "needed": str(alike)})
                )

    def _topological(self) -> list[int]:
        waiting = [len(links) for links in self.before]
        order = [at for at, count in enumerate(waiting) if not count]
        for at in order:
            for follower in self.after[at]:
                waiting[follower] -= 1
                if not waiting[follower]:
                    order.append(follower)
        for each in self._circle({at for at, count in enumerate(waiting) if count}):
            self._conflicts.append((self.operations[each].id, "cycle", {"order": self.operations[each].order}))
        return order

    def _circle(self, left: set[int]) -> list[int]:
        """Of the operations that wait for ever, those that wait for themselves (not those that only follow)."""
        shrinking = True
        while shrinking:
            ends = {at for at in left if not any(follower in left for follower in self.after[at])}
            left -= ends
            shrinking = bool(ends)
        return sorted(left)

    def _compile_machines(self) -> None:
        problem = self.problem
        # Most machines share one list of windows, which is long.
        times = {
            id(each.windows): WorkingTime(each.windows, problem.horizon)
            for each in {id(each.windows): each for each in self.machines}.values()
            if each.windows is not None
        }
        self.calendars = [times.get(id(each.windows)) for each in self.machines]
        self.floor = [max(problem.now, each.available_from) for each in self.machines]
        standing: dict[str, list[int]] = {}
        for at, each in enumerate(self.operations):
            if self.fixed[at] and each.machine and each.fixing is not Fixing.DONE:
                standing.setdefault(each.machine, []).append(at)
        self.gaps = [self._gaps(at, standing.get(each.id, [])) for at, each in enumerate(self.machines)]

    def _gaps(self, machine: int, fixed: list[int]) -> list[Gap]:
        calendar = self.calendars[machine]
        fixed.sort(key=lambda at: (self.operations[at].start, self.operations[at].end))
        cursor, family, gaps = self.floor[machine], self.families[self.machines[machine].initial_family], []
        behind = -1
        for at in fixed:
            each = self.operations[at]
            begin = min(each.setup_start, each.start)
            given = each.start - begin if calendar is None else calendar.work(each.start) - calendar.work(begin)
            if begin > cursor:
                gaps.append(Gap(cursor, family, begin, at, given, behind))
            cursor, family, behind = max(cursor, each.end), self.family[at], at
        gaps.append(Gap(cursor, family, FOREVER, -1, 0, behind))
        return gaps

    def _compile_times(self) -> None:
        self.release = []
        for at, each in enumerate(self.operations):
            pinned = each.start if each.fixing is Fixing.PINNED else 0
            self.release.append(max(self.problem.now, each.release, self.orders[self.order_of[at]].release, pinned))
        # Where a run must lie in one window, by choice: it fits into some window of that machine.
        self.whole = [
            [self._must_fit(operation, choice) for choice in self.choices[at]]
            for at, operation in enumerate(self.operations)
        ]

    def _must_fit(self, operation: Operation, choice: Choice) -> bool:
        calendar = self.calendars[choice.machine]
        return calendar is not None and not operation.interruptible and choice.run <= calendar.longest

    def own_setup(self, operation: int, machine: int) -> int:
        """The setup of an operation on a machine where the matrix has no row; 0 if it is no alternative."""
        return next((each.setup for each in self.choices[operation] if each.machine == machine), 0)
