"""Switching between normal, tightened, reduced and discontinued inspection: GB/T 2828.1-2012, 9.3 (single sampling)."""

from __future__ import annotations

from dataclasses import dataclass, replace

NORMAL, TIGHTENED, REDUCED, DISCONTINUED = "normal", "tightened", "reduced", "discontinued"

_LOOK_BACK, _NOT_ACCEPTED = 5, 2
_BACK_TO_NORMAL = 5
_DISCONTINUE = 5
SCORE_FOR_REDUCED = 30


@dataclass(frozen=True, slots=True)
class Switching:
    """Where the inspection of a series of lots stands.

    score: switching score of normal inspection; recent: whether the last lots (up to five) on normal were accepted;
    accepted_in_row and not_accepted: of the present stretch of tightened inspection; reduced_approved: the authority
    that has to want reduced inspection does, and production is steady.
    """

    severity: str = NORMAL
    score: int = 0
    recent: tuple[bool, ...] = ()
    accepted_in_row: int = 0
    not_accepted: int = 0
    reduced_approved: bool = False

    @property
    def may_reduce(self) -> bool:
        """Whether the score allows reduced inspection."""
        return self.severity == NORMAL and self.score >= SCORE_FOR_REDUCED


def after_lot(state: Switching, *, accepted: bool, accept: int, accepted_one_step_tighter: bool) -> Switching:
    """The state after a lot on original inspection (never a resubmitted one).

    accept: Ac of the plan used; accepted_one_step_tighter: whether the plan of the next smaller AQL had accepted it.
    """
    if state.severity == NORMAL:
        return _after_normal(state, accepted, accept, accepted_one_step_tighter)
    if state.severity == TIGHTENED:
        return _after_tightened(state, accepted)
    if state.severity == REDUCED and not accepted:
        return normal_from(state)
    return state


def _after_normal(state: Switching, accepted: bool, accept: int, tighter: bool) -> Switching:
    recent = (*state.recent, accepted)[-_LOOK_BACK:]
    if sum(not each for each in recent) >= _NOT_ACCEPTED:
        return Switching(TIGHTENED, reduced_approved=state.reduced_approved)
    gained, counts = (3, tighter and accepted) if accept >= 2 else (2, accepted)
    state = replace(state, recent=recent, score=state.score + gained if counts else 0)
    return Switching(REDUCED, reduced_approved=True) if state.may_reduce and state.reduced_approved else state


def _after_tightened(state: Switching, accepted: bool) -> Switching:
    if not accepted:
        failed = state.not_accepted + 1
        severity = DISCONTINUED if failed >= _DISCONTINUE else TIGHTENED
        return replace(state, severity=severity, not_accepted=failed, accepted_in_row=0)
    row = state.accepted_in_row + 1
    return normal_from(state) if row >= _BACK_TO_NORMAL else replace(state, accepted_in_row=row)


def approve_reduced(state: Switching, approved: bool) -> Switching:
    """The responsible authority wants reduced inspection, or (production is irregular, say) no longer does."""
    if approved and state.may_reduce:
        return Switching(REDUCED, reduced_approved=True)
    if not approved and state.severity == REDUCED:
        return Switching(NORMAL)
    return replace(state, reduced_approved=approved)


def normal_from(state: Switching) -> Switching:
    """Normal inspection from here on, everything counted anew."""
    return Switching(NORMAL, reduced_approved=state.reduced_approved)


def resume(state: Switching) -> Switching:
    """Inspection is resumed after the supplier's or process's action was found effective: on tightened inspection."""
    return Switching(TIGHTENED, reduced_approved=state.reduced_approved)
