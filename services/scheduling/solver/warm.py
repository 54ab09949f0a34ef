"""Compiles the kernel ahead: `python -m services.scheduling.solver.warm`. Takes half a minute once, then a moment."""

from __future__ import annotations

import gc
import os
from datetime import UTC, datetime
from time import monotonic

from services.scheduling.solver.kernel import COMPILED

_done: list[bool] = []
_COLLECT_AFTER = 100_000
"""New objects after which the collector looks for circles; a plan has hardly any."""


def warm() -> float:
    """Have everything compiled or loaded from the cache, by using it on a shop of a few operations. Seconds taken."""
    from services.scheduling.solver.engine import solve
    from services.scheduling.solver.generate import generate_shop
    from services.scheduling.solver.problem import Alternative, Machine, Operation, Order, Predecessor, Problem

    began = monotonic()
    if _done:
        return 0.0
    solve(generate_shop(80, 1, full=True), seconds=60, moves=10, workers=1)
    machines = [Machine("M"), Machine("N")]
    route = (Alternative("M", 3), Alternative("N", 2))
    jobs = [Operation(f"{job}.{at}", f"{job}", route, (Predecessor(f"{job}.{at - 1}"),) if at else ())
            for job in range(3) for at in range(2)]  # fmt: skip
    shop = Problem(datetime(2026, 1, 1, tzinfo=UTC), 0, 100, machines, [Order(f"{job}") for job in range(3)], jobs)
    solve(shop, seconds=60, moves=10, workers=1)
    # Else the collector walks through all that is loaded again and again while a large plan is made:
    # half of the time at 5,000.
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    _done.append(True)
    return monotonic() - began


def main() -> None:
    """Compile, and say so."""
    os.environ[COMPILED] = "1"
    print("Preparing the scheduler (once, about half a minute) ...", flush=True)  # noqa: T201 - a command
    print(f"The scheduler is ready, {warm():.0f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
