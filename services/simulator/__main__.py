"""`python -m services.simulator URL`: the simulated workshop as a process of its own; ends with its figures as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import asdict
from datetime import datetime
from types import FrameType

from services.simulator.agent import Summary, simulate


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("url", help="address of the instance, such as http://127.0.0.1:8080")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-fast-as-possible", action="store_true")
    parser.add_argument("--until", type=datetime.fromisoformat, help="business time with its zone")
    parser.add_argument("--quantum", type=float, default=0.0, help="least step of business time in seconds")
    return parser.parse_args()


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
    )


def main() -> int:
    """0 when every order has ended, 1 otherwise."""
    summary = asyncio.run(_run(_arguments()))
    sys.stdout.write(json.dumps(asdict(summary), default=str, ensure_ascii=False, indent=1) + "\n")
    return 0 if summary.completed else 1


if __name__ == "__main__":
    sys.exit(main())
