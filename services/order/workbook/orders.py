"""The sheet of orders: what it would create and change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.order.domain.quantity import is_exact, plain
from services.order.workbook.checking import World, cycle
from services.order.workbook.comparing import Change
from services.order.workbook.kinds import Setting
from services.order.workbook.problems import Problem
from services.order.workbook.rows import EMPTY, Taken, Thing
from services.order.workbook.sheets import ORDERS, Values

FINAL = frozenset({"Completed", "Closed", "Rejected", "Cancelled", "Aborted", "Superseded"})
_FIXED = ("material", "uom")


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order that there is, in the columns of the sheet."""

    id: UUID
    state: str
    values: Values


@dataclass(slots=True)
class OrderWish:
    """An order that the file speaks of. changed: columns that differ from what is stored."""

    no: str
    thing: Thing
    stored: StoredOrder | None
    values: Values
    changed: list[str] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)
    lacking: Problem | None = None

    @property
    def good(self) -> bool:
        """Whether it can be taken."""
        return not self.faults and self.lacking is None


class OrderChecker:
    """Makes wishes of the orders' rows. specs: stored definitions by kind and number."""

    def __init__(
        self,
        taken: Taken,
        stored: Mapping[str, StoredOrder],
        world: World,
        specs: Mapping[tuple[str, str], Mapping[str, Any]],
    ) -> None:
        self.taken, self.stored, self.world, self._specs = taken, stored, world, specs
        self.errors: list[Problem] = []
        self.notes: list[Problem] = []
        self.wishes: dict[str, OrderWish] = {}
        self._columns_missing: set[tuple[str, str]] = set()
        self._accepted = world.accepted_products()
        self._without_routing: set[str] = set()

    def check(self) -> None:
        """Make all wishes, check them, find out who depends on whom."""
        for key, thing in self.taken.things.get("order", {}).items():
            self._add(str(key[0]), thing, lost=key in self.taken.bad.get("order", {}))
        for wish in self.wishes.values():
            self._check(wish)
        self._check_cycles()
        changed = True
        while changed:
            changed = False
            for wish in self.wishes.values():
                if wish.good:
                    self._check_parts(wish)
                    changed = changed or not wish.good

    def _add(self, no: str, thing: Thing, *, lost: bool) -> None:
        stored = self.stored.get(no)
        values: Values = dict(stored.values) if stored else {}
        before = len(self.errors)
        for column in ORDERS.own(thing.level):
            if column.only_read:
                continue
            if column.key not in thing.said:
                if stored is None and column.required and not thing.layout.has(column.key):
                    self._column_missing(thing, column.key)
                    return
                if stored is None and column.required:
                    self.errors.append(thing.problem(column.key, "workbook.required"))
                values.setdefault(column.key, column.empty(values))
                continue
            said = thing.said[column.key]
            if said is EMPTY and column.required:
                self.errors.append(thing.problem(column.key, "workbook.required"))
            elif said is not EMPTY:
                values[column.key] = said
            elif column.key != "uom":
                values[column.key] = column.empty(values)
        if lost or len(self.errors) > before:
            self.world.lost.setdefault("order", set()).add(no)
            return
        self._finish(no, thing, stored, values)

    def _finish(self, no: str, thing: Thing, stored: StoredOrder | None, values: Values) -> None:
        if not values.get("uom"):
            values["uom"] = next(iter(self._units(values["material"])), "")
        wish = OrderWish(no, thing, stored, values)
        if stored:
            wish.changed = [each for each in values if values[each] != stored.values.get(each)]
        self.wishes[no] = wish

    def _column_missing(self, thing: Thing, column: str) -> None:
        self.world.lost.setdefault("order", set()).add(str(thing.key[0]))
        place = (thing.layout.raw.name, column)
        if place not in self._columns_missing:
            self._columns_missing.add(place)
            row = thing.layout.header_row
            self.errors.append(thing.layout.problem(row, column, "workbook.column_missing", column=column))

    # ---- rules ----

    def _material(self, material: str) -> Mapping[str, Any]:
        """A material as it would be; empty for one that is not there."""
        wish = self.world.wishes.get(("material", material))
        if wish and wish.good:
            return wish.document.level("material")[material,]
        return self._specs.get(("material", material), {})

    def _units(self, material: str) -> list[str]:
        """Units that an order of a material may be in, the usual first."""
        values = self._material(material)
        units = [values.get(each, "") for each in ("order_uom", "report_uom", "stock_uom")]
        return list(dict.fromkeys(unit for unit in units if unit))

    def _check(self, wish: OrderWish) -> None:
        if wish.stored and not wish.changed:
            return
        self._check_state(wish)
        self._check_material(wish)
        values, thing = wish.values, wish.thing
        release, due = values["release_at"], values["due_at"]
        if release and due and due < release and _touched(wish, "release_at", "due_at"):
            column = "due_at" if "due_at" in thing.said else "release_at"
            wish.faults.append(thing.problem(column, "workbook.due_before_release"))
        if values["deadline_type"] == "Hard" and due is None and _touched(wish, "deadline_type", "due_at"):
            wish.faults.append(thing.problem("due_at", "workbook.hard_without_due"))
        self._check_parts(wish)

    def _check_state(self, wish: OrderWish) -> None:
        if wish.stored is None:
            return
        if wish.stored.state in FINAL:
            column = wish.changed[0]
            wish.faults.append(wish.thing.problem(column, "workbook.order_over", no=wish.no, state=wish.stored.state))
            return
        for column in _FIXED:
            if column in wish.changed:
                old = wish.stored.values[column]
                wish.faults.append(
                    wish.thing.problem(column, "workbook.order_fixed", no=wish.no, old=old, value=wish.values[column])
                )

    def _check_material(self, wish: OrderWish) -> None:
        material, thing = wish.values["material"], wish.thing
        seen = self.world.look("material", material)
        if seen == "bad":
            wish.lacking = thing.problem("material", "workbook.waits_for", kind="material", no=material)
        elif not seen:
            wish.faults.append(thing.problem("material", "workbook.unknown_reference", kind="material", value=material))
        else:
            units = self._units(material)
            if wish.values["uom"] not in units:
                params = {"value": wish.values["uom"], "allowed": units, "choice": "uom"}
                wish.faults.append(thing.problem("uom", "workbook.unknown_word", **params))
            self._check_digits(wish)
            if wish.stored is None and self._material(material).get("outdated"):
                wish.faults.append(thing.problem("material", "workbook.outdated_reference", value=material))
            self._note_routing(wish, material)

    def _check_digits(self, wish: OrderWish) -> None:
        """The rule of the order's own commands: no part of what is counted in wholes."""
        known, qty, uom = self._material(wish.values["material"]), wish.values["qty"], wish.values["uom"]
        digits = known.get("uom_digits", 0)
        if _touched(wish, "qty") and uom == known.get("report_uom") and not is_exact(qty, digits):
            wish.faults.append(wish.thing.problem("qty", "order.qty_digits", qty=plain(qty), uom=uom, digits=digits))

    def _note_routing(self, wish: OrderWish, material: str) -> None:
        if wish.stored or material in self._without_routing:
            return
        if material not in self._accepted:
            self._without_routing.add(material)
            self.notes.append(wish.thing.problem("material", "workbook.no_routing", value=material))

    def _check_parts(self, wish: OrderWish) -> None:
        if not _touched(wish, "component_orders"):
            return
        for no in wish.values["component_orders"]:
            other = self.wishes.get(no)
            if no in self.stored or (other and other.good):
                continue
            if other or no in self.world.lost.get("order", ()):
                wish.lacking = wish.thing.problem("component_orders", "workbook.waits_for", kind="order", no=no)
            else:
                wish.faults.append(
                    wish.thing.problem("component_orders", "workbook.unknown_reference", kind="order", value=no)
                )

    def _check_cycles(self) -> None:
        graph = {no: wish.values["component_orders"] for no, wish in self.wishes.items()}
        graph |= {no: each.values["component_orders"] for no, each in self.stored.items() if no not in graph}
        while path := cycle(graph):
            wish = next(self.wishes[no] for no in path if no in self.wishes)
            wish.faults.append(wish.thing.problem("component_orders", "workbook.cycle", path=" → ".join(path)))
            graph[wish.no] = ()


