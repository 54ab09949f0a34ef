"""What must not stand in the source: what is not portable, what names one machine, and what is too long."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_BANNED = {
    "os.fork": "not on Windows: use spawn",
    "os.forkpty": "not on Windows: use spawn",
    "add_signal_handler": "not on Windows: use signal.signal",
    "AF_UNIX": "not on Windows: needs a fallback, then mark the line `# portable: why`",
    '"fork"': "not on Windows: use spawn",
}
_MACHINE = re.compile(
    r"(?<![\w.<{$/-])/(?:work|root|home/\w+|Users/\w+)/\w|https?://[\w.-]*(?:mirror|artifactory|nexus|pypi)[\w.-]*",
    re.I,
)
_TEXT = {".py", ".md", ".toml", ".txt", ".sh", ".json", ".proto", ".yml", ".yaml", ".cfg", ""}
_MOST_LINES, _MOST_FUNCTION = 500, 60


def check() -> list[str]:
    """Every line that breaks a rule, as file:line and reason."""
    return [line for path in _files() for line in _look(path)]


def _files() -> list[Path]:
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603
    paths = (ROOT / name for name in listed if not name.startswith("libs/mes/events/"))
    return [path for path in paths if path.is_file() and not path.is_symlink() and path.suffix in _TEXT]


def _look(path: Path) -> Iterator[str]:
    name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if _MACHINE.search(line) and name != "tools/check_source.py":
            yield f"{name}:{number}: names one machine or registry: {line.strip()[:100]}"
    if path.suffix == ".py" and name != "tools/check_source.py":
        yield from _look_at_python(name, text)


def _look_at_python(name: str, text: str) -> Iterator[str]:
    lines = text.splitlines()
    if len(lines) >= _MOST_LINES:
        yield f"{name}: {len(lines)} lines; make a package of it"
    for number, line in enumerate(lines, start=1):
        for word, reason in _BANNED.items():
            if word in line and "# portable:" not in line:
                yield f"{name}:{number}: {word}: {reason}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length >= _MOST_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines"
