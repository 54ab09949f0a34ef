"""What a person at a job can do next: the first action is the one to be done, the others are there when needed."""

from __future__ import annotations

from typing import Any

_READY_BLOCKED = frozenset({"not_allowed", "held"})


def actions_of(job: Any, *, remaining: Any, setup_s: int, reasons: set[str]) -> tuple[list[str], str, str]:
    """Actions in order, the primary one ("" for none) and the code of a hint ("" for none).

    job: state, kind, first_article, fai, sent_qty, returned_qty, qty. reasons: codes of what is in its way.
    """
    actions, primary, hint = _offered(job, remaining, setup_s, reasons)
    return actions, primary, hint


def _offered(job: Any, remaining: Any, setup_s: int, reasons: set[str]) -> tuple[list[str], str, str]:
    if job.kind == "outside":
        return _outside(job)
    match job.state:
        case "Waiting":
            return ["hold"], "", "wait"
        case "Ready":
            return _ready(job, setup_s, reasons)
        case "Setup":
            return _setup(job)
        case "Running" if remaining > 0:
            return ["report", "pause", "finish", "hold"], "report", ""
        case "Running":
            return ["finish", "pause", "hold"], "finish", "all_made"
        case "Paused" if remaining > 0:
            return ["resume", "finish", "hold"], "resume", ""
        case "Paused":
            return ["finish", "resume", "hold"], "finish", "all_made"
        case "Held":
            return [], "", ""
        case "Done":
            return ["undo-finish"], "", "done"
    return [], "", "ended"


def _ready(job: Any, setup_s: int, reasons: set[str]) -> tuple[list[str], str, str]:
    if reasons & _READY_BLOCKED:
        return ["hold"], "", ""
    if job.first_article:
        return ["start-setup", "hold"], "start-setup", ""
    if setup_s > 0:
        return ["start-setup", "start", "complete", "hold"], "start-setup", ""
    return ["start", "complete", "start-setup", "hold"], "start", ""


def _setup(job: Any) -> tuple[list[str], str, str]:
    rest = ["pause", "stop-setup", "hold"]
    if job.fai == "open":
        return ["trial", *rest], "", "first_article"
    if job.first_article and job.fai != "passed":
        return ["trial", "start", *rest], "trial", ""
    return ["start", "trial", *rest], "start", ""


def _outside(job: Any) -> tuple[list[str], str, str]:
    match job.state:
        case "Waiting":
            return ["hold"], "", "wait"
        case "Ready":
            return ["send", "hold"], "send", ""
        case "Sent" if job.sent_qty < job.qty:
            return ["return", "send"], "return", ""
        case "Sent" | "PartlyReturned":
            return ["return"], "return", ""
        case "Returned":
            return ["finish", "hold"], "finish", "back"
        case "Done":
            return ["undo-finish"], "", "done"
        case "Held":
            return [], "", ""
    return [], "", "ended"