def _touched(wish: OrderWish, *columns: str) -> bool:
    return wish.stored is None or any(column in wish.changed for column in columns)


def order_changes(wishes: Iterable[OrderWish], setting: Setting) -> Iterator[Change]:
    """What would become of the orders, field by field."""
    for wish in wishes:
        thing = wish.thing
        place = thing.layout.raw.name
        if wish.stored is None:
            yield Change(place, "order", wish.no, "added", thing.row)
        for name in wish.changed:
            show = ORDERS.by_key[name].kind.show
            yield Change(
                place, "order", wish.no, "changed", thing.row, thing.layout.title(name), name,
                show(wish.stored.values[name] if wish.stored else None, setting), show(wish.values[name], setting),
            )  # fmt: skip


def in_order_of_parts(wishes: Iterable[OrderWish]) -> list[OrderWish]:
    """Orders so that each comes after those whose products it needs."""
    by_no = {wish.no: wish for wish in wishes}
    done: dict[str, OrderWish] = {}
    for start in by_no:
        stack = [start]
        while stack:
            no = stack[-1]
            missing = [each for each in by_no[no].values["component_orders"] if each in by_no and each not in done]
            if no in done or not missing:
                done.setdefault(no, by_no[no])
                stack.pop()
            else:
                stack += missing
    return list(done.values())
