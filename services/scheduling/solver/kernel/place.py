"""Where one operation goes, given what was placed before it: the single truth of feasibility.

Semi-active: an operation goes behind what was placed before it on its machine and its units, as early as releases,
predecessors, working time, people and tools let it. What stands on the machine is stepped over. On a batch machine it
joins the batch before it if family and run are the same, there is room, and it is ready by the batch's start.
"""

from __future__ import annotations

from services.scheduling.solver.kernel.jit import compiled
from services.scheduling.solver.kernel.layout import (
    BEGIN,
    BL_BEGIN,
    BL_END,
    BL_FAMILY,
    BL_GIVEN,
    BL_LAST,
    BL_OP,
    BLOCK,
    CA_LONGEST,
    CA_WINDOWS,
    CAL,
    CH_MACHINE,
    CH_RUN,
    CH_SETUP,
    CHOICE,
    DURING_RUN,
    DURING_SETUP,
    END,
    FOREVER,
    HOLD,
    LN_LAG,
    LN_OP,
    LN_OVERLAP,
    LN_TAIL,
    MA_BATCH,
    MA_BLOCKS,
    MA_CAL,
    MA_FAMILY0,
    MA_FLOOR,
    MA_MATRIX,
    MA_OP0,
    N_CALENDARS,
    N_FAMILIES,
    N_ROWS,
    N_UNITS,
    NE_DURING,
    NE_GROUP,
    OP_CHOICES,
    OP_FAMILY,
    OP_FIXED,
    OP_LINKS,
    OP_LOT,
    OP_NEEDS,
    OP_RELEASE,
    OP_ROOM,
    OP_SPAN,
    OP_SUPPLIER,
    OP_WHOLE,
    S_CO_MOMENT,
    S_CO_PTR,
    S_GR_PTR,
    S_GR_UNIT,
    S_MEET,
    S_MX_COST,
    S_MX_ROW,
    S_MX_S,
    S_MX_STAY,
    SLOT_UNIT,
    START,
    TA_BEGIN,
    TA_END,
    UN_CAL,
    UN_PLACE,
    UN_TAKEN,
    USED,
    W_UNITS,
    W_VEC,
    WI_BEFORE,
    WI_BEGIN,
    WI_END,
    Ints,
    block_row,
    calendar_row,
    choice_row,
    link_row,
    machine_row,
    need_row,
    op_row,
    put_row,
    slot_row,
    taken_row,
    unit_row,
    window_row,
)


@compiled
def window_at(s: Ints, cal: int, moment: int) -> int:
    """Index of the last window that begins at or before a moment; one less than the first if none does."""
    low, high = s[calendar_row(s, cal) + CA_WINDOWS], s[calendar_row(s, cal + 1) + CA_WINDOWS]
    while low < high:
        middle = (low + high) >> 1
        if s[window_row(s, middle) + WI_BEGIN] <= moment:
            low = middle + 1
        else:
            high = middle
    return low - 1


@compiled
def work_until(s: Ints, cal: int, moment: int) -> int:
    """Seconds worked before a moment."""
    at = window_at(s, cal, moment)
    if at < s[calendar_row(s, cal) + CA_WINDOWS]:
        return 0
    return (
        s[window_row(s, at) + WI_BEFORE] + min(moment, s[window_row(s, at) + WI_END]) - s[window_row(s, at) + WI_BEGIN]
    )


@compiled
def worked_at(s: Ints, cal: int, worked: int, ending: bool) -> int:
    """Index of the window in which so much work is reached: where it goes on, or where it ends."""
    low, high = s[calendar_row(s, cal) + CA_WINDOWS], s[calendar_row(s, cal + 1) + CA_WINDOWS]
    while low < high:
        middle = (low + high) >> 1
        before = s[window_row(s, middle) + WI_BEFORE]
        if before < worked or (before == worked and not ending):
            low = middle + 1
        else:
            high = middle
    return max(low - 1, s[calendar_row(s, cal) + CA_WINDOWS])


