"""The state machines of orders, jobs and reports as tables: which command is legal where, and where it leads.

Source: ISA-95/B2MML job states and the tables of OpenMES, qcadoo, Carbon, ERPNext and OPC 10031-4 joined. A target of
None depends on more than the state (what was reported, where it was before a hold).
"""

from __future__ import annotations

from collections.abc import Mapping

Table = Mapping[str, Mapping[str, str | None]]
"""verb -> {from state: to state}."""


def _from(*states: str, to: str | None) -> dict[str, str | None]:
    return dict.fromkeys(states, to)


def _same(*states: str) -> dict[str, str | None]:
    return {state: state for state in states}


ORDER: Table = {
    "release": _from("Draft", to="Released"),
    "reject": _from("Draft", to="Rejected"),
    "change": _same("Draft", "Released", "InProgress", "Held"),
    "revoke": _from("Released", to="Draft"),
    # Cancelled when nothing was reported, else Aborted.
    "cancel": _from("Draft", "Released", "Held", "InProgress", to=None),
    "hold": _from("Released", "InProgress", "Held", to="Held"),
    "resume": _from("Held", to=None),
    "short_close": _from("InProgress", "Held", to="Completed"),
    "reopen": _from("Completed", to="InProgress"),
    "close": _from("Completed", to="Closed"),
    "split": _from("Released", "InProgress", to=None),
}

ORDER_AUTOMATIC: Table = {
    "start": _from("Released", to="InProgress"),
    "complete": _from("InProgress", to="Completed"),
}

ORDER_TERMINAL = frozenset({"Rejected", "Cancelled", "Aborted", "Closed", "Superseded"})
ORDER_ACTIVE = frozenset({"Released", "InProgress"})
ORDER_DELIVERED = frozenset({"Completed", "Closed"})

JOB: Table = {
    "start_setup": _from("Ready", to="Setup"),
    "trial": _same("Setup"),
    # Ready, or Paused once something was produced.
    "stop_setup": _from("Setup", to=None),
    # A running job may be joined by another worker or machine.
    "start": _from("Ready", "Setup", "Running", to="Running"),
    "pause": _from("Running", "Setup", to="Paused"),
    "resume": _from("Paused", to="Running"),
    "handover": _same("Running", "Setup"),
    "report": _same("Running"),
    # Implied start and finish.
    "complete": _from("Ready", "Running", "Done", to=None),
    "finish": _from("Running", "Paused", "Returned", to="Done"),
    "undo_finish": _from("Done", to="Running"),
    # On a Done job: its lot and the next job; on the last job, the order.
    "hold": _from("Waiting", "Ready", "Setup", "Running", "Paused", "Returned", "Held", to="Held") | _same("Done"),
    "release": _from("Held", to=None) | _same("Done"),
    "skip": _from("Waiting", "Ready", to="Skipped"),
    "split": _same("Waiting", "Ready", "Paused", "Held"),
    # A started job is set up anew elsewhere.
    "reassign": _same("Waiting", "Ready", "Held") | _from("Paused", to="Ready"),
    "rework": _same("Running", "Done"),
    "allow": _same("Waiting", "Ready"),
    "disallow": _same("Waiting", "Ready"),
    "material_ready": _same("Waiting", "Ready"),
    # Cancelled when nothing was reported, else Aborted.
    "abort": _from("Waiting", "Ready", "Setup", "Running", "Paused", "Held", to=None),
    "send": _from("Waiting", "Ready", "Sent", to="Sent") | _same("PartlyReturned"),
    # Returned when all is back, else PartlyReturned.
    "return": _from("Sent", "PartlyReturned", to=None),
}

JOB_AUTOMATIC: Table = {
    "ready": _from("Waiting", to="Ready"),
    "waiting": _from("Ready", to="Waiting"),
    # Nothing arrives any more: there is nothing to do.
    "skip": _from("Waiting", "Ready", to="Skipped"),
    # Its quantity was raised after it was done.
    "reopen": _from("Done", to="Paused"),
    # The order ended otherwise.
    "short_close": _from(
        "Waiting", "Ready", "Setup", "Running", "Paused", "Held", "Sent", "PartlyReturned", "Returned", to=None
    ),
    "supersede": _from("Waiting", "Ready", to="Superseded"),
}

JOB_ENDED = frozenset({"Done", "Skipped", "Cancelled", "Aborted", "Superseded"})
JOB_AT_WORK = frozenset({"Setup", "Running"})
JOB_AWAY = frozenset({"Sent", "PartlyReturned", "Returned"})
# The order has begun with the first of these.
JOB_BEGUN = frozenset({"Running", "Paused", "Done"}) | JOB_AWAY
OUTSIDE_ONLY = frozenset({"send", "return"})
INSIDE_ONLY = frozenset({"start_setup", "trial", "stop_setup", "start", "pause", "resume", "handover", "complete"})

REPORT: Table = {
    "record": _from("Draft", to=None),
    "accept": _from("Pending", to="Accepted"),
    "decline": _from("Pending", to="Declined"),
    "correct": _from("Accepted", to="Corrected"),
}

COUNTED = frozenset({"Accepted", "Corrected"})
"""Report states that count in totals."""

HOLD_REASONS = (
    "OPERATIONAL",
    "MATERIAL_SHORTAGE",
    "MACHINE_FAILURE",
    "QUALITY_HOLD",
    "ENGINEERING_CHANGE",
    "SAFETY",
    "OTHER",
)
# Released only with a note that says what was decided, changed or made safe.
HOLDS_WITH_APPROVAL = frozenset({"QUALITY_HOLD", "ENGINEERING_CHANGE", "SAFETY"})


def legal(table: Table, state: str) -> list[str]:
    """The commands that are legal in a state, as paths name them."""
    return sorted(verb.replace("_", "-") for verb, moves in table.items() if state in moves)


def legal_for_job(state: str, kind: str) -> list[str]:
    """The commands that are legal for a job of a kind (internal | outside) in a state."""
    left_out = INSIDE_ONLY if kind == "outside" else OUTSIDE_ONLY
    return [verb for verb in legal(JOB, state) if verb.replace("-", "_") not in left_out]


def is_legal_for_job(verb: str, state: str, kind: str) -> bool:
    """Whether a command is legal for a job of a kind in a state."""
    return state in JOB[verb] and verb not in (INSIDE_ONLY if kind == "outside" else OUTSIDE_ONLY)
