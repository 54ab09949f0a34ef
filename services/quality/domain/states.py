"""Legal moves of inspection lots, nonconformances and chart signals, as tables. Whatever is not in them is refused."""

from __future__ import annotations

from collections.abc import Mapping

from mes.errors import Conflict

Moves = Mapping[str, Mapping[str, str]]

# state -> verb -> next state
LOT: Moves = {
    "Pending": {
        "begin": "InProgress",
        "pass": "Passed",
        "fail": "Failed",
        "cancel": "Cancelled",
    },
    "InProgress": {"pass": "Passed", "fail": "Failed", "cancel": "Cancelled"},
    "ReInspection": {"pass": "Passed", "fail": "Failed", "accept": "Partial", "cancel": "Cancelled"},
    "Failed": {"reinspect": "ReInspection", "accept": "Partial"},
    "Passed": {"reverse": "Reversed"},
    "Partial": {"reverse": "Reversed"},
    "Reversed": {"reinspect": "ReInspection"},
    "Cancelled": {},
}
# Lots that wait for measurements.
LOT_OPEN = ("Pending", "InProgress", "ReInspection")

NONCONFORMANCE: Moves = {
    "Registered": {
        "contain": "Contained",
        "review": "UnderReview",
        "dispose": "Dispositioned",
        "cancel": "Cancelled",
    },
    "Contained": {"review": "UnderReview", "dispose": "Dispositioned", "cancel": "Cancelled"},
    "UnderReview": {"dispose": "Dispositioned", "cancel": "Cancelled"},
    "Dispositioned": {"execute": "Executing"},
    "Executing": {"verify": "Verified", "reopen": "UnderReview"},
    "Verified": {"close": "Closed", "reopen": "UnderReview"},
    "Closed": {"reopen": "UnderReview"},
    "Cancelled": {},
}
NONCONFORMANCE_UNDECIDED = ("Registered", "Contained", "UnderReview")

SIGNAL: Moves = {
    "New": {"acknowledge": "Acknowledged"},
    "Acknowledged": {"assign_cause": "CauseAssigned"},
    "CauseAssigned": {"close": "Closed"},
    "Closed": {},
}


def legal(moves: Moves, state: str) -> list[str]:
    """Verbs that are possible in a state."""
    return sorted(moves.get(state, {}))


def move(moves: Moves, state: str, verb: str, code: str) -> str:
    """The state after a verb. Raises Conflict(code) with `state` and the `legal` verbs."""
    following = moves.get(state, {}).get(verb)
    if following is None:
        raise Conflict(code, verb=verb, state=state, legal=legal(moves, state))
    return following
