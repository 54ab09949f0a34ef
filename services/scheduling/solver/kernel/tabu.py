"""Tabu search on the critical path, for problems whose only goal is the makespan (job shop, flexible job shop).

Heads and tails are exact in every step; moves are judged by estimates. On one machine: an operation of a critical block
to its end or begin, and its ends into it (N7; Zhang et al. 2007, Computers & Operations Research 34:3229), estimated
by Balas and Vazacopoulos (1998, Management Science 44:262). To another machine: any place where it cannot close a
circle (Mastrolilli and Gambardella 2000, Journal of Scheduling 3:3).
"""

from __future__ import annotations

from services.scheduling.solver.kernel.jit import compiled, entry
from services.scheduling.solver.kernel.layout import FOREVER, Ints
from services.scheduling.solver.kernel.tools import draw

(
    T_OPS, T_MACHINES, T_RNG, T_TURN, T_NOW, T_BEST, T_SINCE, T_ROWS, T_CHOICES, T_HEAD, T_TAIL, T_QUEUE, T_PATH,
    T_KEPT, T_ARCS, T_PLACES, T_CANDIDATES,
) = range(17)  # fmt: skip
"""A search as one block: counts and states, then where its tables begin.

T_TURN: steps made; T_NOW, T_BEST: makespan now, and the best since the search began or resumed; T_SINCE: steps since it
got better. Rows of operations: predecessor and successor in the route, choices, machine and run, predecessor and
successor on it, head, tail, rank in a topological order. T_CHOICES: machine, run. T_KEPT: machine, run and predecessor
on it of each operation at the best. T_ARCS: until when one may not come before another; T_PLACES: until when one may
not come on a machine.
"""
TABU_HEAD = 24
ROW = 13
J_PRED, J_SUCC, J_FIRST, J_LAST, ON, RUN, M_PRED, M_SUCC, HEAD, TAIL, WAIT, RANK, MARK = range(13)
ARCS = 1 << 18
"""Size of the table of forbidden arcs; what collides is forbidden a little longer."""
ALLOWED, FORBIDDEN, CANDIDATES = 2, 8, 13
"""Where in T_CANDIDATES the best move begins, and a forbidden one; how long it is."""
SHORTEST, LONGEST = 6, 14
"""For how many steps the reverse of a move is forbidden: from, and below."""


@compiled
def _row(operation: int) -> int:
    return TABU_HEAD + operation * ROW


@compiled
def _arc(g: Ints, before: int, after: int) -> int:
    return g[T_ARCS] + ((before * 2654435761 + after * 40503) & (ARCS - 1))


@compiled
def _free_at(g: Ints, operation: int) -> int:
    """End of an operation; 0 without one."""
    return g[_row(operation) + HEAD] + g[_row(operation) + RUN] if operation >= 0 else 0


@compiled
def _rest_of(g: Ints, operation: int) -> int:
    """From the begin of an operation to the end of everything; 0 without one."""
    return g[_row(operation) + TAIL] + g[_row(operation) + RUN] if operation >= 0 else 0


@compiled
def lay_out(g: Ints) -> bool:
    """Heads, tails and makespan anew; False if the machines' orders close a circle."""
    n, queue, size = g[T_OPS], g[T_QUEUE], 0
    for at in range(n):
        x = _row(at)
        waits = (g[x + J_PRED] >= 0) + (g[x + M_PRED] >= 0)
        g[x + WAIT] = waits
        if waits == 0:
            g[queue + size] = at
            size += 1
    done, makespan = 0, 0
    while done < size:
        at = g[queue + done]
        x = _row(at)
        g[x + RANK] = done
        done += 1
        g[x + HEAD] = max(_free_at(g, g[x + J_PRED]), _free_at(g, g[x + M_PRED]))
        makespan = max(makespan, g[x + HEAD] + g[x + RUN])
        for follower in (g[x + J_SUCC], g[x + M_SUCC]):
            if follower >= 0:
                y = _row(follower)
                g[y + WAIT] -= 1
                if g[y + WAIT] == 0:
                    g[queue + size] = follower
                    size += 1
    if size < n:
        return False
    for place in range(n - 1, -1, -1):
        x = _row(g[queue + place])
        g[x + TAIL] = max(_rest_of(g, g[x + J_SUCC]), _rest_of(g, g[x + M_SUCC]))
    g[T_NOW] = makespan
    return True


