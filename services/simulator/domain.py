"""How a machine behaves: cycles with noise, breakdowns and repairs, wear that drifts a dimension, scrap, counters.

Nothing here does I/O, reads a clock or makes an id. A machine is moved on with `advance(to)`, which says what happened
until then; everything random comes from the machine's own seeded generator, so that one seed gives one history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import exp, floor
from random import Random

from services.simulator.working_time import WorkingTime


class Phase(StrEnum):
    """What a machine is at."""

    IDLE = "IDLE"
    SETUP = "SETUP"
    RUNNING = "RUNNING"
    DOWN = "DOWN"


class Kind(StrEnum):
    """What can happen at a machine."""

    STATE = "state"
    COUNT = "count"
    SETUP_DONE = "setup_done"
    FINISHED = "finished"
    DOWN = "down"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened at `at`. category: of a STATE; counter: the cumulative count; reason: of a DOWN."""

    at: datetime
    kind: Kind
    category: str = ""
    counter: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """How reliable a machine is. Times are working seconds; shares lie in [0, 1].

    mtbf_s: mean productive time between breakdowns (0: never). repair_s: median repair.
    cycle_noise: standard deviation of the logarithm of a run's cycle time over the standard time.
    scrap_rate: share of pieces that are scrap. shift_rate: chance that a run begins off centre, by 2 to 4 sigma.
    wear_per_1000: drift in sigma per 1000 pieces. modulus: where the counter rolls over (0: never).
    """

    mtbf_s: float = 0.0
    repair_s: float = 2400.0
    cycle_noise: float = 0.0
    scrap_rate: float = 0.0
    shift_rate: float = 0.0
    wear_per_1000: float = 0.0
    modulus: int = 0


