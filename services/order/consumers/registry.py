"""What the order service listens to; the modules beside this one add their handlers."""

from __future__ import annotations

from mes.inbox import Consumers

consumers = Consumers()
