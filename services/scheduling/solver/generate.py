"""Realistic workshops from a seed: for trying, comparing and measuring. The same arguments give the same problem.

Orders of 3-8 operations go through work centres of 2-4 alike but not equal machines, about 60 operations to a machine;
setup depends on the families that follow each other (5-60 minutes). Three orders of ten wait at the beginning, the
others come over the time that the shop needs; each is due two to six times its work after that, so that the best of
the dispatching rules leaves two of five to half of them late.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from services.scheduling.solver.problem import (
    ANY,
    Alternative,
    Fixing,
    Machine,
    Need,
    Operation,
    Order,
    Plan,
    Predecessor,
    Problem,
    Resource,
    SetupRow,
)

_ORIGIN = datetime(2026, 3, 2, tzinfo=UTC)
_DAY, _MINUTE = 86_400, 60
_FAMILIES = 8
_WEIGHTS = (16, 8, 4, 4, 2, 2, 2, 1, 1, 1)
_PER_MACHINE = 60
_NEVER = 1 << 60
_TIGHT, _TIGHT_FULL = 0.95, 2.05


def generate_shop(operations: int, seed: int, *, full: bool = False) -> Problem:
    """A workshop with so many operations. full: with shift calendars, operators by skill and tools too."""
    rng = Random(f"shop {operations} {seed} {full}")
    machines, centres = _machines(rng, max(2, round(operations / _PER_MACHINE)))
    families = [f"F{at + 1}" for at in range(_FAMILIES)]
    setups = {f"C{at}": _matrix(rng, families) for at in range(len(centres))}
    made: list[Operation] = []
    orders: list[Order] = []
    while len(made) < operations:
        count = min(rng.randint(3, 8), operations - len(made))
        made += _route(rng, len(orders), count, centres, families)
        orders.append(Order(f"O{len(orders) + 1}", weight=rng.choice(_WEIGHTS)))
    load = sum(min(each.seconds for each in operation.alternatives) for operation in made) / len(machines)
    span = load * 1.5 * (2.1 if full else 1.0)
    if full:
        horizon = (int(span * 4) // _DAY + 30) * _DAY
        machines, resources, made = _staffed(rng, machines, centres, made, horizon)
    else:
        horizon, resources = int(span * 4), ()
    return Problem(
        _ORIGIN, 0, horizon, machines, _dated(rng, orders, made, span, _TIGHT_FULL if full else _TIGHT),
        made, setups, resources=resources,
    )  # fmt: skip


def _machines(rng: Random, count: int) -> tuple[list[Machine], list[list[tuple[str, float]]]]:
    """Machines, and per work centre (machine, slowness)."""
    machines: list[Machine] = []
    centres: list[list[tuple[str, float]]] = []
    while len(machines) < count:
        size = min(rng.randint(2, 4), count - len(machines))
        if count - len(machines) - size == 1:
            size += 1
        names = [f"M{len(machines) + at + 1}" for at in range(size)]
        machines += [Machine(name, setup_class=f"C{len(centres)}", initial_family=f"F{rng.randint(1, _FAMILIES)}")
                     for name in names]  # fmt: skip
        centres.append([(name, rng.choice((1.0, 1.0, 1.1, 1.25))) for name in names])
    return machines, centres


def _matrix(rng: Random, families: list[str]) -> list[SetupRow]:
    place = {name: (rng.random(), rng.random()) for name in families}
    rows = [
        SetupRow(a, b, _MINUTE * round(5 + 40 * (abs(place[a][0] - place[b][0]) + abs(place[a][1] - place[b][1]))))
        for a in families for b in families if a != b
    ]  # fmt: skip
    return [*rows, SetupRow(ANY, ANY, 60 * _MINUTE, priority=9)]


def _route(
    rng: Random, order: int, count: int, centres: list[list[tuple[str, float]]], families: list[str]
) -> list[Operation]:
    family, size = rng.choice(families), rng.uniform(0.5, 2.0)
    made: list[Operation] = []
    centre = -1
    for place in range(count):
        # A shop has as many machines of a kind as it has work for.
        others = [at for at in range(len(centres)) if at != centre or len(centres) == 1]
        centre = rng.choices(others, [len(centres[at]) for at in others])[0]
        minutes = rng.uniform(15, 120) * size
        alternatives = [
            Alternative(name, max(60, round(minutes * slow) * _MINUTE), preference=at + 1)
            for at, (name, slow) in enumerate(centres[centre])
        ]
        before = (Predecessor(made[-1].id, rng.choice((0, 0, 10 * _MINUTE))),) if made else ()
        name = family if rng.random() < 0.7 else rng.choice(families)
        made.append(Operation(f"O{order + 1}.{place + 1}", f"O{order + 1}", alternatives, before, name))
    return made


def _dated(rng: Random, orders: list[Order], made: list[Operation], span: float, tightness: float) -> list[Order]:
    work: dict[str, int] = {}
    for each in made:
        work[each.order] = work.get(each.order, 0) + min(one.seconds for one in each.alternatives)
    found = []
    for each_order in orders:
        release = round(rng.uniform(0, 0.62) * span) if rng.random() < 0.7 else 0
        due = round(release + work[each_order.id] * rng.uniform(2, 6) * tightness)
        found.append(Order(each_order.id, due, each_order.weight, rng.random() < 0.02, release))
    return found


def _staffed(
    rng: Random, machines: list[Machine], centres: list[list[tuple[str, float]]], made: list[Operation], horizon: int
) -> tuple[list[Machine], tuple[Resource, ...], list[Operation]]:
    """Two shifts with breaks on most machines, three on some; operators by work centre and shift; tools."""
    two = [(day * _DAY + a * _MINUTE, day * _DAY + b * _MINUTE) for day in range(horizon // _DAY) if day % 7 != 6
           for a, b in ((480, 720), (750, 990), (990, 1200), (1230, 1440))]  # fmt: skip
    always = [(day * _DAY, (day + 1) * _DAY) for day in range(horizon // _DAY) if day % 7 != 6]
    day_shift = [(a, b) for a, b in two if a % _DAY < 16 * 3600]
    late_shift = [(a, b) for a, b in two if a % _DAY >= 16 * 3600]
    windows = {}
    resources: list[Resource] = []
    group_of, tool_of = {}, {}
    for at, centre in enumerate(centres):
        round_the_clock = rng.random() < 0.2
        for name, _ in centre:
            windows[name] = always if round_the_clock else two
            group_of[name] = (f"P{at}a", f"P{at}b")
        few = max(1, len(centre) - (rng.random() < 0.4))
        resources += [Resource(f"P{at}a", few, day_shift), Resource(f"P{at}b", few, late_shift)]
        tool_of[at] = f"T{at}"
        resources.append(Resource(f"T{at}", max(1, len(centre) - 1)))
    centre_of = {name: at for at, centre in enumerate(centres) for name, _ in centre}
    staffed = []
    for each in made:
        machine = each.alternatives[0].machine
        needs = [Need(group_of[machine])] if rng.random() < 0.8 else []
        if rng.random() < 0.15:
            needs.append(Need((tool_of[centre_of[machine]],)))
        staffed.append(
            Operation(each.id, each.order, each.alternatives, each.predecessors, each.family,
                      interruptible=rng.random() < 0.8, needs=needs)
        )  # fmt: skip
    shifted = [Machine(each.id, windows[each.id], 0, each.setup_class, each.initial_family) for each in machines]
    return shifted, tuple(resources), staffed


def breakdown(problem: Problem, plan: Plan, now: int, machine: str, until: int, *, frozen_s: int = 1800) -> Problem:
    """The problem at a moment at which a machine breaks down until another: what a replan gets.

    What has ended is done, what has begun runs on (on the machine that is out after the repair), what begins within
    `frozen_s` elsewhere and still can stays. `current` is the plan of everything else.
    """
    where = {each.operation: each for each in plan.operations}
    ends: dict[str, int] = {}
    made: list[Operation] = []
    last: dict[str, tuple[int, str]] = {}
    for operation in sorted(problem.operations, key=lambda each: where[each.id].start):
        planned = where[operation.id]
        fixing, end = Fixing.FREE, planned.end
        if end <= now:
            fixing = Fixing.DONE
            last[planned.machine] = max(last.get(planned.machine, (0, "")), (end, operation.family))
        elif planned.setup_start < now:
            fixing = Fixing.RUNNING
            end += until - now if planned.machine == machine else 0
        elif planned.setup_start < now + frozen_s and planned.machine != machine:
            ready = [ends.get(link.operation, _NEVER) + link.lag_s for link in operation.predecessors]
            fixing = Fixing.FROZEN if max(ready, default=0) <= planned.start else Fixing.FREE
        if fixing is Fixing.FREE:
            made.append(operation)
            continue
        ends[operation.id] = end
        made.append(
            replace(
                operation, fixing=fixing, machine=planned.machine, setup_start=planned.setup_start, start=planned.start,
                end=end, resources=planned.resources,
                predecessors=operation.predecessors if fixing is Fixing.FROZEN else (),
            )
        )  # fmt: skip
    machines = [
        replace(
            each, initial_family=last.get(each.id, (0, each.initial_family))[1],
            available_from=max(each.available_from, until) if each.id == machine else each.available_from,
        )
        for each in problem.machines
    ]  # fmt: skip
    rest = {each.id: where[each.id] for each in made if each.fixing is Fixing.FREE}
    known = {each.id: at for at, each in enumerate(problem.operations)}
    made.sort(key=lambda each: known[each.id])
    return replace(problem, now=now, machines=machines, operations=made, current=rest)


def busiest(plan: Plan, now: int, span: int) -> str:
    """The machine with the most planned work in a span from a moment on."""
    load: dict[str, int] = {}
    for each in plan.operations:
        within = min(each.end, now + span) - max(each.start, now)
        if each.machine and within > 0:
            load[each.machine] = load.get(each.machine, 0) + within
    return max(load, key=lambda name: (load[name], name))
