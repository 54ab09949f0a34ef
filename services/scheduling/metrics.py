"""Metrics of planning, in Prometheus' naming."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

RUNS = Counter("mes_schedule_runs_total", "Runs of planning by how they ended", ["status"])
SECONDS = Histogram(
    "mes_schedule_run_seconds",
    "Real time from a request to the end of its run",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60),
)
