"""The short form of `make faults`: a few kills, and the control."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import main


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_five_kills_lose_and_double_nothing_and_the_control_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["--kills", "5", "--control-kills", "4", "--seed", "3", "--folder", str(tmp_path)])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "control caught" in said
    assert len((tmp_path / "main" / "history.jsonl").read_text(encoding="utf-8").splitlines()) > 50
