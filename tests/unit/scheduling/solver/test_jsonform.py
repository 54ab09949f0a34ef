"""Problems and plans survive JSON, and what is wrong with a file is named."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mes.errors import Invalid

from services.scheduling.offline import solve_file
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.jsonform import (
    FormatError,
    plan_from_json,
    plan_to_json,
    problem_from_json,
    problem_to_json,
)
from tests.unit.scheduling.solver.shops import random_problem


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 30))
def test_problems_and_plans_come_back(seed: int) -> None:
    problem = random_problem(Random(seed))
    again = problem_from_json(json.loads(json.dumps(problem_to_json(problem))))
    assert problem_to_json(again) == problem_to_json(problem)
    made = rules_plan(problem)
    assert rules_plan(again) == made
    assert plan_from_json(json.loads(json.dumps(plan_to_json(made, problem.origin)))) == made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version: 1 is expected, not 2"),
        ({"kind": "plan"}, "kind: 'problem' is expected"),
        ({"origin": "soon"}, "origin"),
        ({"now": "1"}, r"problem.now: int is expected, not '1'"),
        ({"colour": 1}, "problem.colour: no such field"),
        ({"orders": [{}]}, r"problem.orders\[0\]: id missing"),
        ({"machines": [{"id": "M", "windows": [[1]]}]}, r"problem.machines\[0\].windows: pairs"),
        (
            {"operations": [{"id": "A", "order": "A", "fixing": "loose"}]},
            r"operations\[0\].fixing: one of free, pinned",
        ),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], message: str) -> None:
    data = {**problem_to_json(random_problem(Random(1))), **change}
    with pytest.raises(FormatError, match=message):
        problem_from_json(data)


def test_a_file_is_solved(tmp_path: Path) -> None:
    source, target = tmp_path / "shop.json", tmp_path / "plan.json"
    problem = random_problem(Random(5), orders=3)
    source.write_text(json.dumps(problem_to_json(problem)))
    figures = solve_file(source, seconds=1, target=target)
    assert (figures["operations"], figures["checker"]) == (len(problem.operations), "valid")
    assert len(plan_from_json(json.loads(target.read_text())).operations) == len(problem.operations)
    source.write_text("{}")
    with pytest.raises(Invalid):
        solve_file(source, seconds=1, target=None)
