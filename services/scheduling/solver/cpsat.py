"""A part of a plan as a CP-SAT model: the free operations with all their order and machine choices, all else as it is.

Every machine counts in its working time, so that runs have fixed lengths and breaks vanish; where operations of
different calendars or a due date meet, working time is mapped to real time window by window. After the last end of the
plan that it starts from, a model takes machines to be open: a relaxation, so a bound that it proves holds for the plan.
Whoever uses a solution decodes it again; the model itself is never believed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ortools.sat.python import cp_model

from services.scheduling.solver import sequencing
from services.scheduling.solver.decoder import Schedule, by_keys
from services.scheduling.solver.model import Choice, Link, Model
from services.scheduling.solver.working_time import WorkingTime

Expression = cp_model.LinearExpr | int


class Clock:
    """Working time of machines that share a calendar; None: always open."""

    def __init__(self, calendar: WorkingTime | None) -> None:
        self.calendar = calendar

    def work(self, moment: int) -> int:
        """Seconds worked before a moment."""
        return moment if self.calendar is None else self.calendar.work(moment)

    def reach(self, moment: int) -> int:
        """The least work that does not end before a moment."""
        return moment if self.calendar is None else self.calendar.reach(moment)

    def begin(self, worked: int) -> int:
        """When work begins that so much work precedes."""
        return worked if self.calendar is None else self.calendar.begin(worked)


_ALWAYS = Clock(None)


def clocks_of(model: Model, until: int) -> list[Clock]:
    """A clock for each machine, shared between equal calendars, open from `until` on."""
    found: dict[tuple[tuple[int, int], ...], Clock] = {}
    clocks = []
    for machine in model.machines:
        if machine.windows is None:
            clocks.append(_ALWAYS)
            continue
        windows = tuple((begin, end) for begin, end in machine.windows if begin < until)
        if windows not in found:
            found[windows] = Clock(WorkingTime(windows, min(until, model.problem.horizon)))
        clocks.append(found[windows])
    return clocks


@dataclass(slots=True)
class Task:
    """A free operation. starts: its run's start in the working time of each clock that it may have.

    literals[k]: choice k is taken. lengths: the run by clock, 0 while a choice of another clock is taken.
    """

    at: int
    choices: Sequence[Choice]
    literals: list[cp_model.IntVar]
    starts: dict[Clock, cp_model.IntVar]
    lengths: dict[Clock, Expression]

    @property
    def clock(self) -> Clock | None:
        """The one clock that it can have; None if there are several."""
        return next(iter(self.starts)) if len(self.starts) == 1 else None


@dataclass(frozen=True, slots=True)
class Found:
    """A solution: the start of every operation, good for sorting, and the choices."""

    keys: Sequence[float]
    chosen: Sequence[int]

    def sequence(self, model: Model) -> list[int]:
        """Operations in the order in which to decode them."""
        return by_keys(model, self.keys)


class Part:
    """The model of some free operations of a schedule. Everything else stands where the schedule has it.

    tails[i]: how long after the end of a free operation its order ends (or everything, if nothing has a date), for
    those whose followers stand outside; without tails the free operations are all there are.
    """

    def __init__(self, schedule: Schedule, free: Iterable[int], tails: Mapping[int, int] | None = None) -> None:
        self.schedule, self.model = schedule, schedule.model
        self.cp = cp_model.CpModel()
        self.free, self.tails = sorted(free, key=schedule.start.__getitem__), tails
        until = max(schedule.end) if tails is None else max(schedule.end[at] for at in self.free)
        self.clocks = clocks_of(self.model, until)
        self.latest = self._latest(until)
        self.tasks: dict[int, Task] = {}
        self.real: dict[tuple[int, str], Expression] = {}
        for at in self.free:
            self.tasks[at] = self._task(at)
        for at in self.free:
            for link in self.model.before[at]:
                if link.before in self.tasks:
                    self._link(self.tasks[link.before], self.tasks[at], link)
        self.changeover = sequencing.add_machines(self)

    def _latest(self, until: int) -> int:
        """No plan needs to be later: everything free one after the other behind all that stands."""
        model, total = self.model, 0
        latest = max([until, *(model.release[at] for at in self.free)])
        if self.tails is None:
            latest = max([latest, *(gaps[-1].cursor for gaps in model.gaps)])
        for at in self.free:
            runs = [choice.run + choice.setup for choice in model.choices[at]] or [model.operations[at].outside_s]
            total += max(runs) + sum(link.lag + link.tail for link in model.before[at])
        longest_setup = max((row.seconds for rows in model.problem.setups.values() for row in rows), default=0)
        return latest + total + longest_setup * len(self.free)

    def _task(self, at: int) -> Task:
        model, cp = self.model, self.cp
        choices = model.choices[at]
        ready, bound = self._bounds(at)
        literals = [cp.new_bool_var("") for _ in choices] if len(choices) > 1 else [cp.new_constant(1) for _ in choices]
        if len(choices) > 1:
            cp.add_exactly_one(literals)
        clocks = dict.fromkeys(self.clocks[choice.machine] for choice in choices) or {_ALWAYS: None}
        starts = {clock: cp.new_int_var(clock.work(ready), clock.work(self.latest), "") for clock in clocks}
        lengths: dict[Clock, Expression] = {}
        for clock in clocks:
            runs = [
                literal * choice.run
                for literal, choice in zip(literals, choices, strict=True)
                if self.clocks[choice.machine] is clock
            ]
            lengths[clock] = sum(runs) if len(choices) > 1 else self._only_run(at)
        task = Task(at, choices, literals, starts, lengths)
        self._limit(task, bound)
        return task

    def _only_run(self, at: int) -> int:
        choices = self.model.choices[at]
        return choices[0].run if choices else self.model.operations[at].outside_s

    def _bounds(self, at: int) -> tuple[int, int]:
        """(start, end) not before: what releases and the predecessors that stand ask."""
        ready, bound = self.model.release[at], 0
        inside = set(self.free)
        for link in self.model.before[at]:
            if link.before not in inside:
                ready = max(ready, self.schedule.transfer(link.before, link.overlap) + link.lag)
                if link.overlap >= 0:
                    bound = max(bound, self.schedule.end[link.before] + link.tail)
        return ready, bound

    def _limit(self, task: Task, bound: int) -> None:
        """Runs that end not before `bound`, and lie in one window if they must."""
        for clock, start in task.starts.items():
            if bound and task.clock is clock:
                self.cp.add(start + task.lengths[clock] >= clock.reach(bound))
        for number, choice in enumerate(task.choices):
            clock = self.clocks[choice.machine]
            if clock.calendar is not None and self.model.whole[task.at][number]:
                before = [*clock.calendar.before, clock.work(self.latest) + choice.run]
                spans = [(begin, end - choice.run) for begin, end in pairwise(before) if end - begin >= choice.run]
                domain = cp_model.Domain.from_intervals([list(span) for span in spans])
                self.cp.add_linear_expression_in_domain(task.starts[clock], domain).only_enforce_if(
                    task.literals[number]
                )

    def hint(self, schedule: Schedule) -> None:
        """Begin the search at a schedule."""
        self.cp.clear_hints()  # type: ignore[no-untyped-call]
        for at, task in self.tasks.items():
            for clock, start in task.starts.items():
                self.cp.add_hint(start, clock.work(schedule.start[at]))
            if len(task.literals) > 1:
                for number, literal in enumerate(task.literals):
                    self.cp.add_hint(literal, number == schedule.chosen[at])

    def _link(self, before: Task, after: Task, link: Link) -> None:
        """A predecessor inside the part. Within one clock it is a matter of working time alone."""
        clock = before.clock
        simple = clock is not None and clock is after.clock
        if simple and clock is not None and (clock.calendar is None or (not link.lag and not link.tail)):
            batch = before.lengths[clock] if link.overlap < 0 else self._batch(before, clock, link.overlap)
            self.cp.add(after.starts[clock] >= before.starts[clock] + batch + link.lag)
            if link.overlap >= 0:
                ends = [task.starts[clock] + task.lengths[clock] for task in (before, after)]
                self.cp.add(ends[1] >= ends[0] + link.tail)
            return
        if link.overlap < 0:
            self.cp.add(self.start(after) >= self.end(before) + link.lag)
        else:
            self.cp.add(self.start(after) >= self.transfer(before, link.overlap) + link.lag)
            self.cp.add(self.end(after) >= self.end(before) + link.tail)

    def _batch(self, task: Task, clock: Clock, overlap: int) -> Expression:
        if len(task.choices) < 2:
            return min(overlap, self._only_run(task.at))
        return sum(
            literal * min(overlap, choice.run)
            for literal, choice in zip(task.literals, task.choices, strict=True)
            if self.clocks[choice.machine] is clock
        )

    def start(self, task: Task) -> Expression:
        """The real start of a run."""
        return self._real(task, "start", False, lambda clock: task.starts[clock])

    def end(self, task: Task) -> Expression:
        """The real end of a run."""
        return self._real(task, "end", True, lambda clock: task.starts[clock] + task.lengths[clock])

    def transfer(self, task: Task, overlap: int) -> Expression:
        """When so many seconds are worked on it."""
        return self._real(
            task, f"overlap {overlap}", True, lambda clock: task.starts[clock] + self._batch(task, clock, overlap)
        )

    def _real(self, task: Task, name: str, ending: bool, worked: Callable[[Clock], Expression]) -> Expression:
        known = self.real.get((task.at, name))
        if known is not None:
            return known
        low = self._bounds(task.at)[0]
        moments = {clock: self._mapped(worked(clock), clock, low, ending) for clock in task.starts}
        if len(moments) == 1:
            real = next(iter(moments.values()))
        else:
            real = self.cp.new_int_var(0, self.latest, "")
            for literal, choice in zip(task.literals, task.choices, strict=True):
                self.cp.add(real == moments[self.clocks[choice.machine]]).only_enforce_if(literal)
        self.real[task.at, name] = real
        return real

    def _mapped(self, worked: Expression, clock: Clock, low: int, ending: bool) -> Expression:
        """Working time as a moment: the window that it falls into decides how much closed time lies before."""
        calendar = clock.calendar
        if calendar is None:
            return worked
        find = bisect_left if ending else bisect_right
        before = calendar.before
        first, last = (max(find(before, clock.work(each)) - 1, 0) for each in (low, self.latest))
        if first == last:
            return worked + (calendar.begins[first] - before[first])
        literals, moment = [], worked
        for at in range(first, last + 1):
            literal = self.cp.new_bool_var("")
            begin = before[at] + 1 if ending and at > first else before[at]
            end = before[at + 1] - (not ending) if at < last else clock.work(self.latest)
            self.cp.add_linear_constraint(worked, begin, end).only_enforce_if(literal)
            literals.append(literal)
            moment = moment + literal * (calendar.begins[at] - before[at])
        self.cp.add_exactly_one(literals)
        return moment

    def found(self, value: Callable[[Expression], int]) -> Found:
        """A solution, read by `value`."""
        keys, chosen = [float(start) for start in self.schedule.start], list(self.schedule.chosen)
        for at, task in self.tasks.items():
            clock = next(iter(task.starts))
            for number, literal in enumerate(task.literals):
                if value(literal):
                    chosen[at], clock = number, self.clocks[task.choices[number].machine]
            worked = value(task.starts[clock])
            # Runs of no length go first where a window ends and the next begins.
            keys[at] = clock.begin(worked) - (0.0 if value(task.lengths[clock]) else 0.5)
        return Found(keys, chosen)
