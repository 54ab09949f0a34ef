"""Simulated annealing over orders of placing, machine choices and holds (Kirkpatrick et al. 1983), exact throughout."""

from __future__ import annotations

import math

import numpy as np

from services.scheduling.solver.kernel.decode import decode
from services.scheduling.solver.kernel.jit import compiled, entry
from services.scheduling.solver.kernel.layout import (
    CH_MACHINE,
    CHOICE,
    END,
    FOREVER,
    HOLD,
    KEY,
    LN_LAG,
    LN_OP,
    MACHINE,
    MAKESPAN,
    MISSED,
    N_FREE,
    N_NEEDS,
    N_ORDERS,
    NEXT,
    OP_CHOICES,
    OP_FAMILY,
    OP_FIXED,
    OP_LINKS,
    OP_ORDER,
    OR_DUE,
    OR_HARD,
    OR_LASTS,
    P_ORDER_END,
    P_TAIL,
    PREV,
    S_LAST_OP,
    S_RATE,
    SETUP,
    STANDS,
    START,
    STEP,
    SUM,
    TARDINESS,
    W_RNG,
    Ints,
    choice_row,
    link_row,
    op_row,
    order_row,
    put_row,
    puts,
)
from services.scheduling.solver.kernel.moves import chance, gap, move, undo
from services.scheduling.solver.kernel.tools import draw

_ANYWHERE = 3
"""Of eight moves so many are of any operation."""
_MARGIN = 1.0
"""A move is given up when it is worse than what would be kept by so many temperatures, whatever else it may bring: most
moves delay many orders, and to see that takes a twentieth of the time that their whole effect would take."""


@compiled
def _pick(s: Ints, p: Ints, w: Ints, free: Ints) -> int:
    """An operation to move: mostly one on which the end of a late order hangs."""
    found = free[draw(w, W_RNG, w[N_FREE])]
    if draw(w, W_RNG, 8) < _ANYWHERE:
        return found
    late = -1
    if p[MAKESPAN] > 0:
        for order in range(s[N_ORDERS]):
            if p[p[P_ORDER_END] + order] == p[MAKESPAN]:
                late = order
    if p[MISSED] > 0 and draw(w, W_RNG, 2) == 0:
        # Before anything else, orders whose deadline must not be missed.
        skip = draw(w, W_RNG, p[MISSED])
        for order in range(s[N_ORDERS]):
            o = order_row(s, order)
            if late < 0 and s[o + OR_HARD] == 1 and p[p[P_ORDER_END] + order] > s[o + OR_DUE]:
                if skip == 0:
                    late = order
                skip -= 1
    for _ in range(0 if late >= 0 else 6):
        order = s[op_row(found) + OP_ORDER]
        if p[p[P_ORDER_END] + order] > s[order_row(s, order) + OR_DUE]:
            late = order
            break
        found = free[draw(w, W_RNG, w[N_FREE])]
    if late < 0:
        return found
    end = -1
    at = found
    for each in range(s[order_row(s, late) + OR_LASTS], s[order_row(s, late + 1) + OR_LASTS]):
        if p[put_row(s[s[S_LAST_OP] + each]) + END] > end:
            at = s[s[S_LAST_OP] + each]
            end = p[put_row(at) + END]
    for _ in range(40):
        if s[op_row(at) + OP_FIXED] < STANDS and p[put_row(at) + CHOICE] >= 0:
            found = at
            if draw(w, W_RNG, 4) == 0:
                break
        at = _cause(s, p, at)
        if at < 0:
            break
    return found


@compiled
def _cause(s: Ints, p: Ints, operation: int) -> int:
    """Whose end keeps an operation from beginning earlier; -1: nobody's."""
    x = put_row(operation)
    prev, latest, found = p[x + PREV], 0, -1
    for at in range(s[op_row(operation) + OP_LINKS], s[op_row(operation + 1) + OP_LINKS]):
        before = s[link_row(s, at) + LN_OP]
        if p[put_row(before) + END] + s[link_row(s, at) + LN_LAG] > latest:
            latest, found = p[put_row(before) + END] + s[link_row(s, at) + LN_LAG], before
    if prev >= 0 and p[put_row(prev) + END] + p[x + SETUP] >= latest:
        return prev
    return found if found >= 0 and s[op_row(found) + OP_FIXED] < STANDS else -1


