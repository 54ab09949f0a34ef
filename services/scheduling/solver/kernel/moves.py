"""Moving one operation in a schedule, exactly: only what the move touches is placed again, and it can be undone."""

from __future__ import annotations

from services.scheduling.solver.kernel.decode import UNITS, add_up, end_of_order, lay
from services.scheduling.solver.kernel.jit import compiled
from services.scheduling.solver.kernel.layout import (
    BEGIN,
    CAL,
    CH_MACHINE,
    CHANGEOVER,
    CHOICE,
    COST,
    END,
    ENERGY,
    FLOW,
    FOREVER,
    HEAP,
    HOLD,
    JOURNAL,
    KEY,
    LN_OP,
    MACHINE,
    MAKESPAN,
    MISSED,
    MOVED,
    N_ORDERS,
    NE_OP,
    NE_PART,
    NEXT,
    OP_AFTER,
    OP_FIXED,
    OP_LAST,
    OP_LINKS,
    OP_NEEDS,
    OP_ORDER,
    OR_DUE,
    OR_HARD,
    OR_WEIGHT,
    P_CHEAD,
    P_CTAIL,
    P_HEAD,
    P_ORDER_END,
    P_TAIL,
    PAID,
    PREV,
    S_AFTER,
    S_PART_SIZE,
    SAVED,
    SETUP,
    SLOT_NEXT,
    SLOT_PREV,
    SLOT_UNIT,
    SLOT_VEC,
    SPENT,
    STANDS,
    START,
    STRAY,
    SUM,
    TARDINESS,
    TOUCHED,
    VECTORS,
    W_BEFORE,
    W_HEAP,
    W_JOURNAL,
    W_LAST,
    W_RNG,
    W_SEEN,
    W_TOUCHED,
    W_VECTORS,
    W_WAITING,
    Ints,
    choice_row,
    link_row,
    need_row,
    op_row,
    order_row,
    put_row,
    slot_row,
)
from services.scheduling.solver.kernel.tools import draw, pop, push


@compiled
def chance(w: Ints) -> float:
    """A number above 0, at most 1."""
    return (draw(w, W_RNG, 1 << 30) + 1) / (1 << 30)


@compiled
def touch(p: Ints, w: Ints, operation: int) -> None:
    """Have an operation placed again."""
    if operation >= 0 and w[w[W_WAITING] + operation] == 0:
        w[w[W_WAITING] + operation] = 1
        push(w, w[W_HEAP], HEAP, p[put_row(operation) + KEY], operation)


@compiled
def _remember(s: Ints, p: Ints, w: Ints, operation: int) -> None:
    row, x = w[W_JOURNAL] + w[JOURNAL] * SAVED, put_row(operation)
    w[JOURNAL] += 1
    w[row] = operation
    for field in range(BEGIN, HOLD):
        w[row + field - 1] = p[x + field]
    w[row + SAVED - 1] = w[VECTORS]
    for need in range(s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]):
        top, y = w[W_VECTORS] + w[VECTORS], slot_row(p, need)
        w[top] = p[y + SLOT_UNIT]
        size = s[s[S_PART_SIZE] + s[need_row(s, need) + NE_PART]]
        for place in range(size):
            w[top + 1 + place] = p[p[y + SLOT_VEC] + place]
        w[VECTORS] += 1 + size


@compiled
def _restore(s: Ints, p: Ints, w: Ints, at: int) -> None:
    row = w[W_JOURNAL] + at * SAVED
    operation = w[row]
    x = put_row(operation)
    for field in range(BEGIN, HOLD):
        p[x + field] = w[row + field - 1]
    top = w[W_VECTORS] + w[row + SAVED - 1]
    for need in range(s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]):
        y = slot_row(p, need)
        p[y + SLOT_UNIT] = w[top]
        size = s[s[S_PART_SIZE] + s[need_row(s, need) + NE_PART]]
        for place in range(size):
            p[p[y + SLOT_VEC] + place] = w[top + 1 + place]
        top += 1 + size


