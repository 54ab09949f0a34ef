"""Compiles the kernel ahead: `python -m services.scheduling.solver.warm`. Takes half a minute once, then a moment."""

from __future__ import annotations

import os
from time import monotonic

from services.scheduling.solver.kernel import COMPILED


_done: list[bool] = []


def warm() -> float:
    """Have everything compiled or loaded from the cache, by using it on a shop of a few operations. Seconds taken."""
    from services.scheduling.solver.engine import solve
    from services.scheduling.solver.generate import generate_shop

    began = monotonic()
    if _done:
        return 0.0
    solve(generate_shop(80, 1, full=True), seconds=60, moves=10, workers=1)
    _done.append(True)
    return monotonic() - began


def main() -> None:
    """Compile, and say so."""
    os.environ[COMPILED] = "1"
    print("Preparing the scheduler (once, about half a minute) ...", flush=True)  # noqa: T201 - a command
    print(f"The scheduler is ready, {warm():.0f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
