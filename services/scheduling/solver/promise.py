"""Capable to promise: when a new order could be done, and what that would do to those that are planned.

What is planned keeps its order and machines. An order's promise is its due date, or its planned end where that is
later: nobody is harmed who ends by then. The new operations are put in one after the other, each on the machine and at
the place where it ends first without harm to anybody, tried by decoding the whole plan; behind everything they harm
nobody, so that there always is such a date. Sooner dates come from putting them further ahead: each with who is harmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.scheduling.solver.decoder import OUTSIDE, Schedule, by_keys
from services.scheduling.solver.flat import flat_of
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.kernel.decode import decode
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Problem
from services.scheduling.solver.rules import Figures, current
from services.scheduling.solver.scoring import Neighbours, order_ends, slacks

_AHEAD = 16
"""Into so many steps the way from the harmless places to the front is divided."""
_PLACES = 24
"""So many places on a machine are tried for an operation before it goes behind everything there."""


@dataclass(frozen=True, slots=True)
class Harm:
    """An order that would end later than promised. Seconds from the origin; before: its end as planned."""

    order: str
    promised: int
    before: int
    after: int
    weight: int
    hard: bool


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an operation of the new order would be; machine "" outside."""

    operation: str
    machine: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A date. end: of the order. harmed: the worst by weight x delay first; nobody in the first offer."""

    end: int
    harmed: Sequence[Harm]
    operations: Sequence[Placement]

    @property
    def harm(self) -> tuple[int, int]:
        """Hard promises broken, and the sum of weight x seconds behind promises."""
        return sum(each.hard for each in self.harmed), sum(
            each.weight * (each.after - each.promised) for each in self.harmed
        )


def promise(problem: Problem, order: str) -> list[Offer]:
    """Dates for an order of the problem whose operations are not planned yet, against `problem.current`.

    First the soonest that harms nobody, then ever sooner ones, each with more harm than the one before. Raises
    Infeasible when there is no plan, ValueError when the order has no operations.
    """
    return _Inquiry(problem, order).offers()


def fitting(offers: Sequence[Offer], wished: int) -> Offer | None:
    """Of the offers that end by the wished moment the one with the least harm; None if none does."""
    return min((each for each in offers if each.end <= wished), key=lambda each: each.harm, default=None)


class _Inquiry:
    def __init__(self, problem: Problem, order: str) -> None:
        base = Model(
            replace(
                problem,
                orders=[each for each in problem.orders if each.id != order],
                operations=[each for each in problem.operations if each.order != order],
            )
        )
        stands = current(base, Figures(base))
        self.before = dict(zip((each.id for each in base.orders), order_ends(stands), strict=True))
        orders = []
        for each in problem.orders:
            end = self.before.get(each.id)
            due = None if each.id == order or each.due is None or end is None else max(each.due, end)
            orders.append(replace(each, due=due, hard=each.hard and due is not None))
        self.model = Model(replace(problem, orders=orders))
        self.flat, self.order = flat_of(self.model), order
        self.work = self.flat.room()
        mine = [at for at in self.model.order if self.model.operations[at].order == order]
        if not mine:
            raise ValueError(f"order {order} has no operations")
        self.mine = mine
        known = {each.id: at for at, each in enumerate(base.operations)}
        rows = np.full(len(self.model), -1, np.int64)
        keys = [float(len(self.model))] * len(self.model)
        for at, operation in enumerate(self.model.operations):
            if (other := known.get(operation.id)) is not None:
                keys[at] = float(stands.turn[other])
                if stands.chosen[other] != OUTSIDE and not self.flat.stands[at]:
                    rows[at] = self.flat.choices_of[at] + stands.chosen[other]
        self.rows = rows
        own = set(mine)
        self.others = [at for at in by_keys(self.model, keys) if at not in own]

    # ---- decoding ----

    def _decode(self, sequence: Sequence[int], rows: Ints) -> Ints:
        block = self.flat.plan()
        layout.puts(self.flat.shop, block)[:, layout.CHOICE] = rows
        decode(self.flat.shop, block, self.work, np.array(sequence, np.int64))
        return block

    @staticmethod
    def _harmless(block: Ints) -> bool:
        return not block[layout.TARDINESS] and not block[layout.MISSED]

    # ---- without harm ----

    def offers(self) -> list[Offer]:
        """See `promise`."""
        sequence, rows = [*self.others, *self.mine], self.rows.copy()
        block = self._decode(sequence, rows)
        for at in self.mine:
            sequence, block = self._place(at, sequence, rows, block)
        tried = sorted([self._offer(block), *self._sooner(sequence)], key=lambda each: (each.harm, each.end))
        found = tried[:1]
        for each in tried[1:]:
            if each.end < found[-1].end:
                found.append(each)
        return found

    def _place(self, at: int, sequence: list[int], rows: Ints, block: Ints) -> tuple[list[int], Ints]:
        """The sequence with one of the new operations where it ends first without harm, and that decoded."""
        schedule = Schedule(self.flat, block)
        slack = slacks(schedule, Neighbours(schedule).next)
        rest = [each for each in sequence if each != at]
        best, best_end = (sequence, rows[at], block), schedule.end[at]
        choices = self.model.choices[at]
        for number in range(len(choices)) or (OUTSIDE,):
            choice = choices[number] if number != OUTSIDE else None
            row = rows.copy()
            row[at] = self.flat.choices_of[at] + number if choice is not None else -1
            machine, run = (choice.machine, choice.run) if choice is not None else (OUTSIDE, 0)
            for place in self._places(at, rest, schedule, slack, machine, run):
                tried = [*rest[:place], at, *rest[place:]]
                made = self._decode(tried, row)
                if not self._harmless(made):
                    continue
                end = int(layout.puts(self.flat.shop, made)[at, layout.END])
                if end < best_end:
                    best, best_end = (tried, row[at], made), end
                break
        rows[at] = best[1]
        return best[0], best[2]

    def _places(
        self, at: int, rest: Sequence[int], schedule: Schedule, slack: Sequence[int | None], machine: int, run: int
    ) -> Iterator[int]:
        """Places in the sequence, the first first: before operations of the machine that could wait so long."""
        before = {link.before for link in self.model.before[at]}
        ready = max((schedule.end[each] for each in before), default=self.model.problem.now) if before else 0
        first = 1 + max((place for place, each in enumerate(rest) if each in before), default=-1)
        last = next(
            (place for place, each in enumerate(rest) if any(link.before == at for link in self.model.before[each])),
            len(rest),
        )
        count = 0
        for place in range(first, last):
            other = rest[place]
            if machine == OUTSIDE:
                yield place
                break
            if schedule.machine[other] != machine or self.flat.stands[other]:
                continue
            room = slack[other]
            if room is not None and schedule.setup_start[other] + room < ready + run:
                continue
            yield place
            count += 1
            if count == _PLACES:
                break
        yield last

    # ---- sooner ----

    def _sooner(self, sequence: Sequence[int]) -> Iterator[Offer]:
        """Offers with the new operations further ahead, wherever they end first then."""
        places = [list(sequence).index(at) for at in self.mine]
        for step in range(_AHEAD):
            tried = list(self.others)
            for number, (at, place) in enumerate(zip(self.mine, places, strict=True)):
                ahead = (place - number) * step // _AHEAD + number
                least = 1 + max(
                    (tried.index(link.before) for link in self.model.before[at] if link.before in tried), default=-1
                )
                tried.insert(max(ahead, least), at)
            rows = self.rows.copy()
            yield self._offer(self._decode(tried, rows))

    def _offer(self, block: Ints) -> Offer:
        schedule = Schedule(self.flat, block)
        ends = order_ends(schedule)
        harmed = []
        for each, end in zip(self.model.orders, ends, strict=True):
            if each.due is not None and end is not None and end > each.due:
                harmed.append(Harm(each.id, each.due, self.before[each.id] or 0, end, each.weight, each.hard))
        harmed.sort(key=lambda harm: (-harm.weight * (harm.after - harm.promised), harm.order))
        placed = [
            Placement(
                self.model.operations[at].id,
                self.model.machines[schedule.machine[at]].id if schedule.machine[at] >= 0 else "",
                schedule.start[at], schedule.end[at],
            )
            for at in self.mine
        ]  # fmt: skip
        return Offer(max(each.end for each in placed), tuple(harmed), tuple(placed))
