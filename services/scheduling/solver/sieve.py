"""What the checker need not look at: rules of a plan, over all its operations at once.

Vectorised, and coarse: what breaks a rule never passes, but some of what passes none is right all the same. `checker`
looks at that one by one, and names what is wrong. So a valid plan is verified in columns, and only doubts cost time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.scheduling.solver.openings import Hours, Openings
from services.scheduling.solver.problem import (
    ANY,
    During,
    Fixing,
    Need,
    Operation,
    Planned,
    Problem,
    SetupRow,
)

GIVEN = (Fixing.FROZEN, Fixing.RUNNING, Fixing.DONE)
_MOST = 1 << 50
"""Sums of a few moments up to this size fit into 64 bits; what is beyond is looked at with Python's numbers."""
_NOTHING, _UNKNOWN = -1, -2
# Looking a member up in its class takes longer than comparing it.
_FREE, _DONE, _IN_SETUP, _IN_RUN = Fixing.FREE, Fixing.DONE, During.SETUP, During.RUN

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Unfit(Exception):
    """Numbers that are not whole, or too large for columns."""


def _column(values: Sequence[int]) -> Ints:
    made = np.array(values if values else np.zeros(0, np.int64))
    if made.dtype.kind != "i" or (made.size and not -_MOST <= made.min() <= made.max() <= _MOST):
        raise Unfit
    return made.astype(np.int64, copy=False)


def _numbers(names: Iterable[str]) -> dict[str, int]:
    return {name: at for at, name in enumerate(dict.fromkeys(names))}


class Matrix:
    """The setups of a class by family: of the rows that match the one of the lowest priority, then the first given."""

    def __init__(self, rows: Sequence[SetupRow]) -> None:
        # Priority and place, which no two rows share, then what the row says.
        self._best: dict[tuple[str, str], tuple[int, int, int, int]] = {}
        for at, row in enumerate(rows):
            key, entry = (row.from_family, row.to_family), (row.priority, at, row.seconds, row.cost)
            self._best[key] = min(entry, self._best.get(key, entry))
        # No row for any family goes before those that come before this one.
        self._any = min((entry for key, entry in self._best.items() if ANY in key), default=None)

    def change(self, family: str, to_family: str) -> tuple[int | None, int]:
        """Seconds that the matrix says, None if it says nothing; and what it costs, within one family nothing."""
        best = self._best.get((family, to_family))
        if family == to_family:
            return (best[2] if best else 0), 0
        if self._any is not None and (best is None or self._any < best):
            for key in ((family, ANY), (ANY, to_family), (ANY, ANY)):
                other = self._best.get(key)
                if other is not None and (best is None or other < best):
                    best = other
        return (best[2], best[3]) if best else (None, 0)


NO_MATRIX = Matrix(())


