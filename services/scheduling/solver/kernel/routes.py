"""A schedule of a job shop as a graph: routes and machines' orders, exact heads and tails in every step.

After a move the topological order is repaired between the old and the new place, and times are passed on until nothing
changes any more (see `fit_in` and `time_on`).
"""

from __future__ import annotations

from services.scheduling.solver.kernel.jit import compiled
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.kernel.tools import draw

(
    T_OPS, T_MACHINES, T_RNG, T_TURN, T_NOW, T_BEST, T_SINCE, T_ROWS, T_CHOICES, T_HEAD, T_TAIL, T_QUEUE, T_PATH,
    T_KEPT, T_ARCS, T_PLACES, T_CANDIDATES,
) = range(17)  # fmt: skip
"""A search as one block: counts and states, then where its tables begin.

T_TURN: steps made; T_NOW, T_BEST: makespan now, and the best since the search began or resumed; T_SINCE: steps since it
got better. Rows of operations: predecessor and successor in the route, choices, machine and run, predecessor and
successor on it, head, tail, room to work in, rank in a topological order, whether it is passed on in it. T_QUEUE: that
order. T_PATH: a critical path. T_CHOICES: machine, run. T_KEPT: machine, run and predecessor on it of each operation at
the best. T_ARCS: until when one may not come before another; T_PLACES: until when one may not come on a machine.
"""
TABU_HEAD = 24
ROW = 13
J_PRED, J_SUCC, J_FIRST, J_LAST, ON, RUN, M_PRED, M_SUCC, HEAD, TAIL, WAIT, RANK, MARK = range(13)


@compiled
def row(operation: int) -> int:
    """Where an operation's row begins."""
    return TABU_HEAD + operation * ROW


@compiled
def free_at(g: Ints, operation: int) -> int:
    """End of an operation; 0 without one."""
    return g[row(operation) + HEAD] + g[row(operation) + RUN] if operation >= 0 else 0


@compiled
def rest_of(g: Ints, operation: int) -> int:
    """From the begin of an operation to the end of everything; 0 without one."""
    return g[row(operation) + TAIL] + g[row(operation) + RUN] if operation >= 0 else 0


@compiled
def lay_out(g: Ints) -> bool:
    """Heads, tails and makespan anew; False if the machines' orders close a circle."""
    n, queue, size = g[T_OPS], g[T_QUEUE], 0
    for at in range(n):
        x = row(at)
        waits = (g[x + J_PRED] >= 0) + (g[x + M_PRED] >= 0)
        g[x + WAIT] = waits
        if waits == 0:
            g[queue + size] = at
            size += 1
    done, makespan = 0, 0
    while done < size:
        at = g[queue + done]
        x = row(at)
        g[x + RANK] = done
        done += 1
        g[x + HEAD] = max(free_at(g, g[x + J_PRED]), free_at(g, g[x + M_PRED]))
        makespan = max(makespan, g[x + HEAD] + g[x + RUN])
        for follower in (g[x + J_SUCC], g[x + M_SUCC]):
            if follower >= 0:
                y = row(follower)
                g[y + WAIT] -= 1
                if g[y + WAIT] == 0:
                    g[queue + size] = follower
                    size += 1
    if size < n:
        return False
    for place in range(n - 1, -1, -1):
        x = row(g[queue + place])
        g[x + TAIL] = max(rest_of(g, g[x + J_SUCC]), rest_of(g, g[x + M_SUCC]))
    g[T_NOW] = makespan
    return True


@compiled
def fit_in(g: Ints, one: int) -> bool:
    """Make the order topological again where an operation came to a new place; False, as it was, if there is none.

    In what lies between it and its new neighbour, whatever must stay on its side goes with it (Pearce and Kelly 2007,
    Journal of Experimental Algorithmics 11:1.7).
    """
    x, queue, path = row(one), g[T_QUEUE], g[T_PATH]
    rank, before, behind = g[x + RANK], g[x + M_PRED], g[x + M_SUCC]
    if before >= 0 and g[row(before) + RANK] > rank:
        end, step, by_job, by_machine = g[row(before) + RANK], 1, J_PRED, M_PRED
    elif behind >= 0 and g[row(behind) + RANK] < rank:
        end, step, by_job, by_machine = g[row(behind) + RANK], -1, J_SUCC, M_SUCC
    else:
        return True
    g[x + MARK] = 1
    going, place = 1, rank + step
    g[path] = one
    while True:
        at = g[queue + place]
        y = row(at)
        job, machine = g[y + by_job], g[y + by_machine]
        goes = (job >= 0 and g[row(job) + MARK] == 1) or (machine >= 0 and g[row(machine) + MARK] == 1)
        if goes:
            g[y + MARK] = 1
            g[path + going] = at
            going += 1
        if place == end:
            break
        place += step
    closed = g[row(g[queue + end]) + MARK] == 1
    if not closed:
        free, place = rank, rank
        while True:
            at = g[queue + place]
            y = row(at)
            if g[y + MARK] == 0:
                g[queue + free], g[y + RANK] = at, free
                free += step
            if place == end:
                break
            place += step
        for number in range(going):
            at = g[path + number]
            g[queue + free], g[row(at) + RANK] = at, free
            free += step
    for number in range(going):
        g[row(g[path + number]) + MARK] = 0
    return not closed


