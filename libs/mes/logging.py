"""Logs on standard error, in English: JSON lines with the trace they belong to, or plain text for a person."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

traceparent: ContextVar[str] = ContextVar("traceparent", default="")

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def continued(incoming: str) -> str:
    """The W3C trace context that came in, or a new one where none did."""
    return incoming if _TRACEPARENT.fullmatch(incoming) else f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class _Trace(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        parts = traceparent.get().split("-")
        record.trace_id = parts[1] if len(parts) == 4 else ""
        return True


class _Seldom(logging.Filter):
    """Of a library that says the same thing many times a second (a broker that does not answer) once in a while."""

    def __init__(self, library: str, seconds: float = 10.0) -> None:
        super().__init__()
        self._library, self._seconds = library, seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != self._library or record.levelno >= logging.CRITICAL:
            return True
        # The message without what it is about: kinds of messages are few, brokers and partitions may be many.
        kind = (record.name, str(record.msg))
        now = time.monotonic()
        if now - self._said.get(kind, -self._seconds) < self._seconds:
            return False
        self._said[kind] = now
        return True


def configure(level: str, form: str) -> None:
    """Send every log to standard error in the form given ("json" or "text")."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Seldom("aiokafka"))
    handler.addFilter(_Trace())
    if form == "json":
        formatter: logging.Formatter = JsonFormatter(
            "{asctime}{levelname}{name}{message}{trace_id}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level"},
        )
    else:
        formatter = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    formatter.converter = time.gmtime
    formatter.default_time_format, formatter.default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
    handler.setFormatter(formatter)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