@compiled
def spread(s: Ints, p: Ints, w: Ints, limit: int) -> bool:
    """Place again what waits for it, in order of keys, and what that touches; bring the score up to date.

    False, with everything half done, as soon as so much weighted tardiness more is certain that it exceeds the limit,
    if nothing that comes later makes up for it.
    """
    harm = 0
    while w[HEAP] > 0:
        operation = pop(w, w[W_HEAP], HEAP)
        w[w[W_WAITING] + operation] = 0
        x, row = put_row(operation), w[W_JOURNAL] + w[JOURNAL] * SAVED
        _remember(s, p, w, operation)
        changed = lay(s, p, w, operation)
        cheap = True
        for part, field in ((CHANGEOVER, SETUP), (COST, PAID), (ENERGY, SPENT), (MOVED, STRAY)):
            more = p[x + field] - w[row + field - 1]
            p[part] += more
            cheap = cheap and more == 0
        if changed == 0:
            if cheap:
                w[JOURNAL] -= 1
                w[VECTORS] = w[row + SAVED - 1]
            continue
        touch(p, w, p[x + NEXT])
        moved = p[x + START] != w[row + START - 1] or p[x + END] != w[row + END - 1] or p[x + CAL] != w[row + CAL - 1]
        if moved:
            for at in range(s[op_row(operation) + OP_AFTER], s[op_row(operation + 1) + OP_AFTER]):
                follower = s[s[S_AFTER] + at]
                if s[op_row(follower) + OP_FIXED] < STANDS:
                    touch(p, w, follower)
            if s[op_row(operation) + OP_LAST] == 1:
                order = s[op_row(operation) + OP_ORDER]
                _touch_order(p, w, order)
                due, weight = s[order_row(s, order) + OR_DUE], s[order_row(s, order) + OR_WEIGHT]
                late = max(p[x + END] - due, 0) - max(w[row + END - 1] - due, 0)
                harm += weight * late
                if harm > limit:
                    _give_up(w)
                    return False
        if changed & UNITS:
            for need in range(s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]):
                behind = p[slot_row(p, need) + SLOT_NEXT]
                if behind >= 0 and s[need_row(s, behind) + NE_OP] != operation:
                    touch(p, w, s[need_row(s, behind) + NE_OP])
    _ends(s, p, w)
    add_up(s, p)
    return True


@compiled
def _give_up(w: Ints) -> None:
    for at in range(w[HEAP]):
        w[w[W_WAITING] + w[w[W_HEAP] + 2 * at + 1]] = 0
    w[HEAP] = 0
    for at in range(w[TOUCHED]):
        w[w[W_SEEN] + w[w[W_TOUCHED] + 2 * at]] = 0


@compiled
def _touch_order(p: Ints, w: Ints, order: int) -> None:
    if w[w[W_SEEN] + order] == 0:
        w[w[W_SEEN] + order] = 1
        w[w[W_TOUCHED] + 2 * w[TOUCHED]] = order
        w[w[W_TOUCHED] + 2 * w[TOUCHED] + 1] = p[p[P_ORDER_END] + order]
        w[TOUCHED] += 1


@compiled
def _ends(s: Ints, p: Ints, w: Ints) -> None:
    last = 0
    for at in range(w[TOUCHED]):
        order, was = w[w[W_TOUCHED] + 2 * at], w[w[W_TOUCHED] + 2 * at + 1]
        w[w[W_SEEN] + order] = 0
        end = end_of_order(s, p, order)
        p[p[P_ORDER_END] + order] = end
        due, weight = s[order_row(s, order) + OR_DUE], s[order_row(s, order) + OR_WEIGHT]
        p[FLOW] += end - was
        if was > due:
            p[TARDINESS] -= weight * (was - due)
            p[MISSED] -= s[order_row(s, order) + OR_HARD]
        if end > due:
            p[TARDINESS] += weight * (end - due)
            p[MISSED] += s[order_row(s, order) + OR_HARD]
        last = max(last, end, was)
    if last >= p[MAKESPAN] > 0:
        p[MAKESPAN] = 0
        for order in range(s[N_ORDERS]):
            p[MAKESPAN] = max(p[MAKESPAN], p[p[P_ORDER_END] + order])


