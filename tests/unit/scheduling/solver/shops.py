"""Random scheduling problems with every notion of the model in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from services.scheduling.solver.problem import (
    ANY,
    Alternative,
    During,
    Fixing,
    Machine,
    Need,
    Operation,
    Order,
    Planned,
    Predecessor,
    Price,
    Problem,
    Resource,
    SetupRow,
    Supplier,
)

ORIGIN = datetime(2026, 3, 2, tzinfo=UTC)
FAMILIES = ("", "A", "B", "C")


def problem_of(
    machines: list[Machine], operations: list[Operation], orders: list[Order] | None = None, **more: object
) -> Problem:
    """A problem from its parts; without orders each operation is of an order without a date."""
    known = orders or [Order(name) for name in dict.fromkeys(each.order for each in operations)]
    settings = {"now": 0, "horizon": 100_000, **more}
    return Problem(ORIGIN, machines=machines, orders=known, operations=operations, **settings)  # type: ignore[arg-type]


def random_problem(rng: Random, *, orders: int = 6, machines: int = 4, dated: bool = True) -> Problem:
    """Calendars, setups, alternatives, overlap, outside work, pinned, frozen, running and done operations."""
    now, horizon = rng.choice((0, 500)), rng.choice((3_000, 20_000))
    shop = [_machine(rng, at, now, horizon) for at in range(machines)]
    operations: list[Operation] = []
    for order in range(orders):
        operations += _job(rng, order, shop, now, operations)
    return Problem(
        origin=ORIGIN,
        now=now,
        horizon=horizon,
        machines=shop,
        orders=[_order(rng, at, dated) for at in range(orders)],
        operations=operations,
        setups={"S": [_row(rng) for _ in range(rng.randint(0, 6))], "T": [SetupRow(ANY, "A", 35)]},
        current=_current(rng, operations, shop) if rng.random() < 0.3 else {},
    )


def rich_problem(rng: Random, *, orders: int = 6, machines: int = 4, dated: bool = True) -> Problem:
    """A random problem with people, tools, batches, suppliers, lots, prices and costs too."""
    plain = random_problem(rng, orders=orders, machines=machines, dated=dated)
    resources = [
        Resource(f"R{at}", rng.randint(1, 3), _windows(rng, plain.horizon), rng.choice((0, 0, plain.now + 200)))
        for at in range(rng.randint(1, 4))
    ]
    suppliers = [
        Supplier("S0", rng.randint(0, 2), sorted(rng.sample(range(6_000), 5)) if rng.random() < 0.7 else None),
        Supplier("S1", 1),
    ]
    shop = [
        replace(each, batch_capacity=rng.choice((0, 0, 3)), power_w=rng.choice((0, 5_000))) for each in plain.machines
    ]
    prices = [Price(at * 700, rng.randint(20, 120)) for at in range(4)] if rng.random() < 0.7 else []
    setups = {
        name: [replace(row, cost=rng.randint(0, 90)) for row in rows] for name, rows in plain.setups.items()
    }  # fmt: skip
    operations = [_rich(rng, each, resources) for each in plain.operations]
    return replace(
        plain, machines=shop, operations=operations, resources=resources, suppliers=suppliers, tariff=prices,
        setups=setups,
    )  # fmt: skip


def _rich(rng: Random, operation: Operation, resources: list[Resource]) -> Operation:
    if not operation.alternatives:
        return replace(operation, supplier=rng.choice(("", "S0", "S1")))
    lot = "L" if rng.random() < 0.1 else ""
    operation = replace(operation, size=rng.randint(1, 3), lot=lot, family="A" if lot else operation.family)
    if operation.fixing in (Fixing.FROZEN, Fixing.RUNNING):
        return replace(operation, resources=[rng.choice(resources).id] if rng.random() < 0.5 else [])
    needs = []
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        names = rng.sample([each.id for each in resources], rng.randint(1, min(2, len(resources))))
        needs.append(Need(names, 1, rng.choice(list(During))))
    room = sum(each.capacity for each in resources)
    if len(needs) == 2 and set(needs[0].resources) & set(needs[1].resources) and room < 4:
        needs.pop()
    if any(sum(each.capacity for each in resources if each.id in need.resources) < len(needs) for need in needs):
        needs = needs[:1]
    return replace(operation, needs=needs)


def _windows(rng: Random, horizon: int) -> list[tuple[int, int]] | None:
    if rng.random() < 0.4:
        return None
    windows, moment = [], rng.randint(-100, 400)
    while moment < horizon and len(windows) < 12:
        end = moment + rng.randint(20, 900)
        windows.append((moment, end))
        moment = end + rng.choice((0, rng.randint(1, 700)))
    return windows


def _machine(rng: Random, at: int, now: int, horizon: int) -> Machine:
    windows: list[tuple[int, int]] | None = None
    if rng.random() < 0.7:
        windows, moment = [], rng.randint(-100, 400)
        while moment < horizon and len(windows) < 12:
            end = moment + rng.randint(20, 900)
            windows.append((moment, end))
            moment = end + rng.choice((0, rng.randint(1, 700)))
    return Machine(
        f"M{at}",
        windows,
        available_from=rng.choice((0, 0, now + 300)),
        setup_class=rng.choice(("", "S", "T")),
        initial_family=rng.choice(FAMILIES),
    )


def _row(rng: Random) -> SetupRow:
    names = ("A", "B", "C", ANY)
    return SetupRow(rng.choice(names), rng.choice(names), rng.randint(0, 60), priority=rng.randint(0, 3))


def _order(rng: Random, at: int, dated: bool) -> Order:
    due = rng.randint(500, 6_000) if dated and rng.random() < 0.85 else None
    return Order(f"O{at}", due, rng.choice((1, 4, 16)), rng.random() < 0.2, rng.choice((0, 0, 700)))


def _job(rng: Random, order: int, shop: list[Machine], now: int, others: list[Operation]) -> list[Operation]:
    made: list[Operation] = []
    for place in range(rng.randint(1, 5)):
        links = [_link(rng, made[-1].id)] if made and rng.random() < 0.9 else []
        if others and rng.random() < 0.1:
            links.append(Predecessor(rng.choice(others).id, rng.choice((0, 50))))
        if rng.random() < 0.05:
            links.append(Predecessor("somebody who left"))
        made.append(_operation(rng, f"O{order}.{place}", f"O{order}", links, shop, now))
    return made


def _link(rng: Random, before: str) -> Predecessor:
    if rng.random() < 0.3:
        return Predecessor(before, rng.choice((0, 20)), rng.randint(0, 200), rng.randint(0, 100))
    return Predecessor(before, rng.choice((0, 0, 60)))


def _operation(
    rng: Random, name: str, order: str, links: list[Predecessor], shop: list[Machine], now: int
) -> Operation:
    release = rng.choice((0, 0, rng.randint(0, 2_000)))
    if rng.random() < 0.1:
        return Operation(name, order, (), links, release=release, outside_s=rng.randint(1, 1_000))
    chosen = rng.sample(shop, rng.randint(1, min(3, len(shop))))
    alternatives = [
        Alternative(each.id, rng.choice((0, *[rng.randint(1, 400)] * 9)), rng.choice((0, rng.randint(1, 50))), at + 1)
        for at, each in enumerate(chosen)
    ]
    fixing = rng.choice([Fixing.FREE] * 12 + [Fixing.PINNED, Fixing.FROZEN, Fixing.RUNNING, Fixing.DONE])
    begin = {Fixing.RUNNING: now - rng.randint(0, 90), Fixing.DONE: now - 400}.get(fixing, now + rng.randint(0, 1_500))
    setup = rng.choice((0, 30))
    end = begin + setup + (rng.randint(1, 100) if fixing is Fixing.DONE else rng.randint(100, 500))
    where = {} if fixing is Fixing.FREE else {
        "machine": chosen[0].id, "setup_start": begin, "start": begin + setup, "end": end
    }  # fmt: skip
    return Operation(
        name, order, alternatives, links, rng.choice(FAMILIES), release, rng.random() < 0.6, fixing=fixing, **where
    )  # type: ignore[arg-type]


def _current(rng: Random, operations: list[Operation], shop: list[Machine]) -> dict[str, Planned]:
    found = {}
    for each in operations:
        if rng.random() < 0.8:
            start = rng.randint(0, 4_000)
            machine = rng.choice(each.alternatives).machine if each.alternatives else ""
            found[each.id] = Planned(each.id, machine, start, start, start + 100)
    return found
