"""A model as the flat arrays that compiled functions work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from services.scheduling.solver.kernel.layout import (
    BEGIN,
    CAL,
    END,
    FOREVER,
    MACHINE,
    MOVED,
    N_NEEDS,
    OP_CHOICES,
    OP_FIELDS,
    P_SLOT,
    S_CHOICE,
    S_OP,
    STANDS,
    START,
    Ints,
    block,
    empty_plan,
    puts,
    room,
)
from services.scheduling.solver.kernel.tools import seeded
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import ANY, During, Fixing, Planned
from services.scheduling.solver.working_time import WorkingTime

_FIXED = {Fixing.FREE: 0, Fixing.PINNED: 1, Fixing.FROZEN: 2, Fixing.RUNNING: 2, Fixing.DONE: 3}
_DURING = {During.ALL: 0, During.SETUP: 1, During.RUN: 2}
_ALWAYS = ((-(1 << 50), FOREVER),)

RATES = (10**12, 1000, 1000, 1, 5, 1, 1, 0)
"""What the parts of a score cost in a search, from MISSED to FLOW: a second of weighted tardiness (or of makespan) a
thousand. Little for what comes later in the strict order, so that a search that cannot be better there still gains."""


def ints(values: Iterable[int]) -> Ints:
    """An array of them."""
    return np.fromiter(values, np.int64)


def _rows(rows: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """(borders, all entries one after the other)."""
    ptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=ptr[1:])
    return ptr, ints(each for row in rows for each in row)


class _Calendars:
    """Calendars by their windows, each once; and those in which two of them are both open."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self.windows: list[tuple[tuple[int, int], ...]] = [_ALWAYS]
        self.known: dict[tuple[tuple[int, int], ...], int] = {_ALWAYS: 0}
        self._same: dict[int, int] = {}

    def add(self, windows: Sequence[tuple[int, int]] | None) -> int:
        """The number of a calendar. The problem keeps its windows, so one list is looked at once."""
        if windows is None:
            return 0
        if id(windows) not in self._same:
            time = WorkingTime(windows, self.horizon)
            self._same[id(windows)] = self._number(tuple(zip(time.begins, time.ends, strict=True)))
        return self._same[id(windows)]

    def _number(self, windows: tuple[tuple[int, int], ...]) -> int:
        if windows not in self.known:
            self.known[windows] = len(self.windows)
            self.windows.append(windows)
        return self.known[windows]

    def both(self, one: int, other: int) -> int:
        """The calendar that is open where both are."""
        if one == 0 or other in (0, one):
            return max(one, other)
        found, a, b = [], 0, 0
        left, right = self.windows[one], self.windows[other]
        while a < len(left) and b < len(right):
            begin, end = max(left[a][0], right[b][0]), min(left[a][1], right[b][1])
            if begin < end:
                found.append((begin, end))
            if left[a][1] < right[b][1]:
                a += 1
            else:
                b += 1
        return self._number(tuple(found))


