"""From the rows of a file and what is stored to what an import would do, without doing it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.order.workbook.checking import ORDER, World, check
from services.order.workbook.comparing import Change, changes_of
from services.order.workbook.documents import Names, owner_of
from services.order.workbook.kinds import Setting
from services.order.workbook.layout import FileMapping, Layout, lay_out
from services.order.workbook.merging import Merger, Owner, Wish, owners_of
from services.order.workbook.orders import OrderChecker, OrderWish, StoredOrder, order_changes
from services.order.workbook.problems import Problem
from services.order.workbook.reading import read_file
from services.order.workbook.rows import Taken, Thing, take_rows
from services.order.workbook.sheets import LEVELS_BY_NAME


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says."""

    taken: Taken
    setting: Setting
    errors: Sequence[Problem]
    notes: Sequence[Problem]

    def order_numbers(self) -> set[str]:
        """Numbers of the orders that it names, also as parts of others."""
        found = {str(key[0]) for key in self.taken.things.get("order", {})}
        for thing in self.taken.things.get("order", {}).values():
            found |= set(thing.said.get("component_orders") or ()) if _is_list(thing) else set()
        return found


def _is_list(thing: Thing) -> bool:
    return isinstance(thing.said.get("component_orders"), tuple)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there. ids and specs by kind and number; the orders that the file names."""

    site_id: UUID
    ids: Mapping[Owner, UUID]
    specs: Mapping[Owner, Mapping[str, Any]]
    orders: Mapping[str, StoredOrder]


@dataclass(slots=True)
class Prepared:
    """What an import would do. wishes and orders: those that can be taken and change something."""

    names: Names
    setting: Setting
    rows: int
    wishes: list[Wish] = field(default_factory=list)
    orders: list[OrderWish] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    run_id: UUID | None = None
    """Of the import that did it; none where nothing changed."""

    def token(self) -> str:
        """A mark of exactly these changes and errors: it stays the same as long as an import would do the same."""
        said = [
            [each.level, each.key, each.action, each.field, each.old, each.new] for each in self.changes
        ] + [[each.sheet, each.row, each.column, each.code] for each in (*self.errors, *self.skipped)]  # fmt: skip
        return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:32]

    def drop_order(self, wish: OrderWish, problem: Problem) -> None:
        """An order that turned out to be refused."""
        self.orders.remove(wish)
        self.errors.append(problem)
        self.changes = [each for each in self.changes if (each.level, each.key) != ("order", wish.no)]


def understand(name: str, content: bytes, mapping: FileMapping | None, zone: Any) -> Said:
    """Read a file. Raises Invalid when it cannot be read at all."""
    layouts, errors, notes = lay_out(read_file(name, content), mapping)
    setting = Setting(zone, mapping.date_order if mapping else "ymd")
    taken = take_rows(layouts, setting)
    if not taken.rows and not errors:
        errors.append(Problem("", 0, "", "workbook.no_rows"))
    return Said(taken, taken.setting, [*errors, *taken.errors], notes)


def prepare(said: Said, stored: Stored, new_id: Callable[[], UUID]) -> Prepared:
    """Check everything against each other and what is stored."""
    names = Names(stored.site_id, new_id, ((kind, no, each) for (kind, no), each in stored.ids.items()))
    merger = Merger(said.taken, stored.specs, names, said.setting.zone.key)
    world = World(stored.specs, _machines(stored, names))
    _note_lost(said.taken, world)
    _wish_all(said.taken, merger, world)
    checker = OrderChecker(said.taken, stored.orders, world, stored.specs)
    checker.check()
    prepared = Prepared(names, said.setting, said.taken.rows)
    wishes = list(world.wishes.values())
    orders = list(checker.wishes.values())
    faults = [fault for wish in wishes for fault in wish.faults]
    of_orders = [fault for wish in orders for fault in wish.faults]
    prepared.errors = _sorted([*said.errors, *merger.errors, *faults, *checker.errors, *of_orders], said)
    prepared.notes = [*said.notes, *_without_machines(wishes, world), *_without_workers(wishes, world), *checker.notes]
    prepared.skipped = _sorted(_skipped(wishes, orders, prepared.errors, said.taken), said)
    for wish in wishes:
        if wish.good and (changes := list(changes_of(wish, said.setting))):
            prepared.wishes.append(wish)
            prepared.changes += changes
    prepared.orders = [each for each in orders if each.good and (each.stored is None or each.changed)]
    prepared.changes += order_changes(prepared.orders, said.setting)
    return prepared


def _machines(stored: Stored, names: Names) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (kind, _), spec in stored.specs.items():
        if kind == "equipment" and not spec.get("outdated"):
            centre = names.no(spec.get("work_centre_id", ""))
            counts[centre] = counts.get(centre, 0) + 1
    return counts


def _note_lost(taken: Taken, world: World) -> None:
    for level, keys in taken.bad.items():
        for key in keys if LEVELS_BY_NAME[level][1].whole else ():
            kind, no = owner_of(level, key) if LEVELS_BY_NAME[level][1].of else (level, str(key[0]))
            world.lost.setdefault(kind, set()).add(no)


def _wish_all(taken: Taken, merger: Merger, world: World) -> None:
    owners = owners_of(taken)
    for kind in ORDER:
        made = [merger.wish(owner, things) for owner, things in owners.items() if owner[0] == kind]
        world.wishes |= {(wish.kind, wish.no): wish for wish in made if wish.things}
        check([wish for wish in made if wish.things], world)
        if kind == "routing":
            # Only now: a revision that cannot be taken leaves the one before as it is.
            _overtake(made, merger, world)
        if kind == "equipment":
            _count_machines(made, world)


def _count_machines(wishes: Sequence[Wish], world: World) -> None:
    for wish in wishes:
        for document, by in ((wish.old, -1), (wish.document, 1)):
            for values in document.level("equipment").values() if document and wish.good else ():
                if not values["outdated"]:
                    centre = values["work_centre"]
                    world.machines[centre] = world.machines.get(centre, 0) + by


def _overtake(wishes: Sequence[Wish], merger: Merger, world: World) -> None:
    """Of each product at most one revision is accepted: a new one makes the one before outdated."""
    accepted: dict[str, Wish] = {}
    for wish in wishes:
        for (product, revision), values in wish.document.level("routing").items():
            if values["status"] != "Accepted":
                continue
            if product in accepted:
                other = accepted[product].no.rpartition("/")[2]
                wish.fault("routing", (product, revision), "status", "workbook.two_accepted", first=other)
                continue
            accepted[product] = wish
            was = (wish.old.level("routing") if wish.old else {}).get((product, revision), {}).get("status")
            if was != "Accepted" and wish.good:
                _outdate_others(wish, product, merger, world)


def _outdate_others(by: Wish, product: str, merger: Merger, world: World) -> None:
    for (kind, no), spec in merger.stored.items():
        before, _, revision = no.rpartition("/")
        if kind != "routing" or before != product or (kind, no) in world.wishes or spec.get("status") != "Accepted":
            continue
        first = by.things.get(("routing", (product, by.no.rpartition("/")[2])), by.first)
        thing = Thing(first.level, first.layout, (product, revision), first.row, {"status": "Outdated"})
        world.wishes[kind, no] = merger.wish((kind, no), [thing])


def _without_machines(wishes: Iterable[Wish], world: World) -> Iterator[Problem]:
    for wish in wishes:
        used = not any(each["outdated"] for each in wish.document.level("work_centre").values())
        if wish.kind == "work_centre" and wish.good and used and not world.machines.get(wish.no):
            yield wish.first.problem("no", "workbook.no_machines", value=wish.no)


def _without_workers(wishes: Iterable[Wish], world: World) -> Iterator[Problem]:
    """Each skill that operations of the file name and no worker has, once."""
    noted = world.skills()
    for wish in wishes:
        for (level, key), thing in wish.things.items() if wish.good else ():
            skill = wish.document.level("operation").get(key, {}).get("skill") if level == "operation" else ""
            if skill and skill not in noted:
                noted.add(skill)
                yield thing.problem("skill", "workbook.skill_of_nobody", value=skill)


def _skipped(
    wishes: Iterable[Wish], orders: Iterable[OrderWish], errors: Sequence[Problem], taken: Taken
) -> Iterator[Problem]:
    """Rows without an error of their own that cannot be taken because of others, with the reason."""
    wrong = {(each.sheet, each.row) for each in errors} | taken.lost_rows
    for wish in wishes:
        row = wish.faults[0].row if wish.faults else wish.spoilt
        for thing in wish.things.values() if not wish.good else ():
            if (thing.layout.raw.name, thing.row) in wrong:
                continue
            wrong.add((thing.layout.raw.name, thing.row))
            if wish.lacking and row is None:
                lack = wish.lacking
                yield Problem(thing.layout.raw.name, thing.row, lack.column, lack.code, lack.params, lack.field)
            else:
                yield thing.problem("", "workbook.skipped_whole", row=row)
    for each in orders:
        if each.lacking and not each.faults and (each.lacking.sheet, each.lacking.row) not in wrong:
            yield each.lacking


def _sorted(problems: Iterable[Problem], said: Said) -> list[Problem]:
    places = {name: place for place, name in enumerate(said.taken.sheets)}
    return sorted(problems, key=lambda each: (places.get(each.sheet, -1), each.row))


__all__ = ["Layout", "Prepared", "Said", "Stored", "prepare", "understand"]
