"""The working time of a machine: from moments to seconds worked, and back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

FOREVER = 1 << 60


class WorkingTime:
    """A machine's windows up to the horizon and around the clock after it, numbered by the seconds worked in them.

    before[i] is how many seconds are worked before window i. longest: the longest window before the horizon, touching
    ones joined; no uninterruptible run longer than that can be asked to fit.
    """

    __slots__ = ("before", "begins", "ends", "longest")

    def __init__(self, windows: Sequence[tuple[int, int]], horizon: int) -> None:
        joined = _joined(windows)
        self.longest = max((min(end, horizon) - begin for begin, end in joined if begin < horizon), default=0)
        clipped = _joined([*((begin, min(end, horizon)) for begin, end in joined), (horizon, FOREVER)])
        self.begins = [begin for begin, _ in clipped]
        self.ends = [end for _, end in clipped]
        self.before = [0]
        for begin, end in clipped[:-1]:
            self.before.append(self.before[-1] + end - begin)

    def work(self, moment: int) -> int:
        """Seconds worked before a moment."""
        at = bisect_right(self.begins, moment) - 1
        if at < 0:
            return 0
        return self.before[at] + min(moment, self.ends[at]) - self.begins[at]

    def begin(self, worked: int) -> int:
        """When work begins that so many seconds of work precede: the next window's begin at a border."""
        at = bisect_right(self.before, worked) - 1
        return self.begins[at] + worked - self.before[at]

    def end(self, worked: int) -> int:
        """When so many seconds are worked: the window's end at a border."""
        at = max(bisect_left(self.before, worked) - 1, 0)
        return self.begins[at] + worked - self.before[at]

    def fit(self, worked: int, run: int) -> int:
        """The first place, from `worked` on, where a run lies in one window."""
        at = bisect_right(self.before, worked) - 1
        while at + 1 < len(self.before) and worked + run > self.before[at + 1]:
            at += 1
            worked = self.before[at]
        return worked

    def reach(self, moment: int) -> int:
        """The least work whose end is not before a moment."""
        worked = self.work(moment)
        return worked if self.end(worked) >= moment else worked + 1


def _joined(windows: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in windows:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif begin < end:
            joined.append((begin, end))
    return joined
