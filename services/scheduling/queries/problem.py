"""From facts to a problem: pure, so that the same facts at the same moment give the same problem."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

from services.scheduling.domain.exclusion import Reason, component_edges, last_jobs, unplanned, usable
from services.scheduling.domain.facts import AWAY, JobFacts, MachineFacts, OrderFacts, Policy, Shop, Way
from services.scheduling.domain.fixing import Fixed, begun, frozen
from services.scheduling.domain.times import DAY_S, Times, horizon_for, whole, work_seconds
from services.scheduling.solver.problem import (
    Alternative,
    Fixing,
    Machine,
    Operation,
    Order,
    Planned,
    Predecessor,
    Problem,
    SetupRow,
    replanning,
)


@dataclass(frozen=True, slots=True)
class Built:
    """A problem and what was left out of it: job id -> why."""

    problem: Problem
    unplanned: Mapping[str, Reason]

    def digest(self) -> str:
        """A hash of the whole problem: equal problems have equal ones."""
        return blake2b(repr(self.problem).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class _Draft:
    """What all parts of the problem are made from."""

    shop: Shop
    times: Times
    jobs: Mapping[str, JobFacts]
    before: Mapping[str, Sequence[str]]
    earliest: Mapping[str, int]
    standing: Mapping[str, Fixed] = field(default_factory=dict)
    frozen: Mapping[str, Fixed] = field(default_factory=dict)


def build(
    shop: Shop, now: datetime, policy: Policy, *, given: Mapping[str, Reason] | None = None, stretch: int = 1
) -> Built:
    """The problem of everything that is open at `now`, in seconds from the first whole second not before it.

    given: jobs that are left out whatever they are, with the reason. stretch: how many times as far as estimated the
    calendars are laid out.
    """
    origin = whole(now)
    components = component_edges(shop)
    left_out = unplanned(shop, components, given or {})
    jobs = {job.id: job for job in shop.jobs.values() if job.id not in left_out}
    horizon = _horizon(shop, jobs, origin) * stretch
    draft = _draft(shop, Times(origin, horizon, shop, policy), jobs, components)
    # Reserved ones first: planned for the same moment as another they go before it, as they were promised.
    ordered = sorted(jobs.values(), key=lambda job: (job.order not in shop.reserved, job.id))
    operations = [_operation(draft, job) for job in ordered]
    problem = Problem(
        origin=origin,
        now=0,
        horizon=horizon,
        machines=_machines(draft, operations),
        orders=_orders(draft, operations),
        operations=operations,
        setups=_setups(shop),
        current=_current(draft),
    )
    return Built(replanning(problem, round(policy.stability * 1000)), left_out)


def _horizon(shop: Shop, jobs: Mapping[str, JobFacts], origin: datetime) -> int:
    loads: dict[str, int] = defaultdict(int)
    longest = 0
    for job in jobs.values():
        ways = usable(shop, job)
        if ways:
            way = min(ways, key=lambda way: loads[way.machine] + _work(shop, job, way))
            loads[way.machine] += _work(shop, job, way) + way.setup_s
        release = (job.material_ready_at or origin) - origin
        longest = max(longest, job.lead_days * DAY_S, int(release.total_seconds()))
    closed = [end for machine in shop.machines.values() for _, end in machine.closed]
    longest = max([longest, *(int((end - origin).total_seconds()) for end in closed)])
    return horizon_for(loads, shop, origin, longest)


def _draft(shop: Shop, times: Times, jobs: Mapping[str, JobFacts], components: Mapping[str, list[str]]) -> _Draft:
    lasts = last_jobs(shop)
    before: dict[str, list[str]] = {}
    for job in jobs.values():
        named = [*job.predecessors, *(one for order in components.get(job.id, ()) for one in lasts.get(order, ()))]
        before[job.id] = [one for one in dict.fromkeys(named) if one in jobs]
    earliest = {job.id: _earliest(times, job) for job in jobs.values()}
    standing = begun(times, jobs.values())
    free = {job.id: job for job in jobs.values() if job.id not in standing and not job.pinned}
    soon = frozen(times, standing, free, earliest, before)
    return _Draft(shop, times, jobs, before, earliest, standing, soon)


def _earliest(times: Times, job: JobFacts) -> int:
    """Not before its order's release, its material, and the end of what is over plus the way from there."""
    order = times.shop.orders.get(job.order)
    moments = [times.upper(order.release_at if order else None), times.upper(job.material_ready_at)]
    for one in job.predecessors:
        over = times.shop.over.get(one)
        if over is not None and over.finished_at is not None:
            moments.append(times.upper(over.finished_at + timedelta(seconds=_lag(over.move_s, job))))
    return max(moments)


def _lag(move_s: int, job: JobFacts) -> int:
    return move_s + job.queue_s


def _work(shop: Shop, job: JobFacts, way: Way, quantity: Decimal | None = None) -> int:
    efficiency = shop.machines[way.machine].efficiency if way.machine in shop.machines else Decimal(1)
    return work_seconds(job.remaining if quantity is None else quantity, way.run_s_per_unit, efficiency)


