"""What an engine finds impossible, as planning names it and goes on without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.scheduling.domain.exclusion import Reason
from services.scheduling.domain.facts import Shop
from services.scheduling.solver.problem import Infeasible


def named(infeasible: Infeasible) -> list[Mapping[str, Any]]:
    """Conflicts as they are stored."""
    return [{"id": one, "code": code, "params": dict(params)} for one, code, params in infeasible.conflicts]


def left_out(shop: Shop, infeasible: Infeasible) -> dict[str, Reason]:
    """Jobs named by the conflicts; of an order that is named, all of them."""
    found: dict[str, Reason] = {}
    for one, code, params in infeasible.conflicts:
        jobs = [one] if one in shop.jobs else [job.id for job in shop.jobs.values() if job.order == one]
        found |= {job: Reason("infeasible", {"conflict": code, **params}) for job in jobs}
    return found
