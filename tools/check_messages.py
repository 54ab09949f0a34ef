"""Both languages have the same messages with the same parameters, and every code raised has a message."""

from __future__ import annotations

import ast
import json
import string
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ERRORS = {"NotFound", "Conflict", "Invalid", "Stale", "Unavailable", "DomainError"}
_SPEAKERS = {"t", "text", "say", "working"}


def check() -> list[str]:
    """What is missing or differs, by file."""
    return [*_pairs(), *_codes()]


def _catalogues(language: str) -> dict[Path, dict[str, str]]:
    places = (ROOT / "libs" / "mes", ROOT / "services")
    found = sorted(path for place in places for path in place.rglob(f"locale/{language}.json"))
    return {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in found}


def _parameters(message: str) -> set[str]:
    return {name.partition(".")[0] for _, name, _, _ in string.Formatter().parse(message) if name}


def _pairs() -> Iterator[str]:
    chinese, english = _catalogues("zh-CN"), _catalogues("en")
    for folder in sorted({*chinese, *english}):
        name = folder.relative_to(ROOT).as_posix()
        ours, theirs = chinese.get(folder, {}), english.get(folder, {})
        for code in sorted(set(ours) ^ set(theirs)):
            yield f"{name}: {code} is only in {'zh-CN' if code in ours else 'en'}"
        for code in sorted(set(ours) & set(theirs)):
            if not ours[code].strip() or not theirs[code].strip():
                yield f"{name}: {code} is empty"
            elif _parameters(ours[code]) != _parameters(theirs[code]):
                yield f"{name}: {code} has other parameters in zh-CN than in en"


def _codes() -> Iterator[str]:
    known = {code for messages in _catalogues("en").values() for code in messages}
    for place in (ROOT / "libs" / "mes", ROOT / "services"):
        for path in sorted(place.rglob("*.py")):
            if "events" in path.relative_to(ROOT).parts:
                continue
            for code, line in _used(ast.parse(path.read_text(encoding="utf-8"))):
                if code not in known:
                    yield f"{path.relative_to(ROOT).as_posix()}:{line}: {code} has no message"


def _used(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        first = node.args[0]
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            continue
        # A code has a dot; `text("SELECT 1")` of SQLAlchemy has a blank.
        if name in _ERRORS or (name in _SPEAKERS and "." in first.value and " " not in first.value):
            yield first.value, node.lineno
