"""Dispatching rules: the first plan, at once.

Each rule is a list scheduling without delay: time goes forward, and a machine that is free takes, of the operations
that wait for it and could begin, the one that the rule puts first. An operation with alternatives waits where it would
end first, setup included. FIFO, SPT, EDD, slack and most work remaining (MWKR) sort by a figure that does not change;
ATC (Vepsalainen and Morton 1987, Management Science 33:1035) and ATCS (Lee, Bhaskaran and Pinedo 1997, IIE Transactions
29:45) weigh value against slack, ATCS also against setup, with look-ahead factors k1, k2 tried on a grid. CURRENT keeps
the order of the plan that stands; with something new in it, once more at its times where nobody is late by that.
REPAIR, where moving is weighed against tardiness, keeps its machines, and its order as far as that pays (`Repair`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from services.scheduling.solver.decoder import OUTSIDE, Schedule, by_keys, decode, score_from
from services.scheduling.solver.flat import Flat, flat_of, narrowed
from services.scheduling.solver.kernel import layout
from services.scheduling.solver.kernel.dispatch import ARRIVAL, INDEX, STATIC, dispatch, dispatching_room
from services.scheduling.solver.kernel.jit import COMPILES
from services.scheduling.solver.kernel.layout import Floats, Ints
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Score
from services.scheduling.solver.scoring import Neighbours, slacks

_FAR = 1 << 50
CURRENT, REPAIR = "CURRENT", "REPAIR"
_HARD = 16
"""How much heavier a hard deadline weighs in ATC and ATCS."""
_ROUNDS, _MENDED = 6, 4
_BLENDS, _NEAR, _CLOSE = (0.75, 1.0, 0.5), (2.0, 0.5, 1.0, 3.0), (1.0, 0.3)
"""What a repair tries: shares of the planned start, look-ahead factors k1 and k2 of ATCS."""
_AFTER = 40 * 86_400.0
"""Operations of orders without a date count as if they had to begin so long after their planned start."""


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


class Dispatcher:
    """Runs rules over a model, one after the other, in the same room."""

    def __init__(self, model: Model, figures: Figures) -> None:
        self.model, self.figures, self.flat = model, figures, flat_of(model)
        self.block, self._work = self.flat.plan(), self.flat.room()
        self._room = dispatching_room(self.flat.shop, [choice.machine for row in model.choices for choice in row])
        self._order = np.array(model.order, np.int64)
        run = np.maximum(np.array(figures.run), 1.0)
        start = np.array(figures.latest) - run * figures.stretch
        self._index = np.concatenate([np.log(np.array(figures.weight) / run), start, np.array(figures.setup)])

    def run(self, rule: Rule) -> Ints:
        """The schedule by a rule, as a block that the next run writes over."""
        figures, scale, setup_scale = self.figures, 1.0, 0.0
        if rule.k1:
            how, values = INDEX, self._index
            scale, setup_scale = rule.k1 * figures.mean_run * figures.stretch, rule.k2 * figures.mean_setup
        elif rule.name == "FIFO":
            how, values = ARRIVAL, np.zeros(1)
        else:
            how, values = STATIC, np.array(figures.keys(rule.name), np.float64)
        now = self.model.problem.now
        dispatch(self.flat.shop, self.block, self._work, self._room, values, self._order, now, how, scale, setup_scale)
        return self.block


def current(model: Model, figures: Figures, *, rush: bool = False, moving: bool = False) -> Schedule:
    """The plan that stands, decoded again with its order and machines.

    New operations are sorted in by their latest start; in a rush before everything. moving: what was planned on a
    machine that is not there then may go to any other.
    """
    stands = model.problem.current
    keys = [-float(_FAR)] * len(model) if rush else figures.keys("SLACK")
    chosen = [OUTSIDE] * len(model)
    for at, operation in enumerate(model.operations):
        if (planned := stands.get(operation.id)) is None:
            continue
        keys[at] = float(planned.start)
        machine = model.machine_index.get(planned.machine, -1)
        if moving and model.lost(planned):
            continue
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


class Repair:
    """Dispatches the plan that stands again after something happened.

    To keep the order on every machine lets the delay of one operation hold up all machines on its route. So this is a
    list scheduling in which every operation is tied to the machine it stands on, unless that is out at its time. It
    goes by an ATCS index in which the latest start is mixed with the planned start.
    """

    def __init__(self, model: Model, figures: Figures) -> None:
        self.model, self.figures, self.flat = model, figures, flat_of(model)
        self._planned = np.array(figures.latest)
        self._only = np.full(len(model), OUTSIDE, np.int64)
        for at, operation in enumerate(model.operations):
            if (stood := model.problem.current.get(operation.id)) is None or model.fixed[at]:
                continue
            self._planned[at] = stood.start
            machine = model.machine_index.get(stood.machine, -1)
            if not model.lost(stood):
                ways = (k for k, each in enumerate(model.choices[at]) if each.machine == machine)
                self._only[at] = next(ways, OUTSIDE)
        run = np.maximum(np.array(figures.run), 1.0)
        self._value = np.log(np.array(figures.weight) / run)
        self._latest = np.array(figures.latest) - run * figures.stretch
        self._orders, self._order = np.array(model.order_of, np.int64), np.array(model.order, np.int64)
        self._deadline = np.array([
            each.due if each.hard and each.due is not None else _FAR for each in model.orders
        ], np.float64)  # fmt: skip
        self._tie(np.zeros(len(model.orders), bool))
        self._runs: list[tuple[Score, tuple[float, float, float]]] = []

    def _tie(self, free: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        """Tie operations to their machines, but not those of free orders."""
        only = np.where(free[self._orders], OUTSIDE, self._only)
        self._shop, self._kept = narrowed(self.flat, only)
        machines = self._shop[self._shop[layout.S_CHOICE] :][: 4 * len(self._kept) : 4].tolist()
        self._room, self._work = dispatching_room(self._shop, machines), self.flat.room()

    def run(self, blend: float, k1: float, k2: float) -> Ints:
        """The schedule by an index with so much of the planned start in it, and the look-ahead factors of ATCS."""
        block = self._run(blend, k1, k2, np.zeros(len(self.model.orders)))
        self._runs.append((score_from(block, self.flat), (blend, k1, k2)))
        return block

    def _run(self, blend: float, k1: float, k2: float, sooner: Floats) -> Ints:
        figures, block = self.figures, self.flat.plan()
        aim = blend * self._planned + (1.0 - blend) * np.minimum(self._latest, self._planned + _AFTER)
        early = sooner[self._orders]
        value = self._value + np.where(early > 0.0, np.log(float(_HARD)), 0.0)
        index = np.concatenate([value, aim - early, np.array(figures.setup)])
        scale, setup_scale = k1 * figures.mean_run * figures.stretch, k2 * figures.mean_setup
        now = self.model.problem.now
        dispatch(self._shop, block, self._work, self._room, index, self._order, now, INDEX, scale, setup_scale)
        choice = layout.puts(self.flat.shop, block)[:, layout.CHOICE]
        choice[:] = np.where(choice >= 0, self._kept[np.maximum(choice, 0)], choice)
        return block

    def mended(self) -> Iterator[Callable[[], Ints]]:
        """Those that were best but for deadlines, again with all orders sooner that miss one, on any machine."""
        for score, factors in sorted(self._runs, key=lambda each: each[0].key()[1:])[:_MENDED]:
            if score.missed:
                yield partial(self._mend, score, factors)

    def _mend(self, score: Score, factors: tuple[float, float, float]) -> Ints:
        sooner = np.zeros(len(self.model.orders))
        self._tie(sooner > 0.0)
        best = block = self._run(*factors, sooner)
        for _ in range(_ROUNDS):
            late = self._missed(block)
            if not late.any():
                break
            sooner += 1.5 * late
            self._tie(sooner > 0.0)
            block = self._run(*factors, sooner)
            if (found := score_from(block, self.flat)).key() < score.key():
                best, score = block, found
        return best

    def _missed(self, block: Ints) -> Floats:
        """By how much each order misses its hard deadline."""
        ends = np.zeros(len(self._deadline))
        np.maximum.at(ends, self._orders, layout.puts(self.flat.shop, block)[:, layout.END])
        late: Floats = np.maximum(ends - self._deadline, 0.0)
        return late


_LOOKS = (2.0, 1.0, 3.0, 0.5, 4.5, 1.5, 0.25, 6.5, 0.1, 10.0)
_SETUPS = (0.3, 0.1, 0.6, 1.0, 2.0, 0.05)


def grid(model: Model) -> list[Rule]:
    """The rules to try, the most promising first: ATCS on a grid of 60 points where there are setups."""
    if not model.dated:
        return [Rule(name) for name in ("MWKR", "FIFO", "SPT")]
    with_setups = any(rows for rows in model.problem.setups.values()) or any(
        choice.setup for choices in model.choices for choice in choices
    )
    atcs = [Rule("ATCS", k1, k2) for k2 in _SETUPS for k1 in _LOOKS] if with_setups else []
    atc = [Rule("ATC", k1) for k1 in _LOOKS]
    static = [Rule(name) for name in ("EDD", "SLACK", "SPT", "FIFO")]
    found = [*atcs[:1], *atc[:1], *static, *atcs[1:], *atc[1:]]
    # The interpreter takes a minute for what compiled code does in one second.
    return found if COMPILES else found[: max(2, 20_000 // max(len(model), 1))]


@dataclass(frozen=True, slots=True)
class Tried:
    """The best schedule of the rules as a block, its rule, and the best score of each rule by name.

    stands: the best that goes out from the plan that stands, None without one: where a replan begins.
    """

    flat: Flat
    block: Ints
    score: Score
    rule: str
    scores: Mapping[str, Score]
    stands: Ints | None = None


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
    figures, flat = Figures(model), flat_of(model)
    scores: dict[str, Score] = {}
    found: Tried | None = None
    stands: Ints | None = None
    for name, run in _runs(model, figures):
        if found is not None and ((quick and name != CURRENT) or (should_stop is not None and should_stop())):
            break
        block = run()
        score = score_from(block, flat)
        if name not in scores or score.key() < scores[name].key():
            scores[name] = score
        if name in (CURRENT, REPAIR) and (stands is None or score.key() < score_from(stands, flat).key()):
            stands = block.copy()
        if found is None or score.key() < found.score.key():
            found = Tried(flat, block.copy(), score, name, scores)
            if on_better is not None:
                on_better(found)
    assert found is not None  # noqa: S101 - there is always a rule
    return replace(found, stands=stands)


def _runs(model: Model, figures: Figures) -> Iterator[tuple[str, Callable[[], Ints]]]:
    if model.problem.current:
        yield CURRENT, lambda: current(model, figures).block
        if any(model.lost(each) for each in model.problem.current.values()):
            yield CURRENT, lambda: current(model, figures, moving=True).block
        if model.problem.stability:
            yield from _repairs(model, figures)
        if any(each.id not in model.problem.current for each in model.operations):
            # Something comes in between: nobody else is to move without need. Where something went, all close up.
            yield CURRENT, lambda: held(model, figures).block
            for repair in (current, held):
                yield CURRENT, lambda repair=repair: repair(model, figures, rush=True).block  # type: ignore[misc]
    dispatcher = Dispatcher(model, figures)
    for rule in grid(model):
        yield rule.name, partial(dispatcher.run, rule)


def _repairs(model: Model, figures: Figures) -> Iterator[tuple[str, Callable[[], Ints]]]:
    repair = Repair(model, figures)
    every = [(blend, k1, k2) for k2 in _CLOSE for k1 in _NEAR for blend in _BLENDS]
    for factors in every if COMPILES else every[:2]:
        yield REPAIR, partial(repair.run, *factors)
    for mend in repair.mended():
        yield REPAIR, mend
