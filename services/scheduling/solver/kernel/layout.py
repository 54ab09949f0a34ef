"""What compiled functions work on: a problem and a schedule, each one block of int64 with tables of rows in it.

A row is addressed by where it begins (`op_row`, `put_row`, ...) and a field by its offset from there, so that functions
pass one array each instead of seventy: numba hands an array over field by field, and calls would cost more than work.
A block begins with a header: where each table begins. A field that names rows of another table (OP_CHOICES, OP_LINKS,
...) is where the rows of this one begin; they end where those of the next row begin, so such tables have one row more
than owners. Moments and spans are seconds as in `problem`. -1 stands for "none".

`s`, the shop (the problem):

- op: order, family, release, span (outside work), fixed (FREE ... DONE), room (in a batch), supplier, whole (1: may not
  pause), lot (operations of one lot need no setup between them, -1: none), stood_start and stood_machine in the current
  plan (-2: not in it), last (1: can be its order's last), and its rows in choices, links, after, needs.
- choice: machine, run, setup (its own), pref. link: op (the predecessor), lag, overlap (-1: none), tail.
  S_AFTER: operations that follow.
- machine: floor, family0, op0 (what stands at the very beginning), cal, matrix, batch (capacity, 0: one at a time),
  power (watts), blocks. block: what stands on a machine: begin, end, family, given (setup), op (the first in it), last.
- S_MX_ROW[matrix, family]: the family's row in S_MX_S and S_MX_COST[matrix, row, row]; S_MX_S -1: own setup holds;
  S_MX_STAY[matrix, family]: setup within a family.
- calendar: windows, longest, prices; number 0 is always open. window: begin, end, before (seconds worked before).
  S_MEET[a, b]: the calendar that is open where both are. price: moment, before (cost until then), rate (0: closed).
- need: group, during, op, part (component of the units that can serve it). S_GR_PTR, S_GR_UNIT: units of a group. unit:
  cal, floor, part (component of units that share groups), place (in it), taken. taken: begin, end. S_PART_SIZE and
  S_PART_PTR, S_PART_UNIT: units of a component.
- S_CO_PTR, S_CO_MOMENT: when suppliers collect. order: due (FOREVER: none), weight, hard, lasts. S_LAST_OP.
- S_CHANGE: seconds that a changed machine counts. S_RATE: what the parts of the score cost in a search, from MISSED on.

`p`, the plan (a schedule): the parts of the score first, then their sum at the rates;

- put: of an operation: choice (-1 without a machine), machine, begin (of the setup), start, end, setup (seconds), block
  (the next of its machine's), cal (in which it works), used (of a batch), joined (1: in the batch of the one before),
  paid (cost of the changeover), spent (energy) and stray (seconds moved; its parts of the score), hold (not before),
  prev and next on the machine, key (the order of placing; of equal keys the lower number first).
- P_HEAD, P_TAIL: first and last on a machine. slot: of a need: unit, prev and next in the component's chain, vec (where
  the component's units stand behind it: moments from which they are free). P_CHEAD, P_CTAIL: ends of the chains.
  P_ORDER_END.

`w`, room to work in: how much is in the heap, the journal, the vectors and the touched orders; W_RNG; W_BEFORE: the
score before the last move; W_LAST: the last move; W_UNITS: the unit of each need of the operation at hand. W_HEAP:
(key, operation) that are to be placed again; W_WAITING: 1 while in it. W_JOURNAL[i]: an operation and what it was
before; W_VECTORS: what its components were. W_TOUCHED: orders and their ends before; W_SEEN: 1 if touched. W_VEC: for
need i of the operation at hand, from when the units of the component are free, at i * N_UNITS + place in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.scheduling.solver.kernel.jit import compiled

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
FOREVER = 1 << 60
DURING_ALL, DURING_SETUP, DURING_RUN = 0, 1, 2
FREE, PINNED, STANDS, DONE = 0, 1, 2, 3
MISSED, TARDINESS, MAKESPAN, MOVED, CHANGEOVER, COST, ENERGY, FLOW, SUM = range(9)
STEP = 1 << 24
"""Between the keys of two operations that were numbered anew."""

# The shop's header: counts, then where tables begin.
N_OPS, N_MACHINES, N_ORDERS, N_NEEDS, N_UNITS, N_PARTS, N_FAMILIES, N_ROWS, N_CALENDARS, N_VEC = range(10)
(
    S_OP, S_CHOICE, S_LINK, S_AFTER, S_MACHINE, S_BLOCK, S_MX_ROW, S_MX_S, S_MX_COST, S_MX_STAY, S_CALENDAR, S_WINDOW,
    S_MEET, S_PRICE, S_NEED, S_GR_PTR, S_GR_UNIT, S_UNIT, S_TAKEN, S_PART_SIZE, S_PART_PTR, S_PART_UNIT, S_CO_PTR,
    S_CO_MOMENT, S_ORDER, S_LAST_OP, S_CHANGE, S_RATE,
) = range(10, 38)  # fmt: skip
_SHOP_HEAD = 40

OP_FIELDS = (
    "order family release span fixed room supplier whole lot stood_start stood_machine last choices links after needs"
)
(
    OP_ORDER, OP_FAMILY, OP_RELEASE, OP_SPAN, OP_FIXED, OP_ROOM, OP_SUPPLIER, OP_WHOLE, OP_LOT, OP_STOOD_START,
    OP_STOOD_MACHINE, OP_LAST, OP_CHOICES, OP_LINKS, OP_AFTER, OP_NEEDS,
) = range(16)  # fmt: skip
_OP = 16
CH_MACHINE, CH_RUN, CH_SETUP, CH_PREF = range(4)
LN_OP, LN_LAG, LN_OVERLAP, LN_TAIL = range(4)
MA_FLOOR, MA_FAMILY0, MA_OP0, MA_CAL, MA_MATRIX, MA_BATCH, MA_POWER, MA_BLOCKS = range(8)
BL_BEGIN, BL_END, BL_FAMILY, BL_GIVEN, BL_OP, BL_LAST = range(6)
CA_WINDOWS, CA_LONGEST, CA_PRICES = range(3)
WI_BEGIN, WI_END, WI_BEFORE = range(3)
PR_MOMENT, PR_BEFORE, PR_RATE = range(3)
NE_GROUP, NE_DURING, NE_OP, NE_PART = range(4)
UN_CAL, UN_FLOOR, UN_PART, UN_PLACE, UN_TAKEN = range(5)
TA_BEGIN, TA_END = range(2)
OR_DUE, OR_WEIGHT, OR_HARD, OR_LASTS = range(4)

# The plan's header: the score, then where tables begin.
P_HEAD, P_TAIL, P_SLOT, P_VEC, P_CHEAD, P_CTAIL, P_ORDER_END = range(9, 16)
_PLAN_HEAD = 16
(
    CHOICE, MACHINE, BEGIN, START, END, SETUP, BLOCK, CAL, USED, JOINED, PAID, SPENT, STRAY, HOLD, PREV, NEXT, KEY,
) = range(17)  # fmt: skip
PUT = 18
SLOT_UNIT, SLOT_PREV, SLOT_NEXT, SLOT_VEC = range(4)

# The work room's header: counts, the state of the random numbers, fixed places, then where tables begin.
HEAP, JOURNAL, VECTORS, TOUCHED, W_RNG, N_FREE = range(6)
W_BEFORE, W_UNITS, W_LAST = 8, 24, 32
W_HEAP, W_WAITING, W_JOURNAL, W_VECTORS, W_TOUCHED, W_SEEN, W_VEC = range(72, 79)
_WORK_HEAD = 80
SAVED = 14

TABLES: Sequence[tuple[str, Sequence[str]]] = (
    ("op", tuple(OP_FIELDS.split())),
    ("choice", ("machine", "run", "setup", "pref")),
    ("link", ("op", "lag", "overlap", "tail")),
    ("after", ()),
    ("machine", ("floor", "family0", "op0", "cal", "matrix", "batch", "power", "blocks")),
    ("block", ("begin", "end", "family", "given", "op", "last")),
    ("mx_row", ()), ("mx_s", ()), ("mx_cost", ()), ("mx_stay", ()),
    ("calendar", ("windows", "longest", "prices")),
    ("window", ("begin", "end", "before")),
    ("meet", ()),
    ("price", ("moment", "before", "rate")),
    ("need", ("group", "during", "op", "part")),
    ("gr_ptr", ()), ("gr_unit", ()),
    ("unit", ("cal", "floor", "part", "place", "taken")),
    ("taken", ("begin", "end")),
    ("part_size", ()), ("part_ptr", ()), ("part_unit", ()), ("co_ptr", ()), ("co_moment", ()),
    ("order", ("due", "weight", "hard", "lasts")),
    ("last_op", ()), ("change", ()), ("rate", ()),
)  # fmt: skip
"""Tables of the shop in the order of their places in its header, with their fields; without fields: plain numbers."""


def block(counts: Sequence[int], columns: Mapping[str, Ints]) -> Ints:
    """The shop as one block. columns: by "table.field", or "table" for plain numbers."""
    parts, at, head = [], _SHOP_HEAD, np.zeros(_SHOP_HEAD, np.int64)
    head[: len(counts)] = counts
    for number, (table, fields) in enumerate(TABLES):
        if fields:
            found = [columns[f"{table}.{field}"] for field in fields]
            rows = np.zeros((max(len(each) for each in found), len(fields)), np.int64)
            for place, each in enumerate(found):
                rows[: len(each), place] = each
            content = rows.ravel()
        else:
            content = columns[table].ravel()
        head[S_OP + number] = at
        parts.append(content)
        at += len(content)
    return np.concatenate([head, *parts])


def empty_plan(s: Ints) -> Ints:
    """A schedule in which nothing is placed."""
    n, machines, parts, needs = int(s[N_OPS]), int(s[N_MACHINES]), int(s[N_PARTS]), int(s[N_NEEDS])
    sizes = (machines, machines, 4 * needs, int(s[N_VEC]), parts, parts, int(s[N_ORDERS]))
    at = _PLAN_HEAD + n * PUT
    p = np.full(at + sum(sizes), -1, np.int64)
    p[:_PLAN_HEAD] = 0
    rows = p[_PLAN_HEAD:at].reshape(n, PUT)
    rows[:, [BEGIN, START, END, SETUP, BLOCK, CAL, USED, JOINED, PAID, SPENT, STRAY, HOLD, KEY]] = 0
    for number, size in enumerate(sizes):
        p[P_HEAD + number] = at
        at += size
    vec = 0
    for need in range(needs):
        p[p[P_SLOT] + 4 * need + SLOT_VEC] = p[P_VEC] + vec
        vec += s[s[S_PART_SIZE] + s[s[S_NEED] + 4 * need + NE_PART]]
    return p


def room(s: Ints, seed: int) -> Ints:
    """Room to work in on a problem. seed: the state from which numbers by lot begin (see `tools.seeded`)."""
    n, orders, needs = int(s[N_OPS]), int(s[N_ORDERS]), int(s[N_NEEDS])
    sizes = (2 * n + 2, n, SAVED * (n + 1), int(s[N_VEC]) + needs + 1, 2 * orders + 2, orders, 8 * int(s[N_UNITS]) + 1)
    w = np.zeros(_WORK_HEAD + sum(sizes), np.int64)
    at = _WORK_HEAD
    for number, size in enumerate(sizes):
        w[W_HEAP + number] = at
        at += size
    w[W_RNG] = seed
    return w


def puts(s: Ints, p: Ints) -> Ints:
    """The rows of the operations in a schedule, (operations, PUT); writing there writes into the schedule."""
    found: Ints = p[_PLAN_HEAD : _PLAN_HEAD + int(s[N_OPS]) * PUT].reshape(-1, PUT)
    return found


@compiled
def op_row(operation: int) -> int:
    """Where an operation's row begins in the shop."""
    return _SHOP_HEAD + operation * _OP


