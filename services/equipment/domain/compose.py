"""The timeline as people see it: what machines or runs say, the calendar, and what operators laid over it.

Pointwise: what holds at a moment depends only on what covers that moment, so no order of arrival
plays a part.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from mes.shifts import ShiftInstance, Span, union

from services.equipment.domain.states import Category
from services.equipment.domain.timeline import Interval

_T = TypeVar("_T")

SUSTAINED = timedelta(seconds=60)


class OverlayKind(StrEnum):
    """What a person said about a stretch of time."""

    RECLASSIFY = "reclassify"
    REASON = "reason"
    SPLIT = "split"
    MERGE = "merge"
    MANUAL_STOP = "manual_stop"


@dataclass(frozen=True, slots=True)
class Overlay:
    """Something a person said; it is never changed, a later one lies on top. end None: a stop still open.

    split: `start` alone counts. category None: keeps what the machine says. auto_closed: ended by production.
    """

    id: UUID
    kind: OverlayKind
    start: datetime
    end: datetime | None
    by: str
    at: datetime
    category: Category | None = None
    reason: str = ""
    auto_closed: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """People at work on a machine; kind setup | production; end None: still going on."""

    id: UUID
    kind: str
    start: datetime
    end: datetime | None
    orders: frozenset[UUID] = frozenset()
    jobs: frozenset[UUID] = frozenset()
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Sourced:
    """An interval with its id and where it comes from: signal | run | timeout."""

    id: str
    interval: Interval
    source: str


@dataclass(frozen=True, slots=True)
class Occupied:
    """Time in which a machine is inside an order."""

    order: UUID
    span: Span


@dataclass(frozen=True, slots=True)
class Piece:
    """[start, end) of the composed timeline.

    raw: what the source said before calendar and people. planned: inside planned time. outside_planned: works although
    nothing was planned. ids: intervals, runs and overlays that it comes from. orders: those that the machine is inside.
    """

    start: datetime
    end: datetime
    category: Category
    raw: Category
    native: str = ""
    reason: str = ""
    source: str = ""
    planned: bool = True
    clamped: bool = False
    auto_closed: bool = False
    ids: tuple[str, ...] = ()
    orders: frozenset[UUID] = frozenset()
    shift: str = ""
    production_date: str = ""

    @property
    def outside_planned(self) -> bool:
        return not self.planned and self.category not in {Category.NON_SCHEDULED, Category.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Layers:
    """Everything that a machine's timeline is composed of. planned None: no calendar, all time is planned."""

    base: Sequence[Sourced] = ()
    overlays: Sequence[Overlay] = ()
    planned: Sequence[Span] | None = None
    occupied: Sequence[Occupied] = field(default_factory=tuple)


def from_runs(runs: Iterable[Run], known_since: datetime, until: datetime) -> list[Sourced]:
    """Intervals of a machine without signals: its runs, STANDBY between them, UNKNOWN before it was known.

    Where runs overlap, production wins over setting up.
    """
    members = sorted(runs, key=lambda each: (each.start, each.id))
    borders = {known_since, until}
    for each in members:
        borders |= {each.start, min(each.end or until, until)}
    moments = sorted(each for each in borders if each <= until)
    found: list[Sourced] = []
    spans = [(run.start, run.end or until) for run in members]
    for (start, end), going in zip(itertools.pairwise(moments), _covering(spans, members, moments), strict=True):
        if not going and start < known_since:
            continue
        if not going:
            found.append(Sourced(f"idle:{start.isoformat()}", Interval(start, end, Category.STANDBY), "run"))
            continue
        chosen = next((run for run in going if run.kind != "setup"), going[0])
        category = Category.SETUP if chosen.kind == "setup" else Category.PRODUCING
        found.append(Sourced(str(chosen.id), Interval(start, end, category, chosen.kind), "run"))
    return found


def occupation(runs: Iterable[Run], waiting: Iterable[UUID], until: datetime) -> list[Occupied]:
    """When a machine was inside which order: its runs, and the pauses between two runs of one job.

    waiting: jobs that are paused or held on the machine now, whose pause is still going on.
    """
    still, by_job = set(waiting), dict[UUID, list[Run]]()
    members = sorted(runs, key=lambda each: (each.start, each.id))
    for run in members:
        for job in run.jobs:
            by_job.setdefault(job, []).append(run)
    spans: dict[UUID, list[Span]] = {}
    for job, own in by_job.items():
        for place, run in enumerate(own):
            end = min(run.end or until, until)
            if place + 1 < len(own) and run.cause not in {"finish", "abort"}:
                end = max(end, min(own[place + 1].start, until))
            elif place + 1 == len(own) and job in still:
                end = until
            for order in run.orders:
                spans.setdefault(order, []).append(Span(run.start, end))
    return [Occupied(order, span) for order, own in spans.items() for span in union(own)]


def stop_end(start: datetime, base: Iterable[Interval], sustained: timedelta = SUSTAINED) -> datetime | None:
    """Where an open manual stop ends: at the first production that began after it and lasted; None: it goes on.

    Intervals of production that touch count as one.
    """
    began: datetime | None = None
    until: datetime | None = None
    for each in sorted(base, key=lambda one: one.start):
        if each.category is not Category.PRODUCING or each.start <= start:
            continue
        if until != each.start:
            began = each.start
        until = each.end
        if began is not None and until - began >= sustained:
            return began
    return None


