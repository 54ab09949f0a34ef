"""How quantities and readiness flow from operation to operation through an order's graph of jobs.

Jobs at one place of the routing (`seq`; several after a split) form a step. What a step may work on is the least of
what the steps before it pass on. Jobs that rework pieces of another job stand beside the flow: what they make counts at
the job whose pieces they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from services.order.domain.ledger import ZERO, Ledger
from services.order.domain.states import JOB_ENDED


@dataclass(frozen=True, slots=True)
class Node:
    """A job as the flow sees it. overlap: so many good pieces are passed on before it is done; None: all at once.

    blocked_out: nobody may go on with its pieces (its lot is held, an inspection of its output is open). short: what of
    its quantity somebody gave up.
    """

    id: UUID
    seq: int
    state: str
    qty: Decimal
    good: Decimal = ZERO
    scrap: Decimal = ZERO
    rework: Decimal = ZERO
    predecessors: tuple[UUID, ...] = ()
    overlap: Decimal | None = None
    rework_of: UUID | None = None
    blocked_out: bool = False
    short: Decimal = ZERO

    @property
    def is_rework(self) -> bool:
        return self.rework_of is not None

    @property
    def ended(self) -> bool:
        return self.state in JOB_ENDED

    @property
    def used(self) -> Decimal:
        return self.good + self.scrap + self.rework


@dataclass(slots=True)
class Step:
    """The jobs at one place of the routing, and the steps before it."""

    nodes: list[Node] = field(default_factory=list)
    before: list[int] = field(default_factory=list)

    @property
    def used(self) -> Decimal:
        return sum((each.used for each in self.nodes), ZERO)

    @property
    def qty(self) -> Decimal:
        return sum((each.qty for each in self.nodes if each.state != "Superseded"), ZERO)


class Flow:
    """The flow of one order at one moment."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.steps: dict[int, Step] = {}
        for node in self.nodes.values():
            if not node.is_rework:
                self.steps.setdefault(node.seq, Step()).nodes.append(node)
        for step in self.steps.values():
            found = {self.nodes[one].seq for node in step.nodes for one in node.predecessors if self._flows(one)}
            step.before = sorted(found)

    def _flows(self, one: UUID) -> bool:
        return one in self.nodes and not self.nodes[one].is_rework

    def put(self, node: Node) -> None:
        """A node changed."""
        self.nodes[node.id] = node
        if not node.is_rework:
            step = self.steps[node.seq]
            step.nodes = [node if each.id == node.id else each for each in step.nodes]

    def order(self) -> list[int]:
        """The steps so that each comes after those before it."""
        done: list[int] = []
        left = sorted(self.steps)
        while left:
            free = [seq for seq in left if all(one in done for one in self.steps[seq].before)]
            done += free or left  # A circle cannot be; were there one, it would be taken as it stands.
            left = [seq for seq in left if seq not in done]
        return done

    def passed_on(self, seq: int) -> Decimal | None:
        """Good pieces that a step has passed on so far; None: no limit is known (all skipped, nothing before)."""
        step = self.steps[seq]
        live = [each for each in step.nodes if each.state != "Superseded"]
        if live and all(each.state == "Skipped" for each in live):
            return self.arrived(seq)
        return sum((each.qty if each.state == "Skipped" else each.good for each in live), ZERO)

    def arrived(self, seq: int) -> Decimal | None:
        """What has arrived at a step: the least of what those before it passed on; None without any before it."""
        limits = [passed for one in self.steps[seq].before if (passed := self.passed_on(one)) is not None]
        return min(limits, default=None)

    def is_final(self, seq: int) -> bool:
        """Whether all jobs of a step and those before it are over. Reworked pieces may still come: see `left_lying`."""
        step = self.steps[seq]
        return all(each.ended for each in step.nodes) and all(map(self.is_final, step.before))

    def inflow_is_final(self, seq: int) -> bool:
        """Whether nothing more can arrive at a step."""
        return all(map(self.is_final, self.steps[seq].before))

    def shortages(self, seq: int) -> dict[UUID, Decimal]:
        """What of each open job's quantity will never arrive; taken from the last job of the step first."""
        step = self.steps[seq]
        open_nodes = [each for each in step.nodes if not each.ended]
        arrived = self.arrived(seq)
        if arrived is None or not self.inflow_is_final(seq):
            return {each.id: ZERO for each in open_nodes}
        over = [each for each in step.nodes if each.ended and each.state not in ("Superseded", "Skipped")]
        given_up = sum((max(ZERO, each.qty - each.used) for each in over), ZERO)
        left = max(ZERO, step.qty - arrived - given_up)
        found: dict[UUID, Decimal] = {}
        for each in reversed(open_nodes):
            found[each.id] = min(left, max(ZERO, each.qty - each.used))
            left -= found[each.id]
        return found

    def left_lying(self, seq: int) -> Decimal:
        """Pieces that arrived at a step after all its jobs were over: reworked, found, or of a raised quantity."""
        live = [each for each in self.steps[seq].nodes if each.state in ("Done", "Skipped")]
        if not live or not all(each.ended for each in self.steps[seq].nodes):
            return ZERO
        arrived = self.arrived(seq)
        qty = sum((each.qty for each in live), ZERO)
        given_up = sum((each.short for each in live), ZERO)
        used = sum((each.used for each in live), ZERO)
        return max(ZERO, (qty if arrived is None else min(qty, arrived)) - used - given_up)

    def reworked_before(self, node: Node) -> Decimal | None:
        """What a rework job gets from the one before it in its chain; None where it is the first."""
        before = [self.nodes[one] for one in node.predecessors if one in self.nodes]
        chain = [each for each in before if each.rework_of == node.rework_of]
        return sum((each.good for each in chain), ZERO) if chain else None

    def reworked_short(self, node: Node) -> Decimal:
        """What of a rework job's quantity will never arrive from the one before it."""
        before = [self.nodes[one] for one in node.predecessors if one in self.nodes]
        arrived = self.reworked_before(node)
        over = all(each.ended for each in before if each.rework_of == node.rework_of)
        return max(ZERO, node.qty - arrived) if arrived is not None and over else ZERO

    def lets_begin(self, node: Node) -> bool:
        """Whether the operations before a job have passed on enough for it to begin, and nothing of it is blocked."""
        before = [self.nodes[one] for one in node.predecessors if one in self.nodes]
        if any(each.blocked_out for each in before) or any(each.is_rework and not each.ended for each in before):
            return False
        seqs = self._seqs(before) if node.is_rework else self.steps[node.seq].before
        return all(self._passes(seq) for seq in seqs)

    def _seqs(self, before: Sequence[Node]) -> list[int]:
        return sorted({each.seq for each in before if not each.is_rework})

    def _passes(self, seq: int) -> bool:
        nodes = self.steps[seq].nodes
        if all(each.ended for each in nodes):
            return True
        batches = [each.overlap for each in nodes if each.overlap is not None and each.overlap > 0]
        if not batches:
            return False
        good = sum((each.good for each in nodes), ZERO)
        wanted = min(*batches, sum((each.qty for each in nodes), ZERO))
        return good >= wanted

    def consumed(self, seq: int) -> Decimal:
        """What the steps after this one have used of what it passed on: the most that any of them used."""
        return max((self._used_through(each) for each in self._after(seq)), default=ZERO)

    def _used_through(self, seq: int) -> Decimal:
        step = self.steps[seq]
        if all(each.state == "Skipped" for each in step.nodes):
            return self.consumed(seq)
        return step.used

    def _after(self, seq: int) -> list[int]:
        return [other for other, step in self.steps.items() if seq in step.before]

    def last_steps(self) -> list[int]:
        """Steps that nothing follows."""
        named = {one for step in self.steps.values() for one in step.before}
        return [seq for seq in self.steps if seq not in named]

    def made(self) -> Decimal:
        """Good pieces of the order: the least that its last steps passed on, nothing while that is unknown."""
        made = [self.passed_on(seq) for seq in self.last_steps()]
        return min((each for each in made if each is not None), default=ZERO)

    def started(self) -> Decimal:
        """Pieces that have been used at any step: the quantity cannot go below."""
        return max((step.used for step in self.steps.values()), default=ZERO)


def ledger_of(node: Node, shortages: Mapping[UUID, Decimal]) -> Ledger:
    """The ledger of a job in the flow."""
    return Ledger(node.qty, node.good, node.scrap, node.rework, shortages.get(node.id, ZERO), node.ended)


def with_state(node: Node, state: str) -> Node:
    """The same job in another state."""
    return replace(node, state=state)
