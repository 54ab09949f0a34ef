"""How quantities flow through a graph of operations."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.order.domain.flow import Flow, Node, ledger_of

D = Decimal


def job(
    number: int, seq: int, state: str = "Waiting", qty: int = 100, before: tuple[int, ...] = (), **more: Any
) -> Node:
    quantities = {name: D(more.pop(name, 0)) for name in ("good", "scrap", "rework", "short")}
    return Node(
        UUID(int=number),
        seq,
        state,
        D(qty),
        predecessors=tuple(UUID(int=each) for each in before),
        **quantities,
        **more,
    )


def line(*jobs: Node) -> Flow:
    return Flow(jobs)


def test_a_job_begins_when_all_before_it_is_done_or_a_batch_has_come() -> None:
    first, second = job(1, 10, "Running", good=29, overlap=D(30)), job(2, 20, before=(1,))
    assert not line(first, second).lets_begin(second)
    assert line(replace(first, good=D(30)), second).lets_begin(second)
    assert line(replace(first, state="Done", good=D(1)), second).lets_begin(second)
    # A batch larger than the order is the whole order.
    small = replace(first, qty=D(10), good=D(10))
    assert line(small, replace(second, qty=D(10))).lets_begin(second)
    blocked = replace(first, state="Done", good=D(100), blocked_out=True)
    assert not line(blocked, second).lets_begin(second)


def test_an_assembly_gets_the_least_of_its_branches() -> None:
    flow = line(
        job(1, 10, "Done", good=97, scrap=3), job(2, 20, "Done", good=99, scrap=1), job(3, 30, before=(1, 2)),
        job(4, 40, before=(3,)),
    )  # fmt: skip
    assert flow.arrived(30) == 97
    assert flow.shortages(30) == {UUID(int=3): 3}
    assert flow.shortages(40) == {UUID(int=4): 0}


def test_a_skipped_operation_passes_on_what_came() -> None:
    flow = line(
        job(1, 10, "Done", good=90, scrap=10), job(2, 20, "Skipped", before=(1,), short=100), job(3, 30, before=(2,))
    )
    assert flow.arrived(30) == 90
    assert flow.shortages(30) == {UUID(int=3): 10}
    assert flow.consumed(10) == 0
    assert line(job(1, 10, "Skipped"), job(2, 20, before=(1,))).arrived(20) is None


def test_jobs_split_from_one_share_the_shortage() -> None:
    flow = line(
        job(1, 10, "Done", good=90, scrap=10), job(2, 20, "Running", 60, before=(1,), good=60),
        job(3, 20, "Ready", 40, before=(1,)), job(4, 30, before=(2, 3)),
    )  # fmt: skip
    assert flow.shortages(20) == {UUID(int=3): 10, UUID(int=2): 0}
    assert flow.passed_on(20) == 60
    assert flow.consumed(10) == 60


def test_pieces_that_come_late_are_left_lying() -> None:
    done = job(2, 20, "Done", before=(1,), good=95)
    assert line(job(1, 10, "Done", good=95, rework=5), done).left_lying(20) == 0
    assert line(job(1, 10, "Done", good=100), done).left_lying(20) == 5
    assert line(job(1, 10, "Done", good=100), replace(done, short=D(5))).left_lying(20) == 0
    assert line(job(1, 10, "Done", good=102), replace(done, good=D(100))).left_lying(20) == 0


def test_a_chain_of_rework_passes_on_what_it_makes() -> None:
    parent = job(1, 10, "Done", good=90, rework=10)
    first = job(5, 10, "Done", 10, before=(1,), good=8, scrap=2, rework_of=UUID(int=1))
    last = job(6, 10, "Ready", 10, before=(5,), rework_of=UUID(int=1))
    flow = line(parent, first, last, job(2, 20, before=(1, 6)))
    assert flow.reworked_before(first) is None
    assert flow.reworked_before(last) == 8
    assert flow.reworked_short(last) == 2
    assert not flow.lets_begin(flow.nodes[UUID(int=2)])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.booleans()), min_size=1, max_size=6), st.data())
def test_whatever_was_made_every_ledger_balances_down_the_line(made: list[tuple[int, int, bool]], data: Any) -> None:
    """Jobs in a line, each done or not with anything made: what remains never exceeds what can still arrive."""
    jobs, arrives = [], D(40)
    for place, (good, scrap, done) in enumerate(made):
        used = min(D(good), arrives)
        bad = min(D(scrap), arrives - used)
        over = done and (not jobs or jobs[-1].ended)
        jobs.append(
            job(place + 1, place, "Done" if over else "Running", 40, (place,) if place else (), good=used, scrap=bad)
        )
        arrives = used
    flow = Flow(jobs)
    for node in jobs:
        shortages = {} if node.ended else flow.shortages(node.seq)
        ledger = ledger_of(node, shortages)
        total = ledger.used + ledger.remaining + ledger.written_off
        assert ledger.qty + ledger.over == total
        arrived = flow.arrived(node.seq)
        if arrived is not None and flow.inflow_is_final(node.seq) and not node.ended:
            assert ledger.used + ledger.remaining == max(ledger.used, min(ledger.qty, arrived))
