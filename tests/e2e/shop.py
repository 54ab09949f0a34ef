"""A small workshop for the end-to-end test, and a person's way to its public API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from examples.tables import Row, Tables, write_workbook

EPOCH = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
"""A Monday, 08:00 in Foshan."""

_UNITS = {"stock_uom": "pcs", "order_uom": "pcs", "report_uom": "pcs", "order_factor": "1", "report_factor": "1"}


def _operation(product: str, seq: int, zh: str, en: str, where: str, **more: Any) -> Row:
    return {
        "product": product, "revision": "A", "status": "Accepted", "seq": seq, "kind": "internal", "name_zh": zh,
        "name_en": en, "predecessors": str(seq - 10) if seq > 10 else "", "alternatives": where, "setup_family": "",
        "queue_min": 0, "move_min": 0, "overlap_qty": "", "inspection_plan": "", "nc_level": 0, "supplier": "",
        "lead_days": 0, "pieces_per_count": 1, "over_tolerance": "0.05", "skill": "", "is_key_process": "no",
        "first_article": "no", "interruptible": "yes", "optional": "no", "components": "", **more,
    }  # fmt: skip


def _inspections() -> list[Row]:
    """First article with a gate, then five pieces of every twenty on a chart with confirmed limits."""
    limits = {"limit_lcl": 9.994, "limit_cl": 10.0, "limit_ucl": 10.006, "limit_sigma": 0.0045}
    turning = {
        "plan": "IP-TURN", "plan_zh": "车削检验", "plan_en": "Turning", "importance": "CC", "unit": "mm",
        "kind": "variable", "lsl": 9.97, "target": 10.0, "usl": 10.03, "aql": "", "inspection_level": "",
        "sampling": "fixed",
    }  # fmt: skip
    first = {
        **turning, "stage": "FAI", "trigger": "first_off", "every": 0, "sample_size": 2, "gate": "yes",
        "characteristic": "OD-F", "name_zh": "外径（首件）", "name_en": "Diameter, first piece", "chart": "",
        "subgroup_size": 1, "rules_signal": "", "rules_hold": "", **dict.fromkeys(limits, ""),
    }  # fmt: skip
    during = {
        **turning, "stage": "IPQC", "trigger": "every_n", "every": 20, "sample_size": 5, "gate": "no",
        "characteristic": "OD", "name_zh": "外径", "name_en": "Diameter", "chart": "xbar_r", "subgroup_size": 5,
        "rules_signal": "1;2;3;4;5;6;7;8", "rules_hold": "1", **limits,
    }  # fmt: skip
    return [first, during]


def _routings() -> list[Row]:
    return [
        _operation(
            "SHAFT",
            10,
            "车外圆",
            "Turn",
            "TURN:60:10:1",
            setup_family="D10",
            inspection_plan="IP-TURN",
            first_article="yes",
            is_key_process="yes",
            nc_level=2,
        ),
        _operation("SHAFT", 20, "镀锌", "Zinc plating", "", kind="outside", supplier="顺德电镀", lead_days=2),
        _operation("SHAFT", 30, "去毛刺", "Deburr", "BENCH:20:0:1"),
        _operation("PIN", 10, "车销", "Turn pin", "TURN:30:5:1", setup_family="D5"),
        _operation("PIN", 20, "倒角", "Chamfer", "BENCH:5:0:1"),
    ]


def tables() -> Tables:
    """Two lathes that can stand in for each other, a bench, a plating supplier; two products, three orders."""
    machine = {
        "efficiency": "1", "initial_setup_family": "", "counter_modulus": "", "signal_timeout_s": 86400,
        "is_numerically_controlled": "yes",
    }  # fmt: skip
    shift = {
        "calendar": "CAL", "name_zh": "两班", "name_en": "Two shifts", "time_zone": "Asia/Shanghai",
        "weekdays": "1;2;3;4;5;6;7",
    }  # fmt: skip
    order = {"uom": "pcs", "release_at": "", "deadline_type": "Soft", "source": "K", "component_orders": ""}
    return {
        "site": [{"key": "time_zone", "value": "Asia/Shanghai"}],
        "materials": [
            {"no": no, "name_zh": zh, "name_en": en, **_UNITS, "tracking": "lot", "uom_digits": 0}
            for no, zh, en in (("SHAFT", "轴", "Shaft"), ("PIN", "销", "Pin"))
        ],
        "calendars": [
            {**shift, "shift": code, "shift_zh": zh, "shift_en": en, "start": start, "end": end, "breaks": ""}
            for code, zh, en, start, end in (
                ("D", "白班", "Day", "08:00", "20:00"),
                ("N", "夜班", "Night", "20:00", "08:00"),
            )
        ],
        "work_centres": [
            {"no": "TURN", "name_zh": "车削", "name_en": "Turning", "area": "A", "calendar": "CAL"},
            {"no": "BENCH", "name_zh": "钳工", "name_en": "Bench", "area": "A", "calendar": "CAL"},
        ],
        "equipment": [
            {"no": "L-1", "name_zh": "车床1", "name_en": "Lathe 1", "work_centre": "TURN", "is_networked": "yes",
             "mapping": "tower_light", **machine},
            {"no": "L-2", "name_zh": "车床2", "name_en": "Lathe 2", "work_centre": "TURN", "is_networked": "yes",
             "mapping": "tower_light", **machine},
            {"no": "B-1", "name_zh": "钳工台", "name_en": "Bench 1", "work_centre": "BENCH", "is_networked": "no",
             "mapping": "", **machine, "is_numerically_controlled": "no"},
        ],
        "setup_matrix": [
            {"work_centre": "TURN", "from_family": "*", "to_family": "*", "minutes": 10, "cost_minor": 0, "priority": 9}
        ],
        "reasons": [
            {"code": "S-DIM", "name_zh": "尺寸超差", "name_en": "Out of size", "kind": "scrap",
             "scrap_class": "operator", "category": "", "parent": ""},
            {"code": "S-TRIAL", "name_zh": "调机", "name_en": "Trial piece", "kind": "scrap", "scrap_class": "setup",
             "category": "", "parent": ""},
        ],
        "inspection_plans": _inspections(),
        "routings": _routings(),
        "orders": [
            {"no": "A-1", "material": "SHAFT", "qty": "60", "priority": 2, "due_at": "2026-03-04 12:00",
             "customer": "美的", **order},
            {"no": "A-2", "material": "PIN", "qty": "120", "priority": 5, "due_at": "2026-03-02 10:00",
             "customer": "格力", **order},
            {"no": "A-3", "material": "PIN", "qty": "200", "priority": 5, "due_at": "2026-03-02 12:45",
             "customer": "格力", **order},
        ],
    }  # fmt: skip


def workbook(folder: Path) -> Path:
    """The workshop as a file."""
    path = folder / "shop.xlsx"
    write_workbook(tables(), path)
    return path


class Person:
    """Somebody who uses the public API; business time stands still until `later`."""

    def __init__(self, http: httpx.AsyncClient, now: datetime) -> None:
        self.http = http
        self.now = now
        self.seq: dict[str, int] = {}

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON of an answer that is not an error."""
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def post(self, path: str, status: int = 0, actor: str = "W-01", **body: Any) -> Any:
        """Do something; any success unless a status is named."""
        headers = {"Idempotency-Key": str(uuid4()), "X-Actor": actor}
        answer = await self.http.post(path, json=body, headers=headers)
        good = answer.status_code == status if status else answer.is_success
        assert good, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def items(self, path: str, **params: Any) -> list[Any]:
        """The rows of a list."""
        found = await self.get(path, **params)
        return list(found["items"] if isinstance(found, dict) else found)

    async def settle(self) -> None:
        """Wait until every event has had all its effects."""
        found = await self.get("/idle", wait=60)
        assert found["idle"], found["reasons"]

    async def later(self, **span: float) -> None:
        """Let business time pass."""
        self.now += timedelta(**span)
        await self.post("/clock/advance", to=self.now.isoformat())
        await self.settle()

    async def signal(self, equipment_id: str, kind: str, value: str) -> None:
        """A machine says something now."""
        self.seq[equipment_id] = self.seq.get(equipment_id, 0) + 1
        said = {
            "equipment_id": equipment_id, "source": f"plc-{equipment_id}", "session": "s1",
            "seq": self.seq[equipment_id], "time": self.now.isoformat(), "kind": kind, "value": value,
        }  # fmt: skip
        await self.post("/equipment/signals", signals=[said])
        await self.settle()
