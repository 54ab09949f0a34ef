"""Compares what the client was told with what is there. It knows nothing of how the system works."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.history import Attempt, final

# Events that a consumer could not apply are copied to topics of this name.
_DEAD = ".dlq.v1"


@dataclass(frozen=True, slots=True)
class Event:
    """A record of the log. sequence: +1 per source and key. verb: what was done, where the event says it."""

    topic: str
    partition: int
    offset: int
    key: str
    source: str
    id: str
    type: str
    sequence: int
    actor: str
    verb: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere effects can be seen: marks of one kind of request, as often as each is there."""

    name: str
    kind: str
    marks: Counter[str]


@dataclass(frozen=True, slots=True)
class Balance:
    """Two figures that must agree."""

    what: str
    left: object
    right: object


@dataclass(slots=True)
class Observed:
    """What is there at the end. orders: sequences of events as a reader of them keeps them, by name and key."""

    places: list[Place] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    orders: dict[str, list[int]] = field(default_factory=dict)
    log: Sequence[Event] = ()


KINDS = ("unresolved", "lost", "doubled", "phantom", "disorder", "unbalanced", "parked")


@dataclass(slots=True)
class Verdict:
    """What is wrong, in the words of the client; all empty when nothing is. redelivered: not wrong, only told."""

    acknowledged: int = 0
    refused: int = 0
    unresolved: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    events: int = 0
    redelivered: int = 0

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is wrong, by kind."""
        return {kind: found for kind in KINDS if (found := getattr(self, kind))}


def check(attempts: Iterable[Attempt], seen: Observed) -> Verdict:
    """Everything that does not fit."""
    last = final(attempts)
    verdict = Verdict(
        acknowledged=sum(attempt.outcome == "ok" for attempt in last.values()),
        refused=sum(attempt.outcome == "failed" for attempt in last.values()),
        unresolved=[attempt.request.mark for attempt in last.values() if attempt.outcome == "unknown"],
    )
    for place in seen.places:
        _check_place(place, last, verdict)
    _check_log(seen.log, verdict)
    for name, sequences in seen.orders.items():
        if wrong := _first_disorder(sequences):
            verdict.disorder.append(f"{name}: {wrong}")
    verdict.unbalanced = [
        f"{each.what}: {each.left} is not {each.right}" for each in seen.balances if each.left != each.right
    ]
    return verdict


def _check_place(place: Place, last: Mapping[str, Attempt], verdict: Verdict) -> None:
    sent: dict[str, str] = {}
    for attempt in last.values():
        if attempt.request.kind == place.kind:
            sent[attempt.request.mark] = attempt.outcome
    verdict.lost += [f"{place.name}: {mark}" for mark, told in sent.items() if told == "ok" and not place.marks[mark]]
    verdict.doubled += [f"{place.name}: {mark} {count}x" for mark, count in place.marks.items() if count > 1]
    verdict.phantom += [
        f"{place.name}: {mark}" for mark in place.marks if place.marks[mark] and sent.get(mark, "failed") == "failed"
    ]


def _check_log(log: Sequence[Event], verdict: Verdict) -> None:
    verdict.parked = [f"{each.topic} {each.key} {each.type}" for each in log if each.topic.endswith(_DEAD)]
    log = [each for each in log if not each.topic.endswith(_DEAD)]
    firsts: dict[str, Event] = {}
    for event in sorted(log, key=lambda each: (each.topic, each.partition, each.offset)):
        firsts.setdefault(f"{event.source} {event.id}", event)
    verdict.events = len(firsts)
    verdict.redelivered = len(log) - len(firsts)
    by_key: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in firsts.values():
        by_key[event.topic, event.key].append(event.sequence)
    for (topic, key), sequences in by_key.items():
        if wrong := _first_disorder(sequences):
            verdict.disorder.append(f"{topic} {key}: {wrong}")


def _first_disorder(sequences: Sequence[int]) -> str | None:
    """The first sequence that is not one more than the one before it, beginning with 1."""
    for expected, found in enumerate(sequences, start=1):
        if found != expected:
            return f"{found} where {expected} belongs"
    return None
