"""A line of jobs as a state machine on the pure rules: any commands and reports keep every ledger whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.order.domain.flow import Flow, Node, ledger_of
from services.order.domain.guards import Change, Situation, judge
from services.order.domain.ledger import ZERO, Ledger, tolerance
from services.order.domain.states import JOB, JOB_ENDED, legal_for_job

D = Decimal

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SHARE = D("0.1")
VERBS = sorted(JOB)


class Line(RuleBasedStateMachine):
    """Three jobs one after the other; the second may begin with the first batch."""

    @initialize(qty=st.integers(1, 40))
    def begin(self, qty: int) -> None:
        self.jobs = [
            Node(UUID(int=place + 1), 10 * place, "Waiting", D(qty), predecessors=(UUID(int=place),) if place else (),
                 overlap=D(5) if place == 0 else None)
            for place in range(3)
        ]  # fmt: skip
        self.settle()

    def flow(self) -> Flow:
        return Flow(self.jobs)

    def settle(self) -> None:
        for place, node in enumerate(self.jobs):
            if node.state in ("Waiting", "Ready"):
                ready = self.flow().lets_begin(node)
                self.jobs[place] = replace(node, state="Ready" if ready else "Waiting")

    def ledger(self, place: int) -> Ledger:
        node = self.jobs[place]
        return ledger_of(node, {} if node.ended else self.flow().shortages(node.seq))

    @rule(place=st.integers(0, 2), verb=st.sampled_from(VERBS))
    def command(self, place: int, verb: str) -> None:
        node = self.jobs[place]
        allowed = legal_for_job(node.state, "internal")
        target = JOB[verb].get(node.state)
        if verb.replace("_", "-") not in allowed:
            return
        assert node.state in JOB[verb]
        if target is None or target == node.state or verb in ("skip", "hold"):
            return
        if verb == "finish" and self.ledger(place).remaining > 0:
            return
        self.jobs[place] = replace(node, state=target)
        self.settle()

    @rule(place=st.integers(0, 2), good=st.integers(-5, 15), scrap=st.integers(0, 3), finish=st.booleans())
    def report(self, place: int, good: int, scrap: int, finish: bool) -> None:
        node, flow = self.jobs[place], self.flow()
        passed = flow.passed_on(node.seq)
        situation = Situation(
            node.state, "InProgress", self.ledger(place), tolerance(node.qty, SHARE, 0), flow.arrived(node.seq),
            node.used, None if place == 2 or passed is None else passed - flow.consumed(node.seq),
        )  # fmt: skip
        change = Change(D(good), D(scrap))
        if judge(change, situation, NOW, NOW) is None:
            node = replace(node, good=node.good + change.good, scrap=node.scrap + change.scrap)
            self.jobs[place] = node
            if finish and node.state == "Running" and self.ledger(place).remaining == 0:
                self.jobs[place] = replace(node, state="Done")
        self.settle()

    @invariant()
    def balanced(self) -> None:
        for place, node in enumerate(getattr(self, "jobs", ())):
            ledger = self.ledger(place)
            assert ledger.qty + ledger.over == ledger.used + ledger.remaining + ledger.written_off
            assert min(ledger.good, ledger.scrap, ledger.remaining, ledger.written_off, ledger.over) >= 0
            assert ledger.over <= tolerance(node.qty, SHARE, 0)
            assert node.state not in JOB_ENDED or ledger.remaining == ZERO

    @invariant()
    def nothing_is_made_of_nothing(self) -> None:
        flow = self.flow() if hasattr(self, "jobs") else None
        for place in (1, 2):
            if flow is not None:
                node = self.jobs[place]
                arrived = flow.arrived(node.seq)
                assert arrived is None or node.used <= arrived + tolerance(node.qty, SHARE, 0)


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