@compiled
def begin_of(s: Ints, cal: int, worked: int) -> int:
    """When work begins that so much work precedes: the next window's begin at a border."""
    at = worked_at(s, cal, worked, False)
    return s[window_row(s, at) + WI_BEGIN] + worked - s[window_row(s, at) + WI_BEFORE]


@compiled
def end_of(s: Ints, cal: int, worked: int) -> int:
    """When so many seconds are worked: the window's end at a border."""
    at = worked_at(s, cal, worked, True)
    return s[window_row(s, at) + WI_BEGIN] + worked - s[window_row(s, at) + WI_BEFORE]


@compiled
def _cell(s: Ints, matrix: int, before: int, family: int) -> int:
    """Where two families meet in the setup matrices."""
    rows, first = s[N_ROWS], s[S_MX_ROW] + matrix * s[N_FAMILIES]
    return (matrix * rows + s[first + before]) * rows + s[first + family]


@compiled
def setup_row(s: Ints, machine: int, before: int, family: int) -> int:
    """Setup seconds by the matrix between two families, -1 where the operation's own setup holds."""
    matrix = s[machine_row(s, machine) + MA_MATRIX]
    if matrix < 0:
        return 0 if before == family and family > 0 else -1
    if family == 0:
        return -1
    if before == family:
        return s[s[S_MX_STAY] + matrix * s[N_FAMILIES] + family]
    return s[s[S_MX_S] + _cell(s, matrix, before, family)]


@compiled
def setup_cost(s: Ints, machine: int, before: int, family: int) -> int:
    """What the change between two families costs; within one family nothing."""
    matrix = s[machine_row(s, machine) + MA_MATRIX]
    if matrix < 0 or family == 0 or before == family:
        return 0
    return s[s[S_MX_COST] + _cell(s, matrix, before, family)]


@compiled
def own_setup(s: Ints, operation: int, machine: int) -> int:
    """The setup of an operation on a machine where the matrix has no row; 0 if it is no alternative."""
    for c in range(s[op_row(operation) + OP_CHOICES], s[op_row(operation + 1) + OP_CHOICES]):
        if s[choice_row(s, c) + CH_MACHINE] == machine:
            return s[choice_row(s, c) + CH_SETUP]
    return 0


@compiled
def setup_of(s: Ints, operation: int, choice: int, behind: int, before: int) -> int:
    """Setup seconds of an operation behind another (-1: none) on a machine set up for a family."""
    if (
        behind >= 0
        and s[op_row(operation) + OP_LOT] >= 0
        and s[op_row(operation) + OP_LOT] == s[op_row(behind) + OP_LOT]
    ):
        return 0
    found = setup_row(s, s[choice_row(s, choice) + CH_MACHINE], before, s[op_row(operation) + OP_FAMILY])
    return found if found >= 0 else s[choice_row(s, choice) + CH_SETUP]


@compiled
def transfer(s: Ints, p: Ints, before: int, overlap: int) -> int:
    """When the first batch leaves a placed operation: after `overlap` working seconds, -1: at its end."""
    end = p[put_row(before) + END]
    if overlap < 0 or s[op_row(before) + OP_FIXED] == 3:
        return end
    start, cal = p[put_row(before) + START], p[put_row(before) + CAL]
    if cal == 0:
        return min(end, start + overlap)
    return min(end, max(start, end_of(s, cal, work_until(s, cal, start) + overlap)))


@compiled
def bounds(s: Ints, p: Ints, operation: int) -> tuple[int, int]:
    """(not before, end not before) of a run, as releases, holds and the placed predecessors ask."""
    ready, bound = max(s[op_row(operation) + OP_RELEASE], p[put_row(operation) + HOLD]), 0
    for at in range(s[op_row(operation) + OP_LINKS], s[op_row(operation + 1) + OP_LINKS]):
        before = s[link_row(s, at) + LN_OP]
        overlap = s[link_row(s, at) + LN_OVERLAP]
        if overlap < 0:
            ready = max(ready, p[put_row(before) + END] + s[link_row(s, at) + LN_LAG])
        else:
            ready = max(ready, transfer(s, p, before, overlap) + s[link_row(s, at) + LN_LAG])
            bound = max(bound, p[put_row(before) + END] + s[link_row(s, at) + LN_TAIL])
    return ready, bound