@compiled
def _unlink(p: Ints, operation: int) -> None:
    x = put_row(operation)
    if p[x + PREV] >= 0:
        p[put_row(p[x + PREV]) + NEXT] = p[x + NEXT]
    else:
        p[p[P_HEAD] + p[x + MACHINE]] = p[x + NEXT]
    if p[x + NEXT] >= 0:
        p[put_row(p[x + NEXT]) + PREV] = p[x + PREV]
    else:
        p[p[P_TAIL] + p[x + MACHINE]] = p[x + PREV]


@compiled
def _link(p: Ints, operation: int, machine: int, behind: int) -> None:
    """Hang an operation before `behind` on a machine; -1: at its end."""
    x = put_row(operation)
    p[x + MACHINE], p[x + NEXT] = machine, behind
    p[x + PREV] = p[put_row(behind) + PREV] if behind >= 0 else p[p[P_TAIL] + machine]
    if p[x + PREV] >= 0:
        p[put_row(p[x + PREV]) + NEXT] = operation
    else:
        p[p[P_HEAD] + machine] = operation
    if behind >= 0:
        p[put_row(behind) + PREV] = operation
    else:
        p[p[P_TAIL] + machine] = operation


@compiled
def _unlink_need(s: Ints, p: Ints, need: int) -> None:
    y, part = slot_row(p, need), s[need_row(s, need) + NE_PART]
    if p[y + SLOT_PREV] >= 0:
        p[slot_row(p, p[y + SLOT_PREV]) + SLOT_NEXT] = p[y + SLOT_NEXT]
    else:
        p[p[P_CHEAD] + part] = p[y + SLOT_NEXT]
    if p[y + SLOT_NEXT] >= 0:
        p[slot_row(p, p[y + SLOT_NEXT]) + SLOT_PREV] = p[y + SLOT_PREV]
    else:
        p[p[P_CTAIL] + part] = p[y + SLOT_PREV]


@compiled
def _link_need(s: Ints, p: Ints, need: int, behind: int) -> None:
    y, part = slot_row(p, need), s[need_row(s, need) + NE_PART]
    p[y + SLOT_NEXT] = behind
    p[y + SLOT_PREV] = p[slot_row(p, behind) + SLOT_PREV] if behind >= 0 else p[p[P_CTAIL] + part]
    if p[y + SLOT_PREV] >= 0:
        p[slot_row(p, p[y + SLOT_PREV]) + SLOT_NEXT] = need
    else:
        p[p[P_CHEAD] + part] = need
    if behind >= 0:
        p[slot_row(p, behind) + SLOT_PREV] = need
    else:
        p[p[P_CTAIL] + part] = need


@compiled
def _earlier(p: Ints, one: int, other: int) -> bool:
    """Whether an operation is placed before another; of equal keys the lower number."""
    a, b = p[put_row(one) + KEY], p[put_row(other) + KEY]
    return a < b or (a == b and one < other)


@compiled
def _behind(s: Ints, p: Ints, need: int, near: int) -> int:
    """The first need in a chain whose operation comes later by key, or is the same with a later need; -1: none."""
    operation = s[need_row(s, need) + NE_OP]
    at = near if near >= 0 else p[p[P_CTAIL] + s[need_row(s, need) + NE_PART]]
    while at >= 0:
        other = s[need_row(s, at) + NE_OP]
        if _earlier(p, other, operation) or (other == operation and at < need):
            break
        at = p[slot_row(p, at) + SLOT_PREV]
    at = p[slot_row(p, at) + SLOT_NEXT] if at >= 0 else p[p[P_CHEAD] + s[need_row(s, need) + NE_PART]]
    while at >= 0:
        other = s[need_row(s, at) + NE_OP]
        if _earlier(p, operation, other) or (other == operation and at > need):
            return at
        at = p[slot_row(p, at) + SLOT_NEXT]
    return -1