def _operation(draft: _Draft, job: JobFacts) -> Operation:
    free = Operation(
        id=job.id,
        order=job.order,
        alternatives=[] if job.outside else [_alternative(draft.shop, job, way) for way in usable(draft.shop, job)],
        predecessors=[_predecessor(draft, draft.jobs[one], job) for one in draft.before[job.id]],
        family=job.family,
        release=draft.earliest[job.id],
        interruptible=job.interruptible,
        outside_s=job.lead_days * DAY_S if job.outside else 0,
    )
    if (standing := draft.standing.get(job.id)) is not None:
        # What has begun waits for nobody.
        return replace(_at(free, standing, Fixing.RUNNING), predecessors=(), release=0)
    if (soon := draft.frozen.get(job.id)) is not None:
        return _at(free, soon, Fixing.FROZEN)
    if job.pinned and any(way.machine == job.pinned_machine for way in free.alternatives):
        start = max(draft.times.upper(job.pinned_start), free.release)
        return _at(free, Fixed(job.id, job.pinned_machine, start, start, start), Fixing.PINNED)
    return free


def _at(free: Operation, where: Fixed, fixing: Fixing) -> Operation:
    return replace(
        free, fixing=fixing, machine=where.machine, setup_start=where.setup_start, start=where.start, end=where.end
    )


def _alternative(shop: Shop, job: JobFacts, way: Way) -> Alternative:
    return Alternative(way.machine, _work(shop, job, way), way.setup_s, way.preference)


def _predecessor(draft: _Draft, before: JobFacts, job: JobFacts) -> Predecessor:
    """Move and queue time lie between; with an overlap the follower may start after the first transfer batch."""
    lag = _lag(before.move_s, job)
    batch = before.overlap_qty
    if batch is None or batch <= 0 or before.outside or before.order != job.order or before.state in AWAY:
        return Predecessor(before.id, lag)
    left = max(Decimal(0), batch - before.good)
    slowest = max((_work(draft.shop, before, way, left) for way in before.ways), default=0) if left else 0
    last = min(batch, job.remaining)
    tail = min((_work(draft.shop, job, way, last) for way in usable(draft.shop, job)), default=0)
    return Predecessor(before.id, lag, slowest, lag + tail)


def _machines(draft: _Draft, operations: Sequence[Operation]) -> list[Machine]:
    """Machines that something can be done on, with their windows from the origin on."""
    named = {way.machine for each in operations for way in each.alternatives} | {each.machine for each in operations}
    clipped: dict[Hashable, list[tuple[int, int]] | None] = {}
    classes = {row.work_centre for row in draft.shop.matrix}
    made = []
    for machine in sorted(draft.shop.machines.values(), key=lambda each: each.id):
        if machine.id not in named:
            continue
        key = machine.calendar, machine.closed, machine.extra
        if key not in clipped:
            clipped[key] = _from_origin(draft.times.windows(machine.id))
        windows = clipped[key]
        available = draft.times.available_from(machine)
        made.append(Machine(machine.id, windows, available, _class_of(machine, classes), machine.family))
    return made


def _from_origin(windows: Sequence[tuple[int, int]] | None) -> list[tuple[int, int]] | None:
    return None if windows is None else [(max(a, 0), b) for a, b in windows if b > 0]


def _class_of(machine: MachineFacts, classes: set[str]) -> str:
    if machine.work_centre in classes:
        return machine.work_centre
    return "*" if "" in classes else ""


def _setups(shop: Shop) -> dict[str, list[SetupRow]]:
    """A matrix per work centre that has rows of its own, those first; "*" for all other work centres."""
    made: dict[str, list[SetupRow]] = {}
    for name in sorted({row.work_centre for row in shop.matrix}):
        made[name or "*"] = [
            SetupRow(row.from_family, row.to_family, row.seconds, row.cost, row.priority)
            for row in sorted(shop.matrix, key=lambda row: row.work_centre == "")
            if row.work_centre in {name, ""}
        ]
    return made


def _orders(draft: _Draft, operations: Sequence[Operation]) -> list[Order]:
    named = sorted({each.order for each in operations})
    return [_order(draft.times, draft.shop, draft.shop.orders[one]) for one in named]


def _order(times: Times, shop: Shop, order: OrderFacts) -> Order:
    due = times.at(order.due_at) if order.due_at and order.deadline_type != "None" else None
    hard = due is not None and order.deadline_type == "Hard"
    return Order(order.id, due, shop.weights.get(order.priority, 1), hard, times.upper(order.release_at))


def _current(draft: _Draft) -> dict[str, Planned]:
    at = draft.times.at
    return {
        each.job: Planned(each.job, each.machine, at(each.setup_start), at(each.start), at(each.end), rank=each.rank)
        for each in draft.shop.current.values()
        if each.job in draft.jobs
    }