@compiled
def timed(
    s: Ints, cal: int, cursor: int, ready: int, bound: int, setup: int, run: int, whole: int
) -> tuple[int, int, int]:
    """(setup begin, start, end) of the earliest run in a calendar.

    The setup begins not before `cursor`, the run not before `ready`, and ends not before `bound`.
    """
    if cal == 0:
        start = max(cursor + setup, ready, bound - run)
        return start - setup, start, start + run
    worked = max(work_until(s, cal, cursor) + setup, work_until(s, cal, ready))
    if bound > 0:
        reach = work_until(s, cal, bound)
        if end_of(s, cal, reach) < bound:
            reach += 1
        worked = max(worked, reach - run)
    at = worked_at(s, cal, worked, False)
    if whole == 1 and run <= s[calendar_row(s, cal) + CA_LONGEST]:
        last = s[calendar_row(s, cal + 1) + CA_WINDOWS] - 1
        while at < last and worked + run > s[window_row(s, at + 1) + WI_BEFORE]:
            at += 1
            worked = s[window_row(s, at) + WI_BEFORE]
    start = s[window_row(s, at) + WI_BEGIN] + worked - s[window_row(s, at) + WI_BEFORE]
    begin = begin_of(s, cal, worked - setup) if setup > 0 else start
    if run == 0:
        return begin, start, start
    if (
        s[window_row(s, at) + WI_BEFORE] + s[window_row(s, at) + WI_END] - s[window_row(s, at) + WI_BEGIN]
        >= worked + run
    ):
        return begin, start, start + run
    return begin, start, end_of(s, cal, worked + run)


@compiled
def _free_of(s: Ints, unit: int, begin: int, end: int) -> int:
    """The moment until which a unit is taken by something that stands, if that collides with a span; else -1."""
    if end <= begin:
        return -1
    for at in range(s[unit_row(s, unit) + UN_TAKEN], s[unit_row(s, unit + 1) + UN_TAKEN]):
        if s[taken_row(s, at) + TA_BEGIN] < end and begin < s[taken_row(s, at) + TA_END]:
            return s[taken_row(s, at) + TA_END]
    return -1


@compiled
def _with_unit(
    s: Ints, unit: int, free: int, during: int, cal: int, cursor: int, ready: int, bound: int, setup: int, run: int,
    whole: int,
) -> tuple[int, int, int, int, int, int]:  # fmt: skip
    """Times with one more unit: (begin, start, end, calendar, cursor, ready)."""
    cal = s[s[S_MEET] + cal * s[N_CALENDARS] + s[unit_row(s, unit) + UN_CAL]]
    while True:
        if during == DURING_RUN:
            ready = max(ready, free)
        else:
            cursor = max(cursor, free)
        begin, start, end = timed(s, cal, cursor, ready, bound, setup, run, whole)
        taken = _free_of(s, unit, start if during == DURING_RUN else begin, start if during == DURING_SETUP else end)
        if taken < 0:
            return begin, start, end, cal, cursor, ready
        free = taken


