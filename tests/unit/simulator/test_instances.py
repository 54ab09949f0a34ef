"""Public scheduling instances become shops: nothing is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from examples.instances import make_tables, read_instance

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("MES_SHARED", ROOT.parent / "shared"))


def scheduling(name: str) -> Path:
    path = SHARED / "data" / "scheduling" / name
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is not there")
        pytest.skip(f"{path} is not there")
    return path


@pytest.mark.parametrize(
    ("name", "jobs", "machines", "operations"),
    [("flexible/mk10.txt", 20, 15, 240), ("jobshop/bel00.txt", 792, 48, 5372), ("jobshop/ft06.txt", 6, 6, 36)],
)
def test_an_instance_is_read_whole(name: str, jobs: int, machines: int, operations: int) -> None:
    instance = read_instance(scheduling(name))
    assert (len(instance.jobs), instance.machines, instance.operations) == (jobs, machines, operations)
    used = {machine for job in instance.jobs for choices in job for machine, _ in choices}
    assert used <= set(range(machines))


def test_a_shop_has_an_order_and_a_routing_per_job() -> None:
    tables = make_tables(read_instance(scheduling("flexible/mk10.txt")))
    assert len(tables["orders"]) == len(tables["materials"]) == 20
    assert len(tables["routings"]) == 240
    first = tables["routings"][0]["alternatives"].split(";")
    assert first[0].split(":")[:2] == ["M06", "5"]  # "2 6 5 2 5": machine 6 in 5, machine 2 in 5
    assert len(first) == 2


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_text("2 2\n0 3 1 4\n0 3 1\n")
    with pytest.raises(ValueError, match="line 3"):
        read_instance(broken)
