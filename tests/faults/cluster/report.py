"""The table of a run, as a part of a document between two marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
_ZEROS = ("lost", "doubled", "phantom", "disorder", "unbalanced", "unresolved")


def write_report(document: Path, found: Mapping[str, Any]) -> None:
    """Put the figures of a run between the marks of a document."""
    text = document.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    document.write_text(f"{head}{BEGIN}\n{table(found)}\n{END}{tail}", encoding="utf-8")


def table(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "| fault | rounds | minutes | orders | done | lost, doubled, phantom, disorder, unbalanced, unresolved | "
        "failed requests | longest gap | recovery, median / most |",
        "| --- | --: | --: | --: | --- | --: | --: | --: | --: |",
    ]
    lines += [_row(name, rounds) for name, rounds in found["faults"].items()]
    lines += ["", "| control | caught by |", "| --- | --- |"]
    lines += [f"| {name} | {', '.join(kinds) or '**nothing: the run is void**'} |"
              for name, kinds in found["controls"].items()]  # fmt: skip
    return "\n".join([*lines, "", f"Seed {found['seed']}."])


def _row(name: str, rounds: Sequence[Mapping[str, Any]]) -> str:
    figures: dict[str, float] = {}
    for each in rounds:
        for key, value in each["figures"].items():
            both = (figures.get(key, 0.0), value)
            figures[key] = max(both) if key.endswith("_s") else sum(both)
    counts = [sum(len(each["verdict"][kind]) for each in rounds) for kind in _ZEROS]
    other = {kind for each in rounds for kind in each["wrong"]} - set(_ZEROS)
    zeros = " ".join(map(str, counts)) + (f" ({', '.join(sorted(other))})" if other else "")
    done = ", ".join(f"{key} {value:g}" for key, value in figures.items() if not key.endswith("_s"))
    recovery = "–"
    if "recovery_median_s" in figures:
        recovery = f"{figures['recovery_median_s']:.1f} s / {figures['recovery_most_s']:.1f} s"
    failed = sum(each["failed_requests"] for each in rounds)
    cells = [
        name, len(rounds), f"{sum(each['seconds'] for each in rounds) / 60:.0f}",
        sum(each["orders"] for each in rounds), done, zeros, failed,
        f"{max(each['longest_gap_s'] for each in rounds):.1f} s", recovery,
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"