@compiled
def _staffed(
    s: Ints, w: Ints, operation: int, cal: int, cursor: int, ready: int, bound: int,
    setup: int, run: int, whole: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Choose a unit for every need, one after the other: that with which the run ends first, of those the one that was
    free last. (begin, start, end, calendar); `units` gets the chosen."""
    first, last = s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]
    begin, start, end = timed(s, cal, cursor, ready, bound, setup, run, whole)
    for need in range(first, last):
        w[W_UNITS + need - first] = -1
        during, group = s[need_row(s, need) + NE_DURING], s[need_row(s, need) + NE_GROUP]
        if (during == DURING_SETUP and setup == 0) or (during == DURING_RUN and run == 0) or setup + run == 0:
            continue
        best_end, best_free, best = FOREVER, -1, -1
        best_cal, best_cursor, best_ready, best_begin, best_start = cal, cursor, ready, begin, start
        base = w[W_VEC] + (need - first) * s[N_UNITS]
        for at in range(s[s[S_GR_PTR] + group], s[s[S_GR_PTR] + group + 1]):
            unit = s[s[S_GR_UNIT] + at]
            chosen = False
            for other in range(need - first):
                chosen = chosen or w[W_UNITS + other] == unit
            if chosen:
                continue
            free = w[base + s[unit_row(s, unit) + UN_PLACE]]
            if free + run > best_end:
                continue
            found = _with_unit(s, unit, free, during, cal, cursor, ready, bound, setup, run, whole)
            if found[2] < best_end or (found[2] == best_end and free > best_free):
                best, best_free = unit, free
                best_begin, best_start, best_end, best_cal, best_cursor, best_ready = found
        w[W_UNITS + need - first] = best
        begin, start, end, cal, cursor, ready = best_begin, best_start, best_end, best_cal, best_cursor, best_ready
    moved = last - first > 1
    while moved:
        # A later unit may have pushed the run into something that stands on an earlier one.
        moved = False
        for need in range(first, last):
            unit, during = w[W_UNITS + need - first], s[need_row(s, need) + NE_DURING]
            if unit < 0:
                continue
            taken = _free_of(
                s, unit, start if during == DURING_RUN else begin, start if during == DURING_SETUP else end
            )
            if taken >= 0:
                moved = True
                if during == DURING_RUN:
                    ready = max(ready, taken)
                else:
                    cursor = max(cursor, taken)
                begin, start, end = timed(s, cal, cursor, ready, bound, setup, run, whole)
    return begin, start, end, cal


@compiled
def needs_alike(s: Ints, one: int, other: int) -> bool:
    """Whether two operations need the same people and tools, so that one load serves both."""
    first, second = s[op_row(one) + OP_NEEDS], s[op_row(other) + OP_NEEDS]
    count = s[op_row(one + 1) + OP_NEEDS] - first
    if s[op_row(other + 1) + OP_NEEDS] - second != count:
        return False
    for at in range(count):
        if s[need_row(s, first + at) + NE_GROUP] != s[need_row(s, second + at) + NE_GROUP]:
            return False
        if s[need_row(s, first + at) + NE_DURING] != s[need_row(s, second + at) + NE_DURING]:
            return False
    return True


@compiled
def joins(s: Ints, p: Ints, operation: int, choice: int, prev: int, ready: int, bound: int) -> bool:
    """Whether an operation goes into the batch of the one before it on a batch machine."""
    capacity = s[machine_row(s, s[choice_row(s, choice) + CH_MACHINE]) + MA_BATCH]
    return (
        capacity > 0
        and s[choice_row(s, choice) + CH_RUN] > 0
        and prev >= 0
        and s[op_row(prev) + OP_FAMILY] == s[op_row(operation) + OP_FAMILY]
        and s[choice_row(s, p[put_row(prev) + CHOICE]) + CH_RUN] == s[choice_row(s, choice) + CH_RUN]
        and s[op_row(prev) + OP_WHOLE] == s[op_row(operation) + OP_WHOLE]
        and p[put_row(prev) + USED] + s[op_row(operation) + OP_ROOM] <= capacity
        and ready <= p[put_row(prev) + START]
        and bound <= p[put_row(prev) + END]
        and needs_alike(s, prev, operation)
    )


@compiled
def _leaves(s: Ints, operation: int, family: int, machine: int, standing: int) -> int:
    """Setup seconds that what stands on a machine would need behind an operation."""
    if s[op_row(operation) + OP_LOT] >= 0 and s[op_row(operation) + OP_LOT] == s[op_row(standing) + OP_LOT]:
        return 0
    found = setup_row(s, machine, family, s[op_row(standing) + OP_FAMILY])
    return found if found >= 0 else own_setup(s, standing, machine)


@compiled
def place(
    s: Ints, p: Ints, w: Ints, operation: int, choice: int, prev: int, ready: int, bound: int
) -> tuple[int, int, int, int, int, int, int, int]:
    """Where an operation goes: (setup begin, start, end, setup, block, calendar, used, joined).

    prev: the operation before it on the machine, -1: none. W_UNITS gets the unit of each need.
    """
    c, o = choice_row(s, choice), op_row(operation)
    machine, run, family = s[c + CH_MACHINE], s[c + CH_RUN], s[o + OP_FAMILY]
    needs = s[op_row(operation + 1) + OP_NEEDS] - s[op_row(operation) + OP_NEEDS]
    if joins(s, p, operation, choice, prev, ready, bound):
        x = put_row(prev)
        for at in range(needs):
            w[W_UNITS + at] = p[slot_row(p, s[op_row(prev) + OP_NEEDS] + at) + SLOT_UNIT]
        return p[x + BEGIN], p[x + START], p[x + END], 0, p[x + BLOCK], p[x + CAL], p[x + USED] + s[o + OP_ROOM], 1
    m, behind = machine_row(s, machine), prev
    if prev >= 0:
        cursor, before, block = p[put_row(prev) + END], s[op_row(prev) + OP_FAMILY], p[put_row(prev) + BLOCK]
    else:
        cursor, before, block = s[m + MA_FLOOR], s[m + MA_FAMILY0], s[m + MA_BLOCKS]
        behind = s[m + MA_OP0]
    whole = s[op_row(operation) + OP_WHOLE]
    while True:
        setup = setup_of(s, operation, choice, behind, before)
        cal = s[m + MA_CAL]
        if needs == 0:
            begin, start, end = timed(s, cal, cursor, ready, bound, setup, run, whole)
        else:
            begin, start, end, cal = _staffed(s, w, operation, cal, cursor, ready, bound, setup, run, whole)
        if block == s[machine_row(s, machine + 1) + MA_BLOCKS]:
            break
        b = block_row(s, block)
        if end <= s[b + BL_BEGIN] and _leaves(s, operation, family, machine, s[b + BL_OP]) <= s[b + BL_GIVEN]:
            break
        cursor, before, behind = max(cursor, s[b + BL_END]), s[b + BL_FAMILY], s[b + BL_LAST]
        block += 1
    return begin, start, end, setup, block, cal, s[op_row(operation) + OP_ROOM], 0


@compiled
def place_outside(s: Ints, w: Ints, operation: int, ready: int, bound: int) -> tuple[int, int]:
    """(start, end) of work outside: when the supplier collects and, if that is limited, can take it."""
    span, supplier = s[op_row(operation) + OP_SPAN], s[op_row(operation) + OP_SUPPLIER]
    start = max(ready, bound - span)
    first = s[op_row(operation) + OP_NEEDS]
    for need in range(first, s[op_row(operation + 1) + OP_NEEDS]):
        group, best, best_free = s[need_row(s, need) + NE_GROUP], -1, FOREVER
        base = w[W_VEC] + (need - first) * s[N_UNITS]
        for at in range(s[s[S_GR_PTR] + group], s[s[S_GR_PTR] + group + 1]):
            free = w[base + s[unit_row(s, s[s[S_GR_UNIT] + at]) + UN_PLACE]]
            if best < 0 or (free <= start and (best_free > start or free > best_free)) or (start < free < best_free):
                best, best_free = s[s[S_GR_UNIT] + at], free
        w[W_UNITS + need - first] = best
        start = max(start, best_free)
    start = _collected(s, supplier, start)
    need = first
    while need < s[op_row(operation + 1) + OP_NEEDS]:
        taken = _free_of(s, w[W_UNITS + need - first], start, start + span)
        need += 1
        if taken >= 0:
            start, need = _collected(s, supplier, taken), first
    return start, start + span


@compiled
def _collected(s: Ints, supplier: int, moment: int) -> int:
    """When a supplier collects, not before a moment."""
    if supplier >= 0:
        for at in range(s[s[S_CO_PTR] + supplier], s[s[S_CO_PTR] + supplier + 1]):
            if s[s[S_CO_MOMENT] + at] >= moment:
                return s[s[S_CO_MOMENT] + at]
    return moment
