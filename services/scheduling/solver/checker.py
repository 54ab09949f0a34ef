"""Verifies a plan against its problem. Shares no code with what makes plans: only the definitions in `problem`.

Every rule that `services.scheduling.solver` states is looked at in each operation that an engine was free to place;
what was given as frozen, running or done is held to one rule, that it stands where it was given.

Here is what the rules are, and the names of what breaks them. `sieve` looks at all operations at once first and leaves
those in doubt, so that a valid plan of 5,000 operations takes milliseconds. Nothing is kept from one check to the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from services.scheduling.solver.openings import ENDLESS, Hours, Openings, worked
from services.scheduling.solver.problem import (
    Alternative,
    During,
    Fixing,
    Machine,
    Operation,
    Order,
    Plan,
    Planned,
    Predecessor,
    Problem,
    Score,
)
from services.scheduling.solver.sieve import GIVEN, NO_MATRIX, Matrix, Sieve, Unfit

_KWH = 3_600_000
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Violation:
    """kind: missing, unknown, twice, moved, alternative, duration, window, interrupted, setup, overlap, predecessor,
    release, pinned, need (of a resource), resource (more used than there are), batch, supplier, score. operation: where
    it is. other: what it collides with. detail: in English, for logs.
    """

    kind: str
    operation: str
    other: str = ""
    detail: str = ""


def check(problem: Problem, plan: Plan, *, sieved: bool = True) -> list[Violation]:
    """Everything that is wrong with a plan; empty if it is valid.

    sieved: False looks at all one by one, which is slow and finds the same. Times must be numbers.
    """
    return list(_Check(problem, plan, sieved=sieved).violations())


class _Check:
    def __init__(self, problem: Problem, plan: Plan, *, sieved: bool) -> None:
        self.problem, self.plan, self.sieved = problem, plan, sieved
        self.operations = {each.id: each for each in problem.operations}
        self.orders: Mapping[str, Order] = {each.id: each for each in problem.orders}
        self.machines = {each.id: each for each in problem.machines}
        self.resources = {each.id: each for each in problem.resources}
        self.suppliers = {each.id: each for each in problem.suppliers}
        self.planned = {each.operation: each for each in plan.operations}
        self.complete = self.planned.keys() == self.operations.keys()
        self.hours = Hours(problem)
        self.matrices = {name: Matrix(rows) for name, rows in problem.setups.items()}
        self.prices = sorted(problem.tariff, key=lambda each: each.begin)
        self.moments = [each.begin for each in self.prices]
        self.used: dict[str, Alternative] = {}
        self.unclear: set[str] = set()
        self.joined: set[str] = set()
        self.paid = self.changeover = 0

    def _open(self, planned: Planned) -> Openings | None:
        """When an operation can work: while its machine and all that serves it are there; None: always."""
        return self.hours.serving(planned.machine, planned.resources)

    def violations(self) -> Iterator[Violation]:
        yield from self._whole()
        rows: Sequence[Operation] = self.problem.operations
        machines: Collection[str] = self.machines
        resources: Collection[str] = self.resources
        if (sieve := self._sieve()) is not None:
            rows, machines, resources = [rows[at] for at in sieve.rows], sieve.machines, sieve.resources
            self.changeover, self.paid = sieve.changeover, sieve.paid
        for operation in rows:
            if (planned := self.planned.get(operation.id)) is None:
                continue
            if operation.fixing in GIVEN:
                yield from self._given(operation, planned)
            else:
                yield from self._free(operation, planned)
        if machines:
            yield from self._machines(machines)
        if resources:
            yield from self._resources(resources)
        if self.suppliers:
            yield from self._suppliers()
        if self.complete:
            yield from self._score()

    def _sieve(self) -> Sieve | None:
        """None where one by one is the only way."""
        if not self.sieved or not self.complete or len(self.operations) < len(self.problem.operations):
            return None
        try:
            return Sieve(self.problem, self.planned, self.hours, self.matrices)
        except (Unfit, OverflowError):
            return None

    def _whole(self) -> Iterator[Violation]:
        if self.complete and len(self.plan.operations) == len(self.planned):
            return
        seen: set[str] = set()
        for each in self.plan.operations:
            if each.operation in seen:
                yield Violation("twice", each.operation)
            if each.operation not in self.operations:
                yield Violation("unknown", each.operation)
            seen.add(each.operation)
        yield from (Violation("missing", each) for each in self.operations if each not in seen)

    def _given(self, operation: Operation, planned: Planned) -> Iterator[Violation]:
        given = (operation.machine, min(operation.setup_start, operation.start), operation.start, operation.end)
        # What is set up earlier than it is told to be could hide free work in its setup.
        stands = (planned.machine, min(planned.setup_start, planned.start), planned.start, planned.end)
        if stands != given or tuple(planned.resources) != tuple(operation.resources):
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
        self.unclear.add(operation.id)
        if not operation.alternatives:
            if planned.machine or planned.setup_start != planned.start:
                yield Violation("alternative", operation.id, detail="an outside operation has no machine and no setup")
            elif planned.end - planned.start != operation.outside_s:
                yield Violation("duration", operation.id, detail=f"{planned.end - planned.start} outside")
            yield from self._collected(operation, planned)
            return
        fits = [each for each in operation.alternatives if each.machine == planned.machine]
        if not fits or planned.machine not in self.machines:
            yield Violation("alternative", operation.id, detail=planned.machine)
            return
        shifts = self._open(planned)
        run = worked(shifts, planned.start, planned.end)
        used = next((each for each in fits if each.seconds == run), None)
        if used is None:
            yield Violation("duration", operation.id, detail=f"{run} s instead of {fits[0].seconds}")
            return
        self.used[operation.id] = used
        self.unclear.discard(operation.id)
        if planned.setup_start < self.machines[planned.machine].available_from:
            yield Violation("window", operation.id, detail="the machine is not there yet")
        if shifts is not None:
            yield from _windows(operation, planned, shifts, run)
        if operation.needs or planned.resources:
            yield from self._needs(operation, planned, shifts, run)

    def _needs(self, operation: Operation, planned: Planned, shifts: Openings | None, run: int) -> Iterator[Violation]:
        """What serves an operation is what it needs, and is there."""
        slots = [need for need in operation.needs for _ in range(need.quantity)]
        if len(slots) != len(planned.resources):
            yield Violation("need", operation.id, detail=f"{len(planned.resources)} serve {len(slots)} needs")
            return
        setup = worked(shifts, planned.setup_start, planned.start)
        spans = {During.ALL: setup + run, During.SETUP: setup, During.RUN: run}
        for need, name in zip(slots, planned.resources, strict=True):
            if name and name not in need.resources:
                yield Violation("need", operation.id, name, "cannot serve it")
            elif not name and spans[need.during] and need.resources:
                yield Violation("need", operation.id, detail=f"nothing serves its need of {list(need.resources)}")
            elif name and name in self.resources:
                begin = planned.start if need.during is During.RUN else planned.setup_start
                if spans[need.during] and begin < self.resources[name].available_from:
                    yield Violation("resource", operation.id, name, "is not there yet")

    def _collected(self, operation: Operation, planned: Planned) -> Iterator[Violation]:
        supplier = self.suppliers.get(operation.supplier)
        if supplier is not None and supplier.collections:
            moments = supplier.collections
            if planned.start not in moments and planned.start < max(moments):
                yield Violation("supplier", operation.id, supplier.id, f"does not collect at {planned.start}")

    def _link(self, operation: Operation, planned: Planned, link: Predecessor) -> Iterator[Violation]:
        before, given = self.planned.get(link.operation), self.operations.get(link.operation)
        if before is None or given is None:
            return
        moment = planned.start - link.lag_s
        begun = moment >= before.end
        if link.overlap_s is not None:
            if not begun and given.fixing is not Fixing.DONE:
                # So many seconds are worked on the predecessor.
                shifts = self.hours.machines.get(before.machine) if given.fixing in GIVEN else self._open(before)
                begun = moment >= before.start and worked(shifts, before.start, moment) >= link.overlap_s
            if planned.end < before.end + link.tail_s:
                yield Violation("predecessor", operation.id, link.operation, "ends before the last batch is through")
        if not begun:
            yield Violation("predecessor", operation.id, link.operation, f"starts at {planned.start}")

    def _machines(self, names: Collection[str]) -> Iterator[Violation]:
        queues: dict[str, list[Planned]] = {each: [] for each in self.machines if each in names}
        for planned in self.planned.values():
            if planned.machine in queues:
                operation = self.operations.get(planned.operation)
                if operation and operation.fixing is not Fixing.DONE:
                    queues[planned.machine].append(planned)
        for name, queue in queues.items():
            queue.sort(key=lambda each: (each.start, each.end, each.rank))
            if self.machines[name].batch_capacity:
                heads = yield from self._batches(self.machines[name], queue)
            else:
                heads = queue
            yield from self._overlaps(heads)
            yield from self._changes(self.machines[name], heads)

    def _batches(self, machine: Machine, queue: Sequence[Planned]) -> Generator[Violation, None, list[Planned]]:
        """The first of every batch; the others of it are looked at here."""
        heads: list[Planned] = []
        size = 0
        for each in queue:
            operation = self.operations[each.operation]
            if heads and operation.fixing not in GIVEN and self._alike(heads[-1], each):
                size += operation.size
                self.joined.add(each.operation)
                if size > machine.batch_capacity:
                    yield Violation("batch", each.operation, heads[-1].operation, f"{size} in {machine.batch_capacity}")
                continue
            size = operation.size
            heads.append(each)
            if operation.fixing not in GIVEN and size > machine.batch_capacity:
                yield Violation("batch", each.operation, detail=f"{size} in {machine.batch_capacity}")
        return heads

    def _alike(self, head: Planned, each: Planned) -> bool:
        """Whether an operation lies in the same batch as another: together from setup to end, of one family and run."""
        one, other = self.operations[head.operation], self.operations[each.operation]
        return (
            (head.setup_start, head.start, head.end) == (each.setup_start, each.start, each.end)
            and one.fixing not in GIVEN
            and one.family == other.family
            and head.resources == each.resources
            and each.end > each.start
        )

    def _overlaps(self, queue: Sequence[Planned]) -> Iterator[Violation]:
        """Free operations overlap nothing; given ones may overlap each other."""
        last: Planned | None = None
        last_free: Planned | None = None
        for each in queue:
            free = self.operations[each.operation].fixing not in GIVEN
            other = last if free else last_free
            if other is not None and min(each.setup_start, each.start) < other.end:
                yield Violation("overlap", each.operation, other.operation)
            if last is None or each.end > last.end:
                last = each
            if free and (last_free is None or each.end > last_free.end):
                last_free = each

    def _changes(self, machine: Machine, queue: Sequence[Planned]) -> Iterator[Violation]:
        family, lot, after_free = machine.initial_family, "", False
        for each in queue:
            operation = self.operations[each.operation]
            free = operation.fixing not in GIVEN
            shifts = self._open(each) if free else self.hours.machines[machine.id]
            given = worked(shifts, each.setup_start, each.start)
            needed, cost = self._setup(machine, family, operation)
            if lot and operation.lot == lot:
                needed = 0
            if (free and each.operation not in self.unclear and given != needed) or (
                not free and after_free and given < needed
            ):
                yield Violation("setup", each.operation, detail=f"{given} s, from {family!r} it takes {needed} s")
            if free:
                self.changeover += needed
                self.paid += cost
            family, lot, after_free = operation.family, operation.lot, free

    def _setup(self, machine: Machine, family: str, operation: Operation) -> tuple[int, int]:
        """(seconds, cost) of a change to an operation."""
        used = self.used.get(operation.id) or next(
            (each for each in operation.alternatives if each.machine == machine.id), None
        )
        own = used.setup_s if used else 0
        if not operation.family:
            return own, 0
        found, cost = self.matrices.get(machine.setup_class, NO_MATRIX).change(family, operation.family)
        return own if found is None else found, cost

    def _resources(self, names: Collection[str]) -> Iterator[Violation]:
        """No more of a resource works at once than there is; what was given may collide with itself."""
        spans: dict[str, list[tuple[int, int, str, bool]]] = {}
        for operation in self.problem.operations:
            planned = self.planned.get(operation.id)
            if planned is None or operation.id in self.joined or operation.fixing is Fixing.DONE:
                continue
            if operation.fixing in GIVEN:
                begin = min(operation.setup_start, operation.start)
                for name in operation.resources:
                    spans.setdefault(name, []).append((begin, operation.end, operation.id, False))
                continue
            slots = [need.during for need in operation.needs for _ in range(need.quantity)]
            for during, name in zip(slots, planned.resources, strict=False):
                if name:
                    begin = planned.start if during is During.RUN else planned.setup_start
                    end = planned.start if during is During.SETUP else planned.end
                    spans.setdefault(name, []).append((begin, end, operation.id, True))
        for name, taken in spans.items():
            if name in names:
                yield from _too_many("resource", name, self.resources[name].capacity, taken)

    def _suppliers(self) -> Iterator[Violation]:
        spans: dict[str, list[tuple[int, int, str, bool]]] = {}
        for operation in self.problem.operations:
            planned = self.planned.get(operation.id)
            if planned is None or not operation.supplier or operation.alternatives or operation.fixing is Fixing.DONE:
                continue
            free = operation.fixing not in GIVEN
            spans.setdefault(operation.supplier, []).append((planned.start, planned.end, operation.id, free))
        for name, taken in spans.items():
            if name in self.suppliers and self.suppliers[name].capacity:
                yield from _too_many("supplier", name, self.suppliers[name].capacity, taken)

    def _score(self) -> Iterator[Violation]:
        """The parts of the score are what the plan comes to."""
        ends: dict[str, int] = {}
        moved = energy = 0
        for operation in self.problem.operations:
            last, name = self.planned[operation.id].end, operation.order
            if last > ends.get(name, _NEVER):
                ends[name] = last
        if self.problem.current or self.prices:
            for operation in self.problem.operations:
                if operation.fixing not in GIVEN:
                    moved += self._moved(self.planned[operation.id])
                    energy += self._energy(self.planned[operation.id])
        missed = tardiness = 0
        for order in self.problem.orders:
            end = ends.get(order.id)
            if end is not None and order.due is not None and end > order.due:
                missed, tardiness = missed + order.hard, tardiness + order.weight * (end - order.due)
        dated = any(order.due is not None for order in self.problem.orders)
        makespan = 0 if dated else max([0, *ends.values()])
        flow = sum(ends.values())
        stability = self.problem.stability if self.problem.current else 0
        found = Score(missed, tardiness, moved, self.changeover, flow, makespan, self.paid, energy, stability)
        for each in fields(Score):
            told, counted = getattr(self.plan.score, each.name), getattr(found, each.name)
            if told != counted:
                yield Violation("score", "", each.name, f"{told} is told, {counted} counted")

    def _moved(self, planned: Planned) -> int:
        stood = self.problem.current.get(planned.operation)
        if stood is None:
            return 0
        machine = self.machines.get(stood.machine)
        out = machine is not None and stood.start < machine.available_from
        changed = stood.machine != planned.machine and not out
        return abs(planned.start - stood.start) + self.problem.machine_change_s * changed

    def _energy(self, planned: Planned) -> int:
        machine = self.machines.get(planned.machine)
        if machine is None or not machine.power_w or planned.operation in self.joined:
            return 0
        shifts, cost, prices = self._open(planned), 0, self.prices
        for at in range(max(bisect_right(self.moments, planned.start) - 1, 0), len(prices)):
            behind = self.moments[at + 1] if at + 1 < len(prices) else ENDLESS
            begin, end = max(self.moments[at], planned.start), min(behind, planned.end)
            if begin < end:
                cost += prices[at].price * worked(shifts, begin, end)
            if behind >= planned.end:
                break
        return machine.power_w * cost // _KWH


def _too_many(kind: str, name: str, capacity: int, taken: list[tuple[int, int, str, bool]]) -> Iterator[Violation]:
    events = sorted(
        (moment, step, operation, free)
        for begin, end, operation, free in taken
        if begin < end
        for moment, step in ((begin, 1), (end, -1))
    )
    count = given = 0
    for _, step, operation, free in events:
        count += step
        given += step * (not free)
        if step > 0 and count > capacity and count > given:
            yield Violation(kind, operation, name, f"{count} at once where there are {capacity}")


def _windows(operation: Operation, planned: Planned, shifts: Openings, run: int) -> Iterator[Violation]:
    if not shifts.is_open(planned.start) or not shifts.is_open(planned.setup_start):
        yield Violation("window", operation.id, detail="begins while the machine is closed")
    if run and not shifts.is_closing(planned.end):
        yield Violation("window", operation.id, detail="ends while the machine is closed")
    if not operation.interruptible and run <= shifts.longest and not shifts.holds(planned.start, planned.end):
        yield Violation("interrupted", operation.id)
