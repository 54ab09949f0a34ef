"""The sample workshop as the tables of its workbook."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from examples.foshan import orders, plans, products, shop
from examples.tables import Row, Tables, joined


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _named(row: Row) -> Row:
    return {"name_zh": row["zh"], "name_en": row["en"]}


def _local(moment: datetime | None) -> str:
    return moment.astimezone(shop.SHANGHAI).strftime("%Y-%m-%d %H:%M") if moment else ""


def _materials() -> list[Row]:
    names = ("stock_uom", "order_uom", "report_uom", "order_factor", "report_factor", "tracking", "uom_digits")
    return [{"no": each["no"], **_named(each), **{name: each[name] for name in names}} for each in products.MATERIALS]


def _calendars() -> list[Row]:
    return [
        {
            "calendar": calendar["no"],
            **_named(calendar),
            "time_zone": shop.TIME_ZONE,
            "shift": code,
            "shift_zh": zh,
            "shift_en": en,
            "weekdays": joined(list(weekdays)),
            "start": start,
            "end": end,
            "breaks": joined([f"{first}-{last}" for first, last in breaks]),
        }
        for calendar in shop.CALENDARS
        for code, zh, en, weekdays, start, end, breaks in calendar["shifts"]
    ]


def _exceptions() -> list[Row]:
    return [
        {"calendar": calendar["no"], "date": day, "working": _yes(working), "shifts": joined(shifts), "reason": reason}
        for calendar in shop.CALENDARS
        for day, working, shifts, reason in calendar["exceptions"]
    ]


def _work_centres() -> list[Row]:
    return [
        {"no": each["no"], **_named(each), "area": each["area"], "calendar": each["calendar"]}
        for each in shop.WORK_CENTRES
    ]


def _equipment() -> list[Row]:
    names = ("efficiency", "initial_setup_family", "mapping", "counter_modulus", "signal_timeout_s")
    return [
        {
            "no": each["no"],
            **_named(each),
            "work_centre": each["work_centre"],
            "is_numerically_controlled": _yes(each["is_numerically_controlled"]),
            "is_networked": _yes(each["is_networked"]),
            **{name: each[name] for name in names},
        }
        for each in shop.EQUIPMENT
    ]


def _setups() -> list[Row]:
    names = ("work_centre", "from_family", "to_family", "minutes", "cost_minor", "priority")
    return [dict(zip(names, each, strict=True)) for each in shop.SETUPS]


def _reasons() -> list[Row]:
    names = ("kind", "scrap_class", "category", "parent")
    return [{"code": each["code"], **_named(each), **{name: each[name] for name in names}} for each in shop.REASONS]


def _workers() -> list[Row]:
    return [
        {
            "code": each["code"],
            **_named(each),
            "skills": joined([":".join(filter(None, skill)) for skill in each["skills"]]),
        }
        for each in shop.WORKERS
    ]


def _characteristics() -> list[Row]:
    of_stage = ("stage", "trigger", "every", "sampling", "sample_size", "aql", "inspection_level")
    of_limits = ("lsl", "target", "usl", "limit_lcl", "limit_cl", "limit_ucl", "limit_sigma")
    return [
        {
            "plan": plan["no"],
            "plan_zh": plan["zh"],
            "plan_en": plan["en"],
            **{name: stage[name] for name in of_stage},
            "gate": _yes(stage["gate"]),
            "characteristic": each["no"],
            **_named(each),
            **{name: each[name] for name in ("kind", "unit", "chart", "subgroup_size", "importance")},
            "rules_signal": joined(each["rules_signal"]),
            "rules_hold": joined(each["rules_hold"]),
            **{name: each[name] for name in of_limits},
        }
        for plan in plans.PLANS
        for stage in plan["stages"]
        for each in stage["characteristics"]
    ]


def _operation(product: str, operation: Row) -> Row:
    copied = ("seq", "kind")
    more = ("queue_min", "move_min", "overlap_qty", "inspection_plan")
    last = ("nc_level", "supplier", "lead_days", "pieces_per_count", "over_tolerance", "skill")
    flags = ("is_key_process", "first_article", "interruptible", "optional")
    return {
        "product": product,
        "revision": "A",
        "status": "Accepted",
        **{name: operation[name] for name in copied},
        **_named(operation),
        "predecessors": joined(operation["predecessors"]),
        "alternatives": joined(operation["alternatives"]),
        "setup_family": operation["setup_family"],
        **{name: operation[name] for name in more},
        **{name: operation[name] for name in last},
        **{name: _yes(operation[name]) for name in flags},
        "components": joined(operation["components"]),
    }


def _orders(routings: dict[str, list[Row]]) -> list[Row]:
    copied = ("no", "material", "qty", "uom", "priority")
    return [
        {
            **{name: each[name] for name in copied},
            "release_at": _local(each["release_at"]),
            "due_at": _local(each["due_at"]),
            **{name: each[name] for name in ("deadline_type", "source", "customer")},
            "component_orders": joined(each["components"]),
        }
        for each in orders.make_orders(routings)
    ]


def make_tables() -> Tables:
    """Every sheet of the sample's workbook. The site sheet names the business time at which the sample begins."""
    routings = products.with_predecessors()
    site: list[dict[str, Any]] = [
        {"key": "business_epoch", "value": shop.EPOCH.isoformat()},
        {"key": "clock_factor", "value": 60},
        {"key": "time_zone", "value": shop.TIME_ZONE},
    ]
    return {
        "site": site,
        "materials": _materials(),
        "calendars": _calendars(),
        "calendar_exceptions": _exceptions(),
        "work_centres": _work_centres(),
        "equipment": _equipment(),
        "setup_matrix": _setups(),
        "reasons": _reasons(),
        "workers": _workers(),
        "inspection_plans": _characteristics(),
        "routings": [_operation(product, each) for product, operations in routings.items() for each in operations],
        "orders": _orders(routings),
    }
