"""What a machine's controller says: states in its own words, counters, each with the source's session and sequence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.simulator.domain import Happening, Kind

_BEAT = timedelta(minutes=5)

# The words of each kind of source for what it is doing; the receiver maps them to categories.
_SAYS: dict[str, dict[str, str]] = {
    "tower_light": {
        "PRODUCING": "green",
        "STANDBY": "yellow",
        "SETUP": "blue",
        "UNPLANNED_DOWN": "red",
        "NON_SCHEDULED": "off",
    },
    "mtconnect": {
        "PRODUCING": "ACTIVE",
        "STANDBY": "READY",
        "SETUP": "PROGRAM_OPTIONAL_STOP",
        "UNPLANNED_DOWN": "INTERRUPTED",
        "NON_SCHEDULED": "UNAVAILABLE",
    },
    "packml": {
        "PRODUCING": "EXECUTE",
        "STANDBY": "IDLE",
        "SETUP": "RESETTING",
        "UNPLANNED_DOWN": "ABORTED",
        "NON_SCHEDULED": "STOPPED",
    },
}


@dataclass
class Controller:
    """The source of one machine's signals. A restart is a new session, whose sequence begins at 1."""

    equipment_id: str
    source: str
    mapping: str
    session: str
    seq: int = 0
    waiting: list[dict[str, Any]] = field(default_factory=list)
    last: datetime | None = None

    def say(self, happenings: Iterable[Happening]) -> None:
        """Turn what happened into signals that wait to be sent."""
        for each in happenings:
            if each.kind is Kind.STATE:
                words = _SAYS.get(self.mapping, {})
                self._add(each.at, "state", words.get(each.category, each.category))
            elif each.kind is Kind.COUNT:
                self._add(each.at, "counter", str(each.counter))

    def beat(self, until: datetime) -> None:
        """Show that it is alive while it has nothing to say, as often as every source should."""
        while self.last is not None and until - self.last > _BEAT:
            self._put(self.last + _BEAT, "heartbeat", "")

    def _add(self, at: datetime, kind: str, value: str) -> None:
        self.beat(at)
        self._put(at, kind, value)

    def _put(self, at: datetime, kind: str, value: str) -> None:
        self.seq += 1
        self.last = at
        self.waiting.append(
            {
                "equipment_id": self.equipment_id,
                "source": self.source,
                "session": self.session,
                "seq": self.seq,
                "time": at.isoformat(),
                "kind": kind,
                "value": value,
            }
        )

    def take(self) -> list[dict[str, Any]]:
        """The signals that wait, to be sent as one batch."""
        taken, self.waiting = self.waiting, []
        return taken
