"""Places in the code at which a fault test lets a process die, as a power cut would.

`MES_CRASH_AT=relay.sent` ends the process by SIGKILL when it comes there, `relay.sent:3` when it does so for the third
time. Nobody sets it but `tests/faults`, which kills at every point; unset, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from mes.errors import Invalid

POINTS: Mapping[str, str] = {
    "transaction.flushed": "rows and outbox are written, not committed",
    "transaction.committed": "rows and outbox are committed, nobody was answered or woken",
    "leader.elected": "the leader's lock is held, nothing was done with it",
    "relay.read": "unsent events are read, none is sent",
    "append.handed_over": "the producer has the records, no broker has acknowledged (Kafka)",
    "relay.sent": "events are in the log, not marked as sent",
    "relay.marked": "events are in the log and marked as sent",
    "effect.applied": "inbox and effects are written, not committed",
    "effect.committed": "effects are committed, the offset is not",
    "offset.committed": "effects and offset are committed",
    "event.parked": "an event that cannot be applied is parked, its offset not committed",
    "plan.solved": "a plan is found, not published",
}

_name = ""
_left = 0


def arm(wish: str) -> None:
    """Die at a point, `name` or `name:nth`; empty: never. Raises Invalid for a point that there is not."""
    global _name, _left
    name, _, nth = wish.partition(":")
    if name and (name not in POINTS or not (nth or "1").isdigit()):
        raise Invalid("settings.crash_at", value=wish, known=", ".join(POINTS))
    _name, _left = name, int(nth or 1)


def reached(point: str) -> None:
    """The code has come here."""
    if point == _name:
        _die()


def _die() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
