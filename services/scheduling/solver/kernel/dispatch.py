"""Dispatching rules: list scheduling without delay (see `rules`), from figures of the operations to a schedule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.scheduling.solver.kernel.decode import append, best_choice, clear, lay, score
from services.scheduling.solver.kernel.jit import compiled, entry
from services.scheduling.solver.kernel.layout import (
    BEGIN,
    BL_BEGIN,
    BL_FAMILY,
    BLOCK,
    CH_MACHINE,
    CHOICE,
    END,
    FOREVER,
    KEY,
    LN_OP,
    MA_BATCH,
    MA_BLOCKS,
    MA_CAL,
    MA_FAMILY0,
    N_MACHINES,
    N_OPS,
    OP_AFTER,
    OP_CHOICES,
    OP_FAMILY,
    OP_FIXED,
    OP_LINKS,
    P_TAIL,
    S_AFTER,
    STANDS,
    STEP,
    Floats,
    Ints,
    block_row,
    choice_row,
    link_row,
    machine_row,
    op_row,
    put_row,
)
from services.scheduling.solver.kernel.place import begin_of, bounds, setup_row, work_until
from services.scheduling.solver.kernel.tools import pop, push

# The room of a run: counts, then where its tables begin.
_HEAP, _TURN, Q_HEAP, Q_WAKE, Q_TOUCHED, Q_FIRST, Q_COUNT, Q_WAIT, Q_ARRIVED, Q_MISSING, Q_READY, Q_BOUND, Q_TRIED = (
    range(13)
)
_ROOM_HEAD = 13
STATIC, ARRIVAL, INDEX = range(3)
"""How a rule orders: by a figure (less first), by arrival, or by the ATCS index."""


def dispatching_room(s: Ints, machines: Sequence[int]) -> Ints:
    """Room for runs over a problem. machines: of all choices."""
    n, count = int(s[N_OPS]), int(s[N_MACHINES])
    per_machine = np.bincount(np.array(machines, np.int64), minlength=count)
    longest, every = int(per_machine.max(initial=0)), len(machines)
    sizes = (2 * n + 2, count, count, count, count, every, n, n, n, n, longest + 1)
    q = np.zeros(_ROOM_HEAD + sum(sizes), np.int64)
    q[Q_HEAP:_ROOM_HEAD] = _ROOM_HEAD + np.cumsum(sizes) - np.array(sizes)
    q[q[Q_FIRST] : q[Q_FIRST] + count] = np.cumsum(per_machine) - per_machine
    return q


@compiled
def _announce(s: Ints, p: Ints, q: Ints, operation: int, time: int) -> None:
    ready, bound = bounds(s, p, operation)
    q[q[Q_READY] + operation], q[q[Q_BOUND] + operation] = ready, bound
    push(q, q[Q_HEAP], _HEAP, max(ready, time), operation)


@compiled
def _release(s: Ints, p: Ints, q: Ints, operation: int, time: int) -> None:
    for at in range(s[op_row(operation) + OP_AFTER], s[op_row(operation + 1) + OP_AFTER]):
        follower = s[s[S_AFTER] + at]
        q[q[Q_MISSING] + follower] -= 1
        if q[q[Q_MISSING] + follower] == 0 and s[op_row(follower) + OP_FIXED] < STANDS:
            _announce(s, p, q, follower, time)


@compiled
def _put(s: Ints, p: Ints, w: Ints, q: Ints, operation: int, choice: int) -> None:
    p[put_row(operation) + CHOICE] = choice
    append(s, p, operation)
    lay(s, p, w, operation)
    q[_TURN] += 1
    p[put_row(operation) + KEY] = q[_TURN] * STEP
    q[q[Q_ARRIVED] + operation] = -2


@compiled
def _family_of(s: Ints, p: Ints, machine: int, time: int) -> int:
    """What a machine is set up for at a moment at which it is free."""
    m, last = machine_row(s, machine), p[p[P_TAIL] + machine]
    family, at = s[m + MA_FAMILY0], s[m + MA_BLOCKS]
    if last >= 0:
        family, at = s[op_row(last) + OP_FAMILY], p[put_row(last) + BLOCK]
    while at < s[machine_row(s, machine + 1) + MA_BLOCKS] and s[block_row(s, at) + BL_BEGIN] <= time:
        family = s[block_row(s, at) + BL_FAMILY]
        at += 1
    return family


@compiled
def _index(
    s: Ints, q: Ints, f: Floats, operation: int, machine: int, family: int, time: int, how: int, scale: float,
    setup_scale: float,
) -> float:  # fmt: skip
    """The highest goes first."""
    if how == ARRIVAL:
        return -float(q[q[Q_ARRIVED] + operation])
    if how == STATIC:
        return -f[operation]
    # ATC, ATCS in logarithms: far from the due date the index itself would be zero for everybody.
    found = f[operation] - max(f[s[N_OPS] + operation] - time, 0.0) / scale
    if setup_scale > 0.0:
        setup = float(setup_row(s, machine, family, s[op_row(operation) + OP_FAMILY]))
        if setup < 0.0:
            setup = f[2 * s[N_OPS] + operation]
        found -= setup / setup_scale
    return found


@compiled
def _dispatch(
    s: Ints, p: Ints, w: Ints, q: Ints, f: Floats, machine: int, time: int, how: int, scale: float, setup_scale: float
) -> int:
    """Let a free machine begin something; the machine that got an operation, -1 if none did."""
    last, batch = p[p[P_TAIL] + machine], s[machine_row(s, machine) + MA_BATCH]
    if last >= 0 and p[put_row(last) + END] > time and (batch == 0 or p[put_row(last) + BEGIN] < time):
        return -1
    first, count, kept = q[Q_WAIT] + q[q[Q_FIRST] + machine], q[q[Q_COUNT] + machine], 0
    for at in range(count):
        operation = q[first + at]
        if q[q[Q_ARRIVED] + operation] >= 0:
            q[first + kept] = operation
            kept += 1
    q[q[Q_COUNT] + machine] = kept
    soonest, family = FOREVER, _family_of(s, p, machine, time)
    for at in range(kept):
        q[q[Q_TRIED] + at] = 0
    for _ in range(kept):
        best, place_of, best_index = -1, -1, 0.0
        for at in range(kept):
            if q[q[Q_TRIED] + at] == 0:
                operation = q[first + at]
                index = _index(s, q, f, operation, machine, family, time, how, scale, setup_scale)
                if best < 0 or index > best_index or (index == best_index and operation < best):
                    best, place_of, best_index = operation, at, index
        q[q[Q_TRIED] + place_of] = 1
        choice, begin, joined = best_choice(s, p, w, best, q[q[Q_READY] + best], q[q[Q_BOUND] + best])
        chosen = s[choice_row(s, choice) + CH_MACHINE]
        last = p[p[P_TAIL] + chosen]
        if joined == 1 or (begin <= time and (last < 0 or p[put_row(last) + END] <= time)):
            _put(s, p, w, q, best, choice)
            free = p[put_row(best) + END]
            cal = s[machine_row(s, chosen) + MA_CAL]
            if cal > 0:
                free = begin_of(s, cal, work_until(s, cal, free))
            q[q[Q_WAKE] + chosen] = max(free, time)
            _release(s, p, q, best, time)
            return chosen
        if chosen == machine:
            soonest = min(soonest, begin)
    q[q[Q_WAKE] + machine] = soonest if soonest > time else FOREVER
    return -1


@compiled
def _arrive(s: Ints, p: Ints, w: Ints, q: Ints, operation: int, time: int) -> None:
    """It waits at all its machines from now on; outside work just begins."""
    first, last = s[op_row(operation) + OP_CHOICES], s[op_row(operation + 1) + OP_CHOICES]
    if first == last:
        _put(s, p, w, q, operation, -1)
        _release(s, p, q, operation, time)
        return
    q[q[Q_ARRIVED] + operation] = time
    for choice in range(first, last):
        machine = s[choice_row(s, choice) + CH_MACHINE]
        count = q[q[Q_COUNT] + machine]
        q[q[Q_WAIT] + q[q[Q_FIRST] + machine] + count] = operation
        q[q[Q_COUNT] + machine] = count + 1
        q[q[Q_TOUCHED] + machine] = 1


@compiled
def _share(s: Ints, q: Ints, machine: int) -> None:
    """What was left to this machine because it seemed better may now begin elsewhere."""
    first = q[Q_WAIT] + q[q[Q_FIRST] + machine]
    for at in range(q[q[Q_COUNT] + machine]):
        operation = q[first + at]
        if q[q[Q_ARRIVED] + operation] >= 0:
            for choice in range(s[op_row(operation) + OP_CHOICES], s[op_row(operation + 1) + OP_CHOICES]):
                q[q[Q_TOUCHED] + s[choice_row(s, choice) + CH_MACHINE]] = 1


@compiled
def _begin_all(s: Ints, p: Ints, q: Ints, now: int) -> None:
    clear(s, p)
    for machine in range(s[N_MACHINES]):
        q[q[Q_WAKE] + machine] = FOREVER
        q[q[Q_TOUCHED] + machine] = q[q[Q_COUNT] + machine] = 0
    q[_HEAP] = q[_TURN] = 0
    for operation in range(s[N_OPS]):
        missing = 0
        for at in range(s[op_row(operation) + OP_LINKS], s[op_row(operation + 1) + OP_LINKS]):
            if s[op_row(s[link_row(s, at) + LN_OP]) + OP_FIXED] < STANDS:
                missing += 1
        q[q[Q_MISSING] + operation], q[q[Q_ARRIVED] + operation] = missing, -1
    for operation in range(s[N_OPS]):
        if q[q[Q_MISSING] + operation] == 0 and s[op_row(operation) + OP_FIXED] < STANDS:
            _announce(s, p, q, operation, now)


@entry
def dispatch(
    s: Ints, p: Ints, w: Ints, q: Ints, f: Floats, order: Ints, now: int, how: int, scale: float, setup_scale: float
) -> None:
    """Place everything by a rule, and score it.

    order: operations, predecessors first. f: the rule's figures (STATIC: the figure; INDEX: log of the value, latest
    start, own setup; each for all operations). scale, setup_scale: of the ATCS index; 0: no setups in it.
    """
    _begin_all(s, p, q, now)
    machines = s[N_MACHINES]
    while True:
        time = q[q[Q_HEAP]] if q[_HEAP] > 0 else FOREVER
        for machine in range(machines):
            time = min(time, q[q[Q_WAKE] + machine])
        if time == FOREVER:
            break
        while q[_HEAP] > 0 and q[q[Q_HEAP]] == time:
            _arrive(s, p, w, q, pop(q, q[Q_HEAP], _HEAP), time)
        for machine in range(machines):
            if q[q[Q_WAKE] + machine] == time:
                q[q[Q_WAKE] + machine], q[q[Q_TOUCHED] + machine] = FOREVER, 1
        machine = 0
        while machine < machines:
            if q[q[Q_TOUCHED] + machine] == 0:
                machine += 1
                continue
            q[q[Q_TOUCHED] + machine] = 0
            taken = _dispatch(s, p, w, q, f, machine, time, how, scale, setup_scale)
            if taken >= 0:
                _share(s, q, taken)
                machine = 0
    for at in range(s[N_OPS]):
        # Nothing is left over; a plan comes out even if a rule had waited for what never comes.
        operation = order[at]
        if s[op_row(operation) + OP_FIXED] < STANDS and q[q[Q_ARRIVED] + operation] != -2:
            ready, bound = bounds(s, p, operation)
            choice = -1
            if s[op_row(operation) + OP_CHOICES] < s[op_row(operation + 1) + OP_CHOICES]:
                choice = best_choice(s, p, w, operation, ready, bound)[0]
            _put(s, p, w, q, operation, choice)
    score(s, p)
