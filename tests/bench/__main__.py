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
from mes.embedded import EmbeddedServer
from rich.console import Console
from rich.table import Table

from services.cli.serving import run_async
from tests.bench import events, house, overhead


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. value: the figure itself, in `unit`; aim: the highest wanted, None where nothing is."""

    what: str
    value: float
    unit: str
    aim: float | None = None
    note: str = ""


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


PARTS = {"overhead": _overhead_rows, "events": _event_rows, "house": _house_rows}


def show(rows: Sequence[Row], console: Console) -> None:
    """The table; a figure above its aim is marked."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    title = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    table = Table("measured", "figure", "aim", "", title=title)
    for row in rows:
        missed = row.aim is not None and row.value > row.aim
        aim = "" if row.aim is None else f"≤ {row.aim:g} {row.unit}"
        table.add_row(row.what, f"{row.value:.2f} {row.unit}", f"{aim} {'MISSED' if missed else ''}", row.note)
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
    figures = {row.what: {"value": row.value, "unit": row.unit, "aim": row.aim, "note": row.note} for row in rows}
    wish.out.write_text(json.dumps(figures, indent=2, ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
