"""The solver's own process: `python -m services.scheduling.solver.worker`.

Speaks in frames (8 bytes of length, then a pickle) over stdin and stdout with the one process that started it, and ends
when stdin does: a parent that is killed closes the pipe, whatever else happens to it. Imports only the solver.

In: ("solve", run, problem, seconds, seed), ("ask", run, name, arguments) for one of `desk.ANSWERS`, ("stop", run). Out:
("begun", run, None) when a run's time begins to count, ("plan", run, plan) for each better plan, ("progress", run,
progress) now and then, in the end one of ("done", run, plan or answer), ("infeasible", run, conflicts), ("failed", run,
traceback).
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any, BinaryIO

from services.scheduling.solver.kernel import COMPILED

log = logging.getLogger(__name__)
HEAD = struct.Struct("<Q")
_PATIENCE, _LOOK = 1.5, 0.05
_COMPILED_S = 8.0


def frame(message: object) -> bytes:
    """A message as it goes over the pipe."""
    body = pickle.dumps(message, protocol=5)
    return HEAD.pack(len(body)) + body


class _Worker:
    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target
        self._orders: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._stopped: set[int] = set()
        self._ready, self._broken = threading.Event(), False

    def listen(self) -> None:
        """Take messages until the parent is gone; then end at once, in the middle of anything."""
        try:
            while head := self._source.read(HEAD.size):
                message = pickle.loads(self._source.read(HEAD.unpack(head)[0]))  # noqa: S301 - from our own parent
                if message[0] == "stop":
                    self._stopped.add(message[1])
                else:
                    self._orders.put(message)
        finally:
            os._exit(0)

    def work(self) -> None:
        """One run after the other."""
        threading.Thread(target=self._warm, daemon=True).start()
        from services.scheduling.solver import search  # noqa: F401 - loads OR-Tools before the first request

        while True:
            kind, *rest = self._orders.get()
            if kind == "ask":
                self._answer(*rest)
            else:
                self._solve(*rest)

    def _warm(self) -> None:
        """Load what is compiled, or compile it: the first time on a machine that takes half a minute."""
        from services.scheduling.solver.warm import warm

        try:
            seconds = warm()
            if seconds > _COMPILED_S:
                log.warning("the scheduler was compiled for this machine in %.0f s; that is kept", seconds)
        except Exception:
            log.exception("the scheduler cannot be compiled; plans are those of the rules")
            self._broken = True
        finally:
            self._ready.set()

    def _meanwhile(self, run: int, problem: Any, until: float) -> bool:
        """While the compiler works, the rules answer from a process that needs none. Whether that ended the run."""
        if not self._ready.wait(_PATIENCE):
            log.warning("the scheduler is being compiled, about half a minute once; the rules plan meanwhile")
        if self._ready.is_set() and not self._broken:
            return False
        environment = {name: value for name, value in os.environ.items() if name != COMPILED}
        answer = subprocess.run(
            [sys.executable, "-m", "services.scheduling.solver.unaided"], input=pickle.dumps(problem, protocol=5),
            stdout=subprocess.PIPE, env=environment, check=True,
        )  # fmt: skip
        kind, content = pickle.loads(answer.stdout)  # noqa: S301 - from our own child
        if kind == "infeasible":
            self._say(kind, run, content)
            return True
        self._say("plan", run, content)
        while not self._ready.wait(_LOOK) and time.monotonic() < until and run not in self._stopped:
            pass
        if not self._ready.is_set() or self._broken or run in self._stopped:
            self._say("done", run, content)
            return True
        return False

    def _solve(self, run: int, problem: Any, seconds: float, seed: int) -> None:
        from services.scheduling.solver.engine import solve
        from services.scheduling.solver.problem import Infeasible

        self._say("begun", run, None)
        until = time.monotonic() + seconds
        try:
            if self._meanwhile(run, problem, until):
                return
            plan = solve(
                problem,
                seconds=max(until - time.monotonic(), 0.1),
                seed=seed,
                on_plan=lambda plan: self._say("plan", run, plan),
                on_progress=lambda progress: self._say("progress", run, progress),
                should_stop=lambda: run in self._stopped,
            )
        except Infeasible as error:
            self._say("infeasible", run, error.conflicts)
        except Exception:
            self._say("failed", run, traceback.format_exc())
        else:
            self._say("done", run, plan)
        finally:
            self._stopped.discard(run)

    def _answer(self, run: int, name: str, arguments: Sequence[Any]) -> None:
        from services.scheduling.solver.desk import ANSWERS
        from services.scheduling.solver.problem import Infeasible

        self._ready.wait()
        self._say("begun", run, None)
        try:
            answer = ANSWERS[name](*arguments)
        except Infeasible as error:
            self._say("infeasible", run, error.conflicts)
        except Exception:
            self._say("failed", run, traceback.format_exc())
        else:
            self._say("done", run, answer)

    def _say(self, *message: object) -> None:
        self._target.write(frame(message))
        self._target.flush()


def main() -> None:
    """Serve until the parent is gone."""
    # Ctrl-C in a terminal reaches every process in it; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[COMPILED] = "1"
    target = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get between the frames.
    os.dup2(2, 1)
    worker = _Worker(sys.stdin.buffer, target)
    threading.Thread(target=worker.listen, daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()