@dataclass(slots=True)
class Work:
    """What a machine is working on. pieces: what is left to make when it began here."""

    job_id: str
    pieces: float
    seconds_per_piece: float
    pieces_per_count: float = 1.0
    done_s: float = 0.0
    counts: int = 0

    @property
    def total_s(self) -> float:
        """Productive seconds that all its pieces take."""
        return self.pieces * self.seconds_per_piece

    @property
    def finished(self) -> bool:
        """Whether all pieces are made."""
        return self.total_s - self.done_s < 1e-6

    @property
    def made(self) -> float:
        """Pieces made so far: whole counts, and all of them at the end."""
        return self.pieces if self.finished else min(self.pieces, self.counts * self.pieces_per_count)

    def counted(self) -> int:
        """Counts that the time worked so far gives."""
        if self.finished:
            return -int(-self.pieces // self.pieces_per_count)
        return floor(self.done_s / (self.seconds_per_piece * self.pieces_per_count) + 1e-9)


_BREAKDOWNS = ("D-MECH", "D-ELEC", "D-TOOL")


@dataclass
class Machine:
    """One machine from `at` on. It stands still outside working time and cannot break down while it stands."""

    no: str
    random: Random
    working: WorkingTime
    at: datetime
    profile: Profile = Profile()
    counter: int = 0
    phase: Phase = Phase.IDLE
    work: Work | None = None
    offset_sigma: float = 0.0
    _until: datetime | None = None
    _failure_in: float = field(init=False)
    _category: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._failure_in = self._draw_failure()

    def _draw_failure(self) -> float:
        return self.random.expovariate(1 / self.profile.mtbf_s) if self.profile.mtbf_s > 0 else float("inf")

    def begin(self) -> list[Happening]:
        """What it is at, said for the first time."""
        return self._restate()

    # ---- what people do with it ----

    def begin_setup(self, now: datetime, seconds: float) -> list[Happening]:
        """Set up for so many working seconds from now on."""
        happened = self.advance(now)
        self.phase, self._until = Phase.SETUP, self.working.after(now, seconds)
        return [*happened, *self._restate()]

    def begin_run(self, now: datetime, work: Work) -> list[Happening]:
        """Produce. The run draws its own pace, and may begin off centre."""
        happened = self.advance(now)
        if self.profile.cycle_noise:
            work.seconds_per_piece *= exp(self.random.gauss(0.0, self.profile.cycle_noise))
        if self.random.random() < self.profile.shift_rate:
            self.offset_sigma += self.random.choice((-1, 1)) * self.random.uniform(2.0, 4.0)
        self.phase, self.work, self._until = Phase.RUNNING, work, None
        return [*happened, *self._restate()]

    def stop(self, now: datetime) -> list[Happening]:
        """Stop whatever it does; a broken machine stays broken."""
        happened = self.advance(now)
        self.work = None
        if self.phase is not Phase.DOWN:
            self.phase, self._until = Phase.IDLE, None
        return [*happened, *self._restate()]

    def correct(self) -> None:
        """Somebody adjusts it: what it makes is centred again."""
        self.offset_sigma = 0.0

    # ---- time ----

    def next_event(self) -> datetime | None:
        """When something happens by itself next: setup or run over, breakdown, repair; None: nothing will."""
        if self._until is not None:
            return self._until
        if self.phase is Phase.RUNNING and self.work is not None:
            return self.working.after(self.at, min(self.work.total_s - self.work.done_s, self._failure_in))
        return None

    def advance(self, to: datetime) -> list[Happening]:
        """Move on to `to` and say what happened on the way, in order of time."""
        happened: list[Happening] = []
        while self.at < to:
            border = self.working.next_border(self.at)
            stops = [to] + [moment for moment in (border, self.next_event()) if moment is not None and moment > self.at]
            step = min(stops)
            self._produce(step)
            self.at = step
            happened += self._settle()
            happened += self._restate()
        return happened + self._count()

    def _produce(self, to: datetime) -> None:
        if self.phase is not Phase.RUNNING or self.work is None:
            return
        seconds = self.working.seconds(self.at, to)
        before = self.work.counts
        self.work.done_s += seconds
        self._failure_in -= seconds
        self.work.counts = max(before, self.work.counted())
        self.counter += self.work.counts - before
        made = (self.work.counts - before) * self.work.pieces_per_count
        self.offset_sigma += self.profile.wear_per_1000 * made / 1000

    def _settle(self) -> list[Happening]:
        """What is due at `at`: an ended setup, run or repair, or a breakdown."""
        if self.phase is Phase.SETUP and self._due():
            self.phase, self._until = Phase.IDLE, None
            return [Happening(self.at, Kind.SETUP_DONE)]
        if self.phase is Phase.DOWN and self._due():
            self.phase = Phase.RUNNING if self.work is not None else Phase.IDLE
            self._until, self._failure_in = None, self._draw_failure()
            return [Happening(self.at, Kind.UP)]
        if self.phase is Phase.RUNNING and self.work is not None:
            if self.work.finished:
                counts = self._count()
                self.phase, self.work = Phase.IDLE, None
                return [*counts, Happening(self.at, Kind.FINISHED)]
            if self._failure_in < 1e-6:
                self.phase = Phase.DOWN
                repair = self.profile.repair_s * exp(self.random.gauss(0.0, 0.6))
                self._until = self.working.after(self.at, repair)
                return [*self._count(), Happening(self.at, Kind.DOWN, reason=self.random.choice(_BREAKDOWNS))]
        return []

    def _due(self) -> bool:
        return self._until is not None and self._until <= self.at

    @property
    def repaired_at(self) -> datetime | None:
        """When a broken machine will work again."""
        return self._until if self.phase is Phase.DOWN else None

    @property
    def shown_counter(self) -> int:
        """What its counter shows: it rolls over at the modulus."""
        return self.counter % self.profile.modulus if self.profile.modulus else self.counter

    def _count(self) -> list[Happening]:
        if self.phase is not Phase.RUNNING:
            return []
        return [Happening(self.at, Kind.COUNT, counter=self.shown_counter)]

    def category(self) -> str:
        """The category that it is in: the words of the state model."""
        if self.phase is Phase.DOWN:
            return "UNPLANNED_DOWN"
        if not self.working.is_working(self.at):
            return "NON_SCHEDULED"
        return {Phase.IDLE: "STANDBY", Phase.SETUP: "SETUP", Phase.RUNNING: "PRODUCING"}[self.phase]

    def _restate(self) -> list[Happening]:
        category = self.category()
        if category == self._category:
            return []
        self._category = category
        return [Happening(self.at, Kind.STATE, category=category)]

    # ---- what comes out of it ----

    def scrap_among(self, pieces: int) -> int:
        """How many of so many pieces are scrap (binomial)."""
        rate = self.profile.scrap_rate
        if rate <= 0 or pieces <= 0:
            return 0
        return sum(self.random.random() < rate for _ in range(pieces))

    def measure(self, target: float, sigma: float) -> float:
        """One measured value: the target, off by wear and shift, with the spread `sigma`."""
        return target + sigma * (self.offset_sigma + self.random.gauss(0.0, 1.0))


def seconds_until(now: datetime, moment: datetime) -> float:
    """Seconds from now to a moment, never negative."""
    return max(0.0, (moment - now) / timedelta(seconds=1))
