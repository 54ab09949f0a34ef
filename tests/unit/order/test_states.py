"""The tables of the state machines, row by row, and what must hold of any table."""

from __future__ import annotations

import pytest

from services.order.domain.states import (
    JOB,
    JOB_AUTOMATIC,
    JOB_ENDED,
    ORDER,
    ORDER_AUTOMATIC,
    ORDER_TERMINAL,
    REPORT,
    Table,
    is_legal_for_job,
    legal,
    legal_for_job,
)

ORDER_ROWS = [
    ("Draft", "release", "Released"),
    ("Draft", "reject", "Rejected"),
    ("Released", "revoke", "Draft"),
    ("Released", "hold", "Held"),
    ("InProgress", "hold", "Held"),
    ("InProgress", "short_close", "Completed"),
    ("Held", "short_close", "Completed"),
    ("Completed", "reopen", "InProgress"),
    ("Completed", "close", "Closed"),
]
JOB_ROWS = [
    ("Ready", "start_setup", "Setup"),
    ("Ready", "start", "Running"),
    ("Setup", "start", "Running"),
    ("Setup", "trial", "Setup"),
    ("Running", "pause", "Paused"),
    ("Setup", "pause", "Paused"),
    ("Paused", "resume", "Running"),
    ("Running", "report", "Running"),
    ("Running", "finish", "Done"),
    ("Paused", "finish", "Done"),
    ("Done", "undo_finish", "Running"),
    ("Waiting", "skip", "Skipped"),
    ("Ready", "skip", "Skipped"),
    ("Done", "hold", "Done"),
    ("Returned", "finish", "Done"),
]


@pytest.mark.parametrize(("state", "verb", "target"), ORDER_ROWS)
def test_rows_of_the_order_table(state: str, verb: str, target: str) -> None:
    assert ORDER[verb][state] == target


@pytest.mark.parametrize(("state", "verb", "target"), JOB_ROWS)
def test_rows_of_the_job_table(state: str, verb: str, target: str) -> None:
    assert JOB[verb][state] == target


def test_report_table() -> None:
    assert {verb: moves for verb, moves in REPORT.items() if verb != "record"} == {
        "accept": {"Pending": "Accepted"},
        "decline": {"Pending": "Declined"},
        "correct": {"Accepted": "Corrected"},
    }
    assert legal(REPORT, "Declined") == legal(REPORT, "Corrected") == []


@pytest.mark.parametrize("state", sorted(ORDER_TERMINAL))
def test_nothing_leads_out_of_a_terminal_order(state: str) -> None:
    assert legal(ORDER, state) == []
    assert legal(ORDER_AUTOMATIC, state) == []


@pytest.mark.parametrize("state", sorted(JOB_ENDED - {"Done"}))
def test_no_command_leads_out_of_a_job_that_is_over(state: str) -> None:
    assert legal_for_job(state, "internal") == legal_for_job(state, "outside") == []


def states_of(*tables: Table) -> set[str]:
    return {state for table in tables for moves in table.values() for state in (*moves, *moves.values()) if state}


def test_every_state_has_a_name_of_the_contract() -> None:
    assert states_of(ORDER, ORDER_AUTOMATIC) | ORDER_TERMINAL == {
        "Draft", "Released", "InProgress", "Held", "Completed", "Closed", "Cancelled", "Aborted", "Rejected",
        "Superseded",
    }  # fmt: skip
    assert states_of(JOB, JOB_AUTOMATIC) | JOB_ENDED == {
        "Waiting", "Ready", "Setup", "Running", "Paused", "Held", "Done", "Skipped", "Sent", "PartlyReturned",
        "Returned", "Cancelled", "Aborted", "Superseded",
    }  # fmt: skip


def test_machines_do_not_go_outside_and_suppliers_have_no_setup() -> None:
    assert not is_legal_for_job("send", "Ready", "internal")
    assert not is_legal_for_job("start", "Ready", "outside")
    assert is_legal_for_job("send", "Waiting", "outside")
    assert legal_for_job("Ready", "internal") == [
        "abort", "allow", "complete", "disallow", "hold", "material-ready", "reassign", "skip", "split", "start",
        "start-setup",
    ]  # fmt: skip
    assert legal_for_job("PartlyReturned", "outside") == ["return", "send"]
