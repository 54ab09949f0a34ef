"""Signs of states: never colour alone, always a symbol and a word beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

AT_RISK = timedelta(hours=8)
"""An order is at risk when less than this is left between its projected end and its date."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A symbol (a character, or the name of a drawing in `icons`) and the name of its colour in the style sheet.

    The word comes from the catalogue.
    """

    symbol: str
    style: str


MACHINE = {
    "PRODUCING": Sign("▶", "producing"),
    "STANDBY": Sign("Ⅱ", "standby"),
    "SETUP": Sign("⚙", "setup"),
    "ENGINEERING": Sign("✎", "engineering"),
    "PLANNED_DOWN": Sign("spanner", "planned"),
    "UNPLANNED_DOWN": Sign("■", "down"),
    "NON_SCHEDULED": Sign("○", "idle"),
    "UNKNOWN": Sign("?", "unknown"),
}
JOB = {
    "Waiting": Sign("…", "idle"),
    "Ready": Sign("●", "idle"),
    "Setup": Sign("⚙", "setup"),
    "Running": Sign("▶", "producing"),
    "Paused": Sign("Ⅱ", "standby"),
    "Held": Sign("hand", "held"),
    "Done": Sign("✓", "done"),
    "Skipped": Sign("⤼", "done"),
    "Sent": Sign("↗", "engineering"),
    "PartlyReturned": Sign("⇄", "engineering"),
    "Returned": Sign("↙", "engineering"),
    "Cancelled": Sign("×", "done"),
    "Aborted": Sign("×", "done"),
    "Superseded": Sign("×", "done"),
}
ORDER = {
    "Draft": Sign("✎", "idle"),
    "Released": Sign("●", "idle"),
    "InProgress": Sign("▶", "producing"),
    "Held": Sign("hand", "held"),
    "Completed": Sign("✓", "done"),
    "Closed": Sign("✓", "done"),
    "Cancelled": Sign("×", "done"),
    "Aborted": Sign("×", "done"),
    "Rejected": Sign("×", "done"),
    "Superseded": Sign("×", "done"),
}


def urgency(due_at: datetime | None, projected_end: datetime | None, now: datetime, *, ended: bool) -> str:
    """late | risk | "" of an order; what nobody planned is late once its date has passed."""
    if ended or due_at is None:
        return ""
    end = max(projected_end, now) if projected_end else now
    if end > due_at:
        return "late"
    return "risk" if projected_end is not None and due_at - end < AT_RISK else ""


def order_sign(kind: str) -> Sign:
    """The sign of an urgency."""
    return Sign("!", "late") if kind == "late" else Sign("△", "risk")
