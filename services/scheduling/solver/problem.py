"""What an engine gets: a scheduling problem, complete in itself.

All times are whole seconds from `Problem.origin`, all spans whole seconds, intervals half-open. Ids are opaque text.
Nothing here reads a clock; the same problem and settings give the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

ANY = "*"
"""A setup family that matches every family in a row of the setup matrix."""
REPLAN_STABILITY, REPLAN_CHANGE_S = 500, 16 * 3600
"""What moving counts in a replan, see `replanning` and decision 16."""


class Fixing(StrEnum):
    """How far an operation is still free.

    FREE: machine and time are open. PINNED: machine and earliest start were chosen by a person and hold.
    FROZEN: inside the frozen zone; machine and times stand. RUNNING: begun; machine stands, `end` follows from what
    remains. DONE: over; only its end matters to those that follow.
    """

    FREE = "free"
    PINNED = "pinned"
    FROZEN = "frozen"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Machine:
    """A resource that does one operation at a time.

    windows: working time, sorted, disjoint; None: always. After the last window's end (`Problem.horizon`) it is taken
    to work around the clock, so that a plan always exists. available_from: not before (it is down until then).
    setup_class: name of the setup matrix it follows. initial_family: what it is set up for at the start, "" unknown.
    batch_capacity: 0: one operation at a time; else a batch machine (oven) that does operations of one family and one
    run time together, from one start to one end, as long as their sizes fit. power_w: what it draws while it runs.
    """

    id: str
    windows: Sequence[tuple[int, int]] | None = None
    available_from: int = 0
    setup_class: str = ""
    initial_family: str = ""
    batch_capacity: int = 0
    power_w: int = 0


@dataclass(frozen=True, slots=True)
class Resource:
    """People of one skill and shift, tools, moulds: `capacity` alike, each serving one operation at a time.

    windows, available_from: as of a machine. An operation works only while its machine and all it needs are there.
    """

    id: str
    capacity: int = 1
    windows: Sequence[tuple[int, int]] | None = None
    available_from: int = 0


class During(StrEnum):
    """When an operation needs a resource: for setup and run, for the setup, or for the run."""

    ALL = "all"
    SETUP = "setup"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Need:
    """What an operation needs beside its machine: so many of these resources, any of them."""

    resources: Sequence[str]
    quantity: int = 1
    during: During = During.ALL


@dataclass(frozen=True, slots=True)
class Supplier:
    """Does outside operations: at most `capacity` at a time (0: any number), collected at these moments.

    collections: None: at any moment; after the last one given at any moment too, so that a plan always exists.
    """

    id: str
    capacity: int = 0
    collections: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Energy costs so much per kWh (minor units of money) from a moment on, until the next price."""

    begin: int
    price: int


@dataclass(frozen=True, slots=True)
class SetupRow:
    """A row of a setup matrix; families may be ANY. Of the rows that match, the one with the lowest priority holds.

    Staying in one family is no change: only a row that names that family on both sides holds for it, else it takes 0.
    ANY as from_family also matches the unknown state at the start. Equal priorities: the first row given.
    """

    from_family: str
    to_family: str
    seconds: int
    cost: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Alternative:
    """A way to do an operation: on this machine in so many seconds of working time.

    setup_s holds where the machine's setup matrix has no row that matches. preference: 1 is the best.
    """

    machine: str
    seconds: int
    setup_s: int = 0
    preference: int = 1


