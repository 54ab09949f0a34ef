"""What machines say: signals, what makes two of them the same one, and the one order in which they are folded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

# Source, session, and whether its signals are numbered.
Stream = tuple[str, str, bool]
# Place in a stream: sequence number, or source time and content hash.
Position = tuple[int, str, str]
Order = tuple[datetime, Stream, Position]


class SignalKind(StrEnum):
    """What a signal is about. Any of them shows that the source is alive."""

    STATE = "state"
    COUNTER = "counter"
    ALARM = "alarm"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of one machine. name: the counter or alarm code meant; time: the source's clock (UTC).
    equipment: whose it is, where one source speaks for several."""

    source: str
    session: str
    seq: int | None
    time: datetime
    kind: SignalKind
    value: str = ""
    name: str = ""
    equipment: str = ""

    @property
    def digest(self) -> str:
        """Hash of the content."""
        return digest_of(self.kind, self.name, self.value, self.equipment)

    @property
    def stream(self) -> Stream:
        """The stream in which it has a place; without a sequence the session plays no part."""
        return (self.source, self.session, True) if self.seq is not None else (self.source, "", False)

    @property
    def position(self) -> Position:
        """Its place in the stream; also what identifies it there."""
        if self.seq is not None:
            return (self.seq, "", "")
        return (0, self.time.isoformat(timespec="microseconds"), self.digest)


def digest_of(kind: str, name: str, value: str, equipment: str = "") -> str:
    """Content hash (hex). equipment: keeps apart the machines that speak through one source without a sequence."""
    return sha256("\x1f".join((equipment, kind, name, value)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Placed:
    """A signal at its effective time: a source's clock that steps back is clamped to its latest time so far."""

    signal: Signal
    at: datetime
    clamped: bool

    @property
    def order(self) -> Order:
        return (self.at, self.signal.stream, self.signal.position)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a stream has been folded: position and effective time of its last signal."""

    position: Position
    at: datetime


def unique(signals: Iterable[Signal]) -> list[Signal]:
    """Each signal once. Of two contents under one sequence number the earlier time, then the lesser hash, counts."""
    kept: dict[tuple[Stream, Position], Signal] = {}
    for each in signals:
        key = (each.stream, each.position)
        other = kept.get(key)
        if other is None or (each.time, each.digest) < (other.time, other.digest):
            kept[key] = each
    return list(kept.values())


def ordered(signals: Iterable[Signal], marks: Mapping[Stream, Mark] | None = None) -> list[Placed]:
    """All signals once and in order: each stream by its sequence (else time, then hash), streams merged by time.

    marks: how far each stream has been placed before; the signals lie behind them.
    """
    streams: dict[Stream, list[Signal]] = defaultdict(list)
    for each in unique(signals):
        streams[each.stream].append(each)
    placed: list[Placed] = []
    for stream, members in streams.items():
        mark = (marks or {}).get(stream)
        latest = mark.at if mark else None
        for each in sorted(members, key=lambda signal: signal.position):
            clamped = latest is not None and each.time < latest
            latest = latest if latest is not None and clamped else each.time
            placed.append(Placed(each, latest, clamped))
    return sorted(placed, key=lambda each: each.order)
