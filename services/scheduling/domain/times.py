"""Moments as whole seconds from an origin, and the working time of machines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from services.scheduling.domain.calendars import SECOND, Window, joined, share, windows_of
from services.scheduling.domain.facts import DOWN, PLANNED_DOWN, MachineFacts, Policy, Shop

DAY_S = 86_400
# Running work is looked back for so far; what ran longer is taken to have begun then.
LOOK_BACK_S = 14 * DAY_S


def whole(moment: datetime) -> datetime:
    """The first whole second not before the moment, in UTC."""
    moment = moment.astimezone(UTC)
    return moment if not moment.microsecond else moment.replace(microsecond=0) + SECOND


def work_seconds(quantity: Decimal, run_s_per_unit: Decimal, efficiency: Decimal) -> int:
    """Quantity x seconds a unit / efficiency, rounded up, at least one second."""
    pace = run_s_per_unit / efficiency if efficiency > 0 else run_s_per_unit
    return max(1, int((quantity * pace).to_integral_value(ROUND_CEILING)))


@dataclass(frozen=True)
class Times:
    """Turns moments into seconds from `origin` and back. horizon: where the windows of calendars end."""

    origin: datetime
    horizon: int
    shop: Shop
    policy: Policy
    _windows: dict[str, Sequence[Window] | None] = field(default_factory=dict, repr=False)

    def at(self, moment: datetime) -> int:
        """Seconds from the origin, rounded down."""
        return math.floor((moment - self.origin) / SECOND)

    def upper(self, moment: datetime | None) -> int:
        """Seconds from the origin, rounded up; never before it; 0 for None."""
        return max(0, math.ceil((moment - self.origin) / SECOND)) if moment else 0

    def moment(self, seconds: int) -> datetime:
        """The opposite of `at`."""
        return self.origin + timedelta(seconds=seconds)

    def windows(self, machine: str) -> Sequence[Window] | None:
        """Working time of a machine from `LOOK_BACK_S` before the origin to the horizon; None: always."""
        facts = self.shop.machines.get(machine)
        key = facts.calendar if facts else ""
        calendar = self.shop.calendars.get(key)
        if calendar is not None and key not in self._windows:
            self._windows[key] = windows_of(calendar, self.origin, -LOOK_BACK_S, self.horizon)
        windows = self._windows.get(key)
        if facts is not None and (facts.closed or facts.extra):
            return self._changed(windows, facts)
        return windows

    def _changed(self, windows: Sequence[Window] | None, facts: MachineFacts) -> Sequence[Window] | None:
        """Windows with what planners opened and closed; closed counts where both are said."""
        whole_time = [(-LOOK_BACK_S, self.horizon)]
        opened = [] if windows is None else [(self.at(a), self.at(b)) for a, b in facts.extra]
        made = joined([*(whole_time if windows is None else windows), *opened])
        for begin, end in ((self.at(a), self.at(b)) for a, b in facts.closed):
            made = [part for a, b in made for part in ((a, min(b, begin)), (max(a, end), b)) if part[0] < part[1]]
        return made

    def available_from(self, machine: MachineFacts) -> int:
        """From when a machine can be used: 0, or when its stop is expected to end.

        A stop without an announced end lasts `repair_estimate_s` from its beginning, and where it lasts longer
        already, at least another quarter of that. A planned stop counts only with its announced end.
        """
        if machine.category == PLANNED_DOWN:
            return self.upper(machine.expected_until)
        if machine.category != DOWN:
            return 0
        if machine.expected_until is not None and machine.expected_until > self.origin:
            return self.upper(machine.expected_until)
        since = machine.since or self.origin
        return max(self.at(since) + self.policy.repair_estimate_s, self.policy.repair_estimate_s // 4)


def horizon_for(loads: Mapping[str, int], shop: Shop, origin: datetime, longest: int) -> int:
    """Seconds until which calendars have to be laid out so that the work most likely ends before.

    loads: machine -> seconds of work; longest: the longest wait outside. Four weeks at least, three years at most.
    """
    sample, needed = 28 * DAY_S, 0.0
    shares: dict[str, float] = {}
    for machine, load in loads.items():
        facts = shop.machines.get(machine)
        key = facts.calendar if facts else ""
        if key not in shares:
            calendar = shop.calendars.get(key)
            shares[key] = share(windows_of(calendar, origin, 0, sample) if calendar else None, sample)
        needed = max(needed, load / shares[key])
    span = int(1.5 * needed) + longest + 14 * DAY_S
    return min(max(sample, span), 3 * 366 * DAY_S) // DAY_S * DAY_S
