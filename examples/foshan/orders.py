"""The order book of the sample workshop: 80 orders over three weeks, the same on every run."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from examples.foshan.shop import EPOCH

Row = dict[str, Any]

CUSTOMERS = ["顺德门控", "南海卫浴", "三水货架", "高明电机", "禅城五金行", "东莞智能锁", "中山灯饰", "佛山轨交配件"]

# product -> (typical pieces, how many orders)
_DEMAND: dict[str, tuple[int, int]] = {
    "FG-002": (2400, 5),
    "FG-003": (6000, 5),
    "FG-004": (260, 5),
    "FG-005": (180, 6),
    "FG-006": (160, 5),
    "FG-007": (240, 5),
    "FG-008": (70, 4),
    "FG-009": (220, 5),
    "FG-010": (90, 5),
    "FG-011": (80, 4),
    "FG-012": (240, 5),
    "FG-013": (1800, 4),
    "FG-014": (120, 4),
    "FG-015": (300, 4),
    "FG-016": (10000, 4),
    "FG-017": (9000, 3),
    "FG-018": (110, 4),
}


def _sets() -> list[tuple[str, int, int]]:
    """Three hinges with the orders of their parts: (product, pieces, set)."""
    return [
        (product, pieces * each, number)
        for number, pieces in enumerate((400, 300, 240), start=1)
        for product, each in (("SA-011", 2), ("SA-012", 1), ("FG-001", 1))
    ]


def _deadline(random: Random) -> tuple[str, int]:
    kind = random.choices(["Soft", "Hard", "ASAP", "None"], [62, 20, 10, 8])[0]
    priority = random.choices([1, 2, 3, 4, 5, 6, 7], [3, 8, 16, 28, 28, 12, 5])[0]
    return kind, min(priority, 3) if kind in {"Hard", "ASAP"} else priority


def _due(random: Random, release: datetime, operations: list[Row], pieces: int) -> datetime:
    """A date that a planner would promise: outside days, some days for the way through, at the end of a day shift."""
    outside = sum(operation["lead_days"] for operation in operations)
    seconds = sum(min((each[1] for each in operation["alternatives"]), default=0) * pieces for operation in operations)
    days = outside + 2 + len(operations) * 0.6 + seconds / 50_000 + random.randint(0, 6)
    due = (release + timedelta(days=days)).replace(hour=17, minute=0, second=0, microsecond=0)
    return due + timedelta(days=7 - due.weekday()) if due.weekday() > 4 else due


def make_orders(routings: dict[str, list[Row]]) -> list[Row]:
    """80 orders, those of today first. Quantities are in the product's order unit; times carry their zone."""
    random = Random(20260302)
    book = _sets()
    for product, (pieces, count) in _DEMAND.items():
        for _ in range(count):
            step = 500 if pieces >= 1000 else 10
            book.append((product, max(step, round(pieces * random.uniform(0.6, 1.5) / step) * step), 0))
    ordinary = book[9:]
    random.shuffle(ordinary)
    # The wanted number of orders; the hinges come with their parts, the rest as the shuffle has it.
    book = book[:9] + ordinary[:71]
    rows = []
    for index, (product, pieces, number) in enumerate(book):
        # Two thirds of the work is there on the first morning; the rest is to start on a later day.
        later = 0 if index < 56 else 2 + (index - 56) // 4
        release = EPOCH + timedelta(days=later)
        if release.weekday() > 4:
            release += timedelta(days=7 - release.weekday())
        kind, priority = _deadline(random)
        rows.append(
            {
                "no": f"MO2603-{index + 1:03d}",
                "material": product,
                "qty": str(pieces * 4 // 1000) if product == "FG-016" else str(pieces),
                "uom": "kg" if product == "FG-016" else "pcs",
                "priority": priority,
                "release_at": release,
                "due_at": None if kind == "None" else _due(random, release, routings[product], pieces),
                "deadline_type": kind,
                "source": "stock" if product.startswith("SA") else "customer",
                "customer": "" if product.startswith("SA") else random.choice(CUSTOMERS),
                "components": [f"MO2603-{index - 1:03d}", f"MO2603-{index:03d}"] if product == "FG-001" else [],
                "set": number,
            }
        )
    return rows
