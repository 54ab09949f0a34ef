"""Messages in the reader's language, and times in UTC."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from mes import logging as mes_logging
from mes.clock import BusinessClock, ClockState
from mes.db import UtcTime
from mes.errors import Conflict, Invalid
from mes.i18n import LANGUAGES, catalogue, choose_language, t


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en-GB,en;q=0.9,zh;q=0.1", "en"),
        ("zh;q=0.2,en;q=0.9", "en"),
        ("de,en;q=0.5", "en"),
        ("zh_TW.UTF-8", "zh-CN"),
        ("en_US", "en"),
        ("de", "zh-CN"),
        ("*", "zh-CN"),
        ("en;q=much,zh", "zh-CN"),
        ("", "zh-CN"),
        (None, "zh-CN"),
    ],
)
def test_the_language_that_is_wished_most_and_spoken_here(wish: str | None, language: str) -> None:
    assert choose_language(wish) == language


def test_a_message_is_filled_in_and_what_is_missing_shows_as_missing() -> None:
    assert t("http.404", "en", path="/x") == "There is no such address: /x. The front page says what is where."
    assert "—" in t("http.404", "zh-CN")
    assert t("nobody.says.this", "en") == "nobody.says.this"
    assert t("http.404", "fr", path="/x") == t("http.404", "en", path="/x")


def test_both_languages_say_the_same_things() -> None:
    chinese, english = (catalogue(language) for language in LANGUAGES)
    assert chinese.keys() == english.keys()
    assert all(message.strip() for message in (*chinese.values(), *english.values()))


def test_a_naive_time_never_reaches_the_database() -> None:
    with pytest.raises(ValueError, match="without zone"):
        UtcTime().process_bind_param(datetime(2026, 3, 2), None)  # type: ignore[arg-type] # noqa: DTZ001
    shown = UtcTime().process_result_value(datetime.fromisoformat("2026-03-02T08:00+08:00"), None)  # type: ignore[arg-type]
    assert shown == datetime(2026, 3, 2, tzinfo=UTC)
    assert shown.tzinfo is UTC


def test_the_clock_goes_at_its_factor_stands_when_stepped_and_never_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = 1000.0
    monkeypatch.setattr("mes.clock.time.time", lambda: wall)
    clock = BusinessClock(ClockState(0.0, 1000.0, 60.0))
    wall = 1010.0
    assert clock.now().timestamp() == 600
    wall = 1005.0
    assert clock.now().timestamp() == 600
    clock.set(clock.advanced(clock.now() + timedelta(seconds=50)))
    wall = 2000.0
    assert clock.now().timestamp() == 650
    with pytest.raises(Invalid, match="backwards"):
        clock.advanced(datetime.fromtimestamp(649, UTC))
    with pytest.raises(Invalid, match="no_zone"):
        clock.advanced(datetime(2026, 3, 2))  # noqa: DTZ001
    with pytest.raises(Conflict):
        clock.running(0)
    clock.set(clock.running(1.0))
    wall = 2001.5
    assert clock.now().timestamp() == 651.5


def test_a_log_line_is_json_in_utc_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.root
    handlers, level = root.handlers[:], root.level
    token = mes_logging.traceparent.set(f"00-{'a' * 32}-{'b' * 16}-01")
    try:
        mes_logging.configure("INFO", "json")
        logging.getLogger("mes.test").warning("it happened", extra={"order": "A-1"})
    finally:
        mes_logging.traceparent.reset(token)
        root.handlers[:], root.level = handlers, level
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["order"], line["level"], line["trace_id"]) == (
        "it happened", "A-1", "WARNING", "a" * 32,
    )  # fmt: skip
    assert abs(datetime.now(UTC) - datetime.fromisoformat(line["time"])) < timedelta(seconds=60)