@compiled
def _fit_in(g: Ints, one: int) -> bool:
    """Make the order topological again where an operation came to a new place; False, as it was, if there is none.

    In what lies between it and its new neighbour, whatever must stay on its side goes with it (Pearce and Kelly 2007,
    Journal of Experimental Algorithmics 11:1.7).
    """
    x, queue, path = _row(one), g[T_QUEUE], g[T_PATH]
    rank, before, behind = g[x + RANK], g[x + M_PRED], g[x + M_SUCC]
    if before >= 0 and g[_row(before) + RANK] > rank:
        end, step, by_job, by_machine = g[_row(before) + RANK], 1, J_PRED, M_PRED
    elif behind >= 0 and g[_row(behind) + RANK] < rank:
        end, step, by_job, by_machine = g[_row(behind) + RANK], -1, J_SUCC, M_SUCC
    else:
        return True
    g[x + MARK] = 1
    going, place = 1, rank + step
    g[path] = one
    while True:
        at = g[queue + place]
        y = _row(at)
        job, machine = g[y + by_job], g[y + by_machine]
        goes = (job >= 0 and g[_row(job) + MARK] == 1) or (machine >= 0 and g[_row(machine) + MARK] == 1)
        if goes:
            g[y + MARK] = 1
            g[path + going] = at
            going += 1
        if place == end:
            break
        place += step
    closed = g[_row(g[queue + end]) + MARK] == 1
    if not closed:
        free, place = rank, rank
        while True:
            at = g[queue + place]
            y = _row(at)
            if g[y + MARK] == 0:
                g[queue + free], g[y + RANK] = at, free
                free += step
            if place == end:
                break
            place += step
        for number in range(going):
            at = g[path + number]
            g[queue + free], g[_row(at) + RANK] = at, free
            free += step
    for number in range(going):
        g[_row(g[path + number]) + MARK] = 0
    return not closed


@compiled
def _time_on(g: Ints, low: int, high: int) -> None:
    """Heads from a rank on and tails up to a rank, as far as anything changes, and the makespan.

    low, high: nothing changed its neighbours or its run before or behind.
    """
    queue, place, reach = g[T_QUEUE], low, high
    while place <= reach:
        x = _row(g[queue + place])
        begin = max(_free_at(g, g[x + J_PRED]), _free_at(g, g[x + M_PRED]))
        if begin != g[x + HEAD]:
            g[x + HEAD] = begin
            for behind in (g[x + J_SUCC], g[x + M_SUCC]):
                if behind >= 0:
                    reach = max(reach, g[_row(behind) + RANK])
        place += 1
    place, reach = high, low
    while place >= reach:
        x = _row(g[queue + place])
        rest = max(_rest_of(g, g[x + J_SUCC]), _rest_of(g, g[x + M_SUCC]))
        if rest != g[x + TAIL]:
            g[x + TAIL] = rest
            for before in (g[x + J_PRED], g[x + M_PRED]):
                if before >= 0:
                    reach = min(reach, g[_row(before) + RANK])
        place -= 1
    makespan = 0
    for machine in range(g[T_MACHINES]):
        makespan = max(makespan, _free_at(g, g[g[T_TAIL] + machine]))
    g[T_NOW] = makespan


@compiled
def _take_out(g: Ints, operation: int) -> None:
    x = _row(operation)
    before, behind, machine = g[x + M_PRED], g[x + M_SUCC], g[x + ON]
    g[x + M_PRED] = g[x + M_SUCC] = -1
    if before >= 0:
        g[_row(before) + M_SUCC] = behind
    else:
        g[g[T_HEAD] + machine] = behind
    if behind >= 0:
        g[_row(behind) + M_PRED] = before
    else:
        g[g[T_TAIL] + machine] = before


@compiled
def _put_behind(g: Ints, operation: int, machine: int, before: int) -> None:
    """Put an operation on a machine behind another; -1: first."""
    x = _row(operation)
    behind = g[_row(before) + M_SUCC] if before >= 0 else g[g[T_HEAD] + machine]
    g[x + ON], g[x + M_PRED], g[x + M_SUCC] = machine, before, behind
    if before >= 0:
        g[_row(before) + M_SUCC] = operation
    else:
        g[g[T_HEAD] + machine] = operation
    if behind >= 0:
        g[_row(behind) + M_PRED] = operation
    else:
        g[g[T_TAIL] + machine] = operation


