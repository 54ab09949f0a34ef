"""The catalogue of sheets and columns. Titles and help are in the message catalogues, by key.

A sheet's rows hold things of one or more levels: a row of `routings` says something of a routing (product, revision,
status) and of one of its operations. What is said of the outer level may be left empty on all rows but the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from services.order.workbook.kinds import (
    POSITIVE,
    RULES,
    SEQS,
    WEEKDAYS,
    Breaks,
    Choice,
    Clock,
    Code,
    Codes,
    Day,
    Kind,
    Measure,
    Minutes,
    Moment,
    Number,
    Parts,
    Places,
    Skills,
    Text,
    Whole,
    YesNo,
    Zone,
)

Values = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """A column. level: what it says something of ("" = the sheet's innermost).

    required: a new thing needs it. default: value for a new thing, or where the cell is empty; may depend on the
    columns before. refers: kind of definition that the cell names. only_read: written by the export, ignored on import.
    offers: what the template lists to choose from, where other things may be right too.
    """

    key: str
    kind: Kind
    level: str = ""
    required: bool = False
    default: Any = None
    refers: str = ""
    only_read: bool = False
    offers: tuple[str, ...] = ()

    def empty(self, values: Values) -> Any:
        """The value where nothing is said."""
        if callable(self.default):
            return self.default(values)
        return self.kind.blank if self.default is None else self.default


@dataclass(frozen=True)
class Level:
    """A level of a sheet. of: kind of definition that its things are, or are parts of ("" for orders and the site).

    key: columns that name a thing; those of the level outside come first. whole: when one of its rows is wrong the
    whole definition is, because a routing without one of its operations is another routing.
    """

    name: str
    of: str
    key: tuple[str, ...]
    whole: bool = True
    optional: bool = False


@dataclass(frozen=True)
class Sheet:
    """A sheet: its levels from the outer to the inner, its columns."""

    key: str
    levels: tuple[Level, ...]
    columns: tuple[Column, ...]
    aliases: tuple[str, ...] = ()

    @cached_property
    def by_key(self) -> Mapping[str, Column]:
        """Columns by their keys."""
        return {column.key: column for column in self.columns}

    @cached_property
    def _own(self) -> Mapping[str, Sequence[Column]]:
        keys = {name for each in self.levels for name in each.key}
        free = [each for each in self.columns if each.key not in keys]
        return {level.name: [each for each in free if self.level_of(each) is level] for level in self.levels}

    @cached_property
    def _naming(self) -> Mapping[str, Sequence[Column]]:
        found = [each for each in self.columns if each.refers or isinstance(each.kind, Parts)]
        return {level.name: [each for each in found if self.level_of(each) is level] for level in self.levels}

    def level_of(self, column: Column) -> Level:
        """The level that a column belongs to."""
        wanted = column.level or self.levels[-1].name
        return next(level for level in self.levels if level.name == wanted)

    def own(self, level: Level) -> Sequence[Column]:
        """Columns of a level that are not part of any key."""
        return self._own[level.name]

    def naming(self, level: Level) -> Sequence[Column]:
        """Columns of a level that name other definitions."""
        return self._naming[level.name]


def _names(level: str = "", zh: str = "name_zh", en: str = "name_en") -> tuple[Column, Column]:
    return Column(zh, Text(), level), Column(en, Text(), level)


def _same_as(name: str) -> Callable[[Values], Any]:
    return lambda values: values[name]


MAPPINGS = ("tower_light", "packml", "mtconnect")
"""State mappings that the equipment service has built in; a test holds the two lists together."""
OWN_MAPPING = "own-"
"""What the name of a mapping that a workshop makes itself begins with."""
_STEPS = ("1.0", "1.5", "2.5", "4.0", "6.5")
AQLS = (*(Decimal(step).scaleb(power) for power in range(-2, 3) for step in _STEPS), Decimal(1000))
"""The series of GB/T 2828.1, five steps a decade, in percent (above 10: defects per 100 units)."""
_REMOVE = Column("remove", YesNo())
_ONE = Decimal(1)

TRACKING = Choice("tracking", ("none", "lot", "serial"), "none", {"批次": "lot", "序列号": "serial", "不追溯": "none"})
REASON_KIND = Choice("reason_kind", ("scrap", "downtime", "hold", "rework", "pause", "cancel"))
SCRAP_CLASS = Choice("scrap_class", ("operator", "material", "setup"), "", {"调机": "setup", "调试废": "setup"})
CATEGORY = Choice(
    "category",
    ("PRODUCING", "STANDBY", "SETUP", "ENGINEERING", "PLANNED_DOWN", "UNPLANNED_DOWN", "NON_SCHEDULED"),
)
STAGE = Choice("stage", ("FAI", "IPQC", "FQC", "IQC", "OQC"))
TRIGGER = Choice("trigger", ("first_off", "every_n", "every_minutes", "shift_start", "per_lot"), "per_lot")
SAMPLING = Choice("sampling", ("all", "fixed", "aql"), "fixed")
LEVELS = Choice("inspection_level", ("I", "II", "III", "S-1", "S-2", "S-3", "S-4"))
CHARACTERISTIC = Choice("characteristic_kind", ("variable", "attribute"), "variable")
CHART = Choice("chart", ("xbar_r", "xbar_s", "i_mr", "p", "np", "c", "u"))
IMPORTANCE = Choice("importance", ("general", "SC", "CC"), "general")
STATUS = Choice(
    "status", ("Draft", "Checked", "Accepted", "Outdated"), "Accepted",
    {"有效": "Accepted", "批准": "Accepted", "作废": "Outdated", "停用": "Outdated"},
)  # fmt: skip
OPERATION = Choice(
    "operation_kind", ("internal", "outside"), "internal",
    {"自制": "internal", "厂内加工": "internal", "委外": "outside", "外协加工": "outside", "外发": "outside"},
)  # fmt: skip
DEADLINE = Choice("deadline_type", ("ASAP", "Hard", "Soft", "None"), "Soft")

SITE = Sheet(
    "site",
    (Level("site", "", ("key",)),),
    (Column("key", Code(apart=""), required=True), Column("value", Text())),
)
MATERIALS = Sheet(
    "materials",
    (Level("material", "material", ("no",)),),
    (
        Column("no", Code(), required=True),
        *_names(),
        Column("stock_uom", Code(), required=True),
        Column("order_uom", Code(), default=_same_as("stock_uom")),
        Column("report_uom", Code(), default=_same_as("order_uom")),
        Column("order_factor", POSITIVE, default=_ONE),
        Column("report_factor", POSITIVE, default=_ONE),
        Column("tracking", TRACKING),
        Column("uom_digits", Whole(high=Decimal(6))),
        Column("outdated", YesNo()),
    ),
)
CALENDARS = Sheet(
    "calendars",
    (Level("calendar", "calendar", ("calendar",)), Level("shift", "calendar", ("calendar", "shift"), optional=True)),
    (
        Column("calendar", Code(), "calendar", required=True),
        *_names("calendar"),
        Column("time_zone", Zone(), "calendar"),
        Column("shift", Code()),
        *_names(zh="shift_zh", en="shift_en"),
        Column("weekdays", WEEKDAYS, required=True),
        Column("start", Clock(), required=True),
        Column("end", Clock(), required=True),
        Column("breaks", Breaks()),
        Column("outdated", YesNo(), "calendar"),
        _REMOVE,
    ),
)
EXCEPTIONS = Sheet(
    "calendar_exceptions",
    (Level("exception", "calendar", ("calendar", "date"), whole=False),),
    (
        Column("calendar", Code(), required=True, refers="calendar"),
        Column("date", Day(), required=True),
        Column("working", YesNo()),
        Column("shifts", Codes()),
        Column("reason", Text()),
        _REMOVE,
    ),
)
WORK_CENTRES = Sheet(
    "work_centres",
    (Level("work_centre", "work_centre", ("no",)),),
    (
        Column("no", Code(), required=True),
        *_names(),
        Column("area", Code()),
        Column("calendar", Code(), refers="calendar"),
        Column("outdated", YesNo()),
    ),
)
EQUIPMENT = Sheet(
    "equipment",
    (Level("equipment", "equipment", ("no",)),),
    (
        Column("no", Code(), required=True),
        *_names(),
        Column("work_centre", Code(), required=True, refers="work_centre"),
        Column("is_numerically_controlled", YesNo()),
        Column("is_networked", YesNo()),
        Column("efficiency", Number(low=None, above=Decimal(0), high=Decimal(10)), default=_ONE),
        Column("initial_setup_family", Code(apart=";")),
        Column("mapping", Code(), offers=MAPPINGS),
        Column("counter_modulus", POSITIVE),
        Column("signal_timeout_s", Whole(high=Decimal(7 * 86400))),
        Column("area", Code()),
        Column("calendar", Code(), refers="calendar"),
        Column("outdated", YesNo()),
    ),
)
SETUP_MATRIX = Sheet(
    "setup_matrix",
    (Level("setup", "setup_matrix", ("work_centre", "from_family", "to_family"), whole=False),),
    (
        Column("work_centre", Code(), default="*", refers="work_centre"),
        Column("from_family", Code(apart=";"), default="*"),
        Column("to_family", Code(apart=";"), default="*"),
        Column("minutes", Minutes(), required=True),
        Column("cost_minor", Whole(high=Decimal(10**12))),
        Column("priority", Whole(high=Decimal(999)), default=5),
        _REMOVE,
    ),
)
REASONS = Sheet(
    "reasons",
    (Level("reason", "reason", ("code",)),),
    (
        Column("code", Code(), required=True),
        *_names(),
        Column("kind", REASON_KIND, required=True),
        Column("scrap_class", SCRAP_CLASS),
        Column("category", CATEGORY),
        Column("parent", Code(), refers="reason"),
        Column("outdated", YesNo()),
    ),
)
WORKERS = Sheet(
    "workers",
    (Level("worker", "worker", ("code",)),),
    (
        Column("code", Code(), required=True),
        *_names(),
        Column("skills", Skills()),
        Column("outdated", YesNo()),
    ),
)
INSPECTION_PLANS = Sheet(
    "inspection_plans",
    (
        Level("plan", "inspection_plan", ("plan",)),
        Level("stage", "inspection_plan", ("plan", "stage")),
        Level("characteristic", "inspection_plan", ("plan", "stage", "characteristic")),
    ),
    (
        Column("plan", Code(), "plan", required=True),
        *_names("plan", "plan_zh", "plan_en"),
        Column("stage", STAGE, "stage", required=True),
        Column("trigger", TRIGGER, "stage"),
        Column("every", Whole(), "stage"),
        Column("sampling", SAMPLING, "stage"),
        Column("sample_size", Whole(low=Decimal(1)), "stage", default=1),
        Column("aql", POSITIVE, "stage", offers=tuple(format(each, "f") for each in AQLS)),
        Column("inspection_level", LEVELS, "stage"),
        Column("gate", YesNo(), "stage"),
        Column("characteristic", Code(), required=True),
        *_names(),
        Column("kind", CHARACTERISTIC),
        Column("unit", Text(20)),
        Column("chart", CHART),
        Column("subgroup_size", Whole(low=Decimal(1), high=Decimal(100_000)), default=1),
        Column("importance", IMPORTANCE),
        Column("rules_signal", RULES),
        Column("rules_hold", RULES),
        *(Column(name, Measure()) for name in ("lsl", "target", "usl")),
        *(Column(name, Measure()) for name in ("limit_lcl", "limit_cl", "limit_ucl", "limit_sigma")),
        Column("outdated", YesNo(), "plan"),
        _REMOVE,
    ),
)
ROUTINGS = Sheet(
    "routings",
    (
        Level("routing", "routing", ("product", "revision")),
        Level("operation", "routing", ("product", "revision", "seq")),
    ),
    (
        Column("product", Code(), "routing", required=True, refers="material"),
        Column("revision", Code(apart=";:/"), "routing", default="A"),
        Column("status", STATUS, "routing"),
        Column("seq", Whole(low=Decimal(1)), required=True),
        Column("kind", OPERATION),
        *_names(),
        Column("predecessors", SEQS),
        Column("alternatives", Places()),
        Column("setup_family", Code(apart=";")),
        Column("queue_min", Minutes()),
        Column("move_min", Minutes()),
        Column("overlap_qty", POSITIVE),
        Column("inspection_plan", Code(), refers="inspection_plan"),
        Column("nc_level", Whole(high=Decimal(2))),
        Column("supplier", Text()),
        Column("lead_days", Whole(high=Decimal(3650))),
        Column("pieces_per_count", POSITIVE, default=_ONE),
        Column("over_tolerance", Number(high=Decimal(10)), default=Decimal(0)),
        Column("skill", Code()),
        Column("is_key_process", YesNo()),
        Column("first_article", YesNo()),
        Column("interruptible", YesNo(True)),
        Column("optional", YesNo()),
        Column("components", Parts()),
        _REMOVE,
    ),
)
ORDERS = Sheet(
    "orders",
    (Level("order", "", ("no",)),),
    (
        Column("no", Code(apart=";"), required=True),
        Column("material", Code(), required=True, refers="material"),
        Column("qty", POSITIVE, required=True),
        Column("uom", Code()),
        Column("priority", Whole(low=Decimal(1), high=Decimal(9)), default=5),
        Column("release_at", Moment()),
        Column("due_at", Moment(end_of_day=True)),
        Column("deadline_type", DEADLINE),
        Column("source", Text()),
        Column("customer", Text()),
        Column("component_orders", Codes(Code(apart=";"))),
        Column("state", Text(), only_read=True),
    ),
)

SHEETS = (
    SITE, MATERIALS, CALENDARS, EXCEPTIONS, WORK_CENTRES, EQUIPMENT, SETUP_MATRIX, REASONS, WORKERS, INSPECTION_PLANS,
    ROUTINGS, ORDERS,
)  # fmt: skip
BY_KEY = {sheet.key: sheet for sheet in SHEETS}
LEVELS_BY_NAME = {level.name: (sheet, level) for sheet in SHEETS for level in sheet.levels}
SITE_KEYS = ("business_epoch", "clock_factor", "time_zone")
