"""`python -m tests.faults.cluster`: everything that can go wrong between separate services, and the count afterwards.

`--full` is the form of a release; it goes on where an interrupted run of the same folder was. Without it the short form
that CI runs. Both end with the controls; one that is not found out makes the whole run void.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
import secrets
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faults.cluster.campaign import CONTROLS, FULL, SHORT, Control, Fault, disturbance
from tests.faults.cluster.report import write_report
from tests.faults.cluster.stage import Round, play


def say(line: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _played(name: str, folder: Path, seed: int, play_it: Any) -> dict[str, Any]:
    """The outcome of a round: of an earlier run, or played now."""
    file = folder / "outcome.json"
    if file.exists():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    done: Round = asyncio.run(play_it(seed, folder))
    outcome = done.as_json()
    file.write_text(json.dumps(outcome, indent=1, ensure_ascii=False), encoding="utf-8")
    figures = ", ".join(f"{key} {value:g}" for key, value in done.figures.items())
    say(
        f"{name}: seed {seed}, {done.seconds:.0f} s, {done.orders} orders, {done.attempts}, "
        f"longest gap {done.longest_gap_s:.1f} s, {figures}"
    )
    return outcome


def _round(fault: Fault, seed: int, folder: Path) -> Any:
    return play(fault.name, fault.shape, disturbance(fault), times=fault.times, seed=seed, folder=folder)


def _control(control: Control, seed: int, folder: Path) -> Any:
    return play(control.name, control.shape, control.disturb, times=control.times, seed=seed, folder=folder)


def run(faults: Sequence[Fault], controls: Sequence[Control], folder: Path, seed: int) -> Mapping[str, Any]:
    """Everything; what was found, as `write_report` takes it."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for fault in faults:
        for turn in range(fault.rounds):
            place = folder / f"{_slug(fault.name)}-{turn:02}"
            outcome = _played(
                fault.name, place, seed + turn, lambda seed, place, fault=fault: _round(fault, seed, place)
            )
            found[fault.name].append(outcome)
            for kind, lines in outcome["wrong"].items():
                say(f"  WRONG, {kind}: {len(lines)}, such as {lines[0]}")
    caught: dict[str, list[str]] = {}
    for control in controls:
        place = folder / f"control-{_slug(control.name)}"
        outcome = _played(
            f"control: {control.name}", place, seed, lambda seed, place, control=control: _control(control, seed, place)
        )
        caught[control.name] = [kind for kind in control.caught_by if kind in outcome["wrong"]]
        say(f"  caught by: {', '.join(caught[control.name]) or 'NOTHING'}")
    return {"seed": seed, "faults": dict(found), "controls": caught}


def main(words: Sequence[str] | None = None) -> int:
    """The status of the process: 0 when nothing is wrong and every control was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.cluster", description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the full form, for a shorter one")
    parser.add_argument("--only", action="append", help="part of a name of a fault or control")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--folder", type=Path, default=Path("var") / "faults" / time.strftime("%Y%m%d-%H%M%S"))
    parser.add_argument("--report", type=Path, help="write the table of the figures into this file")
    wish = parser.parse_args(words)
    # Brokers are away all the time here; their clients would say so a thousand times.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # A terminated run takes what it has started with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seed = _seed_of(wish.folder, wish.seed)
    say(f"seed {seed}, histories in {wish.folder}")
    began = time.monotonic()
    faults = [each.scaled(wish.scale) for each in FULL] if wish.full else SHORT
    found = run(_wanted(faults, wish.only), _wanted(CONTROLS, wish.only), wish.folder, seed)
    if wish.report:
        write_report(wish.report, found)
    wrong = [name for name, rounds in found["faults"].items() if any(each["wrong"] for each in rounds)]
    missed = [name for name, kinds in found["controls"].items() if not kinds]
    say(f"{time.monotonic() - began:.0f} s")
    say(f"WRONG: {', '.join(wrong)}" if wrong else "nothing is wrong")
    say(f"VOID, not caught: {', '.join(missed)}" if missed else "every control was caught")
    return 1 if wrong or missed else 0


def _seed_of(folder: Path, seed: int) -> int:
    """A run that goes on keeps its seed."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "seed"
    if kept.exists():
        return int(kept.read_text(encoding="ascii"))
    kept.write_text(str(seed), encoding="ascii")
    return seed


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _wanted(choices: Sequence[Any], only: Sequence[str] | None) -> list[Any]:
    return [each for each in choices if not only or any(word in each.name for word in only)]


if __name__ == "__main__":
    raise SystemExit(main())
