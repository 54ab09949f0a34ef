"""Tabu search on the critical path, for problems whose only goal is the makespan (job shop, flexible job shop).

Heads and tails are exact in every step (see `routes`); moves are judged by estimates. On one machine: an operation of a
critical block to its end or begin, and its ends into it (N7; Zhang et al. 2007, Computers & Operations Research
34:3229), estimated by Balas and Vazacopoulos (1998, Management Science 44:262). To another machine: any place where it
cannot close a circle (Mastrolilli and Gambardella 2000, Journal of Scheduling 3:3). If nothing of that makes it
shorter, two operations of different machines change places.
"""

from __future__ import annotations

from services.scheduling.solver.kernel.jit import compiled, entry
from services.scheduling.solver.kernel.layout import FOREVER, Ints
from services.scheduling.solver.kernel.routes import (
    J_FIRST,
    J_LAST,
    J_PRED,
    J_SUCC,
    M_PRED,
    M_SUCC,
    ON,
    RANK,
    RUN,
    T_ARCS,
    T_BEST,
    T_CANDIDATES,
    T_CHOICES,
    T_HEAD,
    T_KEPT,
    T_MACHINES,
    T_NOW,
    T_OPS,
    T_PATH,
    T_PLACES,
    T_RNG,
    T_SINCE,
    T_TURN,
    WAIT,
    critical_path,
    fit_in,
    free_at,
    go_back,
    keep,
    put_behind,
    rest_of,
    row,
    take_out,
    time_on,
)
from services.scheduling.solver.kernel.tools import draw

ARCS = 1 << 18
"""Size of the table of forbidden arcs; what collides is forbidden a little longer."""
ALLOWED, FORBIDDEN, CANDIDATES = 2, 8, 13
"""Where in T_CANDIDATES the best move begins, and a forbidden one; how long it is."""
SHORTEST, LONGEST = 6, 14
"""For how many steps the reverse of a move is forbidden: from, and below."""


@compiled
def _arc(g: Ints, before: int, after: int) -> int:
    return g[T_ARCS] + ((before * 2654435761 + after * 40503) & (ARCS - 1))


@compiled
def _after(g: Ints, one: int, last: int) -> int:
    """Estimated makespan if an operation goes right behind a later one of its machine.

    FOREVER if that may not be, or something better is known.
    """
    x = row(one)
    if g[x + J_SUCC] >= 0 and rest_of(g, last) < rest_of(g, g[x + J_SUCC]) + (g[row(g[x + J_SUCC]) + RUN] == 0):
        return FOREVER
    end, at = free_at(g, g[x + M_PRED]), g[x + M_SUCC]
    while True:
        y = row(at)
        begin = max(free_at(g, g[y + J_PRED]), end)
        # Kept until the way back.
        g[y + WAIT] = begin
        end = begin + g[y + RUN]
        if at == last:
            break
        at = g[y + M_SUCC]
    begin = max(free_at(g, g[x + J_PRED]), end)
    rest = max(rest_of(g, g[x + J_SUCC]), rest_of(g, g[row(last) + M_SUCC])) + g[x + RUN]
    worst, limit = begin + rest, g[g[T_CANDIDATES] + 1]
    at = last
    while at != one:
        if worst > limit:
            return FOREVER
        y = row(at)
        rest = max(rest_of(g, g[y + J_SUCC]), rest) + g[y + RUN]
        worst = max(worst, g[y + WAIT] + rest)
        at = g[y + M_PRED]
    return worst


@compiled
def _before(g: Ints, one: int, first: int) -> int:
    """Estimated makespan if an operation goes right before an earlier one of its machine; FOREVER as above."""
    x = row(one)
    if g[x + J_PRED] >= 0 and free_at(g, first) < free_at(g, g[x + J_PRED]) + (g[row(g[x + J_PRED]) + RUN] == 0):
        return FOREVER
    begin = max(free_at(g, g[x + J_PRED]), free_at(g, g[row(first) + M_PRED]))
    end, at, mine = begin + g[x + RUN], first, begin
    while at != one:
        y = row(at)
        begin = max(free_at(g, g[y + J_PRED]), end)
        g[y + WAIT] = begin
        end = begin + g[y + RUN]
        at = g[y + M_SUCC]
    rest, at, worst, limit = rest_of(g, g[x + M_SUCC]), g[x + M_PRED], 0, g[g[T_CANDIDATES] + 1]
    while worst <= limit:
        y = row(at)
        rest = max(rest_of(g, g[y + J_SUCC]), rest) + g[y + RUN]
        worst = max(worst, g[y + WAIT] + rest)
        if at == first:
            break
        at = g[y + M_PRED]
    if worst > limit:
        return FOREVER
    return max(worst, mine + max(rest_of(g, g[x + J_SUCC]), rest) + g[x + RUN])


