"""The timeline of a machine: a pure fold over its signals that can stop anywhere and go on later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from services.equipment.domain.counters import CounterRule, CounterStep, Reading, advance
from services.equipment.domain.signals import Mark, Order, Placed, Signal, SignalKind, Stream, ordered
from services.equipment.domain.states import Category, Dictionary

DEFAULT_TIMEOUT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a machine's signals are read. timeout: silent for longer, its state is UNKNOWN."""

    words: Dictionary
    timeout: timedelta = DEFAULT_TIMEOUT
    counter: CounterRule = field(default_factory=CounterRule)


@dataclass(frozen=True, slots=True)
class Interval:
    """[start, end) of one native value. mapping: the version that gave the category, 0 where none did."""

    start: datetime
    end: datetime
    category: Category
    native: str = ""
    mapping: int = 0
    clamped: bool = False


@dataclass(frozen=True, slots=True)
class FoldState:
    """Where a fold stands. It holds a prefix of every stream; whatever sorts behind `last` can be folded on top.

    since, native, clamped: the open interval. seen: effective time of the last signal. closed, steps: how many
    intervals and counter steps came out so far.
    """

    last: Order | None = None
    marks: Mapping[Stream, Mark] = field(default_factory=dict)
    seen: datetime | None = None
    since: datetime | None = None
    native: str | None = None
    said_at: datetime | None = None
    clamped: bool = False
    counters: Mapping[str, Reading] = field(default_factory=dict)
    closed: int = 0
    steps: int = 0
    signals: int = 0


EMPTY = FoldState()


@dataclass(frozen=True, slots=True)
class Folded:
    """A fold's outcome: the new state, the intervals that were closed, the counter steps."""

    state: FoldState
    intervals: list[Interval]
    steps: list[CounterStep]


def accepts(state: FoldState, signals: Iterable[Signal]) -> bool:
    """Whether all signals lie behind the state, so that folding them on top equals folding everything anew."""
    return state.last is None or all(_behind(state, state.last, each) for each in signals)


def _behind(state: FoldState, last: Order, signal: Signal) -> bool:
    mark = state.marks.get(signal.stream)
    if mark is not None and signal.position <= mark.position:
        return False
    # Its effective time is at least this; signals between could only move it further back.
    earliest = max(signal.time, mark.at) if mark else signal.time
    return (earliest, signal.stream, signal.position) > last


def fold(state: FoldState, signals: Iterable[Signal], rules: Rules) -> Folded:
    """Fold signals that `accepts` allows on top of a state. The order in which they are handed over plays no part."""
    out = _Fold(state, rules)
    for each in ordered(signals, state.marks):
        out.take(each)
    return Folded(out.state(), out.intervals, out.step_list)


class _Fold:
    """The fold at work: the state in mutable form."""

    def __init__(self, start: FoldState, rules: Rules) -> None:
        self.start, self.rules = start, rules
        self.marks, self.counters = dict(start.marks), dict(start.counters)
        self.last, self.seen, self.since = start.last, start.seen, start.since
        self.native, self.said_at, self.clamped = start.native, start.said_at, start.clamped
        self.count = start.signals
        self.intervals: list[Interval] = []
        self.step_list: list[CounterStep] = []

    def state(self) -> FoldState:
        return FoldState(
            self.last, self.marks, self.seen, self.since, self.native, self.said_at, self.clamped, self.counters,
            self.start.closed + len(self.intervals), self.start.steps + len(self.step_list), self.count,
        )  # fmt: skip

    def take(self, placed: Placed) -> None:
        signal, at = placed.signal, placed.at
        self._gap(at)
        if self.since is None:
            self.since = at
        if signal.kind is SignalKind.STATE:
            self._say(signal.value, at, placed.clamped)
        elif signal.kind is SignalKind.COUNTER:
            self._count(signal, at)
        self.seen, self.last = at, placed.order
        self.marks[signal.stream] = Mark(signal.position, at)
        self.count += 1

    def _gap(self, at: datetime) -> None:
        """Silence since the last signal: UNKNOWN from the timeout to now."""
        if self.seen is None or at - self.seen <= self.rules.timeout:
            return
        silent = self.seen + self.rules.timeout
        self._close(silent)
        self.intervals.append(Interval(silent, at, Category.UNKNOWN))
        self.since, self.clamped = at, False

    def _say(self, native: str, at: datetime, clamped: bool) -> None:
        if native == self.native and self.rules.words.read(native, at) == self._reading():
            return
        self._close(at)
        self.since, self.native, self.said_at, self.clamped = at, native, at, clamped

    def _reading(self) -> tuple[Category, int]:
        return reading(self.native, self.said_at, self.rules)

    def _close(self, end: datetime) -> None:
        if self.since is not None and self.since < end:
            category, version = self._reading()
            self.intervals.append(Interval(self.since, end, category, self.native or "", version, self.clamped))

    def _count(self, signal: Signal, at: datetime) -> None:
        value = number(signal.value)
        if value is None:
            return
        name = signal.name or "count"
        reading_now, step = advance(name, self.counters.get(name), value, at, self.rules.counter)
        if step is not None and (step.counts or step.to_at - step.from_at > self.rules.timeout):
            self.step_list.append(step)
        self.counters[name] = reading_now


def reading(native: str | None, said_at: datetime | None, rules: Rules) -> tuple[Category, int]:
    """Category of what a source said last, by the mapping that held when it said so."""
    if native is None or said_at is None:
        return Category.UNKNOWN, 0
    return rules.words.read(native, said_at)


def number(value: str) -> Decimal | None:
    """A counter's value, or None where it is no finite number >= 0."""
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() and parsed >= 0 else None


def tail(state: FoldState, now: datetime, rules: Rules) -> list[Interval]:
    """What lies between the last closed interval and `now`: the open interval, then UNKNOWN once it is silent."""
    if state.since is None or state.seen is None or now <= state.since:
        return []
    category, version = reading(state.native, state.said_at, rules)
    silent = state.seen + rules.timeout
    opened = Interval(state.since, min(now, silent), category, state.native or "", version, state.clamped)
    rest = [Interval(silent, now, Category.UNKNOWN)] if now > silent else []
    return ([opened] if opened.start < opened.end else []) + rest


def full(signals: Iterable[Signal], rules: Rules, now: datetime) -> list[Interval]:
    """The whole timeline until now."""
    done = fold(EMPTY, signals, rules)
    return clip([*done.intervals, *tail(done.state, now, rules)], None, now)


def clip(intervals: Iterable[Interval], start: datetime | None, end: datetime) -> list[Interval]:
    """The parts of the intervals inside [start, end)."""
    cut = [
        replace(each, start=max(each.start, start) if start else each.start, end=min(each.end, end))
        for each in intervals
    ]
    return [each for each in cut if each.start < each.end]
