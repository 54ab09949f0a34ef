"""`make check`: everything that can be said without using the product. Every part runs; one failure fails the whole.

python -m tools.check [PART...]
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tools import asyncapi, check_licences, check_messages, check_proto, check_source

ROOT = Path(__file__).resolve().parent.parent
_CODE = ["libs", "services", "examples", "tools", "tests"]


def _command(*words: str) -> Callable[[], list[str]]:
    def run() -> list[str]:
        done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        return [] if done.returncode == 0 else [(done.stdout + done.stderr).strip()]

    return run


def _layers() -> list[str]:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(program)], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return [] if done.returncode == 0 else [(done.stdout + done.stderr).strip()]


def _migrations() -> list[str]:
    from mes.migrate import Target, drift
    from mes.testing import TestDatabases, test_server

    from services.cli.composition import load_services

    targets = {service.name: Target(service.name, service.metadata) for service in load_services()}

    async def compare(databases: TestDatabases) -> list[str]:
        wrong = []
        for name, target in targets.items():
            for each in await drift(target, await databases.database(name)):
                wrong.append(f"{name}: the models have what no migration makes: {each}")
        return wrong

    with test_server() as server:
        return asyncio.run(compare(TestDatabases(server, targets)))


PARTS: dict[str, Callable[[], list[str]]] = {
    "ruff": _command("ruff", "check", *_CODE),
    "format": _command("ruff", "format", "--check", *_CODE),
    "mypy": _command("mypy", "libs/mes", "services", "examples", "tools"),
    "layers": _layers,
    "proto": check_proto.check,
    "asyncapi": asyncapi.check,
    "migrations": _migrations,
    "messages": check_messages.check,
    "licences": check_licences.check,
    "source": check_source.check,
}


def main(names: list[str]) -> int:
    """Run the parts named, or all; the status of the process."""
    failed = 0
    for name in names or PARTS:
        began = time.monotonic()
        wrong = PARTS[name]()
        print(f"{'FAILED' if wrong else 'ok':7}{name} ({time.monotonic() - began:.1f} s)", flush=True)
        for line in wrong:
            print(f"  {line}", flush=True)
        failed += bool(wrong)
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