@compiled
def _forbidden_after(g: Ints, one: int, last: int) -> bool:
    at = g[row(one) + M_SUCC]
    while True:
        if g[_arc(g, at, one)] > g[T_TURN]:
            return True
        if at == last:
            return False
        at = g[row(at) + M_SUCC]


@compiled
def _forbidden_before(g: Ints, one: int, first: int) -> bool:
    at = g[row(one) + M_PRED]
    while True:
        if g[_arc(g, one, at)] > g[T_TURN]:
            return True
        if at == first:
            return False
        at = g[row(at) + M_PRED]


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
        _offer(g, value, _forbidden_before(g, one, first), one, -1, g[row(first) + M_PRED], -1, -1)


@compiled
def _look_elsewhere(g: Ints, one: int) -> None:
    """Every place on every other machine that can do an operation."""
    x = row(one)
    ready, rest = free_at(g, g[x + J_PRED]), rest_of(g, g[x + J_SUCC])
    low = g[row(g[x + J_PRED]) + RANK] if g[x + J_PRED] >= 0 else -1
    high = g[row(g[x + J_SUCC]) + RANK] if g[x + J_SUCC] >= 0 else FOREVER
    for choice in range(g[x + J_FIRST], g[x + J_LAST]):
        machine, run = g[g[T_CHOICES] + 2 * choice], g[g[T_CHOICES] + 2 * choice + 1]
        if machine == g[x + ON]:
            continue
        forbidden = g[g[T_PLACES] + one * g[T_MACHINES] + machine] > g[T_TURN]
        before, behind = -1, g[g[T_HEAD] + machine]
        while True:
            # Who comes before must not follow its successor, who comes behind not precede its predecessor.
            if before >= 0 and not (g[row(before) + RANK] < high or rest_of(g, before) > rest):
                break
            # Further on it would only begin later.
            if free_at(g, before) + run + rest > g[g[T_CANDIDATES] + 1]:
                break
            if behind < 0 or g[row(behind) + RANK] > low or free_at(g, behind) > ready:
                value = max(ready, free_at(g, before)) + run + max(rest, rest_of(g, behind))
                _offer(g, value, forbidden, one, choice, before, -1, -1)
            if behind < 0:
                break
            before, behind = behind, g[row(behind) + M_SUCC]


@compiled
def _look_across(g: Ints, one: int) -> None:
    """Change places with any operation of another machine that can do what the other does."""
    x = row(one)
    ready, rest = free_at(g, g[x + J_PRED]), rest_of(g, g[x + J_SUCC])
    low = g[row(g[x + J_PRED]) + RANK] if g[x + J_PRED] >= 0 else -1
    high = g[row(g[x + J_SUCC]) + RANK] if g[x + J_SUCC] >= 0 else FOREVER
    left, right = g[x + M_PRED], g[x + M_SUCC]
    left_end, right_rest = free_at(g, left), rest_of(g, right)
    left_rank = g[row(left) + RANK] if left >= 0 else -1
    right_rank = g[row(right) + RANK] if right >= 0 else FOREVER
    for choice in range(g[x + J_FIRST], g[x + J_LAST]):
        machine, run = g[g[T_CHOICES] + 2 * choice], g[g[T_CHOICES] + 2 * choice + 1]
        if machine == g[x + ON]:
            continue
        forbidden = g[g[T_PLACES] + one * g[T_MACHINES] + machine] > g[T_TURN]
        at = g[g[T_HEAD] + machine]
        while at >= 0:
            limit = min(g[g[T_CANDIDATES] + 1], g[T_NOW] - 1)
            y = row(at)
            before, behind, other = g[y + M_PRED], g[y + M_SUCC], -1
            # Ranks alone tell that no circle closes: both keep between the neighbours of their new places.
            if behind >= 0 and g[row(behind) + RANK] <= low:
                at = behind
                continue
            if before >= 0 and g[row(before) + RANK] >= high:
                break
            if free_at(g, before) + run + rest > limit:
                break
            value = max(ready, free_at(g, before)) + run + max(rest, rest_of(g, behind))
            if value <= limit:
                for back in range(g[y + J_FIRST], g[y + J_LAST]):
                    if g[g[T_CHOICES] + 2 * back] == g[x + ON]:
                        other = back
            if other >= 0 and at != g[x + J_PRED] and at != g[x + J_SUCC]:
                its_low = g[row(g[y + J_PRED]) + RANK] if g[y + J_PRED] >= 0 else -1
                its_high = g[row(g[y + J_SUCC]) + RANK] if g[y + J_SUCC] >= 0 else FOREVER
                if right_rank > its_low and left_rank < its_high:
                    begin = max(free_at(g, g[y + J_PRED]), left_end)
                    value = max(
                        value,
                        begin + g[g[T_CHOICES] + 2 * other + 1] + max(rest_of(g, g[y + J_SUCC]), right_rest),
                    )
                    if value <= limit:
                        kept = forbidden or g[g[T_PLACES] + at * g[T_MACHINES] + g[x + ON]] > g[T_TURN]
                        _offer(g, value, kept, one, choice, before, at, other)
            at = behind


