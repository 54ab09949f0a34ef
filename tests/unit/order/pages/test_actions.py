"""The scan page never offers what is not legal, and always the step that follows."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from services.order.domain.states import JOB, legal_for_job
from services.order.pages.actions import actions_of

STATES = sorted({state for moves in JOB.values() for state in moves})


@pytest.mark.parametrize("kind", ["internal", "outside"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fai", ["", "open", "passed", "failed"])
@pytest.mark.parametrize("first_article", [True, False])
@pytest.mark.parametrize("left", [0, 10])
def test_only_legal_actions_are_offered(kind: str, state: str, fai: str, first_article: bool, left: int) -> None:
    job = SimpleNamespace(
        kind=kind, state=state, fai=fai, first_article=first_article, qty=Decimal(10), sent_qty=Decimal(5),
        returned_qty=Decimal(0),
    )  # fmt: skip
    for setup_s in (0, 600):
        actions, primary, _ = actions_of(job, remaining=Decimal(left), setup_s=setup_s, reasons=set())
        assert set(actions) <= set(legal_for_job(state, kind))
        assert primary in ("", *actions)
        assert len(set(actions)) == len(actions)


def test_what_is_not_allowed_is_not_offered() -> None:
    job = SimpleNamespace(kind="internal", state="Ready", fai="", first_article=False)
    actions, primary, _ = actions_of(job, remaining=Decimal(1), setup_s=0, reasons={"not_allowed"})
    assert (actions, primary) == (["hold"], "")
