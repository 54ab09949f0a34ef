"""Which open jobs cannot be planned now, and why."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.scheduling.domain.facts import ACTIVE_ORDERS, AWAY, BEGUN, PENDING_ORDERS, JobFacts, Shop, Way


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job is not planned: a code and its parameters."""

    code: str
    params: Mapping[str, str] = field(default_factory=dict)


def usable(shop: Shop, job: JobFacts) -> list[Way]:
    """The ways whose machines are there."""
    return [way for way in job.ways if way.machine in shop.machines and not shop.machines[way.machine].outdated]


def last_jobs(shop: Shop) -> dict[str, list[str]]:
    """Of every order its open jobs that no other of its open jobs waits for."""
    before = {one for job in shop.jobs.values() for one in job.predecessors}
    found: dict[str, list[str]] = defaultdict(list)
    for job in shop.jobs.values():
        if job.id not in before:
            found[job.order].append(job.id)
    return found


def first_jobs(shop: Shop) -> dict[str, list[str]]:
    """Of every order its open jobs that wait for no other of its open jobs."""
    found: dict[str, list[str]] = defaultdict(list)
    for job in shop.jobs.values():
        if not any(one in shop.jobs for one in job.predecessors):
            found[job.order].append(job.id)
    return found


def component_edges(shop: Shop) -> dict[str, list[str]]:
    """Job -> component orders that it waits for: its own, and its order's where it is one of the first."""
    firsts = first_jobs(shop)
    edges = {job.id: list(job.components) for job in shop.jobs.values() if job.components}
    for order in shop.orders.values():
        for job in firsts.get(order.id, ()) if order.components else ():
            edges[job] = list(dict.fromkeys([*edges.get(job, ()), *order.components]))
    return edges


def unplanned(shop: Shop, components: Mapping[str, list[str]], given: Mapping[str, Reason]) -> dict[str, Reason]:
    """Jobs that are left out, with their reasons; who waits for one of them is left out too.

    components: see `component_edges`. given: reasons that are known already (what an engine found impossible).
    """
    found = dict(given)
    for job in shop.jobs.values():
        if job.id not in found and (reason := _own_reason(shop, job, components.get(job.id, ()))) is not None:
            found[job.id] = reason
    return _with_followers(shop, components, found)


def _own_reason(shop: Shop, job: JobFacts, components: list[str] | tuple[()]) -> Reason | None:
    order = shop.orders.get(job.order)
    if order is None or order.state not in ACTIVE_ORDERS:
        return Reason("order_held" if order and order.state == "Held" else "order_not_released")
    if job.state == "Held":
        return Reason("held")
    if job.state in BEGUN or job.state in AWAY:
        return None
    for component in components:
        known = shop.orders.get(component)
        if known is None or known.state in PENDING_ORDERS:
            return Reason("component_not_planned", {"order": component})
    return None if job.outside or usable(shop, job) else Reason("no_machine")


def _with_followers(shop: Shop, components: Mapping[str, list[str]], found: dict[str, Reason]) -> dict[str, Reason]:
    followers: dict[str, list[str]] = defaultdict(list)
    for before, job in _edges(shop, components):
        followers[before].append(job)
    queue = deque(found)
    while queue:
        before = queue.popleft()
        for job in followers[before]:
            if job not in found and shop.jobs[job].state not in BEGUN | AWAY:
                found[job] = Reason("follows_unplanned", {"job": before})
                queue.append(job)
    return found


def _edges(shop: Shop, components: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    lasts = last_jobs(shop)
    for job in shop.jobs.values():
        yield from ((before, job.id) for before in job.predecessors if before in shop.jobs)
        for order in components.get(job.id, ()):
            yield from ((before, job.id) for before in lasts.get(order, ()))
