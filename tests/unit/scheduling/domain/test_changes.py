"""Which changes ask for a new plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.scheduling.domain.changes import After, Before, Why, drift_pause, of_equipment, of_job

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
FACTS = {"alternatives": [1], "family": "x"}
KNOWN = Before(
    "Ready", FACTS, Decimal(10), Decimal(10), planned_machine="a", planned_setup=START,
    planned_start=START + timedelta(minutes=10), planned_end=START + timedelta(minutes=70),
)  # fmt: skip
TOLD = After("Ready", FACTS, Decimal(10), Decimal(10))


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def means(before: Before, told: After, minutes: float = 0) -> set[Why]:
    return set(of_job(before, told, after(minutes), 900))


def test_progress_as_planned_means_nothing() -> None:
    running = replace(TOLD, state="Running", machine="a", run_s=Decimal(360))
    assert means(KNOWN, replace(TOLD, state="Waiting")) == set()
    assert means(KNOWN, replace(TOLD, state="Setup", machine="a")) == set()
    assert means(KNOWN, running, 10) == set()
    assert means(replace(KNOWN, state="Running"), replace(running, remaining=Decimal(5)), 40) == set()
    assert means(replace(KNOWN, state="Running"), replace(running, state="Done", remaining=Decimal(0)), 70) == set()
    assert means(replace(KNOWN, state="Running"), replace(running, state="Paused")) == set()


@pytest.mark.parametrize(("state", "minutes"), [("Setup", 16), ("Setup", -16), ("Running", 26), ("Running", -6)])
def test_beginning_far_from_the_plan_is_drift(state: str, minutes: float) -> None:
    assert means(KNOWN, replace(TOLD, state=state, machine="a"), minutes) == {Why.DRIFT}


def test_far_is_a_fifth_of_the_duration_for_long_work() -> None:
    long = replace(KNOWN, state="Running", planned_end=after(10 + 300))
    done = replace(TOLD, state="Done", machine="a", remaining=Decimal(0))
    assert means(long, done, 10 + 300 + 59) == set()
    assert means(long, done, 10 + 300 + 61) == {Why.DRIFT}
    assert means(long, done, 10 + 300 - 61) == {Why.DRIFT}


def test_a_report_that_shows_work_running_late_is_drift() -> None:
    slow = replace(TOLD, state="Running", machine="a", remaining=Decimal(9), run_s=Decimal(360))
    assert means(replace(KNOWN, state="Running"), slow, 30) == set()
    assert means(replace(KNOWN, state="Running"), slow, 32) == {Why.DRIFT}


def test_states_that_take_jobs_out_of_the_plan_or_back() -> None:
    held = replace(KNOWN, state="Held")
    assert means(KNOWN, replace(TOLD, state="Held")) == {Why.JOB_HELD}
    assert means(held, TOLD) == {Why.JOB_RESUMED}
    assert means(held, replace(TOLD, state="Cancelled")) == {Why.JOB_GONE}
    for state in ("Cancelled", "Skipped", "Aborted", "Superseded"):
        assert means(KNOWN, replace(TOLD, state=state)) == {Why.JOB_GONE}
    assert Why.JOB_REOPENED in means(replace(KNOWN, state="Done"), replace(TOLD, state="Running", machine="a"))


def test_begun_on_another_machine_than_planned() -> None:
    assert means(KNOWN, replace(TOLD, state="Setup", machine="b")) == {Why.ELSEWHERE}
    assert means(replace(KNOWN, planned_machine=None), replace(TOLD, state="Setup", machine="b")) == set()


def test_paused_because_the_machine_is_down() -> None:
    stuck = replace(KNOWN, state="Running", machine_down=True)
    assert means(stuck, replace(TOLD, state="Paused", machine="a")) == {Why.EQUIPMENT_DOWN}


def test_another_content_of_the_job() -> None:
    assert means(KNOWN, replace(TOLD, facts={**FACTS, "family": "y"})) == {Why.JOB_CHANGED}
    assert means(KNOWN, replace(TOLD, qty=Decimal(20), remaining=Decimal(20))) == {Why.JOB_CHANGED}
    # Some pieces less after scrap upstream are progress.
    assert means(KNOWN, replace(TOLD, qty=Decimal("9.5"), remaining=Decimal("9.5"))) == set()


def test_pieces_expected_back_when_planned_or_not() -> None:
    assert means(KNOWN, replace(TOLD, state="Sent", expected_back=after(75))) == set()
    assert means(KNOWN, replace(TOLD, state="Sent", expected_back=after(200))) == {Why.JOB_CHANGED}


@pytest.mark.parametrize(
    ("before", "now", "announced", "found"),
    [
        ("PRODUCING", "UNPLANNED_DOWN", False, {Why.EQUIPMENT_DOWN}),
        ("UNPLANNED_DOWN", "UNPLANNED_DOWN", False, set()),
        ("UNPLANNED_DOWN", "UNPLANNED_DOWN", True, {Why.EQUIPMENT_DOWN}),
        ("UNPLANNED_DOWN", "STANDBY", False, {Why.EQUIPMENT_BACK}),
        ("STANDBY", "PLANNED_DOWN", True, {Why.EQUIPMENT_DOWN}),
        ("STANDBY", "PLANNED_DOWN", False, set()),
        ("PLANNED_DOWN", "STANDBY", False, {Why.EQUIPMENT_BACK}),
        ("", "PRODUCING", False, set()),
        ("PRODUCING", "UNKNOWN", False, set()),
    ],
)
def test_states_of_machines(before: str, now: str, announced: bool, found: set[Why]) -> None:
    assert of_equipment(before, now, announced=announced) == found


def test_large_shops_are_planned_anew_for_drift_less_often() -> None:
    assert drift_pause(20) == timedelta(minutes=15)
    assert drift_pause(5372) > timedelta(hours=12)
