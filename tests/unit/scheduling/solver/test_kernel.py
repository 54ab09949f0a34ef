"""The kernel: every feature at once, moves that equal a full decode, compiled and interpreted alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.solver.checker import check
from services.scheduling.solver.decoder import Schedule, by_keys, decode
from services.scheduling.solver.flat import Flat, flat_of
from services.scheduling.solver.kernel import COMPILED, layout
from services.scheduling.solver.kernel.anneal import anneal, renumber
from services.scheduling.solver.kernel.decode import decode as decode_block
from services.scheduling.solver.kernel.layout import Ints
from services.scheduling.solver.model import Model
from services.scheduling.solver.problem import Infeasible, Problem
from services.scheduling.solver.rules import Dispatcher, Figures, grid
from services.scheduling.solver.scoring import plan_of
from tests.unit.scheduling.solver.shops import rich_problem

ROOT = Path(__file__).resolve().parents[4]


def model_of(problem: Problem) -> Model | None:
    try:
        return Model(problem)
    except Infeasible:
        return None


@settings(max_examples=300)
@given(st.integers(0, 1 << 30), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_every_decode_is_what_the_checker_accepts(seed: int, orders: int, machines: int, dated: bool) -> None:
    rng = Random(seed)
    problem = rich_problem(rng, orders=orders, machines=machines, dated=dated)
    if (model := model_of(problem)) is None:
        return
    keys = [rng.random() for _ in range(len(model))]
    chosen = [rng.randrange(-1, len(each)) if each else -1 for each in model.choices]
    schedules = [decode(model, by_keys(model, keys), chosen)]
    dispatcher = Dispatcher(model, Figures(model))
    schedules += [Schedule(flat_of(model), dispatcher.run(rule).copy()) for rule in grid(model)[:8]]
    for schedule in schedules:
        assert check(problem, plan_of(schedule, "test")) == []


def free_of(flat: Flat) -> Ints:
    choices = np.diff(flat.choices_of)
    return np.flatnonzero(~flat.stands & (choices[: len(flat.model)] > 0)).astype(np.int64)


@pytest.mark.parametrize("seed", range(40))
def test_moves_equal_a_full_decode(seed: int) -> None:
    """40 x 2,500 random moves, all features; every 50 moves the schedule is decoded anew and compared in everything."""
    rng = Random(seed)
    model = None
    while model is None:
        model = model_of(rich_problem(rng, orders=12, machines=4, dated=seed % 4 > 0))
    flat = flat_of(model)
    block, work, free = Dispatcher(model, Figures(model)).block, flat.room(seed), free_of(flat)
    block = decode(model, model.order, [-1] * len(model)).block
    work[layout.N_FREE] = len(free)
    if not len(free):
        return
    for turn in range(50):
        block = renumber(flat.shop, block, work)
        anneal(flat.shop, block, work, free, 50, 1e30 if turn % 2 else 1e3, 10)
        again = block.copy()
        rows = layout.puts(flat.shop, again)
        decode_block(flat.shop, again, work, np.argsort(rows[:, layout.KEY], kind="stable"))
        rows[:, layout.KEY] = layout.puts(flat.shop, block)[:, layout.KEY]
        np.testing.assert_array_equal(again, block)
    assert check(model.problem, plan_of(Schedule(flat, block), "test")) == []


_RUN = """
import json, sys
from random import Random
from services.scheduling.solver.engine import solve
from services.scheduling.solver.jsonform import plan_to_json
from tests.unit.scheduling.solver.shops import ORIGIN, rich_problem
problem = rich_problem(Random(5), orders=24, machines=5)
print(json.dumps(plan_to_json(solve(problem, seconds=1, moves=int(sys.argv[1])), ORIGIN)))
"""


def test_the_interpreter_gives_the_same_answer_as_compiled_code() -> None:
    answers = []
    for compiled in ("1", ""):
        environment = {**os.environ, COMPILED: compiled, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        run = subprocess.run(
            [sys.executable, "-c", _RUN, "300"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        answers.append(json.loads(run.stdout))
    for answer in answers:
        answer.pop("rules")
    assert answers[0] == answers[1]
