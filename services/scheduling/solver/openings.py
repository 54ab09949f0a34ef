"""Opening times, as the checker reads them; nothing that makes plans uses this."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.scheduling.solver.problem import Problem

ENDLESS = 1 << 62


def _longest(spans: Sequence[tuple[int, int]], horizon: int) -> int:
    return max((min(end, horizon) - begin for begin, end in spans if begin < horizon), default=0)


@dataclass(slots=True)
class Openings:
    """Spans in which work is done, endless from the horizon on. longest: of those that begin before the horizon.

    opens: where each begins. total: the seconds open before each.
    """

    spans: list[tuple[int, int]]
    longest: int
    opens: list[int] = field(default_factory=list)
    total: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        open_s = 0
        for begin, end in self.spans:
            self.opens.append(begin)
            self.total.append(open_s)
            open_s += end - begin

    @classmethod
    def of(cls, windows: Sequence[tuple[int, int]], horizon: int) -> Openings:
        """Windows, sorted, up to the horizon; those that touch are one."""
        merged: list[tuple[int, int]] = []
        for begin, end in [*((begin, min(end, horizon)) for begin, end in windows), (horizon, ENDLESS)]:
            if begin < end:
                if merged and merged[-1][1] >= begin:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], end))
                else:
                    merged.append((begin, end))
        return cls(merged, _longest(merged, horizon))

    def also(self, other: Openings, horizon: int) -> Openings:
        """Open where both are."""
        found, mine, theirs = [], 0, 0
        while mine < len(self.spans) and theirs < len(other.spans):
            (begin, end), (their_begin, their_end) = self.spans[mine], other.spans[theirs]
            if their_begin > begin:
                begin = their_begin
            if end <= their_end:
                mine += 1
            else:
                end, theirs = their_end, theirs + 1
            if begin < end:
                found.append((begin, end))
        return Openings(found, _longest(found, horizon))

    def open_until(self, moment: int) -> int:
        """Seconds open before a moment."""
        at = bisect_right(self.opens, moment) - 1
        return 0 if at < 0 else self.total[at] + min(moment, self.spans[at][1]) - self.spans[at][0]

    def is_open(self, moment: int) -> bool:
        """Whether work can begin at a moment."""
        at = bisect_right(self.opens, moment) - 1
        return at >= 0 and moment < self.spans[at][1]

    def is_closing(self, moment: int) -> bool:
        """Whether work can end at a moment."""
        return self.is_open(moment - 1)

    def holds(self, begin: int, end: int) -> bool:
        """Whether one opening holds a span."""
        at = bisect_right(self.opens, begin) - 1
        return at >= 0 and end <= self.spans[at][1]


def worked(openings: Openings | None, begin: int, end: int) -> int:
    """Seconds worked in a span; None: always open."""
    return end - begin if openings is None else openings.open_until(end) - openings.open_until(begin)


class Hours:
    """The openings of the machines and resources of a problem, equal ones once; None: always open."""

    def __init__(self, problem: Problem) -> None:
        self._horizon = problem.horizon
        # Most share one list of windows, which is long: so it is looked at once. The problem keeps it from being freed.
        self._same: dict[int, Openings] = {}
        self._equal: dict[tuple[tuple[int, int], ...], Openings] = {}
        self._both: dict[tuple[int, int], Openings] = {}
        self._serving: dict[tuple[str, ...], Openings | None] = {}
        self.machines = {each.id: self._of(each.windows) for each in problem.machines}
        self.resources = {each.id: self._of(each.windows) for each in problem.resources}

    def _of(self, windows: Sequence[tuple[int, int]] | None) -> Openings | None:
        if windows is None:
            return None
        if id(windows) not in self._same:
            key = tuple(windows)
            if key not in self._equal:
                self._equal[key] = Openings.of(key, self._horizon)
            self._same[id(windows)] = self._equal[key]
        return self._same[id(windows)]

    def serving(self, machine: str, resources: Sequence[str]) -> Openings | None:
        """When an operation can work: while its machine and all that serves it are there. Unknown ones always are."""
        if not resources:
            return self.machines.get(machine)
        key = (machine, *resources)
        if key not in self._serving:
            found = self.machines.get(machine)
            for each in resources:
                found = self._meet(found, self.resources.get(each))
            self._serving[key] = found
        return self._serving[key]

    def _meet(self, one: Openings | None, other: Openings | None) -> Openings | None:
        if one is None or other is None or one is other:
            return one or other
        key = (id(one), id(other))
        if key not in self._both:
            self._both[key] = one.also(other, self._horizon)
        return self._both[key]
