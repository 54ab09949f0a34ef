"""Memory of a process and all that descends from it, shared pages counted once (PSS)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil


def pss_bytes(processes: Iterable[psutil.Process], *, descendants: bool = True) -> dict[str, int]:
    """Proportional set size by program name, with all descendants; a process that ends meanwhile counts as nothing."""
    found: dict[str, int] = {}
    for process in _with_descendants(processes) if descendants else processes:
        try:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            name = process.name()
        except (OSError, psutil.Error):
            continue
        line = next(line for line in text.splitlines() if line.startswith("Pss:"))
        found[name] = found.get(name, 0) + int(line.split()[1]) * 1024
    return found


def _with_descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    found = {each.pid: each for each in processes}
    for each in tuple(found.values()):
        with contextlib.suppress(psutil.Error):
            found |= {child.pid: child for child in each.children(recursive=True)}
    return list(found.values())