@compiled
def _look(g: Ints) -> None:
    """All moves along a critical path."""
    size, path, at = critical_path(g), g[T_PATH], 0
    c = g[T_CANDIDATES]
    g[c], g[c + 1], g[c + ALLOWED], g[c + 7], g[c + FORBIDDEN] = 0, FOREVER, -1, 0, -1
    while at < size:
        end = at
        machine = g[row(g[path + at]) + ON]
        while (
            end + 1 < size
            and g[row(g[path + end + 1]) + ON] == machine
            and (g[row(g[path + end]) + M_SUCC] == g[path + end + 1])
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
            if g[row(one) + J_LAST] > g[row(one) + J_FIRST] + 1:
                _look_elsewhere(g, one)
        at = end + 1
    if g[c + 1] >= g[T_NOW]:
        # Where every machine has enough to do, only an exchange makes it shorter.
        for place in range(size):
            one = g[path + place]
            if g[row(one) + J_LAST] > g[row(one) + J_FIRST] + 1:
                _look_across(g, one)


@compiled
def _span(g: Ints, one: int, low: int, high: int) -> tuple[int, int]:
    """The ranks from low to high, widened by those of an operation and its neighbours."""
    x = row(one)
    for each in (one, g[x + M_PRED], g[x + M_SUCC], g[x + J_PRED], g[x + J_SUCC]):
        if each >= 0:
            low, high = min(low, g[row(each) + RANK]), max(high, g[row(each) + RANK])
    return low, high


@compiled
def _do(g: Ints, move: int) -> bool:
    """Make a move, and forbid its reverse for a while; False, with nothing changed, if it closes a circle."""
    one, choice, before, other, back = g[move], g[move + 1], g[move + 2], g[move + 3], g[move + 4]
    x = row(one)
    machine, run, was = g[x + ON], g[x + RUN], g[x + M_PRED]
    until = g[T_TURN] + SHORTEST + draw(g, T_RNG, LONGEST - SHORTEST)
    target = machine
    if choice < 0:
        rank = g[x + RANK]
        if before >= 0 and g[row(before) + RANK] > rank:
            at = g[x + M_SUCC]
            while True:
                g[_arc(g, one, at)] = until
                if at == before:
                    break
                at = g[row(at) + M_SUCC]
        else:
            at = g[x + M_PRED]
            while at != before and at >= 0:
                g[_arc(g, at, one)] = until
                at = g[row(at) + M_PRED]
    else:
        target = g[g[T_CHOICES] + 2 * choice]
        g[x + RUN] = g[g[T_CHOICES] + 2 * choice + 1]
        g[g[T_PLACES] + one * g[T_MACHINES] + machine] = until
    low, high = _span(g, one, g[T_OPS], -1)
    take_out(g, one)
    if other >= 0:
        y = row(other)
        low, high = _span(g, other, low, high)
        take_out(g, other)
        g[y + RUN] = g[g[T_CHOICES] + 2 * back + 1]
        g[g[T_PLACES] + other * g[T_MACHINES] + target] = until
        put_behind(g, other, machine, was)
        # Closes no circle: see `_look_across`.
        low, high = _span(g, other, low, high)
        fit_in(g, other)
    put_behind(g, one, target, before)
    low, high = _span(g, one, low, high)
    if fit_in(g, one):
        time_on(g, max(low, 0), min(high, g[T_OPS] - 1))
        return True
    take_out(g, one)
    g[x + RUN] = run
    put_behind(g, one, machine, was)
    return False


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
            keep(g, g[T_KEPT])
        if g[T_SINCE] > patience:
            return turn + 1
    return turns


@entry
def resume(g: Ints) -> None:
    """Begin from what is kept as the best, which may have been written from outside; nothing is forbidden."""
    go_back(g, g[T_KEPT])
    g[T_BEST], g[T_SINCE] = g[T_NOW], 0
    g[T_TURN] += LONGEST
