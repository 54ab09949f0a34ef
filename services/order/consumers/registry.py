"""The one registry that every handler of this service is entered in."""

from __future__ import annotations

from mes.inbox import Consumers

consumers = Consumers()
