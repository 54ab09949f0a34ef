"""Words of the state machines are read by people in their language, by programs as they are."""

from __future__ import annotations

import pytest
from mes.i18n import catalogue, t

from services.order.domain import states as order
from services.quality.domain import states as quality

_OF_QUALITY = (quality.LOT, quality.NONCONFORMANCE, quality.SIGNAL)
_WORDS = {
    *order.ORDER, *order.JOB, *order.REPORT,
    *(state for table in (order.ORDER, order.JOB, order.REPORT) for states in table.values() for state in states),
    *(state for table in _OF_QUALITY for state in table),
    *(verb for table in _OF_QUALITY for moves in table.values() for verb in moves),
}  # fmt: skip


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_state_and_verb_has_its_word(language: str) -> None:
    known = catalogue(language)
    assert {word for word in _WORDS if f"term.{word.replace('_', '-')}" not in known} == set()


def test_a_refusal_is_a_sentence_in_the_readers_language() -> None:
    said = {"no": "A-1", "state": "Held", "verb": "short-close", "legal": ["resume", "cancel"]}
    assert "恢复、取消" in t("order.illegal", "zh-CN", **said)
    assert "on hold" in t("order.illegal", "en", **said)
    assert said["state"] == "Held"


def test_to_release_an_order_is_another_word_than_to_release_a_hold() -> None:
    said = {"no": "A-1", "job": "7K3QX9AB", "state": "Done", "verb": "release", "legal": []}
    assert "不能“下达”" in t("order.illegal", "zh-CN", **said)
    assert "不能“解除冻结”" in t("job.illegal", "zh-CN", **said)
