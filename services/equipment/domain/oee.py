"""Times and key figures of ISO 22400-2:2014, as sums that can be added up and ratios of those sums.

A = APT/PBT, E = ΣPRI·PQ/APT, Q = ΣPRI·GQ/ΣPRI·PQ, OEE = A·E·Q = ΣPRI·GQ/PBT. Nothing is capped; a ratio without a
denominator is None. Times are decimal seconds, quantities pieces of the report's unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from services.equipment.domain.compose import Piece
from services.equipment.domain.counters import CounterStep, Turn
from services.equipment.domain.states import Category

ZERO = Decimal(0)
EDITION = "ISO 22400-2:2014"


def seconds(span: timedelta) -> Decimal:
    """A span as exact decimal seconds."""
    return Decimal(span // timedelta(microseconds=1)) / 1_000_000


@dataclass(frozen=True, slots=True)
class Times:
    """Sums of time in seconds. production_outside: the part of APT that lies outside planned time.

    unknown: time without data inside planned time; it stays in PBT. bridged: the part over which a counter went on.
    calendar: all time. engineering is in adet unless planned away.
    """

    apt: Decimal = ZERO
    aust: Decimal = ZERO
    adet: Decimal = ZERO
    adot: Decimal = ZERO
    planned_down: Decimal = ZERO
    unknown: Decimal = ZERO
    bridged: Decimal = ZERO
    outside: Decimal = ZERO
    production_outside: Decimal = ZERO
    unplanned_down: Decimal = ZERO
    calendar: Decimal = ZERO
    aoet: Decimal = ZERO
    failures: int = 0

    def __add__(self, other: Times) -> Times:
        return Times(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def aupt(self) -> Decimal:
        """Actual unit processing time."""
        return self.apt + self.aust

    @property
    def aubt(self) -> Decimal:
        """Actual unit busy time."""
        return self.aupt + self.adet

    @property
    def pbt(self) -> Decimal:
        """Planned busy time: AUBT + ADOT inside planned time, and the time without data."""
        return self.aubt + self.adot + self.unknown - self.outside

    @property
    def pot(self) -> Decimal:
        """Planned operation time."""
        return self.pbt + self.planned_down


def measure(pieces: Iterable[Piece], share_of: UUID | None = None, bridges: Sequence[CounterStep] = ()) -> Times:
    """Sums over pieces of one machine's timeline.

    share_of: an order; each piece counts for it by 1/n when the machine is inside n orders at once.
    """
    total, before = Times(), False
    for piece in pieces:
        span = seconds(piece.end - piece.start)
        if share_of is not None:
            if share_of not in piece.orders:
                before = False
                continue
            span /= len(piece.orders)
        down = piece.category is Category.UNPLANNED_DOWN
        total += _times(piece, span, failure=down and not before, bridges=bridges)
        before = down
    return total


def _times(piece: Piece, span: Decimal, *, failure: bool, bridges: Sequence[CounterStep]) -> Times:
    inside = span if piece.orders else ZERO
    outside = ZERO if piece.planned else span
    category = piece.category
    if category is Category.PRODUCING:
        return Times(apt=span, outside=outside, production_outside=outside, calendar=span, aoet=inside)
    if category is Category.SETUP:
        return Times(aust=span, outside=outside, calendar=span, aoet=inside)
    if category is Category.NON_SCHEDULED:
        return Times(calendar=span, aoet=inside)
    if category is Category.UNKNOWN:
        unknown = span if piece.planned else ZERO
        return Times(unknown=unknown, bridged=unknown if bridged(piece, bridges) else ZERO, calendar=span, aoet=inside)
    if category is Category.PLANNED_DOWN or (category is Category.ENGINEERING and not piece.orders):
        return Times(planned_down=span - outside, calendar=span, aoet=inside)
    down, failures = (span, int(failure)) if category is Category.UNPLANNED_DOWN else (ZERO, 0)
    if piece.orders:
        return Times(adet=span, outside=outside, unplanned_down=down, failures=failures, calendar=span, aoet=inside)
    return Times(adot=span, outside=outside, unplanned_down=down, failures=failures, calendar=span)


def bridged(piece: Piece, steps: Iterable[CounterStep]) -> bool:
    """Whether a counter that went on without a reset spans the piece."""
    return any(
        each.from_at <= piece.start and piece.end <= each.to_at and each.turn is not Turn.RESET for each in steps
    )


@dataclass(frozen=True, slots=True)
class Report:
    """A report in a total. pri: planned run time per item in seconds, None where there is no standard."""

    id: UUID
    good: Decimal
    scrap: Decimal
    rework: Decimal
    pri: Decimal | None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """Sums of quantity, and of quantity times PRI in seconds. without_standard: pieces that no PRI is known for."""

    good: Decimal = ZERO
    scrap: Decimal = ZERO
    rework: Decimal = ZERO
    standard_produced: Decimal = ZERO
    standard_good: Decimal = ZERO
    without_standard: Decimal = ZERO

    def __add__(self, other: Output) -> Output:
        return Output(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def produced(self) -> Decimal:
        """PQ = GQ + SQ + RQ."""
        return self.good + self.scrap + self.rework


def output(reports: Iterable[Report]) -> Output:
    """Sums over accepted reports; a counter-entry carries its sign."""
    total = Output()
    for each in reports:
        made = each.good + each.scrap + each.rework
        if each.pri is None:
            total += Output(each.good, each.scrap, each.rework, without_standard=abs(made))
        else:
            total += Output(each.good, each.scrap, each.rework, each.pri * made, each.pri * each.good)
    return total


def ratio(above: Decimal | None, below: Decimal | None) -> Decimal | None:
    """above/below; None where either is unknown or the denominator is zero."""
    return None if above is None or below is None or below == 0 else above / below


@dataclass(frozen=True, slots=True)
class Ranged:
    """A figure that time without data makes uncertain: value is None unless low = high."""

    low: Decimal | None
    high: Decimal | None

    @property
    def value(self) -> Decimal | None:
        return self.low if self.low == self.high else None


@dataclass(frozen=True, slots=True)
class Kpis:
    """Key figures; flags names those above 1 and what makes others unknown. Losses in seconds."""

    availability: Ranged
    effectiveness: Ranged
    quality: Decimal | None
    oee: Decimal | None
    plain_quality: Decimal | None
    nee: Decimal | None
    teep: Decimal | None
    figures: Mapping[str, Decimal | None]
    flags: tuple[str, ...]


def kpis(times: Times, made: Output) -> Kpis:
    """The key figures of sums."""
    full_standard = made.without_standard == 0
    produced = made.standard_produced if full_standard else None
    good = made.standard_good if full_standard else None
    availability = Ranged(ratio(times.apt, times.pbt), ratio(times.apt + times.unknown, times.pbt))
    effectiveness = Ranged(ratio(produced, times.apt + times.unknown), ratio(produced, times.apt))
    known = times.unknown == times.bridged
    oee = ratio(good, times.pbt) if known else None
    quality = ratio(good, produced)
    efficiency = effectiveness.value
    nee = None
    if efficiency is not None and quality is not None and times.pbt:
        nee = times.aupt / times.pbt * efficiency * quality
    flags = [
        name
        for name, figure in (("availability", availability.high), ("effectiveness", effectiveness.high), ("oee", oee))
        if figure is not None and figure > 1
    ]
    flags += ["unknown_time"] if times.unknown else []
    flags += ["production_outside_planned_time"] if times.production_outside else []
    flags += [] if full_standard else ["no_standard_time"]
    return Kpis(
        availability, effectiveness, quality, oee, ratio(made.good, made.produced), nee,
        ratio(good, times.calendar) if known else None, _figures(times, made, produced, good), tuple(flags),
    )  # fmt: skip


def _figures(times: Times, made: Output, produced: Decimal | None, good: Decimal | None) -> dict[str, Decimal | None]:
    """The other figures. Time between failures is the processing time AUPT; MTBF = MTTF = AUPT/failures and MTTR =
    down time/failures (the 2014 text divides by failures + 1). FPY is good pieces of all reported."""
    failures = Decimal(times.failures)
    return {
        "utilization": ratio(times.apt, times.aubt),
        "allocation": ratio(times.aubt, times.pbt),
        "allocation_ratio": ratio(times.aubt, times.aoet),
        "process_ratio": ratio(times.apt, times.aoet),
        "technical": ratio(times.apt, times.apt + times.adet),
        "setup_ratio": ratio(times.aust, times.aupt),
        "throughput_per_h": ratio(made.produced * 3600, times.aoet),
        "scrap_ratio": ratio(made.scrap, made.produced),
        "rework_ratio": ratio(made.rework, made.produced),
        "first_pass_yield": ratio(made.good, made.produced),
        "mtbf_s": ratio(times.aupt, failures),
        "mttf_s": ratio(times.aupt, failures),
        "mttr_s": ratio(times.unplanned_down, failures),
        "speed_loss_s": None if produced is None or times.unknown else times.apt - produced,
        "quality_loss_s": None if produced is None or good is None else produced - good,
    }


def losses(pieces: Iterable[Piece]) -> list[tuple[str, str, Decimal, tuple[str, ...]]]:
    """(category, reason, seconds, ids of intervals) of all stops in planned time, the largest first."""
    sums: dict[tuple[str, str], tuple[Decimal, tuple[str, ...]]] = {}
    for each in pieces:
        if each.category in {Category.PRODUCING, Category.NON_SCHEDULED} or not each.planned:
            continue
        key = (each.category.value, each.reason)
        span, ids = sums.get(key, (ZERO, ()))
        sums[key] = (span + seconds(each.end - each.start), tuple(dict.fromkeys((*ids, *each.ids))))
    found = [(category, reason, span, ids) for (category, reason), (span, ids) in sums.items()]
    return sorted(found, key=lambda each: (-each[2], each[0], each[1]))
