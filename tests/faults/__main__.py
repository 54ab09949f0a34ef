"""`python -m tests.faults`: kill -9 of the whole product, many times, under work; then count what is wrong.

A second, shorter campaign with the inbox switched off is the control: the same count must find it out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mes.embedded import EmbeddedServer, look_at
from mes.embedded.server import free_port

from tests.faults.campaign import Campaign, Outcome, Product
from tests.faults.products import PRODUCTS
from tests.faults.victim import Victim


def run_campaign(product: Product, folder: Path, kills: int, seed: int, *, always_again: bool = False) -> Outcome:
    """One campaign on an installation of its own; its history and output are left in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="mes-faults-"))
    # Root's database runs under another user, who must get through.
    home.chmod(0o711)
    victim = Victim(product.module, product.arguments, home, free_port(), folder / "output.log", product.env)
    try:
        outcome = asyncio.run(Campaign(product, victim, folder, seed, always_again=always_again).run(kills))
    finally:
        if look_at(home).pid:
            server = EmbeddedServer(home)
            server.lock.acquire()
            server.stop()
        shutil.rmtree(home, ignore_errors=True)
    (folder / "outcome.json").write_text(json.dumps(asdict(outcome), indent=2), encoding="utf-8")
    return outcome


def control_of(product: Product) -> Product:
    """The product with its inbox off."""
    return replace(product, env={**product.env, "MES_INBOX_ENABLED": "false"})


def report(outcome: Outcome, seed: int) -> list[str]:
    """The figures of a campaign, as lines."""
    verdict, tried = outcome.verdict, outcome.attempts
    starts = sorted(outcome.start_seconds)
    lines = [
        f"seed {seed}: {outcome.kills} kills in {outcome.seconds:.0f} s, {outcome.kills_while_starting} of them while "
        f"starting, {outcome.kills_with_database} together with PostgreSQL",
        f"requests: {verdict.acknowledged} acknowledged, {verdict.refused} refused; "
        f"{tried.get('unknown', 0)} attempts had no answer and were sent again",
        f"events: {verdict.events} in the log, {verdict.redelivered} of them sent again",
        f"ready again after: median {statistics.median(starts):.1f} s, most {starts[-1]:.1f} s",
    ]
    kinds = ("lost", "doubled", "phantom", "disorder", "unbalanced", "parked", "unresolved", "orphan", "stop")
    lines.append(", ".join(f"{kind} {len(outcome.wrong.get(kind, []))}" for kind in kinds))
    lines += [f"  {kind}: {each}" for kind, found in outcome.wrong.items() for each in found[:5]]
    return lines


def main(words: Sequence[str] | None = None) -> int:
    """The status of the process: 0 when nothing is wrong and the control was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--control-kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--folder", type=Path, default=Path("var") / "faults" / time.strftime("%Y%m%d-%H%M%S"))
    parser.add_argument("--product", choices=sorted(PRODUCTS), default="mes")
    wish = parser.parse_args(words)
    # A terminated campaign takes its victims with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    product = PRODUCTS[wish.product]()

    def say(*lines: str) -> None:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    say(f"{product.name}, history in {wish.folder}")
    outcome = run_campaign(product, wish.folder / "main", wish.kills, wish.seed)
    say(*report(outcome, wish.seed))
    folder = wish.folder / "control"
    control = run_campaign(control_of(product), folder, wish.control_kills, wish.seed, always_again=True)
    say("", "control, inbox off:", *report(control, wish.seed))
    caught = bool(control.verdict.doubled or control.verdict.unbalanced or control.verdict.disorder)
    say("control caught" if caught else "CONTROL NOT CAUGHT: this count proves nothing")
    say("nothing is wrong" if not outcome.wrong else f"WRONG: {', '.join(outcome.wrong)}")
    return 0 if caught and not outcome.wrong else 1


if __name__ == "__main__":
    raise SystemExit(main())