@compiled
def _path(g: Ints) -> int:
    """A critical path, ties by lot, to T_PATH. How many operations it has."""
    found, size = -1, 0
    for machine in range(g[T_MACHINES]):
        at = g[g[T_HEAD] + machine]
        if at >= 0 and g[_row(at) + HEAD] == 0 and _rest_of(g, at) == g[T_NOW]:
            size += 1
            if draw(g, T_RNG, size) == 0:
                found = at
    size = 0
    while found >= 0:
        g[g[T_PATH] + size] = found
        size += 1
        x = _row(found)
        end, rest = g[x + HEAD] + g[x + RUN], g[x + TAIL]
        a, b = g[x + M_SUCC], g[x + J_SUCC]
        by_machine = a >= 0 and g[_row(a) + HEAD] == end and _rest_of(g, a) == rest
        by_job = b >= 0 and g[_row(b) + HEAD] == end and _rest_of(g, b) == rest
        found = -1
        if by_job:
            found = b
        if by_machine and (not by_job or draw(g, T_RNG, 2) == 0):
            found = a
    return size


@compiled
def _after(g: Ints, one: int, last: int) -> int:
    """Estimated makespan if an operation goes right behind a later one of its machine.

    FOREVER if that may not be, or something better is known.
    """
    x = _row(one)
    if g[x + J_SUCC] >= 0 and _rest_of(g, last) < _rest_of(g, g[x + J_SUCC]) + (g[_row(g[x + J_SUCC]) + RUN] == 0):
        return FOREVER
    end, at = _free_at(g, g[x + M_PRED]), g[x + M_SUCC]
    while True:
        y = _row(at)
        begin = max(_free_at(g, g[y + J_PRED]), end)
        # Kept until the way back.
        g[y + WAIT] = begin
        end = begin + g[y + RUN]
        if at == last:
            break
        at = g[y + M_SUCC]
    begin = max(_free_at(g, g[x + J_PRED]), end)
    rest = max(_rest_of(g, g[x + J_SUCC]), _rest_of(g, g[_row(last) + M_SUCC])) + g[x + RUN]
    worst, limit = begin + rest, g[g[T_CANDIDATES] + 1]
    at = last
    while at != one:
        if worst > limit:
            return FOREVER
        y = _row(at)
        rest = max(_rest_of(g, g[y + J_SUCC]), rest) + g[y + RUN]
        worst = max(worst, g[y + WAIT] + rest)
        at = g[y + M_PRED]
    return worst


@compiled
def _before(g: Ints, one: int, first: int) -> int:
    """Estimated makespan if an operation goes right before an earlier one of its machine; FOREVER as above."""
    x = _row(one)
    if g[x + J_PRED] >= 0 and _free_at(g, first) < _free_at(g, g[x + J_PRED]) + (g[_row(g[x + J_PRED]) + RUN] == 0):
        return FOREVER
    begin = max(_free_at(g, g[x + J_PRED]), _free_at(g, g[_row(first) + M_PRED]))
    end, at, mine = begin + g[x + RUN], first, begin
    while at != one:
        y = _row(at)
        begin = max(_free_at(g, g[y + J_PRED]), end)
        g[y + WAIT] = begin
        end = begin + g[y + RUN]
        at = g[y + M_SUCC]
    rest, at, worst, limit = _rest_of(g, g[x + M_SUCC]), g[x + M_PRED], 0, g[g[T_CANDIDATES] + 1]
    while worst <= limit:
        y = _row(at)
        rest = max(_rest_of(g, g[y + J_SUCC]), rest) + g[y + RUN]
        worst = max(worst, g[y + WAIT] + rest)
        if at == first:
            break
        at = g[y + M_PRED]
    if worst > limit:
        return FOREVER
    return max(worst, mine + max(_rest_of(g, g[x + J_SUCC]), rest) + g[x + RUN])


