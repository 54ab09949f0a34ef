"""MES_HOME: where an installation keeps its data, and the lock that gives it one owner at a time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO

import platformdirs
import psutil

from mes.embedded.account import is_root
from mes.errors import Conflict, Unavailable

# Files of a home beside its data: the passwords of the database, and what kind of installation it is.
SECRETS, RECORD = "secrets.json", "installation.json"
# Beyond the text in the file: Windows locks bytes against readers too.
_LOCK_AT = 1 << 20


def default_home() -> Path:
    """MES_HOME where it is not set: the user's data folder; for root `/var/lib/lingnan-mes`."""
    return Path("/var/lib/lingnan-mes") if is_root() else Path(platformdirs.user_data_dir("lingnan-mes", False))


def make_home(home: Path) -> Path:
    """Make the folder. Raises Unavailable when that is not possible."""
    home = home.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o755 if is_root() else 0o700)
    except OSError as error:
        raise Unavailable("embedded.home_not_writable", home=str(home), reason=error.strerror) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise Unavailable("embedded.home_not_writable", home=str(home), reason="EACCES")
    return home


class HomeLock:
    """Held while a process owns the home; the operating system frees it when the process ends, however it ends."""

    def __init__(self, home: Path) -> None:
        self.path = home / "owner.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock. Raises Conflict naming the process that holds it."""
        file = self.path.open("a+", encoding="utf-8")
        try:
            _lock(file)
        except OSError as error:
            file.close()
            holder = self.holder()
            raise Conflict(
                "embedded.home_in_use",
                home=str(self.path.parent),
                pid=holder.pid if holder else None,
                process=_described(holder),
            ) from error
        file.seek(0)
        file.truncate()
        json.dump({"pid": os.getpid()}, file)
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back; safe to call twice."""
        if self._file:
            self._file.close()
            self._file = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._file is not None

    def holder(self) -> psutil.Process | None:
        """The process written in the file, if it lives; it holds the lock only if `is_free` says no."""
        try:
            return psutil.Process(int(json.loads(self.path.read_text(encoding="utf-8"))["pid"]))
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return None

    def is_free(self) -> bool:
        """Whether nobody holds it now."""
        if self.held:
            return False
        if not self.path.exists():
            return True
        with self.path.open("a+", encoding="utf-8") as file:
            try:
                _lock(file)
            except OSError:
                return False
        return True


def _described(process: psutil.Process | None) -> str:
    if process is None:
        return "?"
    try:
        return " ".join(process.cmdline())[:120] or process.name()
    except psutil.Error:
        return str(process.pid)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(_LOCK_AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
