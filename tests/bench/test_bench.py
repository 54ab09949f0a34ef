"""The short form of `make bench`: every figure is there. How good it is, only a quiet machine can tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import main


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bench_measures_all_it_should(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--out", str(tmp_path / "bench.json")]) == 0
    figures = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    wanted = (
        "POST order, overhead at 1 connection", "POST order, overhead at 16 connections", "POST order, raw",
        "GET order, overhead at 1 connection", "GET order, overhead at 16 connections", "GET order, raw",
        "event, commit to consumer, p50", "event, commit to consumer, p99", "orders through the loop",
        "start to ready, set up", "memory (PSS), workshop at work",
    )  # fmt: skip
    assert not [name for name in wanted if not figures[name]["value"] > 0]
    assert "overhead" in capsys.readouterr().out
