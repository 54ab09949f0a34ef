"""The short form of `make bench`: every figure is there. How good it is, only a quiet machine can tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import main


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("can_run_kafka")
def test_the_bench_measures_all_it_should(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--out", str(tmp_path / "bench.json")]) == 0
    figures = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    wanted = (
        "POST order, overhead at 1 connection", "POST order, overhead at 16 connections", "POST order, raw",
        "GET order, overhead at 1 connection", "GET order, overhead at 16 connections", "GET order, raw",
        "event, commit to consumer, p50", "event, commit to consumer, p99", "orders through the loop",
        "start to ready, set up", "memory (PSS), workshop at work",
        *(f"{what}, {log}" for log in ("Kafka", "PostgreSQL log") for what in (
            "job events, beside asyncpg", "signals, beside asyncpg", "others take over",
            "restarted consumer applies after its imports",
        )),
        *(f"event at 200/s, {count} replicas, {log}, p99" for log in ("Kafka", "PostgreSQL log") for count in (1, 3)),
        "bare aiokafka at 200/s, p50", "cluster on Kafka ready, again", "memory (PSS) of Kafka, cluster",
    )  # fmt: skip
    assert not [name for name in wanted if not figures[name]["value"] > 0]
    assert "overhead" in capsys.readouterr().out
