"""A small disk of its own, which can be filled."""

from __future__ import annotations

import subprocess
from pathlib import Path

# What PostgreSQL wants to find free before it starts, and as much again to work with.
_SIZE_MB = 700
_CHUNK = bytes(1 << 20)


class Disk:
    """A file system in memory, mounted at a folder. Needs root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"

    def mount(self) -> None:
        """Make it."""
        self._folder.mkdir(mode=0o711, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m,mode=711", "mes-faults", str(self._folder)]
        subprocess.run(words, check=True)

    def fill(self) -> None:
        """Leave nothing free."""
        with self._ballast.open("ab", buffering=0) as file:
            size = len(_CHUNK)
            while size >= 4096:
                try:
                    if file.write(_CHUNK[:size]) < size:
                        size //= 2
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Remove it with all that is on it."""
        subprocess.run(["umount", "-l", str(self._folder)], check=True)