@compiled
def time_on(g: Ints, low: int, high: int) -> None:
    """Heads from a rank on and tails up to a rank, as far as anything changes, and the makespan.

    low, high: nothing changed its neighbours or its run before or behind.
    """
    queue, place, reach = g[T_QUEUE], low, high
    while place <= reach:
        x = row(g[queue + place])
        begin = max(free_at(g, g[x + J_PRED]), free_at(g, g[x + M_PRED]))
        if begin != g[x + HEAD]:
            g[x + HEAD] = begin
            for behind in (g[x + J_SUCC], g[x + M_SUCC]):
                if behind >= 0:
                    reach = max(reach, g[row(behind) + RANK])
        place += 1
    place, reach = high, low
    while place >= reach:
        x = row(g[queue + place])
        rest = max(rest_of(g, g[x + J_SUCC]), rest_of(g, g[x + M_SUCC]))
        if rest != g[x + TAIL]:
            g[x + TAIL] = rest
            for before in (g[x + J_PRED], g[x + M_PRED]):
                if before >= 0:
                    reach = min(reach, g[row(before) + RANK])
        place -= 1
    makespan = 0
    for machine in range(g[T_MACHINES]):
        makespan = max(makespan, free_at(g, g[g[T_TAIL] + machine]))
    g[T_NOW] = makespan


@compiled
def take_out(g: Ints, operation: int) -> None:
    """Take an operation from its machine."""
    x = row(operation)
    before, behind, machine = g[x + M_PRED], g[x + M_SUCC], g[x + ON]
    g[x + M_PRED] = g[x + M_SUCC] = -1
    if before >= 0:
        g[row(before) + M_SUCC] = behind
    else:
        g[g[T_HEAD] + machine] = behind
    if behind >= 0:
        g[row(behind) + M_PRED] = before
    else:
        g[g[T_TAIL] + machine] = before


@compiled
def put_behind(g: Ints, operation: int, machine: int, before: int) -> None:
    """Put an operation on a machine behind another; -1: first."""
    x = row(operation)
    behind = g[row(before) + M_SUCC] if before >= 0 else g[g[T_HEAD] + machine]
    g[x + ON], g[x + M_PRED], g[x + M_SUCC] = machine, before, behind
    if before >= 0:
        g[row(before) + M_SUCC] = operation
    else:
        g[g[T_HEAD] + machine] = operation
    if behind >= 0:
        g[row(behind) + M_PRED] = operation
    else:
        g[g[T_TAIL] + machine] = operation


@compiled
def critical_path(g: Ints) -> int:
    """A critical path, ties by lot, to T_PATH. How many operations it has."""
    found, size = -1, 0
    for machine in range(g[T_MACHINES]):
        at = g[g[T_HEAD] + machine]
        if at >= 0 and g[row(at) + HEAD] == 0 and rest_of(g, at) == g[T_NOW]:
            size += 1
            if draw(g, T_RNG, size) == 0:
                found = at
    size = 0
    while found >= 0:
        g[g[T_PATH] + size] = found
        size += 1
        x = row(found)
        end, rest = g[x + HEAD] + g[x + RUN], g[x + TAIL]
        a, b = g[x + M_SUCC], g[x + J_SUCC]
        by_machine = a >= 0 and g[row(a) + HEAD] == end and rest_of(g, a) == rest
        by_job = b >= 0 and g[row(b) + HEAD] == end and rest_of(g, b) == rest
        found = -1
        if by_job:
            found = b
        if by_machine and (not by_job or draw(g, T_RNG, 2) == 0):
            found = a
    return size


@compiled
def keep(g: Ints, where: int) -> None:
    """Write down machine, run and predecessor of every operation."""
    for at in range(g[T_OPS]):
        x, y = row(at), where + 3 * at
        g[y], g[y + 1], g[y + 2] = g[x + ON], g[x + RUN], g[x + M_PRED]


@compiled
def go_back(g: Ints, where: int) -> None:
    """Take up again what was kept."""
    for machine in range(g[T_MACHINES]):
        g[g[T_HEAD] + machine] = g[g[T_TAIL] + machine] = -1
    for at in range(g[T_OPS]):
        g[row(at) + M_SUCC] = -1
    for at in range(g[T_OPS]):
        x, y = row(at), where + 3 * at
        g[x + ON], g[x + RUN], g[x + M_PRED] = g[y], g[y + 1], g[y + 2]
        if g[y] >= 0:
            if g[y + 2] >= 0:
                g[row(g[y + 2]) + M_SUCC] = at
            else:
                g[g[T_HEAD] + g[y]] = at
    for at in range(g[T_OPS]):
        x = row(at)
        if g[x + ON] >= 0 and g[x + M_SUCC] < 0:
            g[g[T_TAIL] + g[x + ON]] = at
    lay_out(g)
