"""Why orders are late: the chain of waits behind each, to the second, and what would help, tried by a decode.

From now to the end of an order lies its route (runs, lags, what overlaps counted once) and the waits between; what is
left of the time until it is due after the route is its allowance. So lateness = waits - allowance, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.scheduling.solver.decoder import Schedule
from services.scheduling.solver.flat import Flat
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.kernel.decode import decode
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.model import Link, Model
from services.scheduling.solver.problem import Fixing
from services.scheduling.solver.scoring import Neighbours
from services.scheduling.solver.working_time import WorkingTime

_MOST_REMEDIES, _OVERTIME = 3, 10
_BUSY = ("equipment", "setup", "down", "order")
_LONGER = ("equipment", "calendar", "order", "resource", "setup")
"""Waits that a busy machine causes, and waits that longer hours of a machine may shorten."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds in which an operation could not go on.

    kind: equipment (busy with `other`, or kept for it), down (the machine is not there yet), setup, calendar, resource
    (people or tools), predecessor (the last batch of it), release, pinned, frozen, running, order (what was placed
    before it left no room). other, other_order: who was waited for, "" for nobody.
    """

    kind: str
    seconds: int
    operation: str
    machine: str = ""
    other: str = ""
    other_order: str = ""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would help. kind: overtime (of `target`, a machine, around the clock), material (everything there now),
    priority (before all others), alternative (`operation` on the machine `target`). gained: seconds that the order ends
    earlier. others: weighted tardiness of all other orders, more than now (negative: less).
    """

    kind: str
    target: str
    operation: str
    gained: int
    others: int


@dataclass(frozen=True, slots=True)
class Late:
    """A late order: lateness = sum of waits - allowance, in seconds. waits: first to last."""

    order: str
    due: int
    end: int
    lateness: int
    allowance: int
    waits: Sequence[Wait]
    remedies: Sequence[Remedy] = ()


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A machine by what it makes late orders wait. load: share of its working time, from now to the last end on it."""

    machine: str
    waited: int
    load: float


def explain(schedule: Schedule, *, only: str = "") -> list[Late]:
    """Every late order with remedies, the latest by weight first; only: this one, if it is late.

    Overtime needs the whole shop anew, so it is tried on the ten machines that late orders wait for the longest.
    """
    chains = _Chains(schedule)
    model = schedule.model
    found = [
        chains.late(number)
        for number, order in enumerate(model.orders)
        if chains.end(number) > (order.due or _NEVER) and only in ("", order.id)
    ]
    found.sort(key=lambda late: -late.lateness * chains.weight[late.order])
    tried = _Remedies(schedule, [machine for machine, _ in _waited(found, _LONGER)[:_OVERTIME]])
    return [replace(late, remedies=tried.of(late)) for late in found]


_NEVER = 1 << 60


def bottlenecks(schedule: Schedule, late: Sequence[Late]) -> list[Bottleneck]:
    """Machines that late orders wait for, the worst first."""
    model, found = schedule.model, []
    for name, seconds in _waited(late, _BUSY):
        machine = model.machine_index[name]
        mine = [at for at, each in enumerate(schedule.machine) if each == machine]
        time = model.calendars[machine]
        now, last = model.problem.now, max(schedule.end[at] for at in mine)
        busy = sum(_worked(time, max(schedule.setup_start[at], now), max(schedule.end[at], now)) for at in mine)
        found.append(Bottleneck(name, seconds, min(busy / max(_worked(time, now, last), 1), 1.0)))
    return found


def _waited(late: Sequence[Late], kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Machines with the seconds that late orders wait for them, the most first."""
    waited: dict[str, int] = {}
    for each in late:
        for wait in each.waits:
            if wait.machine and wait.kind in kinds:
                waited[wait.machine] = waited.get(wait.machine, 0) + wait.seconds
    return sorted(waited.items(), key=lambda item: -item[1])


def _worked(time: WorkingTime | None, begin: int, end: int) -> int:
    return end - begin if time is None else time.work(end) - time.work(begin)