class Sieve:
    """Doubts about a plan that has every operation of its problem once. Raises Unfit.

    rows: of `Problem.operations`, to be looked at. machines, resources: by id. changeover, paid: seconds and cost of
    all setups on the machines that are beyond doubt.
    """

    def __init__(
        self, problem: Problem, planned: Mapping[str, Planned], hours: Hours, matrices: Mapping[str, Matrix]
    ) -> None:
        self._problem, self._hours, self._matrices = problem, hours, matrices
        self._operations: Sequence[Operation] = problem.operations
        self._plans = [planned[each.id] for each in self._operations]
        self._index = {each.id: at for at, each in enumerate(self._operations)}
        self._openings: list[Openings] = []
        self._read()
        self._clock()
        misplaced = self._placement() | self._needs()
        others = self._given | self._moments() | self._links()
        self.rows: list[int] = np.flatnonzero(misplaced | others).tolist()
        self.machines, self.changeover, self.paid = self._sequences(misplaced)
        self.resources = self._resources()

    def _read(self) -> None:
        """The columns, by operation."""
        problem, operations, plans = self._problem, self._operations, self._plans
        self._names = [each.machine for each in plans]
        self._machine_at = {each.id: at for at, each in enumerate(problem.machines)}
        self._machine = _column([self._machine_at.get(name, _NOTHING) for name in self._names])
        self._setup_start = _column([each.setup_start for each in plans])
        self._start = _column([each.start for each in plans])
        self._end = _column([each.end for each in plans])
        fixing = [each.fixing for each in operations]
        self._free = np.array([each is _FREE for each in fixing], bool)
        self._given = np.array([each is not _FREE and each in GIVEN for each in fixing], bool)
        self._done = np.array([each is not _FREE and each == _DONE for each in fixing], bool)
        self._served = [
            tuple(each.resources) if each.resources and not given else ()
            for each, given in zip(plans, self._given.tolist(), strict=True)
        ]
        self._alternatives()

    def _alternatives(self) -> None:
        """Of each operation the first way to do it on its machine: seconds and own setup; without one it is lost."""
        seconds, setups = [], []
        lost = np.zeros(len(self._names), bool)
        for at, (operation, name) in enumerate(zip(self._operations, self._names, strict=True)):
            for each in operation.alternatives:
                if each.machine == name:
                    seconds.append(each.seconds)
                    setups.append(each.setup_s)
                    break
            else:
                seconds.append(operation.outside_s)
                setups.append(0)
                lost[at] = operation.alternatives or name or operation.supplier
        self._seconds, self._own_setup, self._lost = _column(seconds), _column(setups), lost

    def _clock(self) -> None:
        """Setups and runs in working seconds, and whether they begin, end and lie as calendars let them."""
        sets: dict[Sequence[str], int] = {}
        teams = np.array([sets.setdefault(each, len(sets)) for each in self._served], np.int64)
        pairs, place = np.unique(teams * (len(self._machine_at) + 1) + self._machine + 1, return_inverse=True)
        machines, served = ["", *self._machine_at], list(sets)
        number: dict[int, int] = {}
        cal = []
        for team, machine in (divmod(pair, len(machines)) for pair in pairs.tolist()):
            openings = self._hours.serving(machines[machine], served[team])
            if openings is None:
                cal.append(_NOTHING)
                continue
            if id(openings) not in number:
                number[id(openings)] = len(self._openings)
                self._openings.append(openings)
            cal.append(number[id(openings)])
        self._cal = np.array(cal, np.int64)[place]
        self._run, self._setup = self._end - self._start, self._start - self._setup_start
        self._closed = np.zeros(len(self._cal), bool)
        whole = np.array([not each.interruptible for each in self._operations], bool)
        for at, openings in enumerate(self._openings):
            rows, times = np.flatnonzero(self._cal == at), _Times(openings)
            setup_start, start, end = self._setup_start[rows], self._start[rows], self._end[rows]
            in_setup, in_start = times.place(setup_start), times.place(start)
            before = times.until(start, in_start)
            run = self._run[rows] = times.until(end, times.place(end)) - before
            self._setup[rows] = before - times.until(setup_start, in_setup)
            self._closed[rows] = (
                ~times.is_open(start, in_start) | ~times.is_open(setup_start, in_setup)
                | ((run != 0) & ~times.is_open(end - 1, times.place(end - 1)))
                | (whole[rows] & (run <= openings.longest) & (end > times.close[in_start]))
            )  # fmt: skip

    def _worked(self, cal: Ints, begin: Ints, end: Ints) -> Ints:
        found = end - begin
        for at in np.unique(cal[cal >= 0]).tolist():
            rows, times = np.flatnonzero(cal == at), _Times(self._openings[at])
            first, last = begin[rows], end[rows]
            found[rows] = times.until(last, times.place(last)) - times.until(first, times.place(first))
        return found

    def _placement(self) -> Flags:
        """Operations that are not as long as they should be, or not where or when they could be done."""
        there = _column([each.available_from for each in self._problem.machines])
        outside = self._machine < 0
        early = np.zeros(len(self._machine), bool)
        early[~outside] = self._setup_start[~outside] < there[self._machine[~outside]]
        # An outside operation has no setup; another without a known machine is lost.
        apart = outside & ((self._setup_start != self._start) | np.array([each != "" for each in self._names], bool))
        wrong: Flags = self._lost | (self._run != self._seconds) | early | self._closed | apart
        return ~self._given & wrong

    def _needs(self) -> Flags:
        """Operations that are not served as they need to be. Makes the columns of what serves what, too."""
        found = np.zeros(len(self._operations), bool)
        known = _numbers(each.id for each in self._problem.resources)
        nothing: tuple[Need, ...] = ()
        slots = [
            nothing if is_given else each.needs
            for each, is_given in zip(self._operations, self._given.tolist(), strict=True)
        ]
        if any(need.quantity != 1 for needs in slots for need in needs):
            slots = [[need for need in needs for _ in range(need.quantity)] for needs in slots]
        counts, served = [len(each) for each in slots], [len(each) for each in self._served]
        self._mismatch = counts != served
        taken: Sequence[Sequence[str]] = self._served
        if self._mismatch:
            found = np.array(counts) != np.array(served)
            slots = [nothing if bad else each for each, bad in zip(slots, found.tolist(), strict=True)]
            taken = [() if bad else each for each, bad in zip(taken, found.tolist(), strict=True)]
            counts = [len(each) for each in slots]
        needs, names = [need for each in slots for need in each], [name for each in taken for name in each]
        self._at = np.repeat(np.arange(len(slots)), _column(counts))
        self._unit = np.array([known.get(name, _UNKNOWN) if name else _NOTHING for name in names], np.int64)
        strange = [bool(name) and name not in need.resources for need, name in zip(needs, names, strict=True)]
        self._in_setup = np.array([each.during == _IN_SETUP for each in needs], bool)
        self._in_run = np.array([each.during == _IN_RUN for each in needs], bool)
        setup, run = self._setup[self._at], self._run[self._at]
        there = _column([each.available_from for each in self._problem.resources])
        is_known = self._unit >= 0
        begin = np.where(self._in_run, self._start[self._at], self._setup_start[self._at])
        span = np.where(self._in_run, run, np.where(self._in_setup, setup, setup + run))
        wrong = np.array(strange, bool) | ((self._unit == _NOTHING) & (span != 0))
        wrong[is_known] |= begin[is_known] < there[self._unit[is_known]]
        found[self._at[wrong]] = True
        return found

    def _moments(self) -> Flags:
        """Operations that begin too soon, and all that are pinned."""
        release = {each.id: each.release for each in self._problem.orders}
        floor = np.maximum(
            _column([each.release for each in self._operations]),
            _column([release.get(each.order, 0) for each in self._operations]),
        )
        now = _column([self._problem.now])
        early: Flags = (self._start < floor) | (self._setup_start < now) | ~self._free
        return early

    def _links(self) -> Flags:
        """Operations that do not wait for those before them."""
        found = np.zeros(len(self._operations), bool)
        before_all = [each.predecessors for each in self._operations]
        links = [link for each in before_all for link in each]
        before = np.array([self._index.get(link.operation, _UNKNOWN) for link in links], np.int64)
        after = np.repeat(np.arange(len(before_all)), _column([len(each) for each in before_all]))
        if (before < 0).any():
            known = np.flatnonzero(before >= 0)
            links, before, after = [links[at] for at in known.tolist()], before[known], after[known]
        moment = self._start[after] - _column([link.lag_s for link in links])
        begun = moment >= self._end[before]
        overlaps = np.flatnonzero([link.overlap_s is not None for link in links])
        if len(overlaps):
            some = [links[at] for at in overlaps.tolist()]
            a, b, at_moment = after[overlaps], before[overlaps], moment[overlaps]
            enough = self._worked(self._cal[b], self._start[b], at_moment) >= _column(
                [link.overlap_s or 0 for link in some]
            )
            begun[overlaps] |= ~self._done[b] & (at_moment >= self._start[b]) & enough
            begun[overlaps] &= self._end[a] >= self._end[b] + _column([link.tail_s for link in some])
        found[after[~begun]] = True
        return found

    def _sequences(self, misplaced: Flags) -> tuple[list[str], int, int]:
        """Machines on which operations overlap or setups are not as long as needed; what setups come to elsewhere.

        All batch machines, and those with operations that are misplaced or in no certain order.
        """
        problem, machine = self._problem, self._machine
        rank = _column([each.rank for each in self._plans])
        on = np.flatnonzero((machine >= 0) & ~self._done)
        keys = (rank[on], self._end[on], self._start[on], machine[on])
        line = on[np.lexsort(keys)]
        doubted = np.array([each.batch_capacity != 0 for each in problem.machines], bool)
        doubted[machine[misplaced & (machine >= 0)]] = True
        begin = np.minimum(self._setup_start, self._start)
        follows = np.zeros(len(line), bool)
        follows[1:] = machine[line[1:]] == machine[line[:-1]]
        next_, last = line[follows], line[np.flatnonzero(follows) - 1]
        same = (self._start[next_] == self._start[last]) & (self._end[next_] == self._end[last])
        # Where each begins behind the one before and none ends before it begins, no two overlap.
        unsure = (begin[next_] < self._end[last]) | (same & (rank[next_] == rank[last]))
        doubted[machine[next_[unsure]]] = True
        doubted[machine[line[self._end[line] < begin[line]]]] = True
        needed, cost = self._changes(line, follows)
        free = ~self._given[line]
        after_free = np.zeros(len(line), bool)
        after_free[follows] = ~self._given[last]
        wrong = np.where(free, self._setup[line] != needed, after_free & (self._setup[line] < needed))
        doubted[machine[line[wrong]]] = True
        counted = free & ~doubted[machine[line]]
        names = [each.id for each, is_doubted in zip(problem.machines, doubted.tolist(), strict=True) if is_doubted]
        return names, int(needed[counted].sum()), int(cost[counted].sum())

    def _changes(self, line: Ints, follows: Flags) -> tuple[Ints, Ints]:
        """Seconds and cost of the setup of each operation in the lines of all machines, one after the other."""
        machines = self._problem.machines
        names, lots = [each.family for each in self._operations], [each.lot for each in self._operations]
        number, lot_number = _numbers(["", *names, *(each.initial_family for each in machines)]), _numbers(["", *lots])
        classes = _numbers(each.setup_class for each in machines)
        family = np.array([number[each] for each in names], np.int64)[line]
        lot = np.array([lot_number[each] for each in lots], np.int64)[line]
        came = np.array([number[each.initial_family] for each in machines] or [0], np.int64)[self._machine[line]]
        setup_class = np.array([classes[each.setup_class] for each in machines] or [0], np.int64)[self._machine[line]]
        before = np.flatnonzero(follows) - 1
        came[follows] = family[before]
        in_lot = np.zeros(len(line), bool)
        in_lot[follows] = (lot[before] > 0) & (lot[before] == lot[follows])
        pairs, place = np.unique((setup_class * len(number) + came) * len(number) + family, return_inverse=True)
        families, class_names = list(number), list(classes)
        found = []
        for pair in pairs.tolist():
            rest, to_family = divmod(pair, len(families))
            of_class, from_family = divmod(rest, len(families))
            matrix = self._matrices.get(class_names[of_class], NO_MATRIX)
            found.append(
                matrix.change(families[from_family], families[to_family]) if families[to_family] else (None, 0)
            )
        says = np.array([seconds is not None for seconds, _ in found], bool)
        matrix_s, costs = _column([each or 0 for each, _ in found]), _column([each for _, each in found])
        needed = np.where(says[place], matrix_s[place], self._own_setup[line])
        needed[in_lot] = 0
        return needed, costs[place]

    def _resources(self) -> set[str]:
        """Resources of which more work at once than there are; all that serve batches, which need one for many."""
        resources = self._problem.resources
        if self._mismatch:
            return {each.id for each in resources}
        known = {each.id: at for at, each in enumerate(resources)}
        given = [
            (known[name], min(each.setup_start, each.start), each.end)
            for each in (self._operations[at] for at in np.flatnonzero(self._given & ~self._done).tolist())
            for name in each.resources
            if name in known
        ]
        is_known = self._unit >= 0
        rows, unit = self._at[is_known], self._unit[is_known]
        begin = np.where(self._in_run[is_known], self._start[rows], self._setup_start[rows])
        end = np.where(self._in_setup[is_known], self._start[rows], self._end[rows])
        fixed_unit, fixed_begin, fixed_end = (_column([each[at] for each in given]) for at in range(3))
        begin, end = np.concatenate([begin, fixed_begin]), np.concatenate([end, fixed_end])
        units = np.concatenate([unit, fixed_unit])
        taken = begin < end
        unit_2 = np.concatenate([units[taken], units[taken]])
        moment = np.concatenate([begin[taken], end[taken]])
        step = np.repeat(np.array([1, -1]), int(taken.sum()))
        # Each resource's steps sum to nothing, so one running sum counts for all, one after the other.
        order = np.lexsort((step, moment, unit_2))
        count = np.cumsum(step[order])
        capacity = _column([each.capacity for each in resources])
        doubted = np.zeros(len(resources), bool)
        doubted[unit_2[order][count > capacity[unit_2[order]]]] = True
        batches = np.array([each.batch_capacity != 0 for each in self._problem.machines] or [False], bool)
        on = self._machine[rows]
        doubted[unit[(on >= 0) & batches[on]]] = True
        return {each.id for each, is_doubted in zip(resources, doubted.tolist(), strict=True) if is_doubted}


class _Times:
    """Openings as arrays."""

    def __init__(self, openings: Openings) -> None:
        self.opens, self.total = _column(openings.opens), np.array(openings.total, np.int64)
        self.close = np.array([end for _, end in openings.spans], np.int64)

    def place(self, moment: Ints) -> Ints:
        """Which opening each moment lies in or behind; the first for those before it."""
        found: Ints = np.maximum(np.searchsorted(self.opens, moment, side="right") - 1, 0)
        return found

    def until(self, moment: Ints, place: Ints) -> Ints:
        """Seconds open before each moment."""
        found: Ints = np.maximum(self.total[place] + np.minimum(moment, self.close[place]) - self.opens[place], 0)
        return found

    def is_open(self, moment: Ints, place: Ints) -> Flags:
        """Whether work can begin."""
        found: Flags = (self.opens[place] <= moment) & (moment < self.close[place])
        return found