@dataclass(frozen=True, slots=True)
class Predecessor:
    """An operation that comes before, and how long after it this one may begin.

    lag_s: after its end (queue and move; runs around the clock). overlap_s: None, or this one may begin so many working
    seconds after the start of the predecessor (first transfer batch; `lag_s` then counts from that moment), and cannot
    end before its end plus `tail_s`. A predecessor that is not in the problem is over and holds nothing back.
    """

    operation: str
    lag_s: int = 0
    overlap_s: int | None = None
    tail_s: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation (job) to be planned.

    alternatives: empty for an outside operation, which needs `outside_s` around the clock and no machine.
    family: setup family, "" = none (always its own setup_s). interruptible: may pause outside working time; otherwise
    the run must fit into one window, or - if no window can hold it - it is treated as interruptible.
    needs: resources beside the machine, at most eight in all. size: room it takes on a batch machine. supplier: of an
    outside operation. lots: it may be split into so many parts of equal length, on machines in parallel (see
    `split_lots`). lot: the operation of which it is a part; between parts of one operation a machine needs no setup.
    release: not before. For everything but FREE: machine (if any), setup_start, start and end say where it stands;
    for PINNED start is the earliest allowed start. resources: what an operation that stands has taken.
    """

    id: str
    order: str
    alternatives: Sequence[Alternative] = ()
    predecessors: Sequence[Predecessor] = ()
    family: str = ""
    release: int = 0
    interruptible: bool = True
    outside_s: int = 0
    fixing: Fixing = Fixing.FREE
    machine: str = ""
    setup_start: int = 0
    start: int = 0
    end: int = 0
    needs: Sequence[Need] = ()
    size: int = 1
    supplier: str = ""
    lot: str = ""
    lots: int = 1
    resources: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """Whose end counts. due: None = no date. weight: of a second's tardiness (priority 1 -> 16 ... 5-9 -> 1).

    hard: missing the date is a missed hard deadline.
    """

    id: str
    due: int | None = None
    weight: int = 1
    hard: bool = False
    release: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """Where a plan puts an operation. machine is "" for outside operations.

    cause says why it does not begin earlier: predecessor, equipment (busy), setup, calendar, release, pinned, running,
    frozen, none; cause_ref the operation that it waits for. rank: its place on the machine, from 1. slack_s: by how
    much it may slip before its order is late (negative: late already); None without a due date. resources: what
    serves each of its needs, "" where a need is for a setup or run of no length.
    """

    operation: str
    machine: str
    setup_start: int
    start: int
    end: int
    cause: str = "none"
    cause_ref: str = ""
    rank: int = 0
    slack_s: int | None = None
    resources: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A whole problem. now: nothing that is not begun may begin before. horizon: where calendars end.

    setups: setup class -> its matrix. current: the plan that stands (stability is measured against it; a replan starts
    from it), by operation id. machine_change_s: what a changed machine counts in `Score.moved`, but of an
    operation that was to begin before its machine is there (`Machine.available_from`). stability: what a second of
    `Score.moved` weighs in a replan, in thousandths of a second of weighted tardiness; 0: only where tardiness is the
    same.
    """

    origin: datetime
    now: int
    horizon: int
    machines: Sequence[Machine]
    orders: Sequence[Order]
    operations: Sequence[Operation]
    setups: Mapping[str, Sequence[SetupRow]] = field(default_factory=dict)
    current: Mapping[str, Planned] = field(default_factory=dict)
    machine_change_s: int = 3600
    stability: int = 0
    resources: Sequence[Resource] = ()
    suppliers: Sequence[Supplier] = ()
    tariff: Sequence[Price] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """Parts of the objective in their strict order; less is better. Seconds, but for missed (orders) and cost.

    missed: hard deadlines missed. tardiness: sum of weight x seconds late. moved: seconds that starts moved against the
    current plan, plus `Problem.machine_change_s` for each machine that changed without need. changeover: setup seconds.
    flow: sum of order ends. makespan: the last end if no order has a due date (it then takes the place of tardiness),
    else 0; 0 too if all is over before the origin.
    changeover_cost: by the setup matrices. energy: minor units of money by the tariff. stability: of the problem, where
    there is a current plan: moving is then weighed against tardiness (see `Problem.stability`).
    """

    missed: int
    tardiness: int
    moved: int
    changeover: int
    flow: int
    makespan: int = 0
    changeover_cost: int = 0
    energy: int = 0
    stability: int = 0

    def key(self) -> tuple[int, ...]:
        """For comparing two plans."""
        costs = (self.changeover, self.changeover_cost, self.energy)
        weighed = self.tardiness * 1000 + self.moved * self.stability
        return (self.missed, weighed, self.makespan, self.moved, *costs, self.flow)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an engine answers. solver: "rule:ATCS", "cp-sat", ...; status: Optimal or Feasible.

    Optimal: no plan misses fewer hard deadlines, and none that misses as few has less weighted tardiness (less makespan
    if no order has a due date); nothing is claimed for the lesser parts of the score. bound: a proven lower bound of
    that tardiness (or makespan), None without one. rules: score of each rule that was tried.
    beyond_horizon: some operation lies where calendars had ended.
    """

    operations: Sequence[Planned]
    score: Score
    solver: str
    status: str
    bound: int | None = None
    rules: Mapping[str, Score] = field(default_factory=dict)
    beyond_horizon: bool = False


def replanning(problem: Problem, stability: int = REPLAN_STABILITY, change_s: int = REPLAN_CHANGE_S) -> Problem:
    """The problem with moving weighed against tardiness, for replanning after something happened.

    stability: as of a Problem. 500: a start moves by an hour where that saves 30 minutes of weighted tardiness, which
    are two of an order of weight 16. change_s: another machine counts as so many seconds moved. Without a
    current plan the problem is as it was.
    """
    return replace(problem, stability=stability, machine_change_s=change_s) if problem.current else problem


def split_lots(problem: Problem) -> Problem:
    """The problem in which every free operation of several lots is as many operations: "A" of 3 lots "A/1" ... "A/3".

    Run times are shared out evenly, what is left over goes to the first; what follows waits for all parts.
    """
    split = {each.id: each.lots for each in problem.operations if each.lots > 1 and each.fixing is Fixing.FREE}
    if not split:
        return problem
    made: list[Operation] = []
    for each in problem.operations:
        links = tuple(
            replace(link, operation=name)
            for link in each.predecessors
            for name in _parts(link.operation, split.get(link.operation, 1))
        )
        for at, name in enumerate(_parts(each.id, split.get(each.id, 1))):
            parts = split.get(each.id, 1)
            alternatives = tuple(
                replace(one, seconds=one.seconds // parts + (at < one.seconds % parts)) for one in each.alternatives
            )
            made.append(
                replace(each, id=name, alternatives=alternatives, predecessors=links, lot=each.id, lots=1)
                if parts > 1
                else replace(each, predecessors=links)
            )
    return replace(problem, operations=tuple(made))


def _parts(operation: str, count: int) -> tuple[str, ...]:
    return (operation,) if count == 1 else tuple(f"{operation}/{at + 1}" for at in range(count))


class Infeasible(Exception):
    """No plan exists. conflicts: (operation or order id, code of the reason, its parameters)."""

    def __init__(self, conflicts: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
        super().__init__(f"{len(conflicts)} conflicts: {conflicts[:3]}")
        self.conflicts = tuple(conflicts)