class _Chains:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.model = schedule, schedule.model
        self.previous = Neighbours(schedule).previous
        self.now = self.model.problem.now
        self.weight = {each.id: each.weight for each in self.model.orders}

    def end(self, order: int) -> int:
        """When an order ends; -1 without operations."""
        return max((self.schedule.end[at] for at in self.model.operations_of[order]), default=-1)

    def late(self, number: int) -> Late:
        """The chain of a late order."""
        order, end = self.model.orders[number], self.end(number)
        at: int = next(each for each in self.model.operations_of[number] if self.schedule.end[each] == end)
        waits: list[Wait] = []
        until = end
        while at >= 0:
            at, until = self._back(at, until, waits)
        due = order.due or 0
        waits.reverse()
        lateness = end - due
        return Late(order.id, due, end, lateness, sum(wait.seconds for wait in waits) - lateness, tuple(waits))

    def _wait(self, waits: list[Wait], kind: str, seconds: int, at: int, other: int = -1) -> None:
        if seconds > 0:
            operations, machine = self.model.operations, self.schedule.machine[at]
            waits.append(
                Wait(
                    kind, seconds, operations[at].id, self.model.machines[machine].id if machine >= 0 else "",
                    operations[other].id if other >= 0 else "", operations[other].order if other >= 0 else "",
                )
            )  # fmt: skip

    def _back(self, at: int, until: int, waits: list[Wait]) -> tuple[int, int]:
        """Waits of an operation up to a moment, the last first; who it goes on with (-1: nobody), up to when."""
        schedule, model = self.schedule, self.model
        start = schedule.start[at]
        if model.fixed[at]:
            self._wait(waits, model.fixing[at].value, start - self.now, at)
            return -1, self.now
        self._wait(waits, "calendar", self._closed(at, start, until), at)
        link, moment = self._latest(at)
        release = max(model.release[at], self.now)
        ready = max(release, moment)
        self._apart(at, ready, start, waits)
        if link is None or release >= moment:
            pinned = model.fixing[at] is Fixing.PINNED and model.operations[at].start == release
            self._wait(waits, "pinned" if pinned else "release", release - self.now, at)
            return -1, self.now
        return link.before, moment - link.lag

    def _closed(self, at: int, begin: int, end: int) -> int:
        """Seconds of a span in which an operation rests."""
        return end - begin - _worked(self.schedule.flat.working_time(self.schedule.cal[at]), begin, end)

    def _latest(self, at: int) -> tuple[Link | None, int]:
        """The predecessor that lets an operation begin last, and when; (None, now) without one."""
        found, latest = None, self.now
        for link in self.model.before[at]:
            moment = self.schedule.transfer(link.before, link.overlap) + link.lag
            if moment > latest:
                found, latest = link, moment
        return found, latest

    def _apart(self, at: int, ready: int, start: int, waits: list[Wait]) -> None:
        """What lies between the moment at which an operation could begin and its start."""
        schedule, machine = self.schedule, self.schedule.machine[at]
        if start <= ready:
            return
        if machine < 0:
            self._wait(waits, "resource" if self.model.operations[at].supplier else "predecessor", start - ready, at)
            return
        previous = self.previous[at]
        while previous >= 0 and schedule.end[previous] > schedule.setup_start[at]:
            # In the same batch, or standing across it.
            previous = self.previous[previous]
        floor = self.model.floor[machine]
        free = max(ready, min(start, max(floor, schedule.end[previous] if previous >= 0 else 0)))
        setup_begin = max(free, schedule.setup_start[at])
        setup = min(schedule.setup[at], start - setup_begin)
        left = start - free - setup
        closed = min(left, self._closed(at, free, start))
        self._wait(waits, "calendar", closed, at)
        self._wait(waits, "setup", setup, at)
        self._wait(waits, self._other(at), left - closed, at)
        self._busy(at, previous, ready, free, floor, waits)

    def _other(self, at: int) -> str:
        if any(link.overlap >= 0 for link in self.model.before[at]):
            return "predecessor"
        return "resource" if self.model.operations[at].needs else "order"

    def _busy(self, at: int, previous: int, ready: int, free: int, floor: int, waits: list[Wait]) -> None:
        """The span in which the machine does others' work, by operation; it is kept for who comes next on it."""
        cursor = free
        while previous >= 0 and cursor > ready and self.schedule.end[previous] > ready:
            before = self.previous[previous]
            begin = max(ready, min(cursor, self.schedule.end[before] if before >= 0 else ready))
            self._wait(waits, "equipment", cursor - begin, at, previous)
            cursor, previous = begin, before
        self._wait(waits, "down" if floor > ready else "order", cursor - ready, at)


