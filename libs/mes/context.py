"""Who does something, where and when: handed to every command, so that commands read no clock and no global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from mes.ids import new_id


@dataclass(frozen=True, slots=True)
class Context:
    """One command's surroundings.

    site_id: the site it works on. actor: worker code or "system", unverified until identity exists.
    now: business time (UTC). new_id: maker of ids. causation_id: the event that caused it, if one did.
    traceparent: W3C trace context carried into the events it publishes.
    """

    site_id: UUID
    actor: str
    now: datetime
    new_id: Callable[[], UUID] = field(default=new_id)
    causation_id: str = ""
    traceparent: str = ""