@compiled
def move(s: Ints, p: Ints, w: Ints, operation: int, choice: int, behind: int, key: int, hold: int, limit: int) -> bool:
    """Put an operation on the machine of a choice before `behind` (-1: at the end), with this key and hold.

    The key lies between those of its neighbours there and of its predecessors and followers. Times and score are
    brought up to date; `undo` takes it all back, and must if the limit was exceeded (False; see `spread`).
    """
    x = put_row(operation)
    for part in range(SUM + 1):
        w[W_BEFORE + part] = p[part]
    w[JOURNAL] = w[VECTORS] = w[TOUCHED] = 0
    w[W_LAST], w[W_LAST + 1], w[W_LAST + 2] = operation, p[x + CHOICE], p[x + MACHINE]
    w[W_LAST + 3], w[W_LAST + 4], w[W_LAST + 5] = p[x + NEXT], p[x + HOLD], p[x + KEY]
    touch(p, w, p[x + NEXT])
    first, end = s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]
    for need in range(first, end):
        w[W_LAST + 8 + need - first] = p[slot_row(p, need) + SLOT_NEXT]
        w[W_LAST + 16 + need - first] = p[slot_row(p, need) + SLOT_PREV]
        behind_need = p[slot_row(p, need) + SLOT_NEXT]
        if behind_need >= 0 and s[need_row(s, behind_need) + NE_OP] != operation:
            touch(p, w, s[need_row(s, behind_need) + NE_OP])
    for need in range(first, end):
        _unlink_need(s, p, need)
    _unlink(p, operation)
    p[x + KEY], p[x + CHOICE], p[x + HOLD] = key, choice, hold
    _link(p, operation, s[choice_row(s, choice) + CH_MACHINE], behind)
    for need in range(first, end):
        near = w[W_LAST + 16 + need - first]
        while near >= first and near < end:
            near = w[W_LAST + 16 + near - first]
        place = _behind(s, p, need, near)
        _link_need(s, p, need, place)
        if place >= 0 and s[need_row(s, place) + NE_OP] != operation:
            touch(p, w, s[need_row(s, place) + NE_OP])
    touch(p, w, operation)
    touch(p, w, behind)
    return spread(s, p, w, limit)


@compiled
def undo(s: Ints, p: Ints, w: Ints) -> None:
    """Take the last move back."""
    operation = w[W_LAST]
    x = put_row(operation)
    first, end = s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]
    for need in range(first, end):
        _unlink_need(s, p, need)
    _unlink(p, operation)
    p[x + CHOICE], p[x + HOLD], p[x + KEY] = w[W_LAST + 1], w[W_LAST + 4], w[W_LAST + 5]
    _link(p, operation, w[W_LAST + 2], w[W_LAST + 3])
    for need in range(end - 1, first - 1, -1):
        _link_need(s, p, need, w[W_LAST + 8 + need - first])
    for at in range(w[JOURNAL] - 1, -1, -1):
        _restore(s, p, w, at)
    for at in range(w[TOUCHED]):
        p[p[P_ORDER_END] + w[w[W_TOUCHED] + 2 * at]] = w[w[W_TOUCHED] + 2 * at + 1]
    for part in range(SUM + 1):
        p[part] = w[W_BEFORE + part]


@compiled
def gap(s: Ints, p: Ints, operation: int, machine: int, behind: int) -> tuple[int, int]:
    """The keys between which an operation would lie before `behind` on a machine; none lies between if it cannot."""
    low, high = -FOREVER, FOREVER
    for at in range(s[op_row(operation) + OP_LINKS], s[op_row(operation + 1) + OP_LINKS]):
        before = s[link_row(s, at) + LN_OP]
        if s[op_row(before) + OP_FIXED] < STANDS:
            low = max(low, p[put_row(before) + KEY])
    for at in range(s[op_row(operation) + OP_AFTER], s[op_row(operation + 1) + OP_AFTER]):
        if s[op_row(s[s[S_AFTER] + at]) + OP_FIXED] < STANDS:
            high = min(high, p[put_row(s[s[S_AFTER] + at]) + KEY])
    front = p[put_row(behind) + PREV] if behind >= 0 else p[p[P_TAIL] + machine]
    if front == operation:
        front = p[put_row(front) + PREV]
    if front >= 0:
        low = max(low, p[put_row(front) + KEY])
    if behind >= 0:
        high = min(high, p[put_row(behind) + KEY])
    return low, high
