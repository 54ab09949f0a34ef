"""What planning knows of the shop, as plain values; made from rows by the queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from mes.shifts import Calendar

# States of a job in which it is somewhere, begun and not over.
BEGUN = frozenset({"Setup", "Running", "Paused"})
# An outside operation's pieces are at the supplier, or back and not accepted yet.
AWAY = frozenset({"Sent", "PartlyReturned", "Returned"})
# Over: nothing is left to plan.
OVER = frozenset({"Done", "Skipped", "Cancelled", "Aborted", "Superseded"})
# Orders whose jobs are planned.
ACTIVE_ORDERS = frozenset({"Released", "InProgress"})
# Orders that deliver nothing yet, nor are going to by the plan.
PENDING_ORDERS = frozenset({"Draft", "Held"})
DOWN = "UNPLANNED_DOWN"
PLANNED_DOWN = "PLANNED_DOWN"
WEIGHTS: Mapping[int, int] = {1: 16, 2: 8, 3: 4, 4: 2}
"""What a second of an order's tardiness counts by its priority unless planners decide otherwise."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """A machine. calendar: key into `Shop.calendars`, "" for none. family: what it was last set up for.

    since: when its state began; expected_until: when it is expected to end, if anybody said so. closed, extra: spans in
    which a planner lets it not work, or work beside its calendar.
    """

    id: str
    calendar: str = ""
    work_centre: str = ""
    efficiency: Decimal = Decimal(1)
    family: str = ""
    outdated: bool = False
    category: str = ""
    since: datetime | None = None
    expected_until: datetime | None = None
    last_job: str = ""
    closed: Sequence[tuple[datetime, datetime]] = ()
    extra: Sequence[tuple[datetime, datetime]] = ()


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """An order; components: orders that must deliver before."""

    id: str
    state: str = "Released"
    priority: int = 5
    release_at: datetime | None = None
    due_at: datetime | None = None
    deadline_type: str = "Soft"
    components: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a job: on this machine in so many seconds a unit."""

    machine: str
    run_s_per_unit: Decimal
    setup_s: int = 0
    preference: int = 1


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job that is not over. remaining: units left; progress_at: see `models.Job`."""

    id: str
    order: str
    state: str = "Waiting"
    outside: bool = False
    predecessors: Sequence[str] = ()
    components: Sequence[str] = ()
    ways: Sequence[Way] = ()
    family: str = ""
    queue_s: int = 0
    move_s: int = 0
    overlap_qty: Decimal | None = None
    good: Decimal = Decimal(0)
    remaining: Decimal = Decimal(1)
    interruptible: bool = True
    lead_days: int = 0
    material_ready_at: datetime | None = None
    expected_back_at: datetime | None = None
    pinned: bool = False
    pinned_machine: str = ""
    pinned_start: datetime | None = None
    machine: str = ""
    started_at: datetime | None = None
    progress_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OverFacts:
    """A job that is over and that others wait for."""

    finished_at: datetime | None
    move_s: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a plan has a job. For cause and the rest see `solver.problem.Planned`."""

    job: str
    order: str
    machine: str
    setup_start: datetime
    start: datetime
    end: datetime
    rank: int = 0
    fixing: str = "free"
    cause: str = "none"
    cause_ref: str = ""
    slack_s: int | None = None


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A row of the setup matrix; work_centre "" holds for all, families may be "*"."""

    work_centre: str
    from_family: str
    to_family: str
    seconds: int
    cost: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Shop:
    """Everything there is. jobs: those that are not over; over: jobs that are and that others name before them.

    weights: what a second of an order's tardiness counts, by priority (1 is the most urgent); all others count once.
    reserved: orders that are there for planning only; their jobs are no jobs yet and never published.
    """

    machines: Mapping[str, MachineFacts] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    matrix: Sequence[MatrixRow] = ()
    orders: Mapping[str, OrderFacts] = field(default_factory=dict)
    jobs: Mapping[str, JobFacts] = field(default_factory=dict)
    over: Mapping[str, OverFacts] = field(default_factory=dict)
    current: Mapping[str, Placed] = field(default_factory=dict)
    weights: Mapping[int, int] = field(default_factory=lambda: WEIGHTS)
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """frozen_window_s: what is planned to begin so soon stays. repair_estimate_s: a stop lasts so long unless said.

    stability: what a second that a start moves counts, in seconds of lateness of the least urgent order.
    """

    frozen_window_s: int = 1800
    repair_estimate_s: int = 7200
    stability: float = 0.5