@compiled
def _forbidden_after(g: Ints, one: int, last: int) -> bool:
    at = g[_row(one) + M_SUCC]
    while True:
        if g[_arc(g, at, one)] > g[T_TURN]:
            return True
        if at == last:
            return False
        at = g[_row(at) + M_SUCC]


@compiled
def _forbidden_before(g: Ints, one: int, first: int) -> bool:
    at = g[_row(one) + M_PRED]
    while True:
        if g[_arc(g, one, at)] > g[T_TURN]:
            return True
        if at == first:
            return False
        at = g[_row(at) + M_PRED]


@compiled
def _offer(g: Ints, value: int, forbidden: bool, one: int, choice: int, before: int, other: int, back: int) -> None:
    """Keep a move if it is the best so far.

    T_CANDIDATES: how many are as good; value; the move: operation, choice (-1: none), behind whom, and with whom it
    changes places, and by which choice (-1: nobody). Then how many that are forbidden, and one by lot: only without
    any other it is made.
    """
    c = g[T_CANDIDATES]
    if forbidden and value >= g[T_BEST]:
        g[c + 7] += 1
        if draw(g, T_RNG, g[c + 7]) > 0:
            return
        c += FORBIDDEN
    else:
        if value < g[c + 1]:
            g[c], g[c + 1] = 0, value
        elif value > g[c + 1]:
            return
        g[c] += 1
        if draw(g, T_RNG, g[c]) > 0:
            return
        c += ALLOWED
    g[c], g[c + 1], g[c + 2], g[c + 3], g[c + 4] = one, choice, before, other, back


@compiled
def _look_after(g: Ints, one: int, last: int) -> None:
    value = _after(g, one, last)
    if value < FOREVER:
        _offer(g, value, _forbidden_after(g, one, last), one, -1, last, -1, -1)


@compiled
def _look_before(g: Ints, one: int, first: int) -> None:
    value = _before(g, one, first)
    if value < FOREVER:
        _offer(g, value, _forbidden_before(g, one, first), one, -1, g[_row(first) + M_PRED], -1, -1)


@compiled
def _look_elsewhere(g: Ints, one: int) -> None:
    """Every place on every other machine that can do an operation."""
    x = _row(one)
    ready, rest = _free_at(g, g[x + J_PRED]), _rest_of(g, g[x + J_SUCC])
    low = g[_row(g[x + J_PRED]) + RANK] if g[x + J_PRED] >= 0 else -1
    high = g[_row(g[x + J_SUCC]) + RANK] if g[x + J_SUCC] >= 0 else FOREVER
    for choice in range(g[x + J_FIRST], g[x + J_LAST]):
        machine, run = g[g[T_CHOICES] + 2 * choice], g[g[T_CHOICES] + 2 * choice + 1]
        if machine == g[x + ON]:
            continue
        forbidden = g[g[T_PLACES] + one * g[T_MACHINES] + machine] > g[T_TURN]
        before, behind = -1, g[g[T_HEAD] + machine]
        while True:
            # Who comes before must not follow its successor, who comes behind not precede its predecessor.
            if before >= 0 and not (g[_row(before) + RANK] < high or _rest_of(g, before) > rest):
                break
            # Further on it would only begin later.
            if _free_at(g, before) + run + rest > g[g[T_CANDIDATES] + 1]:
                break
            if behind < 0 or g[_row(behind) + RANK] > low or _free_at(g, behind) > ready:
                value = max(ready, _free_at(g, before)) + run + max(rest, _rest_of(g, behind))
                _offer(g, value, forbidden, one, choice, before, -1, -1)
            if behind < 0:
                break
            before, behind = behind, g[_row(behind) + M_SUCC]


