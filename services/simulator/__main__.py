"""`python -m services.simulator URL`: the simulated workshop as a process of its own; ends with its figures as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from types import FrameType
from typing import Any

from services.simulator.agent import Progress, Summary, simulate

# Progress is told so often, in real seconds.
_EVERY_S = 0.5


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("url", help="address of the instance, such as http://127.0.0.1:8080")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-fast-as-possible", action="store_true")
    parser.add_argument("--until", type=datetime.fromisoformat, help="business time with its zone")
    parser.add_argument("--quantum", type=float, default=0.0, help="least step of business time in seconds")
    parser.add_argument("--lines", action="store_true", help="progress and figures as one JSON object a line")
    return parser.parse_args()


def _teller() -> Callable[[Progress], None]:
    told = 0.0

    def tell(seen: Progress) -> None:
        nonlocal told
        if seen.wall_s - told >= _EVERY_S:
            told = seen.wall_s
            _say({"progress": asdict(seen)})

    return tell


def _say(what: Any, indent: int | None = None) -> None:
    sys.stdout.write(json.dumps(what, default=_plain, ensure_ascii=False, indent=indent) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def _run(arguments: argparse.Namespace) -> Summary:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)

    # signal.signal and not the loop's own handler, which Windows does not have.
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return await simulate(
        arguments.url,
        seed=arguments.seed,
        as_fast_as_possible=arguments.as_fast_as_possible,
        until=arguments.until,
        stop=stop,
        quantum_s=arguments.quantum,
        progress=_teller() if arguments.lines else None,
    )


def main() -> int:
    """0 when every order has ended, 1 otherwise."""
    arguments = _arguments()
    summary = asyncio.run(_run(arguments))
    if arguments.lines:
        _say({"summary": asdict(summary)})
    else:
        _say(asdict(summary), indent=1)
    return 0 if summary.completed else 1


if __name__ == "__main__":
    sys.exit(main())
