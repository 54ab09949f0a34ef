"""What several kernel functions share: numbers by lot, and a heap of (key, item) in a block."""

from __future__ import annotations

from services.scheduling.solver.kernel.jit import compiled
from services.scheduling.solver.kernel.layout import Ints


def seeded(seed: int) -> int:
    """The state from which numbers by lot begin; never 0."""
    return (seed * 2654435761 + 88172645463325252) & ((1 << 62) - 1) or 1


@compiled
def draw(a: Ints, state: int, below: int) -> int:
    """A number from 0 on, below a limit (xorshift, Marsaglia 2003, in 63 bits). state: where its state is kept."""
    x = a[state]
    x ^= (x << 13) & 0x7FFFFFFFFFFFFFFF
    x ^= x >> 7
    x ^= (x << 17) & 0x7FFFFFFFFFFFFFFF
    a[state] = x
    return (x >> 8) % below


@compiled
def push(a: Ints, heap: int, count: int, key: int, item: int) -> None:
    """Put something on a heap, of equal keys the lower item first. heap: where it begins; count: where its size is."""
    at = a[count]
    a[count] = at + 1
    while at > 0:
        parent = heap + 2 * ((at - 1) >> 1)
        if a[parent] < key or (a[parent] == key and a[parent + 1] < item):
            break
        a[heap + 2 * at], a[heap + 2 * at + 1] = a[parent], a[parent + 1]
        at = (at - 1) >> 1
    a[heap + 2 * at], a[heap + 2 * at + 1] = key, item


@compiled
def pop(a: Ints, heap: int, count: int) -> int:
    """Take the item with the least key from a heap."""
    size = a[count] - 1
    found, a[count] = a[heap + 1], size
    key, item, at = a[heap + 2 * size], a[heap + 2 * size + 1], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        one, other = heap + 2 * child, heap + 2 * child + 2
        if child + 1 < size and (a[other] < a[one] or (a[other] == a[one] and a[other + 1] < a[one + 1])):
            child, one = child + 1, other
        if a[one] > key or (a[one] == key and a[one + 1] > item):
            break
        a[heap + 2 * at], a[heap + 2 * at + 1] = a[one], a[one + 1]
        at = child
    if size > 0:
        a[heap + 2 * at], a[heap + 2 * at + 1] = key, item
    return found