@compiled
def _look_across(g: Ints, one: int) -> None:
    """Change places with any operation of another machine that can do what the other does."""
    x = _row(one)
    ready, rest = _free_at(g, g[x + J_PRED]), _rest_of(g, g[x + J_SUCC])
    low = g[_row(g[x + J_PRED]) + RANK] if g[x + J_PRED] >= 0 else -1
    high = g[_row(g[x + J_SUCC]) + RANK] if g[x + J_SUCC] >= 0 else FOREVER
    left, right = g[x + M_PRED], g[x + M_SUCC]
    left_end, right_rest = _free_at(g, left), _rest_of(g, right)
    left_rank = g[_row(left) + RANK] if left >= 0 else -1
    right_rank = g[_row(right) + RANK] if right >= 0 else FOREVER
    for choice in range(g[x + J_FIRST], g[x + J_LAST]):
        machine, run = g[g[T_CHOICES] + 2 * choice], g[g[T_CHOICES] + 2 * choice + 1]
        if machine == g[x + ON]:
            continue
        forbidden = g[g[T_PLACES] + one * g[T_MACHINES] + machine] > g[T_TURN]
        at = g[g[T_HEAD] + machine]
        while at >= 0:
            limit = min(g[g[T_CANDIDATES] + 1], g[T_NOW] - 1)
            y = _row(at)
            before, behind, other = g[y + M_PRED], g[y + M_SUCC], -1
            # Ranks alone tell that no circle closes: both keep between the neighbours of their new places.
            if behind >= 0 and g[_row(behind) + RANK] <= low:
                at = behind
                continue
            if before >= 0 and g[_row(before) + RANK] >= high:
                break
            if _free_at(g, before) + run + rest > limit:
                break
            value = max(ready, _free_at(g, before)) + run + max(rest, _rest_of(g, behind))
            if value <= limit:
                for back in range(g[y + J_FIRST], g[y + J_LAST]):
                    if g[g[T_CHOICES] + 2 * back] == g[x + ON]:
                        other = back
            if other >= 0 and at != g[x + J_PRED] and at != g[x + J_SUCC]:
                its_low = g[_row(g[y + J_PRED]) + RANK] if g[y + J_PRED] >= 0 else -1
                its_high = g[_row(g[y + J_SUCC]) + RANK] if g[y + J_SUCC] >= 0 else FOREVER
                if right_rank > its_low and left_rank < its_high:
                    begin = max(_free_at(g, g[y + J_PRED]), left_end)
                    value = max(
                        value,
                        begin + g[g[T_CHOICES] + 2 * other + 1] + max(_rest_of(g, g[y + J_SUCC]), right_rest),
                    )
                    if value <= limit:
                        kept = forbidden or g[g[T_PLACES] + at * g[T_MACHINES] + g[x + ON]] > g[T_TURN]
                        _offer(g, value, kept, one, choice, before, at, other)
            at = behind


@compiled
def _look(g: Ints) -> None:
    """All moves along a critical path."""
    size, path, at = _path(g), g[T_PATH], 0
    c = g[T_CANDIDATES]
    g[c], g[c + 1], g[c + ALLOWED], g[c + 7], g[c + FORBIDDEN] = 0, FOREVER, -1, 0, -1
    while at < size:
        end = at
        machine = g[_row(g[path + at]) + ON]
        while (
            end + 1 < size
            and g[_row(g[path + end + 1]) + ON] == machine
            and (g[_row(g[path + end]) + M_SUCC] == g[path + end + 1])
        ):
            end += 1
        first, last = g[path + at], g[path + end]
        for place in range(at, end + 1):
            one = g[path + place]
            if place < end:
                _look_after(g, one, last)
                if place > at:
                    _look_after(g, first, one)
            if place > at:
                if end > at + 1 or place < end:
                    _look_before(g, one, first)
                if at < place < end:
                    _look_before(g, last, one)
            if g[_row(one) + J_LAST] > g[_row(one) + J_FIRST] + 1:
                _look_elsewhere(g, one)
        at = end + 1
    if g[c + 1] >= g[T_NOW]:
        # Where every machine has enough to do, only an exchange makes it shorter.
        for place in range(size):
            one = g[path + place]
            if g[_row(one) + J_LAST] > g[_row(one) + J_FIRST] + 1:
                _look_across(g, one)


@compiled
def _span(g: Ints, one: int, low: int, high: int) -> tuple[int, int]:
    """The ranks from low to high, widened by those of an operation and its neighbours."""
    x = _row(one)
    for each in (one, g[x + M_PRED], g[x + M_SUCC], g[x + J_PRED], g[x + J_SUCC]):
        if each >= 0:
            low, high = min(low, g[_row(each) + RANK]), max(high, g[_row(each) + RANK])
    return low, high


