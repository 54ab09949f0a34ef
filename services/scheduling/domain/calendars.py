"""Working time of calendars as windows of whole seconds."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from mes.shifts import Calendar

SECOND = timedelta(seconds=1)
Window = tuple[int, int]


def windows_of(calendar: Calendar, origin: datetime, start: int, end: int) -> list[Window] | None:
    """Working time in [start, end), in seconds from `origin`, sorted and disjoint; None: always.

    Parts of a second at the borders are not working time.
    """
    if not calendar.shifts:
        return None
    spans = calendar.planned(origin + start * SECOND, origin + end * SECOND)
    bounds = ((each.start, each.end) for each in spans)
    windows = ((math.ceil((a - origin) / SECOND), math.floor((b - origin) / SECOND)) for a, b in bounds)
    return [(a, b) for a, b in windows if a < b]


def after(windows: Sequence[Window] | None, start: int, seconds: int) -> int:
    """When so many seconds of working time have passed since `start`; beyond the last window all time is working."""
    if windows is None or not windows or seconds <= 0:
        return start + max(seconds, 0)
    place = bisect_right(windows, (start, math.inf)) - 1
    for opens, end in windows[max(place, 0) :]:
        begin = max(opens, start)
        if begin + seconds <= end:
            return begin + seconds
        seconds -= max(end - begin, 0)
    return max(start, windows[-1][1]) + seconds


def share(windows: Sequence[Window] | None, end: int) -> float:
    """The share of [0, end) that is working time, at least a thousandth."""
    if windows is None or end <= 0:
        return 1.0
    return max(sum(b - max(a, 0) for a, b in windows if b > 0) / end, 0.001)


def joined(windows: Sequence[Window]) -> list[Window]:
    """Windows sorted, with those that overlap or touch made one."""
    made: list[Window] = []
    for begin, end in sorted(windows):
        if made and begin <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], end))
        elif begin < end:
            made.append((begin, end))
    return made