class Flat:
    """A model as one block (`shop`, see `kernel.layout`). unit_names: the resource of each unit."""

    def __init__(self, model: Model) -> None:
        self.model = model
        problem = model.problem
        self.stability = problem.stability if problem.current else 0
        self._calendars = _Calendars(problem.horizon)
        cal = self._cal = ints(self._calendars.add(each.windows) for each in problem.machines)
        columns = {
            **self._operations(), **self._links(), **self._machines(), **self._matrices(), **self._blocks(),
            **self._needs(), **self._orders(), **self._current(), "machine.cal": cal, "rate": ints(self._rates()),
        }  # fmt: skip
        columns |= self._meetings(cal)
        columns |= self._windows()
        columns |= self._energy()
        counts = (
            len(model), len(model.machines), len(model.orders), len(columns["need.op"]), len(columns["unit.cal"]),
            len(columns["part_size"]), len(model.families), columns["mx_s"].shape[-1], len(self._calendars.windows),
            int(columns["part_size"][columns["need.part"]].sum()),
        )  # fmt: skip
        self.shop = block(counts, columns)
        self.choices_of, self.stands = columns["op.choices"], columns["op.fixed"] >= STANDS
        self._needs_of = columns["op.needs"].tolist()
        self._times: dict[int, WorkingTime] = {}

    def plan(self) -> Ints:
        """A schedule with nothing placed but what stands."""
        plan, model = empty_plan(self.shop), self.model
        rows, cal = puts(self.shop, plan), self._cal.tolist()
        for at, each in enumerate(model.operations):
            if model.fixed[at]:
                machine = model.machine_index.get(each.machine, -1)
                where = [MACHINE, BEGIN, START, END, CAL]
                begin = min(each.setup_start, each.start)
                rows[at, where] = machine, begin, each.start, each.end, cal[machine] if machine >= 0 else 0
        return plan

    def room(self, seed: int = 1) -> Ints:
        """Room to work in."""
        return room(self.shop, seeded(seed))

    def working_time(self, cal: int) -> WorkingTime | None:
        """A calendar by number; None: always open."""
        if cal and cal not in self._times:
            self._times[cal] = WorkingTime(self._calendars.windows[cal], self.model.problem.horizon)
        return self._times.get(cal)

    def units_of(self, plan: Ints) -> list[tuple[str, ...]]:
        """The resources that serve each operation's needs in a schedule, \"\" where a need is for no time."""
        slots = plan[plan[P_SLOT] : plan[P_SLOT] + 4 * self.shop[N_NEEDS] : 4].tolist()
        names = [self.unit_names[unit] if unit >= 0 else "" for unit in slots]
        first = self._needs_of
        return [tuple(names[first[at] : first[at + 1]]) for at in range(len(self.model))]

    def _rates(self) -> Sequence[int]:
        rates = list(RATES)
        rates[MOVED] = max(self.stability, rates[MOVED])
        return rates

    def _operations(self) -> dict[str, Ints]:
        model, operations = self.model, self.model.operations
        lots: dict[str, int] = {}
        suppliers = {each.id: at for at, each in enumerate(model.problem.suppliers)}
        ptr, machines = _rows([[choice.machine for choice in choices] for choices in model.choices])
        every = [choice for choices in model.choices for choice in choices]
        co_ptr, co_moment = _rows([sorted(each.collections or ()) for each in model.problem.suppliers])
        return {
            "op.order": ints(model.order_of),
            "op.family": ints(model.family),
            "op.lot": ints(lots.setdefault(each.lot, len(lots)) if each.lot else -1 for each in operations),
            "op.release": ints(model.release),
            "op.span": ints(each.outside_s for each in operations),
            "op.fixed": ints(_FIXED[each.fixing] for each in operations),
            "op.room": ints(each.size for each in operations),
            "op.supplier": ints(suppliers.get(each.supplier, -1) for each in operations),
            "op.whole": ints(not each.interruptible for each in operations),
            "op.choices": ptr,
            "choice.machine": machines,
            "choice.run": ints(each.run for each in every),
            "choice.setup": ints(each.setup for each in every),
            "choice.pref": ints(each.preference for each in every),
            "co_ptr": co_ptr,
            "co_moment": co_moment,
        }

    def _links(self) -> dict[str, Ints]:
        model = self.model
        ptr, before = _rows([[link.before for link in links] for links in model.before])
        every = [link for links in model.before for link in links]
        after_ptr, after = _rows(model.after)
        return {
            "op.links": ptr,
            "link.op": before,
            "link.lag": ints(each.lag for each in every),
            "link.overlap": ints(each.overlap for each in every),
            "link.tail": ints(each.tail for each in every),
            "op.after": after_ptr,
            "after": after,
        }

    def _machines(self) -> dict[str, Ints]:
        model = self.model
        return {
            # What stands at the very beginning is behind the first gap already.
            "machine.floor": ints(gaps[0].cursor for gaps in model.gaps),
            "machine.family0": ints(gaps[0].family for gaps in model.gaps),
            "machine.op0": ints(gaps[0].behind for gaps in model.gaps),
            "machine.batch": ints(each.batch_capacity for each in model.machines),
            "machine.power": ints(each.power_w for each in model.machines),
        }

    def _matrices(self) -> dict[str, Ints]:
        """One matrix per setup class: families that no row names share a row."""
        model = self.model
        names = {name: at for at, name in enumerate(model.problem.setups)}
        named = [
            sorted({f for row in rows for f in (row.from_family, row.to_family) if f != ANY} & model.families.keys())
            for rows in model.problem.setups.values()
        ]
        size = max((len(each) for each in named), default=0) + 2
        shape = (len(names), size, size)
        seconds, cost = np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
        row_of = np.ones((len(names), len(model.families)), np.int64)
        stay = np.zeros((len(names), len(model.families)), np.int64)
        for at, rows in enumerate(model.problem.setups.values()):
            places = {name: number + 2 for number, name in enumerate(named[at])}
            for name, place in places.items():
                row_of[at, model.families[name]] = place
            # The lowest priority is written last and stays; of equal ones the first given.
            for row in sorted(rows, key=lambda row: row.priority)[::-1]:
                where = tuple(
                    slice(None) if family == ANY else slice(places[family], places[family] + 1)
                    if family in places else slice(0, 0)
                    for family in (row.from_family, row.to_family)
                )  # fmt: skip
                seconds[at][where], cost[at][where] = row.seconds, row.cost
                if row.from_family == row.to_family in places:
                    stay[at, model.families[row.from_family]] = row.seconds
        return {
            "machine.matrix": ints(names.get(each.setup_class, -1) for each in model.machines),
            "mx_row": row_of, "mx_s": seconds, "mx_cost": cost, "mx_stay": stay,
        }  # fmt: skip

    def _blocks(self) -> dict[str, Ints]:
        model, standing = self.model, [[] for _ in self.model.machines]  # type: ignore[var-annotated]
        for machine, gaps in enumerate(model.gaps):
            for gap, behind in pairwise(gaps):
                standing[machine].append(
                    (gap.limit, behind.cursor, behind.family, gap.given_setup, gap.after, behind.behind)
                )
        ptr, _ = _rows([[0] * len(each) for each in standing])
        columns = list(zip(*(each for line in standing for each in line), strict=True)) or [()] * 6
        names = ("block.begin", "block.end", "block.family", "block.given", "block.op", "block.last")
        return {"machine.blocks": ptr, **{name: ints(column) for name, column in zip(names, columns, strict=True)}}

    def _needs(self) -> dict[str, Ints]:
        """Units, the groups of them that serve a need, and the components of units that share groups."""
        problem = self.model.problem
        resources = [*problem.resources]
        units: dict[str, list[int]] = {}
        self.unit_names: list[str] = []
        self._unit_cal: list[int] = []
        floors: list[int] = []
        for each in resources:
            units[each.id] = list(range(len(floors), len(floors) + each.capacity))
            cal = self._calendars.add(each.windows)
            for _ in range(each.capacity):
                self.unit_names.append(each.id)
                self._unit_cal.append(cal)
                floors.append(max(problem.now, each.available_from))
        for supplier in problem.suppliers:
            if supplier.capacity:
                units["supplier " + supplier.id] = list(range(len(floors), len(floors) + supplier.capacity))
                self.unit_names += [supplier.id] * supplier.capacity
                self._unit_cal += [0] * supplier.capacity
                floors += [problem.now] * supplier.capacity
        self._units = units
        groups: dict[tuple[str, ...], int] = {}
        slots: list[list[tuple[int, int]]] = []
        for operation in self.model.operations:
            row = []
            for need in operation.needs if operation.fixing not in (Fixing.RUNNING, Fixing.FROZEN, Fixing.DONE) else ():
                group = groups.setdefault(tuple(need.resources), len(groups))
                row += [(group, _DURING[need.during])] * need.quantity
            if "supplier " + operation.supplier in units and not operation.alternatives:
                row.append((groups.setdefault(("supplier " + operation.supplier,), len(groups)), 0))
            slots.append(row)
        self._slots = slots
        self._groups = [[unit for name in names for unit in units[name]] for names in groups]
        ptr, groups_of = _rows([[one for one, _ in row] for row in slots])
        gr_ptr, gr_unit = _rows(self._groups)
        part, place, sizes = self._components(len(floors))
        part_ptr, part_unit = _rows(
            [[unit for unit, each in enumerate(part) if each == at] for at in range(len(sizes))]
        )
        need_part = ints(part[self._groups[one][0]] for row in slots for one, _ in row)
        ub_ptr, ub_begin, ub_end = self._taken(len(floors))
        return {
            "need.op": ints(at for at, row in enumerate(slots) for _ in row),
            "op.needs": ptr, "need.group": groups_of, "need.during": ints(during for row in slots for _, during in row),
            "gr_ptr": gr_ptr, "gr_unit": gr_unit, "unit.cal": ints(self._unit_cal), "unit.floor": ints(floors),
            "unit.part": part, "unit.place": place, "part_size": sizes, "need.part": need_part,
            "part_ptr": part_ptr, "part_unit": part_unit,
            "unit.taken": ub_ptr, "taken.begin": ub_begin, "taken.end": ub_end,
        }  # fmt: skip

    def _components(self, count: int) -> tuple[Ints, Ints, Ints]:
        root = list(range(count))

        def find(at: int) -> int:
            while root[at] != at:
                at = root[at]
            return at

        for group in self._groups:
            for unit in group[1:]:
                root[find(unit)] = find(group[0])
        numbers: dict[int, int] = {}
        part = [numbers.setdefault(find(unit), len(numbers)) for unit in range(count)]
        sizes = [0] * len(numbers)
        place = []
        for each in part:
            place.append(sizes[each])
            sizes[each] += 1
        return ints(part), ints(place), ints(sizes)

    def _taken(self, count: int) -> tuple[Ints, Ints, Ints]:
        """What stands has taken units: of equal ones the first that is not taken then."""
        taken: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        standing = [
            each for at, each in enumerate(self.model.operations)
            if self.model.fixed[at] and each.fixing is not Fixing.DONE
        ]  # fmt: skip
        # In the order in which they begin: so no more units are taken than work at once.
        for operation in sorted(standing, key=lambda each: min(each.setup_start, each.start)):
            span = (min(operation.setup_start, operation.start), operation.end)
            outside = () if operation.alternatives else ("supplier " + operation.supplier,)
            for name in (*operation.resources, *outside):
                alike = self._units.get(name, [])
                clear = [u for u in alike if all(end <= span[0] or span[1] <= begin for begin, end in taken[u])]
                for unit in (clear or alike)[:1]:
                    taken[unit].append(span)
        for row in taken:
            row.sort()
        ptr, begins = _rows([[begin for begin, _ in row] for row in taken])
        return ptr, begins, ints(end for row in taken for _, end in row)

    def _orders(self) -> dict[str, Ints]:
        model = self.model
        lasts = []
        for order, operations in enumerate(model.operations_of):
            inside = [
                at for at in operations
                if not any(model.order_of[each] == order and not model.fixed[each] for each in model.after[at])
            ]  # fmt: skip
            lasts.append(inside)
        ptr, last = _rows(lasts)
        is_last = np.zeros(len(model), np.int64)
        is_last[last] = 1
        return {
            "op.last": is_last,
            "order.due": ints(FOREVER if each.due is None else each.due for each in model.orders),
            "order.weight": ints(each.weight for each in model.orders),
            "order.hard": ints(each.hard for each in model.orders),
            "order.lasts": ptr,
            "last_op": last,
        }

    def _stood(self, each: Planned) -> int:
        """The machine of a plan that stands; -1: none, or one that is gone; -3: one that is out then."""
        return -3 if self.model.lost(each) else self.model.machine_index.get(each.machine, -1)

    def _current(self) -> dict[str, Ints]:
        model, current = self.model, self.model.problem.current
        stood = [current.get(each.id) for each in model.operations]
        return {
            "op.stood_start": ints(0 if each is None else each.start for each in stood),
            "op.stood_machine": ints(-2 if each is None else self._stood(each) for each in stood),
            "change": ints([model.problem.machine_change_s]),
        }

    def _meetings(self, cal: Ints) -> dict[str, Ints]:
        """Which calendar holds where a machine and units of several calendars work together."""
        cals = self._calendars
        pairs: dict[tuple[int, int], int] = {}
        # Only what needs follow each other: all sets of fifteen people's calendars would be a hundred thousand.
        wanted = {
            (frozenset(int(cal[choice.machine]) for choice in choices), tuple(group for group, _ in slots))
            for slots, choices in zip(self._slots, self.model.choices, strict=True)
            if slots
        }
        of_group = [sorted({self._unit_cal[unit] for unit in units}) for units in self._groups]
        for machines, groups in sorted(wanted, key=lambda each: (sorted(each[0]), each[1])):
            found = sorted(machines)
            for group in groups:
                # A need for no time is left out: what there was before goes on.
                for one in tuple(found):
                    for other in of_group[group]:
                        pairs[one, other] = cals.both(one, other)
                        if pairs[one, other] not in found:
                            found.append(pairs[one, other])
        count = len(cals.windows)
        meet = np.zeros((count, count), np.int64)
        for one in range(count):
            meet[one, 0] = one
        for (one, other), both in pairs.items():
            meet[one, other] = both
        return {"meet": meet}

    def _windows(self) -> dict[str, Ints]:
        cals, horizon = self._calendars, self.model.problem.horizon
        ptr, begins = _rows([[begin for begin, _ in windows] for windows in cals.windows])
        before: list[int] = []
        longest = []
        for windows in cals.windows:
            worked = 0
            for begin, end in windows:
                before.append(worked)
                worked += end - begin
            longest.append(max((min(end, horizon) - begin for begin, end in windows if begin < horizon), default=0))
        longest[0] = FOREVER
        return {
            "calendar.windows": ptr, "window.begin": begins,
            "window.end": ints(end for each in cals.windows for _, end in each),
            "window.before": ints(before), "calendar.longest": ints(longest),
        }  # fmt: skip

    def _energy(self) -> dict[str, Ints]:
        """Cost of a watt by calendar: price times open seconds, added up at every change."""
        tariff = sorted(self.model.problem.tariff, key=lambda each: each.begin)
        moments: list[list[int]] = []
        costs: list[int] = []
        rates: list[int] = []
        for windows in self._calendars.windows if tariff else [()] * len(self._calendars.windows):
            cuts = sorted({each.begin for each in tariff} | {m for window in windows for m in window if m < FOREVER})
            cost, row = 0, []
            for number, moment in enumerate(cuts):
                price = next((each.price for each in reversed(tariff) if each.begin <= moment), 0)
                is_open = any(begin <= moment < end for begin, end in windows)
                row.append(moment)
                costs.append(cost)
                rates.append(price * is_open)
                if number + 1 < len(cuts):
                    cost += price * is_open * (cuts[number + 1] - moment)
            moments.append(row)
        ptr, every = _rows(moments)
        return {"calendar.prices": ptr, "price.moment": every, "price.before": ints(costs), "price.rate": ints(rates)}


def flat_of(model: Model) -> Flat:
    """The one that belongs to a model, made when first asked for."""
    if model.flat is None:
        model.flat = Flat(model)
    found: Flat = model.flat
    return found


def narrowed(flat: Flat, only: Ints) -> tuple[Ints, Ints]:
    """(the shop with some operations tied to one choice, which of all choices each of its own is).

    only: by operation the place of the choice that is left among its own; negative: all of them.
    """
    first, end = flat.choices_of[:-1], flat.choices_of[1:]
    tied = (only >= 0) & (end > first)
    own = np.repeat(np.arange(len(only)), end - first)
    every = np.arange(len(own))
    kept = every[~tied[own] | (every == (first + only)[own])]
    shop = flat.shop.copy()
    choices = shop[shop[S_CHOICE] : shop[S_CHOICE] + 4 * len(own)].reshape(-1, 4)
    choices[: len(kept)] = choices[kept]
    operations = shop[shop[S_OP] : shop[S_CHOICE]].reshape(-1, len(OP_FIELDS.split()))
    operations[: len(only) + 1, OP_CHOICES] = np.searchsorted(kept, flat.choices_of)
    return shop, kept
