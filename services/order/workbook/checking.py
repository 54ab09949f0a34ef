"""Rules across the cells of a definition: references, borders, order, graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import time
from decimal import Decimal
from typing import Any

from services.order.workbook.documents import ANY
from services.order.workbook.merging import Owner, Wish
from services.order.workbook.rows import Thing
from services.order.workbook.sheets import AQLS, MAPPINGS, OWN_MAPPING, Key, Values

ORDER = (
    "calendar", "material", "work_centre", "equipment", "setup_matrix", "reason", "worker", "inspection_plan",
    "routing",
)  # fmt: skip
"""Each refers only to those before it, or to its own kind."""


class World:
    """The definitions as they would be: those stored, and those wished so far."""

    def __init__(self, stored: Mapping[Owner, Mapping[str, Any]], machines: Mapping[str, int]) -> None:
        self._stored = stored
        self.wishes: dict[Owner, Wish] = {}
        self.lost: dict[str, set[str]] = {}
        """Numbers by kind that the file has only in rows that cannot be taken."""
        self.machines = dict(machines)
        """How many machines a work centre has, by its number."""

    def look(self, kind: str, no: str) -> str:
        """ "there", "bad" (only in rows of the file that cannot be taken) or "" for nowhere."""
        wish = self.wishes.get((kind, no))
        if (kind, no) in self._stored or (wish and wish.good):
            return "there"
        return "bad" if wish or no in self.lost.get(kind, ()) else ""

    def accepted_products(self) -> set[str]:
        """Products that have an accepted routing, as it would be."""
        found = set()
        for (kind, no), spec in self._stored.items():
            if kind == "routing" and spec.get("status") == "Accepted" and (kind, no) not in self.wishes:
                found.add(no.rpartition("/")[0])
        for wish in self.wishes.values():
            document = wish.document if wish.good else wish.old
            for (product, _), values in document.level("routing").items() if document else ():
                if values["status"] == "Accepted":
                    found.add(str(product))
        return found

    def skills(self) -> set[str]:
        """Skills that some worker has, as it would be."""
        found = set()
        for (kind, no), spec in self._stored.items():
            if kind == "worker" and not spec.get("outdated") and (kind, no) not in self.wishes:
                found |= {each["skill"] for each in spec.get("skills", ())}
        for wish in self.wishes.values():
            document = wish.document if wish.good else wish.old
            for values in document.level("worker").values() if document else ():
                found |= set() if values["outdated"] else {skill for skill, _ in values["skills"]}
        return found


def check(wishes: Sequence[Wish], world: World) -> None:
    """Note in wishes of one kind what is wrong with them; those before them in `ORDER` are in the world already."""
    for wish in wishes:
        if rule := _RULES.get(wish.kind):
            rule(wish, world)
        _check_references(wish, world)
    # Whoever names one of the same kind that turned out wrong cannot be taken either.
    changed = True
    while changed:
        changed = False
        for wish in wishes:
            if wish.good:
                _check_references(wish, world)
                changed = changed or not wish.good


def _check_references(wish: Wish, world: World) -> None:
    for thing in wish.things.values():
        values = wish.document.level(thing.level.name).get(thing.key)
        for column, kind, no in _references(thing, values) if values is not None else ():
            _refer(wish, world, thing, column, kind, no)


def _references(thing: Thing, values: Values) -> Iterator[tuple[str, str, str]]:
    """Column, kind and number of everything that a thing names."""
    keys = dict(zip(thing.level.key, thing.key, strict=True))
    for column in thing.layout.sheet.naming(thing.level):
        value = values.get(column.key, keys.get(column.key))
        if not value or value == ANY:
            continue
        if column.refers:
            yield column.key, column.refers, value
        else:
            yield from ((column.key, "material", material) for material, _ in value)


def _refer(wish: Wish, world: World, thing: Thing, column: str, kind: str, no: str) -> None:
    if (kind, no) == (wish.kind, wish.no):
        return
    seen = world.look(kind, no)
    if seen == "bad":
        wish.wait_for(thing, column, "workbook.waits_for", kind=kind, no=no)
    elif not seen:
        wish.faults.append(thing.problem(column, "workbook.unknown_reference", kind=kind, value=no))


# ---- one rule a kind ------------------------------------------------------------------------------------------------


def _material(wish: Wish, world: World) -> None:
    for key, values in wish.document.level("material").items():
        for unit, factor in (("order_uom", "order_factor"), ("report_uom", "report_factor")):
            if values[unit] == values["stock_uom"] and values[factor] != 1:
                wish.fault("material", key, factor, "workbook.factor_of_same_unit", uom=values[unit])


def _calendar(wish: Wish, world: World) -> None:
    codes = {key[1] for key in wish.document.level("shift")}
    for key, values in wish.document.level("shift").items():
        if values["start"] == values["end"]:
            wish.fault("shift", key, "end", "workbook.shift_without_length", start=values["start"])
        for start, end in values["breaks"]:
            if not _inside(values["start"], values["end"], start, end):
                wish.fault("shift", key, "breaks", "workbook.break_outside", value=f"{start}-{end}")
    for key, values in wish.document.level("exception").items():
        for code in values["shifts"]:
            if code not in codes:
                known = ", ".join(sorted(codes)) or "—"
                wish.fault("exception", key, "shifts", "workbook.unknown_shift", value=code, known=known)


def _inside(start: str, end: str, first: str, last: str) -> bool:
    """Whether a break lies in a shift that may end on the next day."""

    def minutes(clock: str) -> int:
        at = time.fromisoformat(clock)
        return at.hour * 60 + at.minute

    begin = minutes(start)
    length = (minutes(end) - begin) % 1440 or 1440
    a, b = (minutes(first) - begin) % 1440, (minutes(last) - begin) % 1440
    return a < (b or 1440) <= length


def _equipment(wish: Wish, world: World) -> None:
    for key, values in wish.document.level("equipment").items():
        name = values["mapping"]
        known = not name or name in MAPPINGS or name.startswith(OWN_MAPPING)
        if not known and _differs(wish, "equipment", key, "mapping"):
            listed = ", ".join(MAPPINGS)
            wish.fault("equipment", key, "mapping", "workbook.unknown_mapping", value=name, known=listed,
                       own=OWN_MAPPING)  # fmt: skip


def _differs(wish: Wish, level: str, key: Key, *columns: str) -> bool:
    """Whether values are not those stored: what a rule came too late for may be imported again as it is."""
    before = wish.old.level(level).get(key, {}) if wish.old else {}
    after = wish.document.level(level)[key]
    return any(before.get(column) != after[column] for column in columns)


def _reason(wish: Wish, world: World) -> None:
    seen, at = {wish.no}, wish.no
    for values in wish.document.level("reason").values():
        at = values["parent"]
        while at and (above := world.wishes.get(("reason", at))):
            if at in seen:
                wish.fault(
                    "reason", (wish.no,), "parent", "workbook.cycle", path=" → ".join([wish.no, values["parent"]])
                )
                return
            seen.add(at)
            at = next((each["parent"] for each in above.document.level("reason").values()), "")
        if at == wish.no:
            wish.fault("reason", (wish.no,), "parent", "workbook.cycle", path=f"{wish.no} → {wish.no}")


_CHART_KINDS = {"xbar_r": "variable", "xbar_s": "variable", "i_mr": "variable"}


def _plan(wish: Wish, world: World) -> None:
    for key, values in wish.document.level("stage").items():
        if values["trigger"] in {"every_n", "every_minutes"} and not values["every"]:
            wish.fault("stage", key, "every", "workbook.every_missing", trigger=values["trigger"])
        if values["sampling"] == "aql" and values["aql"] is None:
            wish.fault("stage", key, "aql", "workbook.aql_missing")
        elif values["sampling"] == "aql" and values["aql"] not in AQLS:
            nearest = " / ".join(_nearest_aqls(values["aql"]))
            if _differs(wish, "stage", key, "sampling", "aql"):
                wish.fault("stage", key, "aql", "workbook.aql_unknown", value=format(values["aql"], "f"),
                           nearest=nearest)  # fmt: skip
    for key, values in wish.document.level("characteristic").items():
        limits = [values[name] for name in ("lsl", "target", "usl") if values[name] is not None]
        if limits != sorted(limits) or (values["lsl"] is not None and values["lsl"] == values["usl"]):
            wish.fault("characteristic", key, "target", "workbook.limits_order")
        lines = [values[name] for name in ("limit_lcl", "limit_cl", "limit_ucl") if values[name] is not None]
        if lines != sorted(lines):
            wish.fault("characteristic", key, "limit_cl", "workbook.limits_order")
        chart = values["chart"]
        if chart and _CHART_KINDS.get(chart, "attribute") != values["kind"]:
            wish.fault("characteristic", key, "chart", "workbook.chart_of_other_kind", chart=chart, kind=values["kind"])
        if chart in {"xbar_r", "xbar_s"} and not 2 <= values["subgroup_size"] <= 25:
            wish.fault("characteristic", key, "subgroup_size", "workbook.outside", value=values["subgroup_size"],
                       low=2, high=25)  # fmt: skip


def _nearest_aqls(aql: Decimal) -> Iterator[str]:
    """The values of the series on both sides of one."""
    below, above = [each for each in AQLS if each < aql][-1:], [each for each in AQLS if each > aql][:1]
    return (format(each, "f") for each in below + above)


def _routing(wish: Wish, world: World) -> None:
    operations = wish.document.level("operation")
    if not operations and wish.spoilt is None:
        wish.faults.append(wish.first.problem("seq", "workbook.no_operations"))
    seqs = {key[2] for key in operations}
    for key, values in operations.items():
        _check_places(wish, world, key, values)
        for seq in values["predecessors"]:
            if seq not in seqs:
                known = ", ".join(map(str, sorted(seqs)))
                wish.fault("operation", key, "predecessors", "workbook.unknown_operation", value=seq, known=known)
        product = key[0]
        if any(material == product for material, _ in values["components"]):
            wish.fault("operation", key, "components", "workbook.part_of_itself", value=product)
    if not wish.faults and (path := cycle({key[2]: each["predecessors"] for key, each in operations.items()})):
        product, revision = next(iter(operations))[:2]
        shown = " → ".join(map(str, path))
        wish.fault("operation", (product, revision, path[0]), "predecessors", "workbook.cycle", path=shown)


def _check_places(wish: Wish, world: World, key: Key, values: Values) -> None:
    if values["kind"] == "outside":
        if not values["supplier"] and not values["lead_days"]:
            wish.fault("operation", key, "lead_days", "workbook.outside_without_days")
    elif not values["alternatives"]:
        wish.fault("operation", key, "alternatives", "workbook.no_place")
    column = "alternatives"
    for where, *_ in values[column]:
        machine, centre = world.look("equipment", where), world.look("work_centre", where)
        thing = wish.things.get(("operation", key))
        if machine == "there" or thing is None:
            continue
        if centre == "there":
            if not world.machines.get(where):
                wish.fault("operation", key, column, "workbook.no_machines", value=where)
        elif machine or centre:
            wish.wait_for(thing, column, "workbook.waits_for", kind="equipment" if machine else "work_centre", no=where)
        else:
            wish.fault("operation", key, column, "workbook.unknown_place", value=where)


def cycle(before: Mapping[Any, Iterable[Any]]) -> list[Any]:
    """A way round in a graph (from a node over those it names back to it), or nothing."""
    done: set[Any] = set()
    for start in before:
        path: list[Any] = []
        stack: list[tuple[Any, Iterator[Any]]] = [(start, iter(before[start]))] if start not in done else []
        if stack:
            path.append(start)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                done.add(node)
                stack.pop()
                path.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following in before and following not in done:
                stack.append((following, iter(before[following])))
                path.append(following)
    return []


_RULES: dict[str, Callable[[Wish, World], None]] = {
    "material": _material, "calendar": _calendar, "equipment": _equipment, "reason": _reason,
    "inspection_plan": _plan, "routing": _routing,
}  # fmt: skip
