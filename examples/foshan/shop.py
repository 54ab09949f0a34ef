"""Calendars, work centres, machines, setup families, people and reasons of the sample workshop.

The workshop lives from Monday 2026-03-02 07:30 in Asia/Shanghai on (`EPOCH`). Half of its machines have signals; the
others are known by what people report. Times of setups are those of small presses and lathes in real use: a die is
changed in 30 to 90 minutes, a lathe re-tooled in 20 to 60.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

Row = dict[str, Any]

TIME_ZONE = "Asia/Shanghai"
SHANGHAI = timezone(timedelta(hours=8))
EPOCH = datetime(2026, 3, 2, 7, 30, tzinfo=SHANGHAI)

WORKDAYS = [1, 2, 3, 4, 5]

CALENDARS: list[Row] = [
    {
        "no": "CAL-2S",
        "zh": "两班制",
        "en": "Two shifts",
        "shifts": [
            ("D", "白班", "Day shift", WORKDAYS, "07:30", "16:00", [("09:30", "09:40"), ("11:30", "12:00")]),
            ("N", "晚班", "Night shift", WORKDAYS, "16:00", "00:30", [("19:30", "20:00"), ("22:00", "22:10")]),
        ],
        "exceptions": [
            ("2026-03-07", True, ["D"], "周六加班"),
            ("2026-03-14", True, ["D"], "周六加班"),
            ("2026-03-18", False, [], "供电局计划停电"),
            ("2026-04-06", False, [], "清明节"),
        ],
    },
    {
        "no": "CAL-1S",
        "zh": "单班制",
        "en": "One shift",
        "shifts": [
            ("D", "白班", "Day shift", WORKDAYS, "07:30", "17:30", [("11:30", "13:00"), ("15:00", "15:10")]),
            ("E", "加班", "Evening overtime", [2, 4], "18:00", "20:30", []),
        ],
        "exceptions": [
            ("2026-03-07", True, ["D"], "周六加班"),
            ("2026-03-18", False, [], "供电局计划停电"),
            ("2026-04-06", False, [], "清明节"),
        ],
    },
]

WORK_CENTRES: list[Row] = [
    {"no": "PRESS", "zh": "冲压", "en": "Stamping", "area": "A", "calendar": "CAL-2S"},
    {"no": "TURN", "zh": "数控车削", "en": "CNC turning", "area": "B", "calendar": "CAL-2S"},
    {"no": "MILL", "zh": "加工中心", "en": "CNC milling", "area": "B", "calendar": "CAL-2S"},
    {"no": "BEND", "zh": "折弯", "en": "Bending", "area": "A", "calendar": "CAL-1S"},
    {"no": "WELD", "zh": "焊接机器人单元", "en": "Welding robot cell", "area": "C", "calendar": "CAL-2S"},
    {"no": "POLISH", "zh": "手工抛光", "en": "Hand polishing", "area": "D", "calendar": "CAL-2S"},
    {"no": "OVEN", "zh": "烘烤热处理", "en": "Oven", "area": "D", "calendar": "CAL-2S"},
    {"no": "ASSY", "zh": "装配", "en": "Assembly", "area": "E", "calendar": "CAL-1S"},
    {"no": "FQC", "zh": "终检包装", "en": "Final inspection and packing", "area": "E", "calendar": "CAL-1S"},
]


def _machine(no: str, zh: str, en: str, centre: str, *, mapping: str = "", nc: bool = False, **more: Any) -> Row:
    """A machine; with a `mapping` it sends signals."""
    return {
        "no": no,
        "zh": zh,
        "en": en,
        "work_centre": centre,
        "is_numerically_controlled": nc,
        "is_networked": bool(mapping),
        "mapping": mapping,
        "efficiency": "1",
        "initial_setup_family": "",
        "counter_modulus": "",
        "signal_timeout_s": 600 if mapping else 0,
        **more,
    }


EQUIPMENT: list[Row] = [
    _machine("P-01", "110吨冲床一号", "Press 110 t no. 1", "PRESS", mapping="tower_light", counter_modulus="100000"),
    _machine("P-02", "110吨冲床二号", "Press 110 t no. 2", "PRESS", mapping="tower_light", counter_modulus="100000"),
    _machine("P-03", "63吨冲床", "Press 63 t", "PRESS", efficiency="0.85"),
    _machine(
        "T-01", "数控车床一号", "CNC lathe no. 1", "TURN", mapping="mtconnect", nc=True, initial_setup_family="BAR12"
    ),
    _machine(
        "T-02", "数控车床二号", "CNC lathe no. 2", "TURN", mapping="mtconnect", nc=True, initial_setup_family="BAR8"
    ),
    _machine("T-03", "旧数控车床", "Old CNC lathe", "TURN", nc=True, efficiency="0.8"),
    _machine("M-01", "立式加工中心一号", "Machining centre no. 1", "MILL", mapping="mtconnect", nc=True),
    _machine("M-02", "立式加工中心二号", "Machining centre no. 2", "MILL", mapping="mtconnect", nc=True),
    _machine("B-01", "数控折弯机", "CNC press brake", "BEND", nc=True),
    _machine("W-01", "焊接机器人", "Welding robot", "WELD", mapping="packml", nc=True, counter_modulus="65536"),
    _machine("G-01", "抛光机一号", "Polishing stand no. 1", "POLISH"),
    _machine("G-02", "抛光机二号", "Polishing stand no. 2", "POLISH"),
    _machine("O-01", "热风循环烘箱", "Hot-air oven", "OVEN", mapping="tower_light"),
    _machine("A-01", "装配台一号", "Assembly bench no. 1", "ASSY"),
    _machine("A-02", "装配台二号", "Assembly bench no. 2", "ASSY"),
    _machine("Q-01", "终检台", "Inspection bench", "FQC"),
]

# (work centre, from, to, minutes, cost in fen, priority): a lower priority wins among the rows that fit.
SETUPS: list[tuple[str, str, str, int, int, int]] = [
    ("PRESS", "*", "DIE-PROG", 90, 12000, 5),
    ("PRESS", "DIE-PROG", "DIE-PROG", 35, 5000, 1),
    ("PRESS", "*", "DIE-BLANK", 45, 6000, 5),
    ("PRESS", "DIE-BLANK", "DIE-BLANK", 30, 3000, 1),
    ("PRESS", "DIE-BLANK", "DIE-FORM", 40, 5000, 2),
    ("PRESS", "*", "DIE-FORM", 60, 8000, 5),
    ("PRESS", "DIE-FORM", "DIE-FORM", 30, 3500, 1),
    ("TURN", "*", "BAR8", 40, 4000, 5),
    ("TURN", "BAR8", "BAR8", 20, 1500, 1),
    ("TURN", "*", "BAR12", 40, 4000, 5),
    ("TURN", "BAR12", "BAR12", 20, 1500, 1),
    ("TURN", "BAR8", "BAR12", 30, 2500, 2),
    ("TURN", "BAR12", "BAR8", 30, 2500, 2),
    ("TURN", "*", "CHUCK", 60, 6500, 5),
    ("TURN", "CHUCK", "CHUCK", 25, 2000, 1),
    ("MILL", "*", "VICE", 35, 4000, 5),
    ("MILL", "VICE", "VICE", 20, 1500, 1),
    ("MILL", "*", "FIXTURE", 60, 7000, 5),
    ("MILL", "FIXTURE", "FIXTURE", 30, 3000, 1),
    ("BEND", "*", "V8", 25, 1500, 5),
    ("BEND", "*", "V16", 30, 1800, 5),
    ("WELD", "*", "JIG-A", 45, 5000, 5),
    ("WELD", "*", "JIG-B", 55, 6000, 5),
    ("WELD", "JIG-A", "JIG-A", 20, 1500, 1),
    ("WELD", "JIG-B", "JIG-B", 20, 1500, 1),
    ("POLISH", "*", "SISAL", 15, 500, 5),
    ("POLISH", "*", "CLOTH", 20, 500, 5),
    ("OVEN", "*", "T180", 30, 2000, 5),
    ("OVEN", "T180", "T350", 60, 4500, 2),
    ("OVEN", "*", "T350", 60, 4500, 5),
    ("OVEN", "T350", "T180", 80, 1000, 2),
    ("*", "*", "*", 20, 500, 9),
]


# Who stands at a machine or bench in a shift, worker number MACHINE-SHIFT. A skill is (code, last valid day or "").
_PRESS, _BEND, _CNC, _POLISH, _ASSY = ("PRESS", ""), ("BEND", ""), ("CNC", ""), ("POLISH", ""), ("ASSY", "")


def _worker(code: str, zh: str, en: str, *skills: tuple[str, str]) -> Row:
    return {"code": code, "zh": zh, "en": en, "skills": list(skills)}


WORKERS: list[Row] = [
    _worker("P-01-D", "陈志强", "Chen Zhiqiang", _PRESS, _BEND),
    _worker("P-01-N", "梁伟明", "Liang Weiming", _PRESS),
    _worker("P-02-D", "黄国辉", "Huang Guohui", _PRESS),
    _worker("P-02-N", "何永康", "He Yongkang", _PRESS, _BEND),
    _worker("P-03-D", "李秀珍", "Li Xiuzhen", _PRESS, _ASSY),
    _worker("P-03-N", "罗振华", "Luo Zhenhua", _PRESS),
    _worker("T-01-D", "冯家俊", "Feng Jiajun", _CNC),
    _worker("T-01-N", "潘志文", "Pan Zhiwen", _CNC),
    _worker("T-02-D", "区兆基", "Ou Zhaoji", _CNC),
    _worker("T-02-N", "谭小龙", "Tan Xiaolong", _CNC),
    _worker("T-03-D", "麦德全", "Mai Dequan", _CNC, _POLISH),
    _worker("T-03-N", "邓海峰", "Deng Haifeng", _CNC),
    _worker("M-01-D", "霍建业", "Huo Jianye", _CNC),
    _worker("M-01-N", "苏文杰", "Su Wenjie", _CNC),
    _worker("M-02-D", "吴晓东", "Wu Xiaodong", _CNC),
    _worker("M-02-N", "杨俊杰", "Yang Junjie", _CNC),
    _worker("B-01-D", "周炳坤", "Zhou Bingkun", _BEND, _PRESS),
    _worker("B-01-E", "刘成", "Liu Cheng", _BEND),
    _worker("W-01-D", "关铭锋", "Guan Mingfeng", ("WELD", "2027-08-31"), _ASSY),
    # His certificate ran out two days before the sample begins, and nobody has noticed yet.
    _worker("W-01-N", "简耀祖", "Jian Yaozu", ("WELD", "2026-02-28")),
    _worker("G-01-D", "韦阿兰", "Wei Alan", _POLISH),
    _worker("G-01-N", "莫桂生", "Mo Guisheng", _POLISH),
    _worker("G-02-D", "覃大勇", "Qin Dayong", _POLISH),
    _worker("G-02-N", "蒙小妹", "Meng Xiaomei", _POLISH, _ASSY),
    _worker("O-01-D", "林国栋", "Lin Guodong", _POLISH),
    _worker("O-01-N", "叶新发", "Ye Xinfa"),
    _worker("A-01-D", "张丽娟", "Zhang Lijuan", _ASSY),
    _worker("A-01-E", "曾玉梅", "Zeng Yumei", _ASSY),
    _worker("A-02-D", "朱少芬", "Zhu Shaofen", _ASSY),
    _worker("A-02-E", "欧阳倩", "Ouyang Qian", _ASSY),
    _worker("Q-01-D", "卢嘉欣", "Lu Jiaxin", _ASSY),
    _worker("Q-01-E", "孔令仪", "Kong Lingyi"),
]


def _reason(code: str, zh: str, en: str, kind: str, **more: str) -> Row:
    return {"code": code, "zh": zh, "en": en, "kind": kind, "scrap_class": "", "category": "", "parent": "", **more}


def _downtime(code: str, zh: str, en: str, category: str, parent: str) -> Row:
    return _reason(code, zh, en, "downtime", category=category, parent=parent)


REASONS: list[Row] = [
    _reason("S-DIM", "尺寸超差", "Dimension out of tolerance", "scrap", scrap_class="operator"),
    _reason("S-BURR", "毛刺过大", "Burr too high", "scrap", scrap_class="operator"),
    _reason("S-SCRATCH", "碰划伤", "Scratched", "scrap", scrap_class="operator"),
    _reason("S-WELD", "焊接缺陷", "Weld defect", "scrap", scrap_class="operator"),
    _reason("S-CRACK", "材料开裂", "Material cracked", "scrap", scrap_class="material"),
    _reason("S-PIT", "材料砂眼", "Pit in the material", "scrap", scrap_class="material"),
    _reason("S-PLATE", "电镀不良", "Plating defect", "scrap", scrap_class="material"),
    _reason("S-TRIAL", "调机试件", "Trial piece of a setup", "scrap", scrap_class="setup"),
    _downtime("D-PLAN", "计划停机", "Planned stop", "PLANNED_DOWN", ""),
    _downtime("D-PM", "保养", "Maintenance", "PLANNED_DOWN", "D-PLAN"),
    _downtime("D-CLEAN", "清扫", "Cleaning", "PLANNED_DOWN", "D-PLAN"),
    _downtime("D-MEET", "班前会", "Shift meeting", "PLANNED_DOWN", "D-PLAN"),
    _downtime("D-UNPLAN", "非计划停机", "Unplanned stop", "UNPLANNED_DOWN", ""),
    _downtime("D-MECH", "机械故障", "Mechanical breakdown", "UNPLANNED_DOWN", "D-UNPLAN"),
    _downtime("D-ELEC", "电气故障", "Electrical breakdown", "UNPLANNED_DOWN", "D-UNPLAN"),
    _downtime("D-TOOL", "模具刀具损坏", "Die or tool broken", "UNPLANNED_DOWN", "D-UNPLAN"),
    _downtime("D-WAIT", "等待", "Waiting", "STANDBY", ""),
    _downtime("D-MAT", "待料", "Waiting for material", "STANDBY", "D-WAIT"),
    _downtime("D-OP", "缺人", "No operator", "STANDBY", "D-WAIT"),
    _downtime("D-MINOR", "小停机", "Minor stop", "STANDBY", "D-WAIT"),
    _downtime("D-CHANGE", "换型调机", "Changeover", "SETUP", ""),
    _downtime("D-TRIAL", "试模打样", "Trial for engineering", "ENGINEERING", ""),
    _reason("H-QUAL", "质量扣留", "Quality hold", "hold"),
    _reason("H-MAT", "欠料", "Material shortage", "hold"),
    _reason("H-ECN", "设计变更", "Engineering change", "hold"),
    _reason("R-POLISH", "重新抛光", "Polish again", "rework"),
    _reason("R-DEBURR", "去毛刺返工", "Deburr again", "rework"),
    _reason("P-BREAK", "休息", "Break", "pause"),
    _reason("P-DOWN", "设备故障暂停", "Machine down", "pause"),
    _reason("P-SHIFT", "交接班", "Shift hand-over", "pause"),
    _reason("C-CUSTOMER", "客户取消", "Cancelled by the customer", "cancel"),
]
