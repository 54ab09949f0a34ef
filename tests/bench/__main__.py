"""`python -m tests.bench`: measures the product on this machine and prints a table beside what is aimed at."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from mes.config import Settings
from mes.embedded import EmbeddedServer
from mes.embedded.kafka import QUICK, KafkaCluster
from mes.migrate import Target, upgrade
from rich.console import Console
from rich.table import Table

from services.cli.composition import load_services
from services.cli.serving import run_async
from tests.bench import applied, clusters, events, house, overhead, replicas


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. value: the figure itself, in `unit`; aim: the highest wanted, None where nothing is; least:
    the lowest wanted."""

    what: str
    value: float
    unit: str
    aim: float | None = None
    note: str = ""
    least: float | None = None

    @property
    def missed(self) -> bool:
        """Whether the figure is not what is wanted."""
        return (self.aim is not None and self.value > self.aim) or (self.least is not None and self.value < self.least)

    @property
    def wanted(self) -> str:
        """What is wanted, in words."""
        if self.least is not None:
            return f"≥ {self.least:g} {self.unit}"
        return "" if self.aim is None else f"≤ {self.aim:g} {self.unit}"


@contextmanager
def _server(databases: Sequence[str]) -> Iterator[EmbeddedServer]:
    home = Path(tempfile.mkdtemp(prefix="mes-bench-"))
    home.chmod(0o711)
    try:
        with EmbeddedServer(home, databases=databases) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _overhead_rows(quick: bool) -> Iterator[Row]:
    size = overhead.Size(20, 64, 1) if quick else overhead.Size()
    with _server(overhead.DATABASES) as server:
        found = run_async(overhead.measure_overhead(server, size))
    for verb in ("POST", "GET"):
        median, rate = found.median[verb], found.per_second[verb]
        for name in median:
            yield Row(f"{verb} order, {name}", median[name] * 1000, "ms", note=f"{rate[name]:.0f}/s at 16 connections")
        yield Row(f"{verb} order, overhead at 1 connection", median["product"] / median["core"], "x", 1.5)
        yield Row(f"{verb} order, overhead at 16 connections", rate["core"] / rate["product"], "x", 1.5)