class _Remedies:
    """Tries what could help: the same order of placing in a shop with one thing changed."""

    def __init__(self, schedule: Schedule, overtime: Sequence[str]) -> None:
        self.schedule, self.model, self.flat = schedule, schedule.model, schedule.flat
        self.asked = frozenset(overtime)
        self.rows = layout.puts(self.flat.shop, schedule.block)
        self.keys = self.rows[:, layout.KEY].copy()
        self.work = self.flat.room()
        self.number = {each.id: at for at, each in enumerate(self.model.orders)}
        self.overtime: dict[str, Ints | None] = {}

    def of(self, late: Late) -> tuple[Remedy, ...]:
        """The best remedies of a late order, most time gained first."""
        found = [each for each in self._all(late) if each.gained > 0]
        found.sort(key=lambda each: (-each.gained, each.others))
        best: dict[tuple[str, str, str], Remedy] = {}
        for each in found:
            best.setdefault((each.kind, each.target, each.operation), each)
        return tuple(best.values())[:_MOST_REMEDIES]

    def _all(self, late: Late) -> Iterator[Remedy]:
        for name, _ in _waited([late], _LONGER)[:2]:
            if (block := self._with_overtime(name)) is not None:
                yield self._judge(late, block, "overtime", name, "")
        if any(wait.kind == "release" for wait in late.waits):
            yield self._judge(late, self._with_material(late), "material", "", "")
        yield self._judge(late, self._first(late), "priority", "", "")
        waits = sorted((wait for wait in late.waits if wait.kind == "equipment"), key=lambda wait: -wait.seconds)
        for wait in waits[:2]:
            yield from self._elsewhere(late, wait)

    def _judge(self, late: Late, block: Ints, kind: str, target: str, operation: str) -> Remedy:
        number = self.number[late.order]
        end = int(block[int(block[layout.P_ORDER_END]) + number])
        order = self.model.orders[number]

        def others(ends: int, total: int) -> int:
            return total - order.weight * max(ends - (order.due or 0), 0)

        was = others(late.end, int(self.schedule.block[layout.TARDINESS]))
        return Remedy(kind, target, operation, late.end - end, others(end, int(block[layout.TARDINESS])) - was)

    def _decode(self, shop: Ints, keys: Ints, rows: Ints | None = None) -> Ints:
        block = self.schedule.block.copy()
        if rows is not None:
            layout.puts(shop, block)[:, layout.CHOICE] = rows
        decode(shop, block, self.work, np.argsort(keys, kind="stable"))
        return block

    def _with_overtime(self, name: str) -> Ints | None:
        """Everything with one machine working around the clock; None if it does already."""
        if name not in self.overtime:
            problem, block = self.model.problem, None
            if name in self.asked and self.model.calendars[self.model.machine_index[name]] is not None:
                machines = [replace(each, windows=None) if each.id == name else each for each in problem.machines]
                flat = Flat(Model(replace(problem, machines=machines)))
                block = flat.plan()
                mine = layout.puts(flat.shop, block)
                mine[:, [layout.CHOICE, layout.HOLD]] = self.rows[:, [layout.CHOICE, layout.HOLD]]
                decode(flat.shop, block, flat.room(), np.argsort(self.keys, kind="stable"))
            self.overtime[name] = block
        return self.overtime[name]

    def _operations(self, late: Late) -> list[int]:
        return self.model.operations_of[self.number[late.order]]

    def _with_material(self, late: Late) -> Ints:
        shop = self.flat.shop.copy()
        for at in self._operations(late):
            shop[layout.op_row(at) + layout.OP_RELEASE] = self.model.problem.now
        return self._decode(shop, self.keys)

    def _first(self, late: Late) -> Ints:
        """The order and everything that it waits for by its routes before all others."""
        keys, todo = self.keys.copy(), list(self._operations(late))
        ahead: set[int] = set()
        while todo:
            at = todo.pop()
            if at not in ahead:
                ahead.add(at)
                todo += [link.before for link in self.model.before[at]]
        keys[sorted(ahead)] -= int(keys.max() - keys.min()) + 1
        return self._decode(self.flat.shop, keys)

    def _elsewhere(self, late: Late, wait: Wait) -> Iterator[Remedy]:
        at = self.model.index[wait.operation]
        if self.model.fixed[at]:
            return
        for number, choice in enumerate(self.model.choices[at]):
            if choice.machine != self.schedule.machine[at]:
                rows = self.rows[:, layout.CHOICE].copy()
                rows[at] = self.flat.choices_of[at] + number
                block = self._decode(self.flat.shop, self.keys, rows)
                yield self._judge(late, block, "alternative", self.model.machines[choice.machine].id, wait.operation)
