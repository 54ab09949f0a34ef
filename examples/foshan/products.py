"""Materials and routings of the sample workshop: 20 products, bought material, 4 to 9 operations each.

Run times are seconds per piece as a production engineer would estimate them: a press 2-4 s, a CNC lathe 45-120 s, a
machining centre 60-180 s, a welding robot 35-80 s, polishing by hand 15-40 s.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def _material(no: str, zh: str, en: str, kg: str, **more: Any) -> Row:
    """A product: reported in pieces, stocked in pieces unless said; `kg` is the weight of one piece."""
    return {
        "no": no,
        "zh": zh,
        "en": en,
        "stock_uom": "kg",
        "order_uom": "pcs",
        "report_uom": "pcs",
        "order_factor": kg,
        "report_factor": kg,
        "tracking": "lot",
        "uom_digits": 0,
        **more,
    }


def _bought(no: str, zh: str, en: str, uom: str = "kg") -> Row:
    more = {"stock_uom": uom, "order_uom": uom, "report_uom": uom, "uom_digits": 3 if uom == "kg" else 0}
    return _material(no, zh, en, "1", **more)


MATERIALS: list[Row] = [
    _bought("RM-SUS304-0.8", "不锈钢卷 SUS304 0.8", "Stainless coil SUS304 0.8"),
    _bought("RM-SPCC-1.5", "冷轧板 SPCC 1.5", "Cold-rolled sheet SPCC 1.5"),
    _bought("RM-H59-12", "黄铜棒 H59 ⌀12", "Brass bar H59 dia. 12"),
    _bought("RM-45-20", "45号圆钢 ⌀20", "Steel bar C45 dia. 20"),
    _bought("RM-6061", "铝板 6061", "Aluminium plate 6061"),
    _bought("BP-SPRING", "扭簧", "Torsion spring", "pcs"),
    _material("SA-011", "铰链页片", "Hinge leaf", "0.042"),
    _material("SA-012", "铰链芯轴", "Hinge pin", "0.018"),
    _material("FG-001", "不锈钢弹簧铰链", "Stainless spring hinge", "0.135"),
    _material("FG-002", "抽屉滑轨支架", "Drawer slide bracket", "0.085"),
    _material("FG-003", "L型角码", "Angle bracket", "0.036"),
    _material("FG-004", "门锁面板", "Lock faceplate", "0.110"),
    _material("FG-005", "门把手", "Lever handle", "0.260"),
    _material("FG-006", "水龙头阀芯座", "Tap valve seat", "0.062"),
    _material("FG-007", "G1/2管接头", "Pipe fitting G1/2", "0.074"),
    _material("FG-008", "不锈钢法兰", "Stainless flange", "0.380"),
    _material("FG-009", "定位销", "Dowel pin", "0.021"),
    _material("FG-010", "电机轴", "Motor shaft", "0.190"),
    _material("FG-011", "散热器底板", "Heat-sink base plate", "0.310"),
    _material("FG-012", "焊接支架", "Welded bracket", "0.640"),
    _material("FG-013", "货架挂片", "Shelf hook plate", "0.048"),
    _material("FG-014", "护栏焊接框", "Welded guard frame", "1.850"),
    _material("FG-015", "锁舌", "Latch bolt", "0.055"),
    # Sold by weight, counted in pieces: four cavities in one die.
    _material("FG-016", "专用垫圈", "Special washer", "0.004", order_uom="kg", order_factor="1"),
    _material("FG-017", "弹片", "Spring clip", "0.003"),
    _material("FG-018", "传感器外壳", "Sensor housing", "0.096"),
]


def _op(seq: int, zh: str, en: str, where: list[tuple[str, float, int, int]], family: str = "", **more: Any) -> Row:
    """One operation. where: (machine or work centre, seconds per piece, setup minutes, preference)."""
    return {
        "seq": seq,
        "zh": zh,
        "en": en,
        "kind": "internal",
        "predecessors": [],
        "alternatives": where,
        "setup_family": family,
        "queue_min": 0,
        "move_min": 10,
        "overlap_qty": "",
        "inspection_plan": "",
        "is_key_process": False,
        "nc_level": 0,
        "supplier": "",
        "lead_days": 0,
        "first_article": False,
        "interruptible": True,
        "pieces_per_count": "1",
        "over_tolerance": "0.03",
        "skill": "",
        "optional": False,
        "components": [],
        **more,
    }


def press(seq: int, zh: str, en: str, seconds: float, family: str, **more: Any) -> Row:
    """Stamping on either big press, or slower on the small one."""
    where = [("P-01", seconds, 45, 1), ("P-02", seconds, 45, 1), ("P-03", round(seconds * 1.25, 2), 60, 2)]
    fixed = {
        "nc_level": 1,
        "skill": "PRESS",
        "first_article": True,
        "inspection_plan": "IP-PRESS",
        "over_tolerance": "0.05",
    }
    return _op(seq, zh, en, where, family, **{**fixed, **more})


def turn(seq: int, zh: str, en: str, seconds: float, family: str, **more: Any) -> Row:
    """CNC turning; the old lathe takes a quarter longer."""
    where = [("T-01", seconds, 40, 1), ("T-02", seconds, 40, 1), ("T-03", round(seconds * 1.25, 2), 50, 2)]
    fixed = {
        "nc_level": 2,
        "is_key_process": True,
        "skill": "CNC",
        "first_article": True,
        "inspection_plan": "IP-TURN",
    }
    return _op(seq, zh, en, where, family, **{**fixed, **more})


def mill(seq: int, zh: str, en: str, seconds: float, family: str, **more: Any) -> Row:
    """CNC milling on any machine of the work centre."""
    fixed = {"nc_level": 2, "is_key_process": True, "skill": "CNC", "first_article": True, "inspection_plan": "IP-MILL"}
    return _op(seq, zh, en, [("MILL", seconds, 35, 1)], family, **{**fixed, **more})


def bend(seq: int, seconds: float, family: str = "V8") -> Row:
    """Bending on the one press brake."""
    return _op(seq, "折弯", "Bend", [("BEND", seconds, 25, 1)], family, nc_level=2, skill="BEND")


def weld(seq: int, seconds: float, family: str) -> Row:
    """Welding in the robot cell."""
    fixed = {
        "nc_level": 2,
        "is_key_process": True,
        "skill": "WELD",
        "first_article": True,
        "inspection_plan": "IP-WELD",
    }
    return _op(seq, "机器人焊接", "Robot welding", [("WELD", seconds, 45, 1)], family, **fixed)


def polish(seq: int, seconds: float, family: str = "SISAL", **more: Any) -> Row:
    """Polishing by hand."""
    fixed = {"skill": "POLISH", "inspection_plan": "IP-POLISH", "over_tolerance": "0.02"}
    return _op(seq, "手工抛光", "Hand polishing", [("POLISH", seconds, 15, 1)], family, **{**fixed, **more})


def deburr(seq: int, seconds: float) -> Row:
    """Deburring at a polishing stand; left out when the edges are already clean."""
    return _op(seq, "去毛刺", "Deburr", [("POLISH", seconds, 10, 1)], "CLOTH", optional=True, skill="POLISH")


def plate(seq: int, supplier: str, zh: str, en: str, days: int) -> Row:
    """Electroplating outside, with incoming inspection."""
    fixed: Row = {"kind": "outside", "supplier": supplier, "lead_days": days, "move_min": 60}
    return _op(seq, zh, en, [], inspection_plan="IP-PLATE", **fixed)


def oven(seq: int, seconds: float, family: str, **more: Any) -> Row:
    """Drying or heat treatment; the oven may not be interrupted."""
    zh, en = ("去氢烘烤", "Hydrogen bake-out") if family == "T180" else ("回火", "Temper")
    return _op(seq, zh, en, [("O-01", seconds, 30, 1)], family, interruptible=False, nc_level=1, **more)


def assemble(seq: int, seconds: float, **more: Any) -> Row:
    """Assembly at a bench."""
    return _op(seq, "装配", "Assemble", [("ASSY", seconds, 20, 1)], "", skill="ASSY", **more)


def final(seq: int, seconds: float) -> Row:
    """Final inspection and packing; the order cannot finish before its lot has passed."""
    return _op(seq, "终检包装", "Final inspection, packing", [("FQC", seconds, 5, 1)], "", inspection_plan="IP-FINAL")


HENGFA = "恒发电镀厂"
YONGXING = "永兴表面处理"

# Each operation follows the one before unless it names its predecessors.
ROUTINGS: dict[str, list[Row]] = {
    "SA-011": [
        press(10, "落料冲孔", "Blank and pierce", 2.4, "DIE-PROG"),
        press(20, "卷圆成形", "Roll the knuckle", 2.8, "DIE-FORM", overlap_qty="500"),
        deburr(30, 4.0),
        polish(40, 9.0),
    ],
    "SA-012": [
        turn(10, "车外圆", "Turn", 45, "BAR8"),
        oven(20, 2.5, "T350", inspection_plan="IP-OVEN"),
        turn(30, "精车倒角", "Finish and chamfer", 45, "BAR8", first_article=False),
        polish(40, 8.0, "CLOTH"),
    ],
    "FG-001": [
        assemble(10, 28, components=[("SA-011", "2"), ("SA-012", "1")]),
        polish(20, 12, "CLOTH"),
        plate(30, YONGXING, "电解抛光", "Electropolish", 2),
        final(40, 6),
    ],
    "FG-002": [
        press(10, "落料", "Blank", 2.2, "DIE-BLANK", inspection_plan="IP-STRIP"),
        press(20, "冲孔", "Pierce", 2.4, "DIE-BLANK"),
        press(30, "成形", "Form", 3.0, "DIE-FORM", overlap_qty="400"),
        deburr(40, 5.0),
        plate(50, HENGFA, "镀锌", "Zinc plating", 3),
        final(60, 3.5),
    ],
    "FG-003": [
        press(10, "级进冲压", "Progressive stamping", 2.0, "DIE-PROG", pieces_per_count="2"),
        deburr(20, 3.0),
        plate(30, HENGFA, "镀锌", "Zinc plating", 3),
        oven(40, 1.2, "T180"),
        final(50, 2.0),
    ],
    "FG-004": [
        press(10, "落料冲孔", "Blank and pierce", 3.2, "DIE-BLANK"),
        mill(20, "铣锁孔", "Mill the keyhole", 62, "VICE"),
        polish(30, 26),
        plate(40, YONGXING, "镀镍", "Nickel plating", 4),
        final(50, 8),
    ],
    "FG-005": [
        turn(10, "车柄部", "Turn the shank", 78, "BAR12", is_key_process=True),
        mill(20, "铣方孔", "Mill the square", 95, "FIXTURE"),
        press(30, "冲护圈", "Stamp the rose", 2.8, "DIE-BLANK", predecessors=[0]),
        polish(40, 38, predecessors=[20]),
        plate(50, YONGXING, "镀铬", "Chrome plating", 4),
        assemble(60, 55, predecessors=[30, 50]),
        final(70, 12),
    ],
    "FG-006": [
        turn(10, "粗车", "Rough turning", 58, "BAR12"),
        turn(20, "精车", "Finish turning", 66, "BAR12"),
        mill(30, "铣槽", "Mill the slots", 70, "VICE", overlap_qty="40"),
        deburr(40, 10),
        final(50, 6),
    ],
    "FG-007": [
        turn(10, "车外形", "Turn the body", 52, "BAR12"),
        turn(20, "车螺纹", "Thread", 48, "BAR12", inspection_plan="IP-THREAD"),
        deburr(30, 8),
        plate(40, YONGXING, "镀镍", "Nickel plating", 4),
        final(50, 5),
    ],
    "FG-008": [
        turn(10, "车端面", "Face", 110, "CHUCK"),
        turn(20, "车内孔", "Bore", 95, "CHUCK"),
        mill(30, "钻孔攻丝", "Drill and tap", 120, "FIXTURE"),
        deburr(40, 18),
        polish(50, 30),
        final(60, 10),
    ],
    "FG-009": [
        turn(10, "车削", "Turn", 46, "BAR8"),
        oven(20, 3.0, "T350", inspection_plan="IP-OVEN"),
        turn(30, "精车", "Finish turning", 50, "BAR8"),
        final(40, 4),
    ],
    "FG-010": [
        turn(10, "车一端", "Turn the first end", 85, "CHUCK"),
        turn(20, "车另一端", "Turn the second end", 80, "CHUCK"),
        mill(30, "铣键槽", "Mill the keyway", 75, "VICE"),
        oven(40, 6.0, "T350", inspection_plan="IP-OVEN"),
        turn(50, "精车轴颈", "Finish the journal", 70, "CHUCK"),
        deburr(60, 10),
        final(70, 9),
    ],
    "FG-011": [
        mill(10, "铣基准面", "Mill the datum face", 140, "VICE"),
        mill(20, "钻孔攻丝", "Drill and tap", 165, "FIXTURE"),
        deburr(30, 25),
        plate(40, HENGFA, "阳极氧化", "Anodise", 3),
        final(50, 10),
    ],
    "FG-012": [
        press(10, "落料", "Blank", 3.4, "DIE-BLANK", inspection_plan="IP-STRIP"),
        bend(20, 14),
        press(30, "冲加强片", "Stamp the gusset", 2.6, "DIE-BLANK", predecessors=[0]),
        weld(40, 62, "JIG-A") | {"predecessors": [20, 30]},
        polish(50, 28),
        plate(60, HENGFA, "镀锌", "Zinc plating", 3),
        oven(70, 2.0, "T180"),
        assemble(80, 30),
        final(90, 9),
    ],
    "FG-013": [
        press(10, "级进冲压", "Progressive stamping", 2.6, "DIE-PROG"),
        bend(20, 8),
        plate(30, HENGFA, "镀锌", "Zinc plating", 3),
        final(40, 2.5),
    ],
    "FG-014": [
        press(10, "切断", "Cut to length", 3.8, "DIE-BLANK", inspection_plan="IP-STRIP"),
        bend(20, 22) | {"setup_family": "V16"},
        weld(30, 80, "JIG-B"),
        polish(40, 35),
        oven(50, 5.0, "T180"),
        final(60, 15),
    ],
    "FG-015": [
        press(10, "精冲", "Fine blanking", 3.6, "DIE-FORM"),
        mill(20, "铣斜面", "Mill the bevel", 60, "VICE"),
        oven(30, 2.0, "T350", inspection_plan="IP-OVEN"),
        polish(40, 15),
        plate(50, HENGFA, "镀锌", "Zinc plating", 3),
        final(60, 4),
    ],
    "FG-016": [
        press(10, "一模四穴冲压", "Stamp, four cavities", 0.65, "DIE-PROG", pieces_per_count="4"),
        deburr(20, 0.4),
        plate(30, HENGFA, "镀锌", "Zinc plating", 3),
        final(40, 0.3),
    ],
    "FG-017": [
        press(10, "级进冲压", "Progressive stamping", 1.0, "DIE-PROG", pieces_per_count="2"),
        oven(20, 0.8, "T350", inspection_plan="IP-OVEN"),
        plate(30, HENGFA, "镀锌", "Zinc plating", 3),
        oven(40, 0.6, "T180"),
        final(50, 0.8),
    ],
    "FG-018": [
        turn(10, "车外形", "Turn the body", 72, "CHUCK"),
        mill(20, "铣窗口", "Mill the window", 85, "FIXTURE"),
        turn(30, "车螺纹", "Thread", 50, "CHUCK", inspection_plan="IP-THREAD"),
        deburr(40, 12),
        plate(50, HENGFA, "阳极氧化", "Anodise", 3),
        assemble(60, 40),
        final(70, 8),
    ],
}


def with_predecessors() -> dict[str, list[Row]]:
    """The routings with every operation's predecessors written out; [0] stood for "starts by itself"."""
    done: dict[str, list[Row]] = {}
    for product, operations in ROUTINGS.items():
        done[product] = []
        for before, operation in zip([None, *operations], operations, strict=False):
            given = operation["predecessors"]
            chain = [before["seq"]] if before else []
            done[product].append({**operation, "predecessors": [] if given == [0] else given or chain})
    return done