@compiled
def _shifted(p: Ints, w: Ints, operation: int, reach: int) -> int:
    """Before whom it would go, some steps forward or back on its machine; itself if it cannot."""
    steps = 1 + draw(w, W_RNG, 1 + draw(w, W_RNG, reach))
    if draw(w, W_RNG, 2) == 0:
        at = operation
        for _ in range(steps):
            if p[put_row(at) + PREV] < 0:
                break
            at = p[put_row(at) + PREV]
        return at
    at = p[put_row(operation) + NEXT]
    if at < 0:
        return operation
    for _ in range(steps):
        if at < 0:
            break
        at = p[put_row(at) + NEXT]
    return at


@compiled
def _by_time(p: Ints, w: Ints, machine: int, moment: int) -> int:
    """The operation on a machine before which one that starts about a moment would go; -1: at the end."""
    at = p[p[P_TAIL] + machine]
    if at < 0 or p[put_row(at) + START] < moment:
        behind = -1
    else:
        behind = at
        while p[put_row(behind) + PREV] >= 0 and p[put_row(p[put_row(behind) + PREV]) + START] >= moment:
            behind = p[put_row(behind) + PREV]
    for _ in range(draw(w, W_RNG, 4)):
        before = p[put_row(behind) + PREV] if behind >= 0 else p[p[P_TAIL] + machine]
        if before < 0:
            break
        behind = before
    return behind


@compiled
def _beside_family(s: Ints, p: Ints, w: Ints, operation: int, machine: int, behind: int, reach: int) -> int:
    """Near a place on a machine, the place next to one of the operation's family; itself if there is none."""
    family = s[op_row(operation) + OP_FAMILY]
    forward = behind
    back = p[put_row(behind) + PREV] if behind >= 0 else p[p[P_TAIL] + machine]
    for _ in range(reach):
        if back >= 0:
            if back != operation and s[op_row(back) + OP_FAMILY] == family:
                return p[put_row(back) + NEXT]
            back = p[put_row(back) + PREV]
        if forward >= 0:
            if forward != operation and s[op_row(forward) + OP_FAMILY] == family:
                return p[put_row(forward) + NEXT] if draw(w, W_RNG, 2) == 0 else forward
            forward = p[put_row(forward) + NEXT]
    return operation


def renumber(s: Ints, p: Ints, w: Ints) -> Ints:
    """Keys with room between them again, by start as far as that leaves the schedule as good as it is.

    Without people and tools nothing changes by it. With them, those that start first choose first.
    """
    rows = puts(s, p)
    order = np.lexsort((rows[:, KEY], rows[:, START]))
    if s[N_NEEDS]:
        other = p.copy()
        decode(s, other, w, order)
        if other[SUM] <= p[SUM]:
            return other
        order = np.argsort(rows[:, KEY], kind="stable")
    rows[order, KEY] = np.arange(len(order)) * STEP
    return p


@entry
def anneal(s: Ints, p: Ints, w: Ints, free: Ints, moves: int, temperature: float, reach: int) -> int:
    """Try so many moves at a temperature (in units of the score's sum). How many were kept."""
    kept = 0
    for _ in range(moves):
        operation = _pick(s, p, w, free)
        x = put_row(operation)
        first, end = s[op_row(operation) + OP_CHOICES], s[op_row(operation + 1) + OP_CHOICES]
        choice, machine = p[x + CHOICE], p[x + MACHINE]
        choice = first + draw(w, W_RNG, end - first)
        if draw(w, W_RNG, 10) < 5:
            choice = p[x + CHOICE]
        machine = s[choice_row(s, choice) + CH_MACHINE]
        if machine != p[x + MACHINE]:
            behind = _by_time(p, w, machine, p[x + START])
            if draw(w, W_RNG, 2) == 0 and s[op_row(operation) + OP_FAMILY] > 0:
                behind = _beside_family(s, p, w, operation, machine, behind, 12)
                if behind == operation:
                    continue
        elif draw(w, W_RNG, 4) == 0 and s[op_row(operation) + OP_FAMILY] > 0:
            behind = _beside_family(s, p, w, operation, machine, _shifted(p, w, operation, reach), 12)
        else:
            behind = _shifted(p, w, operation, reach)
        if machine == p[x + MACHINE] and (behind == operation or behind == p[x + NEXT]):
            continue
        low, high = gap(s, p, operation, machine, behind)
        if low == -FOREVER:
            key = high - STEP
        elif high > low + 2 * STEP:
            key = low + STEP
        else:
            key = (low + high) >> 1
        if not low < key < high:
            continue
        before = p[SUM]
        bound = -temperature * math.log(chance(w))
        limit = int((bound + _MARGIN * temperature) / s[s[S_RATE] + TARDINESS])
        if move(s, p, w, operation, choice, behind, key, p[x + HOLD], limit) and p[SUM] - before <= bound:
            kept += 1
        else:
            undo(s, p, w)
    return kept
