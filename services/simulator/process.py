"""The simulated workshop as a process of its own, as machines and people are: it shares no processor with the house."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from pydantic import TypeAdapter

from services.simulator.agent import Progress, Summary

_PROGRESS, _SUMMARY = TypeAdapter(Progress), TypeAdapter(Summary)


async def simulate_apart(
    base_url: str,
    *,
    seed: int = 1,
    as_fast_as_possible: bool = False,
    until: datetime | None = None,
    progress: Callable[[Progress], None] | None = None,
    quantum_s: float = 0.0,
) -> Summary:
    """As `agent.simulate`, in another process. Raises RuntimeError when it ends without its figures."""
    words = [sys.executable, "-m", "services.simulator", base_url, "--lines", "--seed", str(seed)]
    words += ["--quantum", str(quantum_s)]
    words += ["--as-fast-as-possible"] if as_fast_as_possible else []
    words += ["--until", until.isoformat()] if until else []
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        summary = await _listen(process, progress)
        status = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    if summary is None:
        raise RuntimeError(f"the simulated workshop ended with status {status} and no figures")
    return summary


async def _listen(process: asyncio.subprocess.Process, progress: Callable[[Progress], None] | None) -> Summary | None:
    """Pass its progress on until it says nothing more; its figures, if it gave them."""
    assert process.stdout is not None  # noqa: S101 - asked for
    summary = None
    async for line in process.stdout:
        said = json.loads(line)
        if "summary" in said:
            summary = _SUMMARY.validate_python(said["summary"])
        elif progress:
            progress(_PROGRESS.validate_python(said["progress"]))
    return summary
