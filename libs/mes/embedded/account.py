"""The system account that PostgreSQL runs under: the caller's own, or a user of its own when the caller is root."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mes.errors import Unavailable

USER = "lingnan-mes"


@dataclass(frozen=True, slots=True)
class Account:
    """Another user than the caller."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give the account a file or folder of ours."""
        if sys.platform != "win32":
            os.chown(path, self.uid, self.gid)


def is_root() -> bool:
    """Whether the caller is root, whom PostgreSQL refuses to run as."""
    return sys.platform != "win32" and os.geteuid() == 0


def server_account() -> Account | None:
    """The account to run the server under, None for the caller's own. As root a system user is made if it is missing.

    Raises Unavailable when it cannot be made; the message names the command.
    """
    if not is_root():
        return None
    found = _look_up()
    if found is None:
        _make_user()
        found = _look_up()
    if found is None:
        raise Unavailable("embedded.no_user", command=f"useradd --system --home-dir /nonexistent {USER}")
    return found


def _look_up() -> Account | None:
    import pwd

    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _make_user() -> None:
    commands = [
        ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", USER],
        ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", USER],
    ]
    for command in commands:
        program = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program and subprocess.run([program, *command[1:]], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return


def blocked_at(path: Path, account: Account | None) -> Path | None:
    """The first folder on the way to `path` that the account may not enter; None when it may enter all."""
    if account is None:
        return None
    path = path.resolve()
    for folder in [*reversed(path.parents), path]:
        if folder.exists() and not _may(folder.stat(), account, stat.S_IXOTH):
            return folder
    return None


def may_read(path: Path, account: Account | None) -> bool:
    """Whether the account reaches the file and may read and run it."""
    if account is None:
        return True
    return blocked_at(path, account) is None and _may(path.stat(), account, stat.S_IROTH | stat.S_IXOTH)


def _may(found: os.stat_result, account: Account, wanted: int) -> bool:
    if found.st_uid == account.uid:
        wanted <<= 6
    elif found.st_gid == account.gid:
        wanted <<= 3
    return found.st_mode & wanted == wanted
