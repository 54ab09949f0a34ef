"""A whole schedule from an order of placing and a choice of machines; and what it costs."""

from __future__ import annotations

from services.scheduling.solver.kernel.jit import compiled, entry
from services.scheduling.solver.kernel.layout import (
    BEGIN,
    BL_FAMILY,
    BLOCK,
    CA_PRICES,
    CAL,
    CH_MACHINE,
    CH_PREF,
    CHANGEOVER,
    CHOICE,
    COST,
    DURING_SETUP,
    END,
    ENERGY,
    FLOW,
    FOREVER,
    JOINED,
    KEY,
    MA_BLOCKS,
    MA_FAMILY0,
    MA_POWER,
    MACHINE,
    MAKESPAN,
    MISSED,
    MOVED,
    N_MACHINES,
    N_OPS,
    N_ORDERS,
    N_PARTS,
    N_UNITS,
    NE_DURING,
    NE_PART,
    NEXT,
    OP_CHOICES,
    OP_FAMILY,
    OP_FIXED,
    OP_NEEDS,
    OP_STOOD_MACHINE,
    OP_STOOD_START,
    OR_DUE,
    OR_HARD,
    OR_LASTS,
    OR_WEIGHT,
    P_CHEAD,
    P_CTAIL,
    P_HEAD,
    P_ORDER_END,
    P_TAIL,
    PAID,
    PR_BEFORE,
    PR_MOMENT,
    PR_RATE,
    PREV,
    S_CHANGE,
    S_LAST_OP,
    S_PART_PTR,
    S_PART_SIZE,
    S_PART_UNIT,
    S_RATE,
    SETUP,
    SLOT_NEXT,
    SLOT_PREV,
    SLOT_UNIT,
    SLOT_VEC,
    SPENT,
    STANDS,
    START,
    STEP,
    STRAY,
    SUM,
    TARDINESS,
    UN_FLOOR,
    UN_PLACE,
    USED,
    W_UNITS,
    W_VEC,
    Ints,
    block_row,
    calendar_row,
    choice_row,
    machine_row,
    need_row,
    op_row,
    order_row,
    price_row,
    put_row,
    slot_row,
    unit_row,
)
from services.scheduling.solver.kernel.place import bounds, place, place_outside, setup_cost


@compiled
def vectors_before(s: Ints, p: Ints, w: Ints, operation: int) -> None:
    """For each need of an operation, from when the units of its component are free, to where `place` looks for it."""
    first, last = s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]
    for need in range(first, last):
        base, part = w[W_VEC] + (need - first) * s[N_UNITS], s[need_row(s, need) + NE_PART]
        # Needs of one operation that share a component stand one after the other in its chain.
        at = p[slot_row(p, need) + SLOT_PREV]
        while first <= at < last:
            at = p[slot_row(p, at) + SLOT_PREV]
        if at < 0:
            for place_in in range(s[s[S_PART_SIZE] + part]):
                unit = s[s[S_PART_UNIT] + s[s[S_PART_PTR] + part] + place_in]
                w[base + place_in] = s[unit_row(s, unit) + UN_FLOOR]
        else:
            source = p[slot_row(p, at) + SLOT_VEC]
            for place_in in range(s[s[S_PART_SIZE] + part]):
                w[base + place_in] = p[source + place_in]


@compiled
def take_units(s: Ints, p: Ints, w: Ints, operation: int, joined: int) -> bool:
    """Write down the units of a placed operation, and from when its components are free behind it.

    Whether that changed.
    """
    first, last = s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]
    changed, x = False, put_row(operation)
    for need in range(first, last):
        source, part = w[W_VEC] + (need - first) * s[N_UNITS], s[need_row(s, need) + NE_PART]
        y = slot_row(p, need)
        target, chosen, before = p[y + SLOT_VEC], w[W_UNITS + need - first], p[y + SLOT_PREV]
        if p[y + SLOT_UNIT] != chosen:
            p[y + SLOT_UNIT] = chosen
            changed = True
        until = p[x + START] if s[need_row(s, need) + NE_DURING] == DURING_SETUP else p[x + END]
        for place_in in range(s[s[S_PART_SIZE] + part]):
            value = p[p[slot_row(p, before) + SLOT_VEC] + place_in] if first <= before < last else w[source + place_in]
            if chosen >= 0 and joined == 0 and s[unit_row(s, chosen) + UN_PLACE] == place_in:
                value = until
            if p[target + place_in] != value:
                p[target + place_in] = value
                changed = True
    return changed


@compiled
def energy_until(s: Ints, cal: int, moment: int) -> int:
    """What a watt costs from the start until a moment, while a calendar is open (price times seconds)."""
    low, high = s[calendar_row(s, cal) + CA_PRICES], s[calendar_row(s, cal + 1) + CA_PRICES]
    if low == high:
        return 0
    first = low
    while low < high:
        middle = (low + high) >> 1
        if s[price_row(s, middle) + PR_MOMENT] <= moment:
            low = middle + 1
        else:
            high = middle
    if low == first:
        return 0
    return s[price_row(s, low - 1) + PR_BEFORE] + s[price_row(s, low - 1) + PR_RATE] * (
        moment - s[price_row(s, low - 1) + PR_MOMENT]
    )


