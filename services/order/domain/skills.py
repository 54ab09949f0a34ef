"""Who is qualified for what, and what a crew lacks for a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class People:
    """The registered workers.

    skills: of each worker who is not outdated, by its code: skill -> last production date on which it holds, None for
    one without end. registered: every skill that anybody is registered with, also an outdated worker or one whose
    certificate has expired.
    """

    skills: Mapping[str, Mapping[str, date | None]] = field(default_factory=dict)
    registered: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lack:
    """What a worker lacks: a message code and its parameters."""

    code: str
    params: Mapping[str, str]


def lacking(skill: str, workers: Iterable[str], people: People, day: date) -> list[Lack]:
    """What the workers of a crew lack for a skill on a production date, one entry a worker.

    Nothing for no skill, and nothing while nobody at all is registered with it: its register has not been begun.
    """
    if skill not in people.registered:
        return []
    found = (_lack(skill, worker, people.skills.get(worker), day) for worker in dict.fromkeys(workers))
    return [each for each in found if each is not None]


def _lack(skill: str, worker: str, skills: Mapping[str, date | None] | None, day: date) -> Lack | None:
    said = {"worker": worker, "skill": skill}
    if skills is None:
        return Lack("job.worker_unknown", said)
    if skill not in skills:
        return Lack("job.skill_missing", said)
    valid_to = skills[skill]
    if valid_to is not None and valid_to < day:
        return Lack("job.skill_expired", said | {"valid_to": valid_to.isoformat()})
    return None
