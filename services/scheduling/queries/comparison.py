"""Two plans of one problem side by side: who is helped, who is harmed, what moves, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from services.scheduling.solver.problem import Plan, Planned, Problem, Score

FAR_S = 1800
"""A start that moves by more than this has moved."""
_NOTABLE_S = 60
"""An order that ends otherwise by no more than this is neither helped nor harmed."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Against the plan that stands. moved: starts by more than `FAR_S`, or on another machine; of: operations in both.

    longest_s: the longest move of a start.
    """

    moved: int
    reassigned: int
    longest_s: int
    of: int


@dataclass(frozen=True, slots=True)
class OrderEnds:
    """When an order ends, in seconds from the origin. stands: in the plan that stands; None where it is not in it."""

    order: str
    due: int | None
    stands: int | None
    nothing: int | None
    proposal: int | None

    @property
    def late_by(self) -> int:
        """Seconds behind the due date in the proposal; 0 in time."""
        return max(self.proposal - self.due, 0) if self.proposal is not None and self.due is not None else 0

    @property
    def effect(self) -> str:
        """helped, harmed or same: the proposal against doing nothing, by what is late behind the due date."""
        if self.due is None or self.nothing is None or self.proposal is None:
            return "same"
        gained = max(self.nothing - self.due, 0) - max(self.proposal - self.due, 0)
        return "helped" if gained > _NOTABLE_S else "harmed" if gained < -_NOTABLE_S else "same"


@dataclass(frozen=True, slots=True)
class Comparison:
    """nothing: the plan that stands with what happened; proposal: the better one. late: orders behind their dates."""

    nothing: Score
    proposal: Score
    nothing_moves: Moves
    proposal_moves: Moves
    orders: tuple[OrderEnds, ...]

    def count(self, effect: str) -> int:
        """How many orders are helped, harmed or the same."""
        return sum(each.effect == effect for each in self.orders)

    def late(self, which: str) -> int:
        """How many orders are late in one of the plans: stands, nothing, proposal."""
        ends = ((getattr(each, which), each.due) for each in self.orders)
        return sum(end is not None and due is not None and end > due for end, due in ends)


def compare(problem: Problem, nothing: Plan, proposal: Plan) -> Comparison:
    """Both plans against each other and against `problem.current`."""
    stands = _ends(problem, problem.current)
    before, after = _ends(problem, _by_id(nothing)), _ends(problem, _by_id(proposal))
    orders = tuple(
        OrderEnds(each.id, each.due, stands.get(each.id), before.get(each.id), after.get(each.id))
        for each in problem.orders
    )
    return Comparison(nothing.score, proposal.score, moves(problem, nothing), moves(problem, proposal), orders)


def moves(problem: Problem, plan: Plan) -> Moves:
    """What a plan moves of the one that stands."""
    moved = reassigned = longest = of = 0
    for each in plan.operations:
        stood = problem.current.get(each.operation)
        if stood is None:
            continue
        of += 1
        span = abs(each.start - stood.start)
        longest = max(longest, span)
        reassigned += each.machine != stood.machine
        moved += span > FAR_S or each.machine != stood.machine
    return Moves(moved, reassigned, longest, of)


def within(found: Comparison, moved: int | None, harmed: int | None) -> bool:
    """Whether the proposal is inside a planner's limits; None: any number."""
    return (moved is None or found.proposal_moves.moved <= moved) and (
        harmed is None or found.count("harmed") <= harmed
    )


def _by_id(plan: Plan) -> Mapping[str, Planned]:
    return {each.operation: each for each in plan.operations}


def _ends(problem: Problem, plan: Mapping[str, Planned]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in problem.operations:
        if (planned := plan.get(each.id)) is not None:
            found[each.order] = max(found.get(each.order, planned.end), planned.end)
    return found


def as_json(found: Comparison, problem: Problem) -> dict[str, Any]:
    """As it is stored and told: moments as ISO 8601, only orders that end otherwise than they stand or are late."""

    def at(seconds: int | None) -> str | None:
        return None if seconds is None else (problem.origin + timedelta(seconds=seconds)).isoformat()

    def lateness(end: int | None, due: int | None) -> int | None:
        return None if end is None or due is None else end - due

    told = [
        {
            "order_id": each.order, "due_at": at(each.due), "stands_end": at(each.stands),
            "nothing_end": at(each.nothing), "proposal_end": at(each.proposal),
            "nothing_lateness_s": lateness(each.nothing, each.due),
            "proposal_lateness_s": lateness(each.proposal, each.due), "effect": each.effect,
        }
        for each in sorted(found.orders, key=lambda one: (one.effect == "same", -one.late_by, one.order))
        if each.effect != "same" or each.late_by or each.stands is None
    ]  # fmt: skip
    return {
        "nothing": {"score": asdict(found.nothing), "late": found.late("nothing"), **asdict(found.nothing_moves)},
        "proposal": {"score": asdict(found.proposal), "late": found.late("proposal"), **asdict(found.proposal_moves)},
        "late_as_published": found.late("stands"), "helped": found.count("helped"), "harmed": found.count("harmed"),
        "orders": told,
    }  # fmt: skip
