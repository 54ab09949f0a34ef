"""Machines in a CP-SAT model: who follows whom, and what setup that takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ortools.sat.python import cp_model

from services.scheduling.solver.model import Choice
from services.scheduling.solver.problem import Fixing

if TYPE_CHECKING:
    from services.scheduling.solver.cpsat import Clock, Expression, Part, Task


@dataclass(slots=True)
class Block:
    """Operations without room between them that stand, in working time: setup from `begin`, run from `run` to `end`.

    first: the operation at its head, whose setup depends on what is before. given: the setup that it has, if it cannot
    move and its setup neither; else -1. family: what it leaves the machine set up for.
    """

    begin: int
    run: int
    end: int
    first: int
    given: int
    family: int


@dataclass(slots=True)
class Line:
    """A machine: what stands on it, and the free operations that may come on it (task, number of the choice)."""

    machine: int
    clock: Clock
    cursor: int
    family: int
    blocks: list[Block]
    closed: bool
    tasks: list[tuple[Task, int]]


def add_machines(part: Part) -> Expression:
    """Constrain every machine that a free operation may use. Returns the setup seconds of free operations."""
    lines: dict[int, list[tuple[Task, int]]] = {}
    for task in part.tasks.values():
        for number, choice in enumerate(task.choices):
            lines.setdefault(choice.machine, []).append((task, number))
    on_machine = _standing(part)
    return sum(
        _add_line(part, _line(part, machine, tasks, on_machine.get(machine, [])))
        for machine, tasks in sorted(lines.items())
    )


def _standing(part: Part) -> dict[int, list[int]]:
    schedule, found = part.schedule, {}  # type: ignore[var-annotated]
    for at, machine in enumerate(schedule.machine):
        if machine >= 0 and at not in part.tasks and part.model.fixing[at] is not Fixing.DONE:
            found.setdefault(machine, []).append(at)
    return found


def _line(part: Part, machine: int, tasks: list[tuple[Task, int]], standing: list[int]) -> Line:
    """Blocks of what stands. In a part with tails only the time around the free operations is open."""
    model, schedule, clock = part.model, part.schedule, part.clocks[machine]
    cursor, family = clock.work(model.floor[machine]), model.families[model.machines[machine].initial_family]
    local = part.tails is not None
    opens = min(schedule.setup_start[at] for at in part.free)
    closes = max(schedule.end[at] for at in part.free)
    line = Line(machine, clock, cursor, family, [], False, tasks)
    for at in sorted(standing, key=lambda at: (schedule.start[at], schedule.end[at], schedule.turn[at])):
        begin, run, end = (clock.work(each[at]) for each in (schedule.setup_start, schedule.start, schedule.end))
        passed = (local and schedule.end[at] <= opens) or schedule.end[at] <= model.floor[machine]
        if not line.blocks and (passed or min(begin, run) <= line.cursor):
            line.cursor, line.family = max(line.cursor, end), model.family[at]
        elif line.blocks and begin <= line.blocks[-1].end:
            line.blocks[-1].end = max(line.blocks[-1].end, end)
            line.blocks[-1].family = model.family[at]
        elif line.closed:
            break
        else:
            given = run - begin if model.fixed[at] else -1
            line.blocks.append(Block(begin, run, end, at, given, model.family[at]))
            line.closed = local and schedule.setup_start[at] >= closes
    return line


def _setup(part: Part, line: Line, family: int, at: int, own: int) -> int:
    setup = part.model.setups[line.machine].seconds(family)[part.model.family[at]]
    return own if setup < 0 else setup


def _add_line(part: Part, line: Line) -> Expression:
    families = {line.family, *(block.family for block in line.blocks)}
    families |= {part.model.family[task.at] for task, _ in line.tasks}
    setups = [
        {_setup(part, line, family, task.at, task.choices[number].setup) for family in families}
        for task, number in line.tasks
    ]
    _limit(part, line)
    least = [min(each) for each in setups]
    _no_overlap(part, line, least)
    if all(len(each) == 1 for each in setups) and all(_indifferent(part, line, block) for block in line.blocks):
        return sum(
            task.literals[number] * setup for (task, number), setup in zip(line.tasks, least, strict=True) if setup
        )
    return _Circuit(part, line).changeover


def _indifferent(part: Part, line: Line, block: Block) -> bool:
    """Whether any free operation may stand right before a block without lengthening its setup."""
    own = part.model.own_setup(block.first, line.machine)
    given = block.given if block.given >= 0 else block.run - block.begin
    return all(_setup(part, line, part.model.family[task.at], block.first, own) <= given for task, _ in line.tasks)


def _limit(part: Part, line: Line) -> None:
    for task, number in line.tasks:
        start, literal = task.starts[line.clock], task.literals[number]
        if line.closed:
            part.cp.add(start + task.choices[number].run <= line.blocks[-1].begin).only_enforce_if(literal)


def _no_overlap(part: Part, line: Line, least: list[int]) -> None:
    """Setup of the least length and run of the free operations, and the blocks, one at a time."""
    cp = part.cp
    intervals = [
        cp.new_optional_fixed_size_interval_var(
            task.starts[line.clock] - setup, setup + task.choices[number].run, task.literals[number], ""
        )
        for (task, number), setup in zip(line.tasks, least, strict=True)
    ]
    for (task, number), setup in zip(line.tasks, least, strict=True):
        cp.add(task.starts[line.clock] >= line.cursor + setup).only_enforce_if(task.literals[number])
    for block in line.blocks:
        # A setup that may become shorter does not stand in the way.
        begin = block.begin if block.given >= 0 else block.run
        if block.end > begin:
            intervals.append(cp.new_fixed_size_interval_var(begin, block.end - begin, ""))
    cp.add_no_overlap(intervals)


class _Circuit:
    """The sequence as a circuit through the free operations that are here and all blocks; node 0 is begin and end."""

    def __init__(self, part: Part, line: Line) -> None:
        self.part, self.line, self.cp = part, line, part.cp
        self.arcs: list[tuple[int, int, cp_model.LiteralT]] = []
        self.costs: list[Expression] = []
        self.first_block = len(line.tasks) + 1
        self._from_begin()
        self._between_tasks()
        self._around_blocks()
        self.cp.add_circuit(self.arcs)
        self.changeover: Expression = sum(self.costs)

    def _arc(self, origin: int, target: int) -> cp_model.IntVar:
        literal = self.cp.new_bool_var("")
        self.arcs.append((origin, target, literal))
        return literal

    def _into(self, origin: int, family: int, end: Expression, place: int) -> None:
        """An arc to a free operation from something that ends at `end` and leaves the machine in a family."""
        task, number = self.line.tasks[place]
        choice: Choice = task.choices[number]
        setup = _setup(self.part, self.line, family, task.at, choice.setup)
        literal = self._arc(origin, place + 1)
        self.cp.add(task.starts[self.line.clock] >= end + setup).only_enforce_if(literal)
        if setup:
            self.costs.append(literal * setup)

    def _from_begin(self) -> None:
        line = self.line
        for place in range(len(line.tasks)):
            self._into(0, line.family, line.cursor, place)
            if not line.closed:
                self._arc(place + 1, 0)
        if line.blocks:
            self._arc(0, self.first_block)
        else:
            self._arc(0, 0)

    def _between_tasks(self) -> None:
        line, model = self.line, self.part.model
        for place, (task, number) in enumerate(line.tasks):
            self.arcs.append((place + 1, place + 1, ~task.literals[number]))
            end = task.starts[line.clock] + task.choices[number].run
            for other, (follower, _) in enumerate(line.tasks):
                forbidden = any(link.before == follower.at for link in model.before[task.at])
                if follower is not task and not forbidden:
                    self._into(place + 1, model.family[task.at], end, other)

    def _around_blocks(self) -> None:
        line = self.line
        for number, block in enumerate(line.blocks):
            node, last = self.first_block + number, number + 1 == len(line.blocks)
            for place in range(len(line.tasks)):
                self._before_block(place, node, block)
                if not (last and line.closed):
                    self._into(node, block.family, block.end, place)
            self._arc(node, 0 if last else node + 1)

    def _before_block(self, place: int, node: int, block: Block) -> None:
        (task, number), line, part = self.line.tasks[place], self.line, self.part
        own = part.model.own_setup(block.first, line.machine)
        setup = _setup(part, line, part.model.family[task.at], block.first, own)
        if 0 <= block.given < setup:
            return
        limit = block.begin if block.given >= 0 else block.run - setup
        literal = self._arc(place + 1, node)
        end = task.starts[line.clock] + task.choices[number].run
        self.cp.add(end <= limit).only_enforce_if(literal)
