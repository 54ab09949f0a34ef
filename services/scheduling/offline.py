"""`mes solve FILE`: plan a problem from a file, without a database."""

from __future__ import annotations

from examples.instances import EPOCH, Instance
from services.scheduling.solver.problem import Alternative, Machine, Operation, Order, Predecessor, Problem


def problem_of(instance: Instance) -> Problem:
    """A public instance as a problem: machines always work, no order has a date, so the last end counts."""
    horizon = sum(max(seconds for _, seconds in choices) for job in instance.jobs for choices in job)
    return Problem(
        origin=EPOCH,
        now=0,
        horizon=horizon,
        machines=tuple(Machine(f"M{at + 1}") for at in range(instance.machines)),
        orders=tuple(Order(f"J{at + 1}") for at in range(len(instance.jobs))),
        operations=tuple(
            Operation(
                f"J{job + 1}.{place + 1}",
                f"J{job + 1}",
                tuple(Alternative(f"M{machine + 1}", seconds) for machine, seconds in choices),
                (Predecessor(f"J{job + 1}.{place}"),) if place else (),
                interruptible=False,
            )
            for job, operations in enumerate(instance.jobs)
            for place, choices in enumerate(operations)
        ),
    )