def compose(start: datetime, end: datetime, layers: Layers) -> list[Piece]:
    """The timeline in [start, end): without gaps, without overlaps, in order."""
    borders = _borders(start, end, layers)
    base = sorted(layers.base, key=lambda each: each.interval.start)
    starts = [each.interval.start for each in base]
    overlays = sorted(layers.overlays, key=lambda each: (each.at, each.id))
    splits = {each.start for each in overlays if each.kind is OverlayKind.SPLIT}
    planned = layers.planned or ()
    covers = zip(
        _covering([(each.start, each.end) for each in planned], planned, borders),
        _covering([(each.span.start, each.span.end) for each in layers.occupied], layers.occupied, borders),
        _covering([(each.start, each.end or end) for each in overlays], overlays, borders),
        strict=True,
    )
    pieces: list[Piece] = []
    for (left, right), (in_plan, inside, laid) in zip(itertools.pairwise(borders), covers, strict=True):
        place = bisect_right(starts, left) - 1
        under = base[place] if place >= 0 and base[place].interval.end > left else None
        piece = _piece(left, right, under, None if layers.planned is None else bool(in_plan), inside)
        for overlay in laid:
            piece = _laid(piece, overlay)
        if pieces and left not in splits and _same(pieces[-1], piece):
            pieces[-1] = replace(pieces[-1], end=right, ids=tuple(dict.fromkeys((*pieces[-1].ids, *piece.ids))))
        else:
            pieces.append(piece)
    return pieces


def _borders(start: datetime, end: datetime, layers: Layers) -> list[datetime]:
    found = {start, end}
    for sourced in layers.base:
        found |= {sourced.interval.start, sourced.interval.end}
    for overlay in layers.overlays:
        found |= {overlay.start, overlay.end or end}
    for span in [*(layers.planned or ()), *(each.span for each in layers.occupied)]:
        found |= {span.start, span.end}
    return sorted(each for each in found if start <= each <= end)


def _covering(
    spans: Sequence[tuple[datetime, datetime]], members: Sequence[_T], moments: Sequence[datetime]
) -> list[list[_T]]:
    """The members that cover each stretch between two neighbouring moments, in the members' order. One sweep."""
    waiting = sorted(range(len(members)), key=lambda index: spans[index][0], reverse=True)
    active: list[int] = []
    found: list[list[_T]] = []
    for moment in moments[:-1]:
        while waiting and spans[waiting[-1]][0] <= moment:
            active.append(waiting.pop())
        active = sorted(index for index in active if spans[index][1] > moment)
        found.append([members[index] for index in active])
    return found


def _piece(
    start: datetime, end: datetime, under: Sourced | None, in_plan: bool | None, inside: Sequence[Occupied]
) -> Piece:
    """A stretch below all overlays. in_plan None: there is no calendar."""
    raw = under.interval.category if under else Category.UNKNOWN
    planned = in_plan is not False
    piece = Piece(
        start,
        end,
        _scheduled(raw, planned, in_plan is not None),
        raw,
        native=under.interval.native if under else "",
        source=under.source if under else "timeout",
        planned=planned,
        clamped=under.interval.clamped if under else False,
        ids=(under.id,) if under else (),
        orders=frozenset(each.order for each in inside),
    )
    return piece if piece.category is raw else replace(piece, source="calendar")


def _scheduled(raw: Category, planned: bool, has_calendar: bool) -> Category:
    """The calendar decides what is scheduled: idle or silent outside planned time is NON_SCHEDULED, a machine that is
    switched off inside planned time stands by."""
    if not planned and raw in {Category.UNKNOWN, Category.STANDBY}:
        return Category.NON_SCHEDULED
    if planned and has_calendar and raw is Category.NON_SCHEDULED:
        return Category.STANDBY
    return raw


def _laid(piece: Piece, overlay: Overlay) -> Piece:
    """A piece below one more overlay. A reason is given to stops only: the machine owns when it produces."""
    if overlay.kind is OverlayKind.REASON and piece.category is Category.PRODUCING:
        return piece
    if overlay.kind is OverlayKind.MANUAL_STOP and piece.category is Category.NON_SCHEDULED:
        return piece
    category = overlay.category or piece.category
    return replace(
        piece,
        category=category,
        reason=overlay.reason or (piece.reason if overlay.category is None else ""),
        source="operator",
        auto_closed=piece.auto_closed or overlay.auto_closed,
        ids=tuple(dict.fromkeys((*piece.ids, str(overlay.id)))),
    )


def _same(one: Piece, other: Piece) -> bool:
    laid = one.source == other.source == "operator" and one.ids[-1] == other.ids[-1]
    if laid and one.category is other.category:
        # One thing that a person said makes one piece, whatever lies below it.
        return (one.planned, one.orders, one.reason) == (other.planned, other.orders, other.reason)
    return _look(one) == _look(other)


def _look(piece: Piece) -> tuple[object, ...]:
    return (
        piece.category, piece.raw, piece.native, piece.reason, piece.source, piece.planned, piece.clamped, piece.orders,
    )  # fmt: skip


def cut(pieces: Iterable[Piece], instances: Sequence[ShiftInstance]) -> list[Piece]:
    """The pieces cut at every border of a shift, each with its shift; the parts sum to the whole."""
    borders = sorted({moment for each in instances for moment in (each.start, each.end)})
    parts: list[Piece] = []
    for piece in pieces:
        moments = [piece.start, *(each for each in borders if piece.start < each < piece.end), piece.end]
        for left, right in itertools.pairwise(moments):
            inside = next((each for each in instances if each.start <= left < each.end), None)
            parts.append(
                replace(
                    piece,
                    start=left,
                    end=right,
                    shift=inside.shift if inside else "",
                    production_date=inside.production_date.isoformat() if inside else "",
                )
            )
    return parts
