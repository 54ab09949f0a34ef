"""Problems and plans survive JSON, and what is wrong with a file is named."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mes.errors import Invalid

from services.scheduling.offline import check_file, generate_file, read_problem, solve_file
from services.scheduling.solver.checker import check
from services.scheduling.solver.engine import rules_plan
from services.scheduling.solver.jsonform import (
    FormatError,
    plan_from_json,
    plan_to_json,
    problem_from_json,
    problem_to_json,
    schema,
)
from services.scheduling.solver.problem import Alternative, Infeasible, Machine, Operation, Predecessor
from tests.unit.scheduling.solver.shops import problem_of, random_problem, rich_problem


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
    solved = solve_file(source, seconds=1, target=target, svg=tmp_path / "plan.svg")
    figures = solved.figures()
    assert (figures["operations"], figures["checker"]) == (len(problem.operations), "valid")
    assert len(plan_from_json(json.loads(target.read_text())).operations) == len(problem.operations)
    assert ElementTree.parse(tmp_path / "plan.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own
    assert check_file(source, target) == []
    told = solved.machine_readable()
    assert (told["valid"], told["objective"]["tardiness"]) == (True, solved.plan.score.tardiness)
    source.write_text("{}")
    with pytest.raises(Invalid):
        solve_file(source, seconds=1, target=None)


def test_what_is_written_is_what_the_schema_says() -> None:
    form = Draft202012Validator(schema())
    Draft202012Validator.check_schema(schema())
    for seed in range(20):
        try:
            problem = rich_problem(Random(seed), orders=4)
            plan = rules_plan(problem)
        except Infeasible:
            continue
        written = json.loads(json.dumps(problem_to_json(problem)))
        form.validate(written)
        form.validate(json.loads(json.dumps(plan_to_json(plan, problem.origin))))
        assert problem_to_json(problem_from_json(written)) == written
    written["machines"][0]["power_w"] = -1
    assert not form.is_valid(written)


def test_generated_shops_are_the_same_every_time_and_of_the_size_asked_for(tmp_path: Path) -> None:
    one, other = (
        generate_file(120, 3, full=True, target=tmp_path / "a.json"),
        generate_file(120, 3, full=True, target=None),
    )
    assert one == other != generate_file(120, 4, full=True, target=None)
    problem = read_problem(tmp_path / "a.json")
    assert len(problem.operations) == 120
    assert check(problem, rules_plan(problem)) == []


def test_lots_are_split_over_machines_and_need_no_setup_between_them(tmp_path: Path) -> None:
    """600 s in three lots on two machines with 50 s setup: 50 + 2 x 200 on one, 50 + 200 on the other."""
    work = Operation("A", "A", (Alternative("M", 600, 50), Alternative("N", 600, 50)), lots=3)
    then = Operation("B", "A", (Alternative("N", 100),), (Predecessor("A"),))
    shop = problem_of([Machine("M"), Machine("N")], [work, then])
    (tmp_path / "shop.json").write_text(json.dumps(problem_to_json(shop)))
    solved = solve_file(tmp_path / "shop.json", seconds=1)
    ends = {each.operation: each.end for each in solved.plan.operations}
    assert sorted(ends[name] for name in ("A/1", "A/2", "A/3")) == [250, 250, 450]
    assert (ends["B"], solved.violations) == (550, [])