@compiled
def put_row(operation: int) -> int:
    """Where an operation's row begins in a schedule."""
    return _PLAN_HEAD + operation * PUT


@compiled
def choice_row(s: Ints, choice: int) -> int:
    """Where a choice begins."""
    return s[S_CHOICE] + choice * 4


@compiled
def link_row(s: Ints, link: int) -> int:
    """Where a link begins."""
    return s[S_LINK] + link * 4


@compiled
def machine_row(s: Ints, machine: int) -> int:
    """Where a machine begins."""
    return s[S_MACHINE] + machine * 8


@compiled
def block_row(s: Ints, block: int) -> int:
    """Where a block begins."""
    return s[S_BLOCK] + block * 6


@compiled
def calendar_row(s: Ints, cal: int) -> int:
    """Where a calendar begins."""
    return s[S_CALENDAR] + cal * 3


@compiled
def window_row(s: Ints, window: int) -> int:
    """Where a window begins."""
    return s[S_WINDOW] + window * 3


@compiled
def price_row(s: Ints, price: int) -> int:
    """Where a price begins."""
    return s[S_PRICE] + price * 3


@compiled
def need_row(s: Ints, need: int) -> int:
    """Where a need begins."""
    return s[S_NEED] + need * 4


@compiled
def unit_row(s: Ints, unit: int) -> int:
    """Where a unit begins."""
    return s[S_UNIT] + unit * 5


@compiled
def taken_row(s: Ints, taken: int) -> int:
    """Where a time in which a unit is taken begins."""
    return s[S_TAKEN] + taken * 2


@compiled
def order_row(s: Ints, order: int) -> int:
    """Where an order begins."""
    return s[S_ORDER] + order * 4


@compiled
def slot_row(p: Ints, need: int) -> int:
    """Where a need begins in a schedule."""
    return p[P_SLOT] + need * 4
