"""What the client outside the system did and was told, kept as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

# ok, failed: the system said so. unknown: no answer that says what became of it.
Outcome = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Request:
    """Something to do. mark: a word of the client's own that the system keeps with the effect. kind: what it is."""

    kind: str
    mark: str
    path: str
    body: dict[str, Any]
    key: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a request and its outcome. at: seconds since the start."""

    request: Request
    at: float
    outcome: Outcome
    status: int | None = None
    answer: Any = None


@dataclass(slots=True)
class History:
    """All attempts, also on disk."""

    path: Path
    attempts: list[Attempt] = field(default_factory=list)
    _file: IO[str] | None = None

    def add(self, attempt: Attempt) -> None:
        """Remember one more."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8")
        self.attempts.append(attempt)
        self._file.write(json.dumps(asdict(attempt), ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """No more will come."""
        if self._file:
            self._file.close()
            self._file = None


def final(attempts: Iterable[Attempt]) -> dict[str, Attempt]:
    """The last attempt of every request, by its key: a request is sent again until its outcome is known."""
    return {attempt.request.key: attempt for attempt in attempts}
