"""Logs: what a library repeats is said once in a while, everything else each time."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

_BEGIN = "import logging; from mes.logging import configure; configure('INFO', 'json'); log = logging.getLogger; "


def _said(program: str) -> list[tuple[str, str]]:
    """Name and message of each line that the program logs."""
    done = subprocess.run([sys.executable, "-c", _BEGIN + program], capture_output=True, encoding="utf-8", check=True)
    return [(line["name"], line["message"]) for line in map(json.loads, done.stderr.splitlines())]


def test_a_broker_that_does_not_answer_does_not_fill_the_log() -> None:
    said = _said("[(log('aiokafka.client').error('no node %s', n), log('mes').error('no %s', n)) for n in range(50)]")
    assert [message for name, message in said if name == "aiokafka.client"] == ["no node 0"]
    assert sum(name == "mes" for name, _ in said) == 50


def test_different_messages_of_a_library_are_all_said() -> None:
    assert [message for _, message in _said("[log('aiokafka').error(text) for text in ('one', 'two', 'one')]")] == [
        "one", "two",
    ]  # fmt: skip


def test_what_is_critical_is_said_each_time() -> None:
    assert len(_said(f"[log('aiokafka').log({logging.CRITICAL}, 'end') for _ in range(3)]")) == 3
