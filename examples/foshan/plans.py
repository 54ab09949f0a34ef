"""Inspection plans of the sample workshop: what is measured, how often, against which tolerance."""

from __future__ import annotations

from math import sqrt
from typing import Any

Row = dict[str, Any]


def variable(
    no: str,
    zh: str,
    en: str,
    unit: str,
    limits: tuple[float | None, float | None, float | None],
    *,
    chart: str = "",
    n: int = 1,
    sigma: float | None = None,
    importance: str = "general",
    hold: tuple[int, ...] = (1,),
) -> Row:
    """A measured characteristic. limits: lower, target, upper. With `sigma` (within) its limits are confirmed.

    The confirmed limits are those of the location chart: centre +/- 3 sigma / sqrt(n).
    """
    lsl, target, usl = limits
    centre = target if sigma else None
    half = 3 * sigma / sqrt(n) if sigma else None
    return {
        "no": no,
        "zh": zh,
        "en": en,
        "kind": "variable",
        "unit": unit,
        "lsl": lsl,
        "target": target,
        "usl": usl,
        "chart": chart,
        "subgroup_size": n,
        "importance": importance,
        "rules_signal": list(range(1, 9)) if chart else [],
        "rules_hold": list(hold) if sigma else [],
        "limit_lcl": round(centre - half, 6) if centre is not None and half else None,
        "limit_cl": centre,
        "limit_ucl": round(centre + half, 6) if centre is not None and half else None,
        "limit_sigma": sigma,
    }


def attribute(no: str, zh: str, en: str, *, chart: str = "", n: int = 1, importance: str = "general") -> Row:
    """A characteristic that is good or not, or is counted in defects."""
    return {
        "no": no,
        "zh": zh,
        "en": en,
        "kind": "attribute",
        "unit": "",
        "lsl": None,
        "target": None,
        "usl": None,
        "chart": chart,
        "subgroup_size": n,
        "importance": importance,
        "rules_signal": [1, 2, 3, 4] if chart else [],
        "rules_hold": [],
        "limit_lcl": None,
        "limit_cl": None,
        "limit_ucl": None,
        "limit_sigma": None,
    }


def stage(
    name: str,
    trigger: str,
    characteristics: list[Row],
    *,
    every: int = 0,
    n: int = 1,
    aql: str = "",
    gate: bool = False,
) -> Row:
    """One stage: FAI | IPQC | FQC | IQC, its trigger and sampling (`aql` empty: a fixed sample of n)."""
    return {
        "stage": name,
        "trigger": trigger,
        "every": every,
        "sampling": "aql" if aql else "fixed",
        "sample_size": n,
        "aql": aql,
        "inspection_level": "II" if aql else "",
        "gate": gate,
        "characteristics": characteristics,
    }


def _plan(no: str, zh: str, en: str, *stages: Row) -> Row:
    return {"no": no, "zh": zh, "en": en, "stages": list(stages)}


BURR = variable("BURR", "毛刺高度", "Burr height", "mm", (None, None, 0.05))
LOOK = attribute("LOOK", "外观", "Appearance")

