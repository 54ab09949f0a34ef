"""Which operations to free together when a problem is too large for one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from services.scheduling.solver.decoder import Schedule
from services.scheduling.solver.scoring import Neighbours, backward, order_ends

SIZES = (12, 12, 16, 22, 25)
"""Operations in a window: what CP-SAT solves in a moment, setups and tardiness included; small ones gain more a second,
large ones find what small ones cannot."""


@dataclass(frozen=True, slots=True)
class Window:
    """Operations to free, and how long after each of them its order ends (or everything does, without due dates)."""

    free: list[int]
    tails: Mapping[int, int]


class Chooser:
    """Draws windows around operations that matter. Made anew for each schedule."""

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self.schedule, self.model, self.rng = schedule, schedule.model, rng
        self.size = SIZES[0]
        near = Neighbours(schedule)
        self.previous, self.next = near.previous, near.next
        self.free = [not fixed for fixed in self.model.fixed]
        self.slack = self._slack()
        self.tails = [0 if slack is None else self._goal(at) - slack - schedule.end[at]
                      for at, slack in enumerate(self.slack)]  # fmt: skip
        self.focuses, self.weights = self._focuses()

    def _goal(self, at: int) -> int:
        return self._ends[self.model.order_of[at]] if self.model.dated else self._last

    def _slack(self) -> list[int | None]:
        """How much an operation may slip before its order, or everything, ends later."""
        self._ends = [end or 0 for end in order_ends(self.schedule)]
        self._last = max(self.schedule.end, default=0)
        goals = [self._goal(at) for at in range(len(self.model))]
        return backward(self.schedule, goals, [-1] * len(goals) if self.model.dated else self.next)

    def _focuses(self) -> tuple[list[int], list[float]]:
        """Operations to build windows around: the critical ones of late orders by what their lateness weighs."""
        model, focuses, weights = self.model, [], []
        for at, free in enumerate(self.free):
            if not free:
                continue
            order = model.orders[model.order_of[at]]
            late = 0 if order.due is None else max(self._ends[model.order_of[at]] - order.due, 0)
            critical = not self.slack[at]
            weight = float(late * order.weight * (16 if order.hard else 1)) if model.dated else float(critical)
            focuses.append(at)
            weights.append(weight if critical else weight * 0.2)
        # Where nothing is late, stability, changeover and flow are left, and may be anywhere.
        base = 0.02 * sum(weights) / max(len(weights), 1) or 1.0
        return focuses, [weight + base for weight in weights]

    def draw(self) -> Window:
        """A window of one of three kinds: what is near, a stretch of one machine, an order with what it waits for."""
        focus = self.rng.choices(self.focuses, self.weights)[0]
        self.size = self.rng.choice(SIZES)
        kind = self.rng.choice((self._near, self._near, self._stretch, self._order))
        free = kind(focus)
        return Window(free, {at: self.tails[at] for at in free})

    def _near(self, focus: int) -> list[int]:
        """By precedence and machine from the focus, the nearest in time first."""
        start = self.schedule.start
        return self._spread([(0, focus)], lambda at: abs(start[at] - start[focus]))

    def _order(self, focus: int) -> list[int]:
        """The operations of the order, then their neighbours."""
        route = [at for at in self.model.operations_of[self.model.order_of[focus]] if self.free[at]]
        first = sorted(route, key=lambda at: abs(self.schedule.start[at] - self.schedule.start[focus]))[
            : self.size // 2
        ]
        steps = iter(range(1, 1 << 30))
        return self._spread([(0, at) for at in first], lambda at: next(steps))

    def _stretch(self, focus: int) -> list[int]:
        """Operations around the focus on the machines that could do it."""
        machines = {choice.machine for choice in self.model.choices[focus]}
        start = self.schedule.start
        line = [at for at, machine in enumerate(self.schedule.machine) if machine in machines and self.free[at]]
        line.sort(key=lambda at: abs(start[at] - start[focus]))
        return line[: self.size] if len(line) > 2 else self._near(focus)

    def _spread(self, heap: list[tuple[int, int]], distance: Callable[[int], int]) -> list[int]:
        taken: list[int] = []
        seen = {at for _, at in heap}
        while heap and len(taken) < self.size:
            _, at = heappop(heap)
            if self.free[at]:
                taken.append(at)
            around = [self.previous[at], self.next[at], *self.model.after[at]]
            for each in around + [link.before for link in self.model.before[at]]:
                if each >= 0 and each not in seen:
                    seen.add(each)
                    if self.free[each]:
                        heappush(heap, (distance(each), each))
        return taken
