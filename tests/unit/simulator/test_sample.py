"""The sample workshop is whole: what it refers to exists, and every notion of the product occurs in it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from examples.foshan import orders, plans, products, shop
from examples.make_foshan_hardware import TARGET, main

ROUTINGS = products.with_predecessors()
ORDERS = orders.make_orders(ROUTINGS)
OPERATIONS: list[dict[str, Any]] = [operation for routing in ROUTINGS.values() for operation in routing]
CHARACTERISTICS = [each for plan in plans.PLANS for stage in plan["stages"] for each in stage["characteristics"]]


def test_it_has_the_promised_size() -> None:
    assert len(ROUTINGS) == 20
    assert all(4 <= len(routing) <= 9 for routing in ROUTINGS.values())
    assert len(ORDERS) == 80
    open_jobs = sum(len(ROUTINGS[each["material"]]) for each in ORDERS if each["release_at"] == shop.EPOCH)
    assert 280 <= open_jobs <= 320
    assert 14 <= len(shop.EQUIPMENT) <= 16
    assert sum(each["is_networked"] for each in shop.EQUIPMENT) * 2 == len(shop.EQUIPMENT)


def test_every_reference_has_its_target() -> None:
    places = {each["no"] for each in shop.EQUIPMENT} | {each["no"] for each in shop.WORK_CENTRES}
    plan_nos = {each["no"] for each in plans.PLANS}
    materials = {each["no"] for each in products.MATERIALS}
    for operation in OPERATIONS:
        assert {each[0] for each in operation["alternatives"]} <= places
        assert operation["inspection_plan"] in plan_nos | {""}
        assert {each[0] for each in operation["components"]} <= materials
    assert set(ROUTINGS) <= materials
    assert {each["material"] for each in ORDERS} == set(ROUTINGS)
    order_nos = {each["no"] for each in ORDERS}
    assert len(order_nos) == 80
    assert all(set(each["components"]) <= order_nos for each in ORDERS)
    calendars = {each["no"] for each in shop.CALENDARS}
    assert {each["calendar"] for each in shop.WORK_CENTRES} <= calendars


def test_predecessors_come_before() -> None:
    for routing in ROUTINGS.values():
        seen: set[int] = set()
        for operation in routing:
            assert set(operation["predecessors"]) <= seen
            seen.add(operation["seq"])


def test_whoever_stands_at_a_machine_is_qualified_for_what_is_done_there() -> None:
    """But for one whose certificate has run out, so that the guard of skills is seen at work."""
    calendars = {each["no"]: {shift[0] for shift in each["shifts"]} for each in shop.CALENDARS}
    centres = {each["no"]: each["calendar"] for each in shop.WORK_CENTRES}
    people = {each["code"]: dict(each["skills"]) for each in shop.WORKERS}
    assert len(people) == len(shop.WORKERS)
    needed: dict[str, set[str]] = {each["no"]: set() for each in shop.EQUIPMENT}
    for operation in OPERATIONS:
        for place, *_ in operation["alternatives"]:
            machines = [each["no"] for each in shop.EQUIPMENT if place in (each["no"], each["work_centre"])]
            for machine in machines:
                needed[machine] |= {operation["skill"]} - {""}
    # The simulator calls the person at a machine MACHINE-SHIFT.
    stands = {f"{each['no']}-{shift}": needed[each["no"]] for each in shop.EQUIPMENT
              for shift in calendars[centres[each["work_centre"]]]}  # fmt: skip
    assert set(people) == set(stands)
    today = shop.EPOCH.date().isoformat()
    expired = [
        (code, skill) for code, skills in stands.items() for skill in skills if (people[code][skill] or today) < today
    ]
    assert expired == [("W-01-N", "WELD")]


def test_every_notion_occurs() -> None:
    assert any(len(each["alternatives"]) > 1 for each in OPERATIONS)
    assert any(each["overlap_qty"] for each in OPERATIONS)
    assert any(each["optional"] for each in OPERATIONS)
    assert any(each["kind"] == "outside" and each["lead_days"] for each in OPERATIONS)
    assert any(float(each["pieces_per_count"]) > 1 for each in OPERATIONS)
    assert any(each["first_article"] for each in OPERATIONS)
    assert any(not each["interruptible"] for each in OPERATIONS)
    assert {each["nc_level"] for each in OPERATIONS} == {0, 1, 2}
    assert {each["kind"] for each in CHARACTERISTICS} == {"variable", "attribute"}
    assert {each["chart"] for each in CHARACTERISTICS} == {"", "xbar_r", "xbar_s", "i_mr", "p", "np", "c", "u"}
    assert any(each["limit_sigma"] for each in CHARACTERISTICS)
    assert {each["scrap_class"] for each in shop.REASONS} >= {"operator", "material", "setup"}
    assert {each["kind"] for each in shop.REASONS} == {"scrap", "downtime", "hold", "rework", "pause", "cancel"}
    assert {each["deadline_type"] for each in ORDERS} == {"Hard", "Soft", "ASAP", "None"}
    assert len({each["priority"] for each in ORDERS}) >= 6
    assert {each["uom"] for each in ORDERS} == {"pcs", "kg"}
    assert any(each["components"] for each in ORDERS)


def test_a_process_can_hold_its_tolerance() -> None:
    # Confirmed limits stand for a capable process: Cp of at least 4/3.
    for each in CHARACTERISTICS:
        if each["limit_sigma"] and each["lsl"] is not None and each["usl"] is not None:
            assert (each["usl"] - each["lsl"]) / (6 * each["limit_sigma"]) > 1.3


def test_due_dates_leave_time_for_the_way_through() -> None:
    for each in ORDERS:
        if each["due_at"] is not None:
            outside = sum(operation["lead_days"] for operation in ROUTINGS[each["material"]])
            assert (each["due_at"] - each["release_at"]).days > outside


def test_the_order_book_is_the_same_every_time() -> None:
    assert orders.make_orders(ROUTINGS) == ORDERS


def _contents(path: Path) -> dict[str, bytes]:
    """What is in the archive: how it is compressed differs between machines."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_workbook_in_the_repository_is_what_the_script_makes(tmp_path: Path) -> None:
    assert _contents(main(tmp_path / "made.xlsx")) == _contents(TARGET)