@compiled
def energy_of(s: Ints, p: Ints, operation: int) -> int:
    """Energy cost of a run in minor units of money, rounded down; a batch is paid for by the one that opens it."""
    machine = p[put_row(operation) + MACHINE]
    if machine < 0 or s[machine_row(s, machine) + MA_POWER] == 0 or p[put_row(operation) + JOINED] == 1:
        return 0
    cal = p[put_row(operation) + CAL]
    spent = energy_until(s, cal, p[put_row(operation) + END]) - energy_until(s, cal, p[put_row(operation) + START])
    return s[machine_row(s, machine) + MA_POWER] * spent // _KWH


@compiled
def moved_of(s: Ints, p: Ints, operation: int) -> int:
    """Seconds that a start lies from the current plan, and what a changed machine counts (-3: nothing, see flat)."""
    stood = s[op_row(operation) + OP_STOOD_MACHINE]
    if stood == -2 or s[op_row(operation) + OP_FIXED] >= STANDS:
        return 0
    moved = abs(p[put_row(operation) + START] - s[op_row(operation) + OP_STOOD_START])
    return moved + (s[s[S_CHANGE]] if stood >= -1 and stood != p[put_row(operation) + MACHINE] else 0)


@compiled
def cost_of(s: Ints, p: Ints, operation: int) -> int:
    """Cost of the changeover before an operation, by the setup matrix."""
    machine = p[put_row(operation) + MACHINE]
    if machine < 0 or p[put_row(operation) + JOINED] == 1:
        return 0
    prev, before = p[put_row(operation) + PREV], s[machine_row(s, machine) + MA_FAMILY0]
    first = s[machine_row(s, machine) + MA_BLOCKS]
    if prev >= 0:
        before, first = s[op_row(prev) + OP_FAMILY], p[put_row(prev) + BLOCK]
    if p[put_row(operation) + BLOCK] > first:
        before = s[block_row(s, p[put_row(operation) + BLOCK] - 1) + BL_FAMILY]
    return setup_cost(s, machine, before, s[op_row(operation) + OP_FAMILY])


TIMES, UNITS = 1, 2
_KWH = 3_600_000
"""Watt seconds."""


@compiled
def lay(s: Ints, p: Ints, w: Ints, operation: int) -> int:
    """Place an operation behind its neighbours in the chains and write everything down.

    What changed by it: bits TIMES (anything that who comes after on the machine or in the route looks at) and UNITS.
    """
    x, o = put_row(operation), op_row(operation)
    ready, bound = bounds(s, p, operation)
    needy = s[op_row(operation + 1) + OP_NEEDS] > s[o + OP_NEEDS]
    if needy:
        vectors_before(s, p, w, operation)
    setup, block, cal, used, joined = 0, 0, 0, 0, 0
    if p[x + CHOICE] < 0:
        start, end = place_outside(s, w, operation, ready, bound)
        begin = start
    else:
        begin, start, end, setup, block, cal, used, joined = place(
            s, p, w, operation, p[x + CHOICE], p[x + PREV], ready, bound
        )
    same = begin == p[x + BEGIN] and start == p[x + START] and end == p[x + END]
    same = same and block == p[x + BLOCK] and used == p[x + USED] and cal == p[x + CAL]
    p[x + BEGIN], p[x + START], p[x + END], p[x + SETUP] = begin, start, end, setup
    p[x + BLOCK], p[x + CAL], p[x + USED], p[x + JOINED] = block, cal, used, joined
    p[x + PAID], p[x + SPENT], p[x + STRAY] = cost_of(s, p, operation), energy_of(s, p, operation), 0
    if s[o + OP_STOOD_MACHINE] != -2:
        p[x + STRAY] = moved_of(s, p, operation)
    changed = 0 if same else TIMES
    if needy and take_units(s, p, w, operation, joined):
        changed |= UNITS
    return changed


@compiled
def append(s: Ints, p: Ints, operation: int) -> None:
    """Hang an operation behind the last on the machine of its choice and behind the last in its components' chains."""
    choice = p[put_row(operation) + CHOICE]
    p[put_row(operation) + NEXT] = p[put_row(operation) + PREV] = -1
    if choice >= 0:
        machine = p[put_row(operation) + MACHINE] = s[choice_row(s, choice) + CH_MACHINE]
        last = p[put_row(operation) + PREV] = p[p[P_TAIL] + machine]
        if last >= 0:
            p[put_row(last) + NEXT] = operation
        else:
            p[p[P_HEAD] + machine] = operation
        p[p[P_TAIL] + machine] = operation
    else:
        p[put_row(operation) + MACHINE] = -1
    for need in range(s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]):
        part = s[need_row(s, need) + NE_PART]
        last = p[slot_row(p, need) + SLOT_PREV] = p[p[P_CTAIL] + part]
        p[slot_row(p, need) + SLOT_NEXT] = -1
        if last >= 0:
            p[slot_row(p, last) + SLOT_NEXT] = need
        else:
            p[p[P_CHEAD] + part] = need
        p[p[P_CTAIL] + part] = need


