"""What a report is held against. A report is a fact: one that breaks a guard is kept Pending, never refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from services.order.domain.ledger import ZERO, Ledger, Unbalanced
from services.order.domain.quantity import plain
from services.order.domain.states import JOB_AWAY, ORDER_DELIVERED, ORDER_TERMINAL

# Pieces are reworked at most so many times.
MOST_LOOPS = 3
# After a stop of so long a planned first article is made again.
LONG_STOP = timedelta(hours=4)
# Clocks of terminals differ by a little.
CLOCK_SKEW = timedelta(minutes=5)


class Level(StrEnum):
    """How hard a guard is."""

    OFF = "off"
    WARN = "warn"
    BLOCK = "block"


GUARDS: Mapping[str, Level] = {
    "equipment_busy": Level.WARN,
    "equipment_down": Level.WARN,
    "equipment_unplanned": Level.WARN,
    "first_article_after_stop": Level.WARN,
    "first_article_after_shift": Level.WARN,
    "material": Level.BLOCK,
    "skill": Level.WARN,
}
"""Guards that a workshop may set, and how hard they are unless it does. Holds, safety and inspections always block.

material blocks because it is ready unless somebody said that it is not.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """Signed quantities of a report or counter-entry."""

    good: Decimal = ZERO
    scrap: Decimal = ZERO
    rework: Decimal = ZERO

    @property
    def used(self) -> Decimal:
        return self.good + self.scrap + self.rework


@dataclass(frozen=True, slots=True)
class Situation:
    """What a report finds. state: the job's, as if its implied start had happened.

    tolerance: how much may be made over; arrived: limit of what the whole step may use, None without one; used: what
    the step has used; spare: good pieces that no later step has used, None where nothing follows; in_run: it tells of a
    time in which the job was being worked on.
    """

    state: str
    order_state: str
    ledger: Ledger
    tolerance: Decimal = ZERO
    arrived: Decimal | None = None
    used: Decimal = ZERO
    spare: Decimal | None = None
    in_run: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a report waits for the shift leader: a message code and its parameters."""

    code: str
    params: Mapping[str, str] = field(default_factory=dict)


def judge(change: Change, found: Situation, occurred_at: datetime, now: datetime) -> Pending | None:
    """None when the report counts at once, else why it is Pending."""
    if occurred_at > now + CLOCK_SKEW:
        return Pending("report.in_future", {"time": occurred_at.isoformat()})
    if found.order_state in ORDER_TERMINAL or found.order_state == "Draft":
        return Pending("report.order_ended", {"state": found.order_state})
    if (change.used > 0 or change.rework > 0) and (wrong := _wrong_state(found)) is not None:
        return wrong
    return _wrong_quantity(change, found)


def _wrong_state(found: Situation) -> Pending | None:
    if found.order_state in ORDER_DELIVERED:
        return Pending("report.order_completed", {"state": found.order_state})
    if (found.state == "Held" or found.order_state == "Held") and not found.in_run:
        return Pending("report.job_held")
    if found.state in ("Waiting", "Ready", "Setup"):
        return Pending("report.not_started", {"state": found.state})
    if found.state == "Paused" and not found.in_run:
        return Pending("report.not_running", {"state": found.state})
    if found.state in ("Running", "Paused", "Done") or found.state in JOB_AWAY:
        return None
    if found.state == "Held":
        return None
    return Pending("report.job_ended", {"state": found.state})


def _wrong_quantity(change: Change, found: Situation) -> Pending | None:
    try:
        after = found.ledger.add(change.good, change.scrap, change.rework)
    except Unbalanced:
        return Pending("report.below_zero")
    if after.used > found.ledger.used and after.over > found.tolerance:
        return Pending(
            "report.over", {"over": plain(after.over - found.tolerance), "remaining": plain(found.ledger.remaining)}
        )
    if found.arrived is not None and change.used > 0 and found.used + change.used > found.arrived + found.tolerance:
        return Pending(
            "report.more_than_arrived",
            {"used": plain(found.used + change.used), "arrived": plain(found.arrived)},
        )
    if change.good < 0 and found.spare is not None and -change.good > found.spare:
        return Pending("report.below_consumed", {"qty": plain(-change.good), "spare": plain(found.spare)})
    return None


def fits(change: Change, found: Situation) -> Decimal:
    """How much of a machine's good pieces fits at once: what remains and the tolerance, within what has arrived."""
    room = max(ZERO, found.ledger.qty + found.tolerance - found.ledger.used)
    if found.arrived is not None:
        room = min(room, max(ZERO, found.arrived + found.tolerance - found.used))
    return min(change.good, room)