def _event_rows(quick: bool) -> Iterator[Row]:
    with _server(events.DATABASES) as server:
        yield Row("one insert, written to disk", run_async(_insert(server)) * 1000, "ms", note="for comparison")
        counts = {"alone": 50, "many": 1000} if quick else {}
        found = run_async(events.measure_events(server, **counts))
    alone = sorted(found.alone)
    yield Row("event, commit to consumer, p50", alone[len(alone) // 2] * 1000, "ms", 3)
    yield Row("event, commit to consumer, p99", alone[int(len(alone) * 0.99)] * 1000, "ms", 15)
    yield Row("events through the log", found.per_second, "/s")


async def _insert(server: EmbeddedServer) -> float:
    """Median seconds of a committed insert."""
    connection = await asyncpg.connect(server.admin_address("log"))
    await connection.execute("CREATE TABLE bench_insert (n int)")
    seconds = []
    for n in range(200):
        began = time.perf_counter()
        await connection.execute("INSERT INTO bench_insert VALUES ($1)", n)
        seconds.append(time.perf_counter() - began)
    await connection.close()
    return sorted(seconds)[len(seconds) // 2]


def _house_rows(quick: bool) -> Iterator[Row]:
    home = Path(tempfile.mkdtemp(prefix="mes-bench-"))
    home.chmod(0o711)
    try:
        less = {"orders": 20, "starts": 1, "work_seconds": 3} if quick else {}
        found = house.measure_house(home, **less)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    yield Row("start to ready, very first", found.first, "s", note="makes the database")
    yield Row("start to ready, set up", found.again, "s", 6)
    yield Row("orders through the loop", found.per_second, "/s", note=f"{found.orders} orders, POST to promised date")
    parts = ", ".join(f"{name} {size >> 20}" for name, size in sorted(found.memory.items()))
    yield Row("memory (PSS), workshop at work", sum(found.memory.values()) / 2**20, "MB", 1024, parts)


@contextmanager
def _logs() -> Iterator[Iterator[tuple[str, dict[str, str]]]]:
    """Settings of each log, by name."""
    with tempfile.TemporaryDirectory(prefix="mes-bench-") as folder:
        kafka = KafkaCluster(Path(folder), settings=QUICK)
        kafka.start()
        try:
            on_kafka = {"bus": "kafka", "kafka_bootstrap": kafka.bootstrap, "kafka_session_s": "6"}
            yield iter([("PostgreSQL log", {}), ("Kafka", on_kafka)])
        finally:
            kafka.stop(kill=True)


def _applied_rows(quick: bool) -> Iterator[Row]:
    less = {"events": 1000, "signals": 3000} if quick else {}
    (equipment,) = load_services(["equipment"])
    with _logs() as logs:
        for name, changes in logs:
            with _server(("equipment", "log")) as server:
                settings = server.settings(Settings(**changes))  # type: ignore[arg-type]

                async def measure(settings: Settings = settings) -> applied.Applied:
                    await upgrade(Target("equipment", equipment.metadata), settings.service_url("equipment"))
                    return await applied.measure_applied(settings, **less)

                found = run_async(measure())
            beside = f"{found.bare_events:.0f}/s by asyncpg alone"
            yield Row(f"job events to effect, {name}", found.events, "/s", note=beside)
            yield Row(f"job events, beside asyncpg, {name}", found.events / found.bare_events, "x", least=0.5)
            beside = f"{found.bare_signals:.0f}/s by asyncpg alone"
            yield Row(f"signals to intervals, {name}", found.signals, "/s", note=beside, least=10_000)
            yield Row(f"signals, beside asyncpg, {name}", found.signals / found.bare_signals, "x", least=0.5)


def _replica_rows(quick: bool) -> Iterator[Row]:
    seconds = 2.0 if quick else 20.0
    with _logs() as logs:
        for name, changes in logs:
            for count in (1, 3):
                with _server(events.DATABASES) as server:
                    settings = server.settings(Settings(**{**changes, "topic_prefix": f"b{count}"}))  # type: ignore[arg-type]
                    found = run_async(replicas.measure_latency(settings, count, seconds))
                yield Row(f"event at 200/s, {count} replicas, {name}, p50", found.p50 * 1000, "ms", 6)
                yield Row(f"event at 200/s, {count} replicas, {name}, p99", found.p99 * 1000, "ms", 25)
            if changes:
                bare = run_async(replicas.measure_bare(changes["kafka_bootstrap"], seconds))
                yield Row("bare aiokafka at 200/s, p50", bare.p50 * 1000, "ms")
                yield Row("bare aiokafka at 200/s, p99", bare.p99 * 1000, "ms")
            with _server(events.DATABASES) as server:
                settings = server.settings(Settings(**{**changes, "topic_prefix": "over"}))  # type: ignore[arg-type]
                over = run_async(replicas.measure_take_over(settings))
            yield Row(f"restarted consumer applies, {name}", over.restarted, "s", note="from the start of its process")
            yield Row(f"restarted consumer applies after its imports, {name}", over.after_imports, "s", 3)
            yield Row(f"others take over, {name}", over.left, "s", settings.kafka_session_s + 3)


def _cluster_rows(quick: bool) -> Iterator[Row]:
    home = Path(tempfile.mkdtemp(prefix="mes-bench-"))
    home.chmod(0o711)
    try:
        found = clusters.measure_cluster(home / "cluster", settle_s=1 if quick else 10)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    yield Row("cluster on Kafka ready, very first", found.first, "s", note="makes the database, formats Kafka")
    yield Row("cluster on Kafka ready, again", found.again, "s", 20)
    for name, size in sorted(found.memory.items()):
        yield Row(f"memory (PSS) of {name}, cluster", size / 2**20, "MB")


PARTS = {
    "overhead": _overhead_rows,
    "events": _event_rows,
    "house": _house_rows,
    "applied": _applied_rows,
    "replicas": _replica_rows,
    "cluster": _cluster_rows,
}


def show(rows: Sequence[Row], console: Console) -> None:
    """The table; a figure above its aim is marked."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    title = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    table = Table("measured", "figure", "aim", "", title=title)
    for row in rows:
        aim = f"{row.wanted} {'MISSED' if row.missed else ''}"
        table.add_row(row.what, f"{row.value:.2f} {row.unit}", aim, row.note)
    console.print(table)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, keep the figures in a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions: whether it works, not how fast it is")
    parser.add_argument("--only", choices=sorted(PARTS), action="append")
    parser.add_argument("--out", type=Path, default=Path("var") / "bench" / f"{time.strftime('%Y%m%d-%H%M%S')}.json")
    wish = parser.parse_args(words)
    rows = [row for name in wish.only or PARTS for row in PARTS[name](wish.quick)]
    show(rows, Console(file=sys.stdout, width=120))
    wish.out.parent.mkdir(parents=True, exist_ok=True)
    figures = {row.what: {"value": row.value, "unit": row.unit, "aim": row.wanted, "note": row.note} for row in rows}
    wish.out.write_text(json.dumps(figures, indent=2, ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
