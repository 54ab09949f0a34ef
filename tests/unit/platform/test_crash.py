"""Crash points: a process dies where it was told to, at every point there is, and nowhere else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mes import crash
from mes.errors import Invalid

ROOT = Path(__file__).resolve().parents[3]
CHILD = """
import sys
from mes import crash
crash.arm(sys.argv[1])
for _ in range(3):
    for point in crash.POINTS:
        print(point, flush=True)
        crash.reached(point)
"""


def came_to(wish: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, wish], capture_output=True, text=True, check=False, cwd=ROOT / "libs"
    )
    return done.returncode, done.stdout.split()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(("wish", "times"), [("relay.sent", 1), ("relay.sent:2", 2)])
def test_it_dies_at_the_point_when_it_comes_there_for_the_nth_time(wish: str, times: int) -> None:
    status, said = came_to(wish)
    assert status == -9
    assert said[-1] == "relay.sent"
    assert said.count("relay.sent") == times


def test_unarmed_it_goes_on() -> None:
    status, said = came_to("")
    assert status == 0
    assert len(said) == 3 * len(crash.POINTS)


@pytest.mark.parametrize("wish", ["relay.snt", "relay.sent:x"])
def test_a_point_that_there_is_not_is_refused(wish: str) -> None:
    with pytest.raises(Invalid) as refused:
        crash.arm(wish)
    assert refused.value.code == "settings.crash_at"


def test_every_point_is_in_the_product_once() -> None:
    files = [*ROOT.glob("libs/mes/**/*.py"), *ROOT.glob("services/**/*.py")]
    found = Counter(
        name for file in files for name in re.findall(r'crash\.reached\("([\w.]+)"\)', file.read_text(encoding="utf-8"))
    )
    assert found == Counter(crash.POINTS.keys())
