"""What a change of facts means for the plan: nothing, a new plan at once, or one day a new plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from services.scheduling.domain.facts import BEGUN, DOWN, OVER, PLANNED_DOWN


class Why(StrEnum):
    """Reasons of a run."""

    JOBS_RELEASED = "jobs_released"
    JOBS_ADDED = "jobs_added"
    JOB_CHANGED = "job_changed"
    JOB_HELD = "job_held"
    JOB_RESUMED = "job_resumed"
    JOB_GONE = "job_gone"
    JOB_REOPENED = "job_reopened"
    ORDER_CHANGED = "order_changed"
    ORDER_STATE = "order_state"
    EQUIPMENT_DOWN = "equipment_down"
    EQUIPMENT_BACK = "equipment_back"
    DEFINITIONS = "definitions"
    PINNED = "pinned"
    SETTINGS = "settings"
    REQUESTED = "requested"
    DECIDED = "decided"
    ELSEWHERE = "begun_elsewhere"
    DRIFT = "far_from_plan"


# What makes the published plan wrong rather than merely not the best: its repair is published at once.
FORCING = frozenset(Why) - {Why.ORDER_CHANGED, Why.EQUIPMENT_BACK, Why.SETTINGS, Why.REQUESTED, Why.DECIDED, Why.DRIFT}


@dataclass(frozen=True, slots=True)
class Before:
    """A job as it was known, and where the published plan has it. machine_down: the one it is on is down now."""

    state: str
    facts: Mapping[str, Any]
    qty: Decimal
    remaining: Decimal
    expected_back: datetime | None = None
    planned_machine: str | None = None
    planned_setup: datetime | None = None
    planned_start: datetime | None = None
    planned_end: datetime | None = None
    machine_down: bool = False


@dataclass(frozen=True, slots=True)
class After:
    """A job as it is told now. run_s: seconds a unit where it runs, None unknown."""

    state: str
    facts: Mapping[str, Any]
    qty: Decimal
    remaining: Decimal
    expected_back: datetime | None = None
    machine: str = ""
    run_s: Decimal | None = None


def allowance(start: datetime, end: datetime, threshold_s: int) -> timedelta:
    """How far from the plan is far: 20 % of the planned duration, at least the threshold."""
    return max(timedelta(seconds=threshold_s), (end - start) * 0.2)


def of_job(before: Before, after: After, now: datetime, threshold_s: int) -> frozenset[Why]:
    """What a changed job means for the plan. Normal progress - begun, reported and finished as planned - is nothing."""
    found = set(_of_state(before, after))
    if after.state not in OVER and (before.facts != after.facts or _is_resized(before.qty, after.qty)):
        found.add(Why.JOB_CHANGED)
    if _is_back_elsewhen(before, after, threshold_s):
        found.add(Why.JOB_CHANGED)
    if _is_elsewhere(before, after):
        found.add(Why.ELSEWHERE)
    if _is_far(before, after, now, threshold_s):
        found.add(Why.DRIFT)
    return frozenset(found)


def _of_state(before: Before, after: After) -> frozenset[Why]:
    if before.state == after.state:
        return frozenset()
    if after.state == "Held":
        return frozenset({Why.JOB_HELD})
    if before.state == "Held":
        return frozenset({Why.JOB_GONE if after.state in OVER else Why.JOB_RESUMED})
    if before.state in OVER:
        return frozenset({Why.JOB_REOPENED}) if after.state not in OVER else frozenset()
    if after.state in OVER and after.state != "Done":
        return frozenset({Why.JOB_GONE})
    if after.state == "Paused" and before.machine_down:
        return frozenset({Why.EQUIPMENT_DOWN})
    return frozenset()


def _is_resized(before: Decimal, after: Decimal) -> bool:
    """Whether there is another quantity to make; some pieces less after scrap upstream are not."""
    return abs(after - before) > before / 20


def _is_back_elsewhen(before: Before, after: After, threshold_s: int) -> bool:
    """Whether pieces are expected back at another time than known, and not when planned."""
    if after.expected_back is None or after.expected_back == before.expected_back:
        return False
    if before.planned_start is None or before.planned_end is None:
        return True
    return abs(after.expected_back - before.planned_end) > allowance(
        before.planned_start, before.planned_end, threshold_s
    )


def _is_elsewhere(before: Before, after: After) -> bool:
    begins = after.state in BEGUN and before.state not in BEGUN
    return begins and before.planned_machine is not None and before.planned_machine != after.machine


def _is_far(before: Before, after: After, now: datetime, threshold_s: int) -> bool:
    setup, start, end = before.planned_setup, before.planned_start, before.planned_end
    if setup is None or start is None or end is None:
        return False
    limit = allowance(start, end, threshold_s)
    if after.state in BEGUN and before.state not in BEGUN:
        return abs(now - (setup if after.state == "Setup" else start)) > limit
    if after.state == "Done" and before.state != "Done":
        return abs(now - end) > limit
    if after.state == "Running" and after.remaining != before.remaining and after.run_s is not None:
        # Breaks are left out: this is late only if it is late without any.
        return now + timedelta(seconds=float(after.remaining * after.run_s)) > end + limit
    return False


def of_equipment(before: str, after: str, announced: bool) -> frozenset[Why]:
    """What another state of a machine means. announced: the end of its stop was told."""
    was, now = _is_down(before, announced=True), _is_down(after, announced=announced)
    if now and (not was or announced):
        return frozenset({Why.EQUIPMENT_DOWN})
    return frozenset({Why.EQUIPMENT_BACK}) if was and not now else frozenset()


def _is_down(category: str, *, announced: bool) -> bool:
    return category == DOWN or (category == PLANNED_DOWN and announced)


def drift_pause(operations: int) -> timedelta:
    """How long plans stay when nothing but drift speaks against them: longer for larger shops, 15 minutes at least."""
    return timedelta(seconds=max(900, 9 * operations))