@compiled
def clear(s: Ints, p: Ints) -> None:
    """Take everything out but what stands."""
    for machine in range(s[N_MACHINES]):
        p[p[P_HEAD] + machine] = p[p[P_TAIL] + machine] = -1
    for part in range(s[N_PARTS]):
        p[p[P_CHEAD] + part] = p[p[P_CTAIL] + part] = -1


@compiled
def best_choice(s: Ints, p: Ints, w: Ints, operation: int, ready: int, bound: int) -> tuple[int, int, int]:
    """(choice, setup begin, whether it joins a batch) with the earliest end behind what is placed.

    Ties: preference, then the machine that comes first.
    """
    for need in range(s[op_row(operation) + OP_NEEDS], s[op_row(operation + 1) + OP_NEEDS]):
        p[slot_row(p, need) + SLOT_PREV] = p[p[P_CTAIL] + s[need_row(s, need) + NE_PART]]
    if s[op_row(operation + 1) + OP_NEEDS] > s[op_row(operation) + OP_NEEDS]:
        vectors_before(s, p, w, operation)
    best, best_begin, best_end, best_joined, best_pref, best_machine = -1, 0, FOREVER, 0, 0, 0
    for choice in range(s[op_row(operation) + OP_CHOICES], s[op_row(operation + 1) + OP_CHOICES]):
        c = choice_row(s, choice)
        machine, pref = s[c + CH_MACHINE], s[c + CH_PREF]
        found = place(s, p, w, operation, choice, p[p[P_TAIL] + machine], ready, bound)
        end = found[2]
        if end < best_end or (end == best_end and (pref < best_pref or (pref == best_pref and machine < best_machine))):
            best, best_begin, best_end, best_joined, best_pref, best_machine = (
                choice, found[0], end, found[7], pref, machine,
            )  # fmt: skip
    return best, best_begin, best_joined


@entry
def decode(s: Ints, p: Ints, w: Ints, sequence: Ints) -> None:
    """Place what is free in this sequence of all operations (predecessors first), and score it.

    Each goes under its CHOICE (-1: where it ends first) and not before its HOLD.
    """
    clear(s, p)
    for at in range(s[N_OPS]):
        operation = sequence[at]
        p[put_row(operation) + KEY] = at * STEP
        if s[op_row(operation) + OP_FIXED] < STANDS:
            if p[put_row(operation) + CHOICE] < 0 and (
                s[op_row(operation) + OP_CHOICES] < s[op_row(operation + 1) + OP_CHOICES]
            ):
                ready, bound = bounds(s, p, operation)
                p[put_row(operation) + CHOICE] = best_choice(s, p, w, operation, ready, bound)[0]
            append(s, p, operation)
            lay(s, p, w, operation)
    score(s, p)


@compiled
def end_of_order(s: Ints, p: Ints, order: int) -> int:
    """When the last operation of an order ends; -FOREVER without operations."""
    end = -FOREVER
    for at in range(s[order_row(s, order) + OR_LASTS], s[order_row(s, order + 1) + OR_LASTS]):
        end = max(end, p[put_row(s[s[S_LAST_OP] + at]) + END])
    return end


@compiled
def add_up(s: Ints, p: Ints) -> None:
    """Parts of the score times their rates."""
    found = 0
    for part in range(SUM):
        found += p[part] * s[s[S_RATE] + part]
    p[SUM] = found


@compiled
def score(s: Ints, p: Ints) -> None:
    """All parts of the objective, from the times."""
    for part in range(SUM):
        p[part] = 0
    dated = False
    for order in range(s[N_ORDERS]):
        end, due = end_of_order(s, p, order), s[order_row(s, order) + OR_DUE]
        p[p[P_ORDER_END] + order] = end
        dated = dated or due < FOREVER
        if end == -FOREVER:
            continue
        p[FLOW] += end
        p[MAKESPAN] = max(p[MAKESPAN], end)
        if end > due:
            p[TARDINESS] += s[order_row(s, order) + OR_WEIGHT] * (end - due)
            p[MISSED] += s[order_row(s, order) + OR_HARD]
    if dated:
        p[MAKESPAN] = 0
    for operation in range(s[N_OPS]):
        if s[op_row(operation) + OP_FIXED] < STANDS:
            x = put_row(operation)
            p[MOVED] += p[x + STRAY]
            p[CHANGEOVER] += p[x + SETUP]
            p[COST] += p[x + PAID]
            p[ENERGY] += p[x + SPENT]
    add_up(s, p)