PLANS: list[Row] = [
    _plan(
        "IP-PRESS",
        "冲压检验",
        "Stamping",
        stage(
            "FAI",
            "first_off",
            [variable("HOLE-F", "孔距（首件）", "Hole distance, first piece", "mm", (31.9, 32.0, 32.1)), BURR, LOOK],
            n=3,
            gate=True,
        ),
        stage(
            "IPQC",
            "every_n",
            [
                variable(
                    "HOLE",
                    "孔距",
                    "Hole distance",
                    "mm",
                    (31.9, 32.0, 32.1),
                    chart="xbar_r",
                    n=5,
                    sigma=0.018,
                    importance="SC",
                )
            ],
            every=1000,
            n=5,
        ),
    ),
    _plan(
        "IP-STRIP",
        "落料检验",
        "Blanking",
        stage("FAI", "first_off", [variable("WIDTH", "料宽", "Strip width", "mm", (24.8, 25.0, 25.2))], n=2, gate=True),
        stage("IPQC", "every_minutes", [attribute("DENT", "压伤", "Dents", chart="np", n=50)], every=120, n=50),
    ),
    _plan(
        "IP-TURN",
        "车削检验",
        "Turning",
        stage(
            "FAI",
            "first_off",
            [
                variable("OD-F", "外径（首件）", "Outside diameter, first piece", "mm", (11.982, 11.991, 12.0)),
                variable("RA", "表面粗糙度", "Roughness Ra", "µm", (None, None, 1.6)),
            ],
            n=2,
            gate=True,
        ),
        stage(
            "IPQC",
            "every_n",
            [
                variable(
                    "OD",
                    "外径 ⌀12 h7",
                    "Outside diameter 12 h7",
                    "mm",
                    (11.982, 11.991, 12.0),
                    chart="xbar_r",
                    n=5,
                    sigma=0.0022,
                    importance="CC",
                )
            ],
            every=60,
            n=5,
        ),
    ),
    _plan(
        "IP-THREAD",
        "螺纹检验",
        "Thread",
        stage("FAI", "first_off", [attribute("GO", "通止规", "Go and no-go gauge", importance="CC")], n=3, gate=True),
        stage("IPQC", "every_n", [attribute("THREAD", "螺纹不良", "Thread rejects", chart="p", n=20)], every=80, n=20),
    ),
    _plan(
        "IP-MILL",
        "铣削检验",
        "Milling",
        stage(
            "FAI",
            "first_off",
            [variable("POS-F", "位置度（首件）", "Position, first piece", "mm", (None, 0.03, 0.1))],
            n=1,
            gate=True,
        ),
        stage(
            "IPQC",
            "every_n",
            [
                variable(
                    "SLOT", "槽宽", "Slot width", "mm", (7.97, 8.0, 8.03), chart="i_mr", sigma=0.006, importance="SC"
                )
            ],
            every=25,
            n=1,
        ),
    ),
    _plan(
        "IP-WELD",
        "焊接检验",
        "Welding",
        stage(
            "FAI",
            "first_off",
            [variable("PULL", "拉脱力", "Pull-off force", "kN", (4.5, 6.0, None))],
            n=2,
            gate=True,
        ),
        stage(
            "IPQC",
            "every_minutes",
            [attribute("SPATTER", "焊点缺陷数", "Weld defects", chart="u", n=5)],
            every=120,
            n=5,
        ),
    ),
    _plan(
        "IP-POLISH",
        "抛光检验",
        "Polishing",
        stage("IPQC", "shift_start", [attribute("GLOSS", "抛光缺陷数", "Polishing defects", chart="c", n=1)], n=10),
    ),
    _plan(
        "IP-OVEN",
        "热处理检验",
        "Heat treatment",
        stage(
            "IPQC",
            "per_lot",
            [
                variable(
                    "HRC",
                    "硬度",
                    "Hardness",
                    "HRC",
                    (44.0, 46.0, 48.0),
                    chart="xbar_s",
                    n=4,
                    sigma=0.5,
                    importance="CC",
                )
            ],
            n=4,
        ),
    ),
    _plan(
        "IP-PLATE",
        "电镀来料检验",
        "Plating, incoming",
        stage(
            "IQC",
            "per_lot",
            [
                variable("THICK", "镀层厚度", "Coating thickness", "µm", (8.0, 11.0, 15.0)),
                attribute("PEEL", "起皮", "Peeling"),
            ],
            aql="1.5",
            n=8,
            gate=True,
        ),
    ),
    _plan(
        "IP-FINAL",
        "成品检验",
        "Final inspection",
        stage(
            "FQC",
            "per_lot",
            [attribute("FINAL", "外观与功能", "Appearance and function", importance="SC")],
            aql="1.0",
            n=20,
            gate=True,
        ),
    ),
]
