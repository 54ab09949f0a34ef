"""What stands in a plan whatever else happens: work that has begun, and what is about to begin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.scheduling.domain.calendars import after
from services.scheduling.domain.exclusion import usable
from services.scheduling.domain.facts import AWAY, BEGUN, DOWN, JobFacts, MachineFacts, Placed, Way
from services.scheduling.domain.times import DAY_S, Times, work_seconds

# Work that should have ended and has not said so is taken to last another such part of its time, at least a minute.
_OVERRUN_PART, _OVERRUN_S = 20, 60


@dataclass(frozen=True, slots=True)
class Fixed:
    """Where something stands; seconds from the origin. machine is "" without one."""

    job: str
    machine: str
    setup_start: int
    start: int
    end: int


def way_on(job: JobFacts, machine: str) -> Way | None:
    """How the job is done on the machine; where it was not foreseen there, as on its best one."""
    ways = sorted(job.ways, key=lambda way: (way.machine != machine, way.preference))
    return ways[0] if ways else None


def movable(times: Times, job: JobFacts) -> bool:
    """Whether the rest of a begun job may go elsewhere: nobody works on it, its machine is down, another can do it."""
    machine = times.shop.machines.get(job.machine)
    stuck = machine is not None and machine.category == DOWN and job.state in {"Paused", "Setup"}
    return stuck and any(way.machine != job.machine for way in usable(times.shop, job))


def begun(times: Times, jobs: Iterable[JobFacts]) -> dict[str, Fixed]:
    """Everything that has begun: on each machine first what runs, then what is set up, then what is paused."""
    order = {"Running": 0, "Setup": 1, "Paused": 2}
    found: dict[str, Fixed] = {}
    busy: dict[str, int] = defaultdict(int)
    for job in sorted(jobs, key=lambda job: (order.get(job.state, 3), job.started_at or times.origin, job.id)):
        if job.state in AWAY:
            found[job.id] = _away(times, job)
        elif job.state in BEGUN and not movable(times, job):
            fixed = _on_machine(times, job, busy[job.machine] if job.state == "Paused" else 0)
            found[job.id] = fixed
            if job.machine:
                busy[job.machine] = max(busy[job.machine], fixed.end)
    return found


def _away(times: Times, job: JobFacts) -> Fixed:
    sent = times.at(job.started_at or job.progress_at or times.origin)
    back = times.upper(job.expected_back_at) if job.expected_back_at else sent + job.lead_days * DAY_S
    if job.state == "Returned":
        back = 1
    return Fixed(job.id, "", min(sent, 0), min(sent, 0), max(back, 1))


def _on_machine(times: Times, job: JobFacts, not_before: int) -> Fixed:
    machine = times.shop.machines.get(job.machine) or MachineFacts("")
    windows = times.windows(job.machine)
    way = way_on(job, job.machine)
    work = work_seconds(job.remaining, way.run_s_per_unit if way else Decimal(0), machine.efficiency)
    free = max(times.available_from(machine), not_before)
    anchor = times.at(job.progress_at or job.started_at or times.origin)
    setup_start = start = min(times.at(job.started_at) if job.started_at else anchor, 0)
    if job.state == "Setup":
        # Its setup began at the anchor; a setup that overran is taken to end now.
        setup_start = min(anchor, 0)
        start = max(after(windows, anchor, _setup_of(times, job, way)), 0)
        anchor = start
    end = after(windows, anchor, work)
    if job.state == "Paused" or free:
        # What was done until it stopped is in `remaining` where it was reported, and lost to the estimate where not.
        end = after(windows, max(free, start), work)
    elif end < 0:
        end = max(_OVERRUN_S, work // _OVERRUN_PART)
    known = job.machine if job.machine in times.shop.machines else ""
    return Fixed(job.id, known, setup_start, start, max(end, start + 1, 1))


def _setup_of(times: Times, job: JobFacts, way: Way | None) -> int:
    placed = times.shop.current.get(job.id)
    if placed is not None and placed.machine == job.machine:
        return max(0, times.at(placed.start) - times.at(placed.setup_start))
    return way.setup_s if way else 0


def frozen(
    times: Times,
    standing: Mapping[str, Fixed],
    free: Mapping[str, JobFacts],
    earliest: Mapping[str, int],
    before: Mapping[str, Iterable[str]],
) -> dict[str, Fixed]:
    """Operations of the published plan that begin within the frozen window and still can, just as planned.

    free: jobs that are still open to planning. earliest: job -> when it may begin at all. before: job -> open jobs
    that it waits for. Each follows the same operation on its machine as planned, so its setup is the same too.
    """
    found: dict[str, Fixed] = {}
    last = _last_on_machine(standing)
    for placed, previous in _about_to_begin(times):
        job = free.get(placed.job)
        if job is None:
            continue
        fixed = _where(times, placed)
        machine = times.shop.machines.get(placed.machine)
        if machine is None or not _still_there(times, job, machine, fixed, earliest.get(job.id, 0)):
            continue
        known = {**standing, **found}
        if not all(_is_ready(times, job, known.get(one), fixed.start) for one in before.get(job.id, ())):
            continue
        ahead = last.get(placed.machine)
        expected = ahead.job if ahead else machine.last_job
        if (previous and previous != expected) or (ahead and ahead.end > fixed.setup_start):
            continue
        found[job.id] = last[placed.machine] = fixed
    return found


def _is_ready(times: Times, job: JobFacts, before: Fixed | None, start: int) -> bool:
    """Whether what the job waits for stands and ends in time, the way between them included."""
    return before is not None and before.end + times.shop.jobs[before.job].move_s + job.queue_s <= start


def _last_on_machine(standing: Mapping[str, Fixed]) -> dict[str, Fixed]:
    last: dict[str, Fixed] = {}
    for each in standing.values():
        if each.machine and (each.machine not in last or last[each.machine].end <= each.end):
            last[each.machine] = each
    return last


def _about_to_begin(times: Times) -> Iterator[tuple[Placed, str]]:
    """Operations of the plan by their start, up to the end of the window, and what is planned before on the machine."""
    before: dict[str, str] = {}
    for placed in sorted(times.shop.current.values(), key=lambda each: (each.setup_start, each.rank)):
        if not placed.machine:
            continue
        begins = times.at(placed.setup_start)
        if begins >= times.policy.frozen_window_s:
            return
        if begins >= 0:
            yield placed, before.get(placed.machine, "")
        before[placed.machine] = placed.job


def _where(times: Times, placed: Placed) -> Fixed:
    return Fixed(placed.job, placed.machine, times.at(placed.setup_start), times.at(placed.start), times.at(placed.end))


def _still_there(times: Times, job: JobFacts, machine: MachineFacts, fixed: Fixed, earliest: int) -> bool:
    """Whether the machine can be used, the job may begin then, and takes as long as planned."""
    way = next((way for way in usable(times.shop, job) if way.machine == machine.id), None)
    if way is None or earliest > fixed.start or times.available_from(machine) > fixed.setup_start:
        return False
    work = work_seconds(job.remaining, way.run_s_per_unit, machine.efficiency)
    return after(times.windows(machine.id), fixed.start, work) == fixed.end