@compiled
def _do(g: Ints, move: int) -> bool:
    """Make a move, and forbid its reverse for a while; False, with nothing changed, if it closes a circle."""
    one, choice, before, other, back = g[move], g[move + 1], g[move + 2], g[move + 3], g[move + 4]
    x = _row(one)
    machine, run, was = g[x + ON], g[x + RUN], g[x + M_PRED]
    until = g[T_TURN] + SHORTEST + draw(g, T_RNG, LONGEST - SHORTEST)
    target = machine
    if choice < 0:
        rank = g[x + RANK]
        if before >= 0 and g[_row(before) + RANK] > rank:
            at = g[x + M_SUCC]
            while True:
                g[_arc(g, one, at)] = until
                if at == before:
                    break
                at = g[_row(at) + M_SUCC]
        else:
            at = g[x + M_PRED]
            while at != before and at >= 0:
                g[_arc(g, at, one)] = until
                at = g[_row(at) + M_PRED]
    else:
        target = g[g[T_CHOICES] + 2 * choice]
        g[x + RUN] = g[g[T_CHOICES] + 2 * choice + 1]
        g[g[T_PLACES] + one * g[T_MACHINES] + machine] = until
    low, high = _span(g, one, g[T_OPS], -1)
    _take_out(g, one)
    if other >= 0:
        y = _row(other)
        low, high = _span(g, other, low, high)
        _take_out(g, other)
        g[y + RUN] = g[g[T_CHOICES] + 2 * back + 1]
        g[g[T_PLACES] + other * g[T_MACHINES] + target] = until
        _put_behind(g, other, machine, was)
        # Closes no circle: see `_look_across`.
        low, high = _span(g, other, low, high)
        _fit_in(g, other)
    _put_behind(g, one, target, before)
    low, high = _span(g, one, low, high)
    if _fit_in(g, one):
        _time_on(g, max(low, 0), min(high, g[T_OPS] - 1))
        return True
    _take_out(g, one)
    g[x + RUN] = run
    _put_behind(g, one, machine, was)
    return False


@compiled
def _keep(g: Ints, where: int) -> None:
    for at in range(g[T_OPS]):
        x, y = _row(at), where + 3 * at
        g[y], g[y + 1], g[y + 2] = g[x + ON], g[x + RUN], g[x + M_PRED]


@compiled
def _back(g: Ints, where: int) -> None:
    """Take up again what was kept."""
    for machine in range(g[T_MACHINES]):
        g[g[T_HEAD] + machine] = g[g[T_TAIL] + machine] = -1
    for at in range(g[T_OPS]):
        g[_row(at) + M_SUCC] = -1
    for at in range(g[T_OPS]):
        x, y = _row(at), where + 3 * at
        g[x + ON], g[x + RUN], g[x + M_PRED] = g[y], g[y + 1], g[y + 2]
        if g[y] >= 0:
            if g[y + 2] >= 0:
                g[_row(g[y + 2]) + M_SUCC] = at
            else:
                g[g[T_HEAD] + g[y]] = at
    for at in range(g[T_OPS]):
        x = _row(at)
        if g[x + ON] >= 0 and g[x + M_SUCC] < 0:
            g[g[T_TAIL] + g[x + ON]] = at
    lay_out(g)


@entry
def search(g: Ints, turns: int, patience: int, goal: int) -> int:
    """At most so many steps, fewer after `patience` steps without progress; the best is kept. Steps made."""
    for turn in range(turns):
        if g[T_BEST] <= goal:
            return turn
        g[T_TURN] += 1
        _look(g)
        c = g[T_CANDIDATES]
        moved = False
        if g[c + ALLOWED] >= 0:
            moved = _do(g, c + ALLOWED)
        elif g[c + FORBIDDEN] >= 0:
            moved = _do(g, c + FORBIDDEN)
        g[T_SINCE] += 1
        if moved and g[T_NOW] < g[T_BEST]:
            g[T_BEST], g[T_SINCE] = g[T_NOW], 0
            _keep(g, g[T_KEPT])
        if g[T_SINCE] > patience:
            return turn + 1
    return turns


@entry
def resume(g: Ints) -> None:
    """Begin from what is kept as the best, which may have been written from outside; nothing is forbidden."""
    _back(g, g[T_KEPT])
    g[T_BEST], g[T_SINCE] = g[T_NOW], 0
    g[T_TURN] += LONGEST
