"""When people get round to things: whatever is first seen is done some time later, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Diary:
    """Due times by what is to be done. A restart forgets them: things are then simply seen for the first time again."""

    entries: dict[str, datetime] = field(default_factory=dict)

    def is_due(self, what: str, now: datetime, delay: timedelta) -> bool:
        """Note `what` at first sight, due after `delay`; whether it is due by now."""
        return self.entries.setdefault(what, now + delay) <= now

    def put_off(self, what: str, until: datetime) -> None:
        """Look at it again later."""
        self.entries[what] = until

    def done(self, what: str) -> None:
        """Strike it out."""
        self.entries.pop(what, None)

    def next_after(self, now: datetime) -> datetime | None:
        """The earliest entry after now."""
        return min((due for due in self.entries.values() if due > now), default=None)

    def forget_before(self, moment: datetime) -> None:
        """Drop what has been due since before `moment` and was never struck out: it went away by itself."""
        self.entries = {what: due for what, due in self.entries.items() if due >= moment}
