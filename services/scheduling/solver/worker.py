"""The solver's own process: `python -m services.scheduling.solver.worker`.

Speaks in frames (8 bytes of length, then a pickle) over stdin and stdout with the one process that started it, and ends
when stdin does: a parent that is killed closes the pipe, whatever else happens to it. Imports only the solver.

In: ("solve", run, problem, seconds, seed), ("stop", run). Out: ("begun", run, None) when a run's time begins to count,
("plan", run, plan) for each better plan, then one of ("done", run, plan), ("infeasible", run, conflicts), ("failed",
run, traceback).
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
import threading
import traceback
from queue import SimpleQueue
from typing import Any, BinaryIO

HEAD = struct.Struct("<Q")


def frame(message: object) -> bytes:
    """A message as it goes over the pipe."""
    body = pickle.dumps(message, protocol=5)
    return HEAD.pack(len(body)) + body


class _Worker:
    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target
        self._orders: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._stopped: set[int] = set()

    def listen(self) -> None:
        """Take messages until the parent is gone; then end at once, in the middle of anything."""
        try:
            while head := self._source.read(HEAD.size):
                message = pickle.loads(self._source.read(HEAD.unpack(head)[0]))  # noqa: S301 - from our own parent
                if message[0] == "stop":
                    self._stopped.add(message[1])
                else:
                    self._orders.put(message[1:])
        finally:
            os._exit(0)

    def work(self) -> None:
        """One run after the other."""
        from services.scheduling.solver import search  # noqa: F401 - loads OR-Tools before the first request

        while True:
            self._solve(*self._orders.get())

    def _solve(self, run: int, problem: Any, seconds: float, seed: int) -> None:
        from services.scheduling.solver.engine import solve
        from services.scheduling.solver.problem import Infeasible

        self._say("begun", run, None)
        try:
            plan = solve(
                problem,
                seconds=seconds,
                seed=seed,
                on_plan=lambda plan: self._say("plan", run, plan),
                should_stop=lambda: run in self._stopped,
            )
        except Infeasible as error:
            self._say("infeasible", run, error.conflicts)
        except Exception:
            self._say("failed", run, traceback.format_exc())
        else:
            self._say("done", run, plan)
        self._stopped.discard(run)

    def _say(self, *message: object) -> None:
        self._target.write(frame(message))
        self._target.flush()


def main() -> None:
    """Serve until the parent is gone."""
    # Ctrl-C in a terminal reaches every process in it; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get between the frames.
    os.dup2(2, 1)
    worker = _Worker(sys.stdin.buffer, target)
    threading.Thread(target=worker.listen, daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()
