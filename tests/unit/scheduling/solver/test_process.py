"""The solver's process: answers while it is killed, superseded or slow, and leaves no orphan."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import psutil
import pytest

from services.scheduling.solver.checker import check
from services.scheduling.solver.problem import Alternative, Infeasible, Machine, Operation, Order, Plan
from services.scheduling.solver.process import Preparing, SolverFailed, SolverProcess
from tests.unit.scheduling.solver.shops import problem_of, random_problem

LARGE = random_problem(Random(1), orders=60, machines=5)


@pytest.fixture
async def solver() -> AsyncIterator[SolverProcess]:
    made = SolverProcess()
    await made.start()
    yield made
    await made.stop()


class _Heard:
    """Plans that came, and a way to wait for the first."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.first = asyncio.Event()

    def __call__(self, plan: Plan) -> None:
        self.plans.append(plan)
        self.first.set()


async def test_plans_are_streamed_and_the_best_is_the_answer(solver: SolverProcess) -> None:
    heard = _Heard()
    made = await solver.solve(LARGE, seconds=1.5, on_plan=heard)
    assert check(LARGE, made) == []
    assert heard.plans[-1].score == made.score


async def test_a_newer_request_supersedes_and_a_run_can_be_cancelled(solver: SolverProcess) -> None:
    heard = _Heard()
    older = asyncio.create_task(solver.solve(LARGE, seconds=60, on_plan=heard))
    await heard.first.wait()
    later = _Heard()
    newer = asyncio.create_task(solver.solve(LARGE, seconds=60, on_plan=later))
    assert check(LARGE, await asyncio.wait_for(older, 5)) == []
    await later.first.wait()
    began = asyncio.get_running_loop().time()
    await solver.cancel()
    await newer
    assert asyncio.get_running_loop().time() - began < 2  # 0.05 to 0.3 s on a machine that has time
    assert (await solver.solve(problem_of([Machine("M")], []), seconds=1)).operations == ()


async def test_a_killed_worker_is_replaced_within_the_run(solver: SolverProcess) -> None:
    heard = _Heard()
    run = asyncio.create_task(solver.solve(LARGE, seconds=3, on_plan=heard))
    await heard.first.wait()
    first = solver.pid
    assert first is not None
    psutil.Process(first).kill()
    made = await run
    assert check(LARGE, made) == []
    assert made.score.key() <= heard.plans[0].score.key()
    assert await solver.solve(LARGE, seconds=0.2)
    assert solver.pid != first


async def test_a_run_in_progress_ends_when_the_solver_is_stopped() -> None:
    solver, heard = SolverProcess(), _Heard()
    run = asyncio.create_task(solver.solve(LARGE, seconds=60, on_plan=heard))
    await heard.first.wait()
    await solver.stop()
    assert check(LARGE, await asyncio.wait_for(run, 5)) == []
    assert solver.pid is None


async def test_an_infeasible_problem_is_explained(solver: SolverProcess) -> None:
    with pytest.raises(Infeasible) as caught:
        await solver.solve(problem_of([], [Operation("A", "A")]), seconds=1)
    assert caught.value.conflicts[0][:2] == ("A", "no_alternative")


async def test_questions_are_answered_one_after_the_other(solver: SolverProcess) -> None:
    problem = problem_of(
        [Machine("M")], [Operation(name, name, (Alternative("M", 60),)) for name in ("a", "b")],
        [Order("a", 60), Order("b", 60)],
    )  # fmt: skip
    why, offers = await asyncio.gather(solver.ask("explained", problem, ""), solver.ask("promised", problem, "b"))
    assert [each.lateness for each in why.late] == [60]
    assert offers[0].end == 120
    with pytest.raises(Infeasible):
        await solver.ask("explained", problem_of([], [Operation("A", "A")]), "")
    with pytest.raises(SolverFailed, match="KeyError"):
        await solver.ask("nothing", problem)


async def test_a_question_survives_its_worker_but_not_its_patience(solver: SolverProcess) -> None:
    asked = asyncio.create_task(solver.ask("proposed", LARGE, 1.5, 1))
    await solver.answering.wait()
    assert solver.pid is not None
    psutil.Process(solver.pid).kill()
    nothing, proposal = await asked
    assert proposal.score.key() <= nothing.score.key()
    assert check(LARGE, proposal) == []
    with pytest.raises(SolverFailed, match="no answer"):
        await solver.ask("proposed", LARGE, 60.0, 1, patience=2.0)
    given_up = asyncio.create_task(solver.ask("proposed", LARGE, 60.0, 1))
    await solver.answering.wait()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await solver.ask("explained", problem_of([Machine("M")], []), "")


_PARENT = """
import asyncio, sys
from services.scheduling.solver.process import SolverProcess

async def main():
    solver = SolverProcess()
    await solver.start()
    print(solver.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_worker_ends_with_a_parent_that_is_killed() -> None:
    root = Path(__file__).parents[4]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (root, root / "libs")))}
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert worker.is_running()
        parent.kill()
    worker.wait(10)


async def test_where_nothing_is_compiled_yet_the_rules_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler takes half a minute; the run ends at its limit with a plan of the rules."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    solver = SolverProcess()
    try:
        made = await solver.solve(LARGE, seconds=6)
    finally:
        await solver.stop()
    assert check(LARGE, made) == []
    assert made.solver.startswith("rule:")


async def test_a_question_does_not_end_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks meanwhile hears so, and the worker goes on being compiled."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    solver = SolverProcess()
    try:
        with pytest.raises(Preparing):
            await solver.ask("explained", LARGE, "", patience=0.1)
        first = solver.pid
        with pytest.raises(Preparing):
            await solver.ask("explained", LARGE, "")
        assert solver.pid == first
    finally:
        await solver.stop()
