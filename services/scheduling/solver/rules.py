"""Dispatching rules: the first plan, at once.

Each rule is a list scheduling without delay: time goes forward, and a machine that is free takes, of the operations
that wait for it and could begin, the one that the rule puts first. An operation with alternatives waits where it would
end first, setup included. FIFO, SPT, EDD, slack and most work remaining (MWKR) sort by a figure that does not change;
ATC (Vepsalainen and Morton 1987, Management Science 33:1035) and ATCS (Lee, Bhaskaran and Pinedo 1997, IIE Transactions
29:45) weigh value against slack, ATCS also against setup, with look-ahead factors k1, k2 tried on a grid. CURRENT keeps
the order of the plan that stands; with something new in it, once more at its times where nobody is late by that.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from services.scheduling.solver.decoder import OUTSIDE, Place, Schedule, by_keys, decode
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Score
from services.scheduling.solver.scoring import Neighbours, score_of, slacks

_FAR = 1 << 50
CURRENT = "CURRENT"
_HARD = 16
"""How much heavier a hard deadline weighs in ATC and ATCS."""


@dataclass(frozen=True, slots=True)
class Rule:
    """k1 > 0: ATC; k2 > 0 too: ATCS; otherwise operations are sorted by a figure of theirs."""

    name: str
    k1: float = 0.0
    k2: float = 0.0


class Figures:
    """What rules sort by, per operation: mean run and setup, work that follows, latest end, weight."""

    def __init__(self, model: Model) -> None:
        self.model = model
        count = len(model)
        self.run = [self._mean_run(at) for at in range(count)]
        self.follows = [0.0] * count
        self.latest = [float(_FAR)] * count
        self.due = [float(_FAR)] * count
        self.weight = [1.0] * count
        self.stretch = _stretch(model)
        for at in reversed(model.order):
            self._look_ahead(at)
        self.setup = [_mean([choice.setup for choice in choices]) for choices in model.choices]
        free = [at for at in range(count) if not model.fixed[at] and model.choices[at]]
        self.mean_run = max(_mean([self.run[at] for at in free]), 1.0)
        self.mean_setup = max(_mean(_typical_setups(model, free)), 1.0)

    def _mean_run(self, at: int) -> float:
        choices = self.model.choices[at]
        return _mean([choice.run for choice in choices]) if choices else float(self.model.operations[at].outside_s)

    def _look_ahead(self, at: int) -> None:
        model = self.model
        order = model.orders[model.order_of[at]]
        self.weight[at] = float(order.weight * (_HARD if order.hard else 1)) if order.due is not None else 0.01
        if order.due is not None:
            self.latest[at] = self.due[at] = float(order.due)
        for follower in model.after[at]:
            lag = max((link.lag for link in model.before[follower] if link.before == at), default=0)
            span = self.run[follower] * (self.stretch if model.choices[follower] else 1.0) + lag
            self.follows[at] = max(self.follows[at], self.follows[follower] + span)
            self.latest[at] = min(self.latest[at], self.latest[follower] - span)
            self.due[at] = min(self.due[at], self.due[follower])
            self.weight[at] = max(self.weight[at], self.weight[follower])

    def keys(self, rule: str) -> list[float]:
        """The figure that a static rule sorts by; less goes first."""
        if rule == "SPT":
            return self.run
        if rule == "EDD":
            return self.due
        if rule == "SLACK":
            return [latest - run * self.stretch for latest, run in zip(self.latest, self.run, strict=True)]
        return [-follows - run for follows, run in zip(self.follows, self.run, strict=True)]


def _mean(values: list[int] | list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _typical_setups(model: Model, free: list[int]) -> list[float]:
    """Setups of a sample of pairs that could meet on a machine."""
    found: list[float] = []
    for place, at in enumerate(free[:400]):
        choice, other = model.choices[at][0], free[(place * 7 + 3) % len(free)]
        setup = model.setups[choice.machine].seconds(model.family[other])[model.family[at]]
        found.append(float(choice.setup if setup < 0 else setup))
    return found


def _stretch(model: Model) -> float:
    """Real time that a second of work takes on average, closed times included."""
    shares, now, horizon = [], model.problem.now, model.problem.horizon
    for calendar in model.calendars:
        open_s = horizon - now if calendar is None else calendar.work(horizon) - calendar.work(now)
        shares.append(open_s / (horizon - now) if horizon > now else 1.0)
    return 1.0 / max(_mean(shares), 0.1)


class _Queue:
    """The operations that wait for one machine, in the order in which a rule would take them."""

    def __init__(self, keys: list[float] | None) -> None:
        self._keys = keys
        self.waiting: list[tuple[float, int]] = []

    def add(self, at: int, time: int) -> None:
        insort(self.waiting, (self._keys[at] if self._keys else float(time), at))

    def purge(self, placed: list[bool]) -> None:
        self.waiting = [each for each in self.waiting if not placed[each[1]]]


@dataclass(slots=True)
class _Weights:
    """Arrays for ATC and ATCS."""

    value: NDArray[np.float64]
    start: NDArray[np.float64]
    family: NDArray[np.int64]
    setup: NDArray[np.float64]
    scale: float
    setup_scale: float
    rows: dict[tuple[int, int], NDArray[np.int64]] = field(default_factory=dict)


class Dispatch:
    """One run of a rule over a model."""

    def __init__(self, model: Model, figures: Figures, rule: Rule) -> None:
        self.model, self.schedule = model, Schedule(model)
        keys = None if rule.name == "FIFO" or rule.k1 else figures.keys(rule.name)
        self.weights = _weights(model, figures, rule) if rule.k1 else None
        self.queues = [_Queue(keys) for _ in model.machines]
        self.busy_until = [0] * len(model.machines)
        self.wakes = [-1] * len(model.machines)
        self.events: list[tuple[int, int, int]] = []
        self.missing = [sum(not self.schedule.placed[link.before] for link in links) for links in model.before]
        self.bounds: dict[int, tuple[int, int]] = {}
        self.shared = _shared(model)

    def run(self) -> Schedule:
        """Place everything."""
        for at in self.model.order:
            if not self.schedule.placed[at] and not self.missing[at]:
                self._announce(at, self.model.problem.now)
        while self.events:
            time = self.events[0][0]
            self._dispatch_all(time, self._arrivals(time))
        return self._rest()

    def _rest(self) -> Schedule:
        for at in self.model.order:
            # Nothing is left over; a plan comes out even if a rule had waited for what never comes.
            if not self.schedule.placed[at]:
                bounds = self.schedule.bounds(at)
                if self.model.choices[at]:
                    self.schedule.put(at, self.schedule.best(at, *bounds))
                else:
                    self.schedule.put_outside(at, *bounds)
        return self.schedule

    def _announce(self, at: int, time: int) -> None:
        self.bounds[at] = bounds = self.schedule.bounds(at)
        heappush(self.events, (max(bounds[0], time), 0, at))

    def _arrivals(self, time: int) -> set[int]:
        """Take the events of this moment; the machines that may have something to do."""
        touched: set[int] = set()
        while self.events and self.events[0][0] == time:
            _, kind, index = heappop(self.events)
            if kind:
                touched.add(index)
            elif self.model.choices[index]:
                for choice in self.model.choices[index]:
                    self.queues[choice.machine].add(index, time)
                    touched.add(choice.machine)
            else:
                self.schedule.put_outside(index, *self.bounds[index])
                self._release(index, time)
        return touched

    def _release(self, at: int, time: int) -> None:
        for follower in self.model.after[at]:
            self.missing[follower] -= 1
            if not self.missing[follower] and not self.schedule.placed[follower]:
                self._announce(follower, time)

    def _dispatch_all(self, time: int, touched: set[int]) -> None:
        while touched:
            machine = min(touched)
            touched.discard(machine)
            taken = self._dispatch(machine, time)
            # What was left to this machine because it seemed better may now begin elsewhere.
            for other in self.shared[taken] if taken >= 0 else ():
                if self.busy_until[other] <= time and self.queues[other].waiting:
                    touched.add(other)

    def _dispatch(self, machine: int, time: int) -> int:
        """Let a free machine begin something; the machine that got an operation, -1 if none did."""
        if self.busy_until[machine] > time:
            return -1
        queue, soonest = self.queues[machine], _FAR
        queue.purge(self.schedule.placed)
        for at in self._candidates(machine, time):
            place = self.schedule.best(at, *self.bounds[at])
            chosen = self.model.choices[at][place.choice].machine
            if place.setup_start <= time and self.busy_until[chosen] <= time:
                self._begin(at, place, chosen, time)
                return chosen
            if chosen == machine:
                soonest = min(soonest, place.setup_start)
        if soonest < _FAR and not time < self.wakes[machine] <= soonest:
            self.wakes[machine] = soonest
            heappush(self.events, (soonest, 1, machine))
        return -1

    def _begin(self, at: int, place: Place, machine: int, time: int) -> None:
        self.schedule.put(at, place)
        self.busy_until[machine] = place.end
        calendar = self.model.calendars[machine]
        free = place.end if calendar is None else calendar.begin(calendar.work(place.end))
        heappush(self.events, (max(free, time), 1, machine))
        self._release(at, time)

    def _candidates(self, machine: int, time: int) -> Iterator[int]:
        waiting = [at for _, at in self.queues[machine].waiting]
        if self.weights is None or len(waiting) < 2:
            return iter(waiting)
        rooms = self.schedule.rooms[machine]
        # The room in which the machine is now tells what it is set up for.
        family = next((room[1] for room in rooms if room[2] > time), rooms[-1][1])
        return _by_weight(self.model, self.weights, machine, family, waiting, time)


def _weights(model: Model, figures: Figures, rule: Rule) -> _Weights:
    run = np.maximum(np.array(figures.run), 1.0)
    return _Weights(
        np.array(figures.weight) / run,
        np.array(figures.latest) - run * figures.stretch,
        np.array(model.family),
        np.array(figures.setup),
        rule.k1 * figures.mean_run * figures.stretch,
        rule.k2 * figures.mean_setup,
    )


def _by_weight(
    model: Model, weights: _Weights, machine: int, family: int, waiting: list[int], time: int
) -> Iterator[int]:
    """By ATC or ATCS, the highest first; later ones only as far as they are asked for."""
    at = np.array(waiting)
    slack = np.maximum(weights.start[at] - time, 0.0)
    # In logarithms: far from the due date the index itself would be zero for everybody.
    index = np.log(weights.value[at]) - np.minimum(slack, _FAR) / weights.scale
    if weights.setup_scale:
        row = weights.rows.get((machine, family))
        if row is None:
            row = weights.rows[machine, family] = np.array(model.setups[machine].seconds(family))
        setup = row[weights.family[at]]
        index -= np.where(setup < 0, weights.setup[at], setup) / weights.setup_scale
    yield waiting[int(index.argmax())]
    order = np.argsort(-index, kind="stable")
    for place in order[1:]:
        yield waiting[place]


def _shared(model: Model) -> list[list[int]]:
    """For each machine, those that some operation could use instead of it."""
    found: list[set[int]] = [set() for _ in model.machines]
    for choices in model.choices:
        if len(choices) > 1:
            machines = {choice.machine for choice in choices}
            for machine in machines:
                found[machine] |= machines
    return [sorted(others - {machine}) for machine, others in enumerate(found)]


def current(model: Model, figures: Figures, *, rush: bool = False) -> Schedule:
    """The plan that stands, decoded again with its order and machines.

    New operations are sorted in by their latest start; in a rush before everything.
    """
    stands = model.problem.current
    keys = [-float(_FAR)] * len(model) if rush else figures.keys("SLACK")
    chosen = [OUTSIDE] * len(model)
    for at, operation in enumerate(model.operations):
        if (planned := stands.get(operation.id)) is None:
            continue
        keys[at] = float(planned.start)
        machine = model.machine_index.get(planned.machine, -1)
        chosen[at] = next((k for k, each in enumerate(model.choices[at]) if each.machine == machine), OUTSIDE)
    return decode(model, by_keys(model, keys), chosen)


def held(model: Model, figures: Figures, *, rush: bool = False) -> Schedule:
    """As `current`, but what could begin earlier than in the plan that stands waits for its time there.

    It waits as far as no order gets late by it, or later: a start that only follows an early end of others moves
    everybody behind it for nothing.
    """
    left = current(model, figures, rush=rush)
    slack = slacks(left, Neighbours(left).next)
    not_before = list(left.start)
    for at, operation in enumerate(model.operations):
        stands = model.problem.current.get(operation.id)
        if stands is not None and stands.start > left.start[at]:
            room = slack[at]
            latest = stands.start if room is None else left.start[at] + max(room, 0)
            not_before[at] = min(stands.start, latest)
    return decode(model, by_keys(model, left.turn), left.chosen, not_before)


def grid(model: Model) -> list[Rule]:
    """The rules to try, the most promising first; fewer for large problems."""
    size = len(model)
    if not model.dated:
        return [Rule(name) for name in ("MWKR", "FIFO", "SPT")]
    with_setups = any(rows for rows in model.problem.setups.values()) or any(
        choice.setup for choices in model.choices for choice in choices
    )
    looks = (1.0, 0.3, 3.0, 6.0) if size <= 600 else (1.0, 3.0) if size <= 2500 else (1.5,)
    setups = ((0.3, 0.1, 1.0) if size <= 600 else (0.3, 0.1) if size <= 2500 else (0.3,)) if with_setups else ()
    atc, atcs = [Rule("ATC", k1) for k1 in looks], [Rule("ATCS", k1, k2) for k1 in looks for k2 in setups]
    # Of many operations the first plan counts, and ATC is twice as fast.
    rules = [*atcs, *atc] if size <= 2500 else [*atc, *atcs]
    static = ("EDD", "SLACK", "SPT", "FIFO") if size <= 2500 else ("EDD", "FIFO")
    return [*rules, *(Rule(name) for name in static)]


@dataclass(frozen=True, slots=True)
class Tried:
    """The best schedule of the rules, its rule, and the best score of each rule by name."""

    schedule: Schedule
    score: Score
    rule: str
    scores: Mapping[str, Score]


def try_rules(
    model: Model,
    *,
    quick: bool = False,
    should_stop: Callable[[], bool] | None = None,
    on_better: Callable[[Tried], None] | None = None,
) -> Tried:
    """Run the rules; at least one, then until told to stop. on_better hears of the first and of each better one.

    quick: only the plan that stands, or the first rule without one.
    """
    figures = Figures(model)
    scores: dict[str, Score] = {}
    found: list[Tried] = []
    for name, run in _runs(model, figures):
        if found and ((quick and name != CURRENT) or (should_stop is not None and should_stop())):
            break
        schedule = run()
        score = score_of(schedule)
        if name not in scores or score.key() < scores[name].key():
            scores[name] = score
        if not found or score.key() < found[-1].score.key():
            found.append(Tried(schedule, score, name, scores))
            if on_better is not None:
                on_better(found[-1])
    return found[-1]


def _runs(model: Model, figures: Figures) -> Iterator[tuple[str, Callable[[], Schedule]]]:
    if model.problem.current:
        yield CURRENT, partial(current, model, figures)
        if any(each.id not in model.problem.current for each in model.operations):
            # Something comes in between: nobody else is to move without need. Where something went, all close up.
            yield CURRENT, partial(held, model, figures)
            for repair in (current, held):
                yield CURRENT, partial(repair, model, figures, rush=True)
    for rule in grid(model):
        yield rule.name, Dispatch(model, figures, rule).run
