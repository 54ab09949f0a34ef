"""The rules without compiled code, in a process of their own: a pickled problem in, a pickled plan out."""

from __future__ import annotations

import pickle
import sys

from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.problem import Infeasible


def main() -> None:
    """Answer ("plan", plan) or ("infeasible", conflicts)."""
    problem = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    try:
        answer: tuple[str, object] = ("plan", rules_plan(problem, seconds=2.0))
    except Infeasible as error:
        answer = ("infeasible", error.conflicts)
    sys.stdout.buffer.write(pickle.dumps(answer, protocol=5))


if __name__ == "__main__":
    main()
