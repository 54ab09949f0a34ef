"""The history of an order: every event about it, from every topic, as it came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from mes.context import Context
from mes.events.v1 import equipment_pb2, order_pb2, quality_pb2, scheduling_pb2
from mes.inbox import Meta
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands.plan import Applied
from services.order.models import HistoryEntry, Job

AT_MACHINE = ("Setup", "Running", "Paused", "Held")

About = tuple[str, str, str]
"""order, job or "", verb"""


def _of_job(event: Any) -> Iterable[About]:
    # A new plan of the whole order is one entry, made when the plan is applied.
    return [] if event.verb == "plan" else [(event.job.order_id, event.job.job_id, event.verb)]


def _of_run(event: Any) -> Iterator[About]:
    for line in event.lines:
        yield line.order_id, line.job_id, getattr(event, "cause", "")


def _of_order(event: Any) -> Iterable[About]:
    return [(event.order.order_id, "", getattr(event, "verb", ""))]


def _of_report(event: Any) -> Iterable[About]:
    return [(event.report.order_id, event.report.job_id, event.report.state)]


def _of_lot(event: Any) -> Iterable[About]:
    return [(event.lot.order_id, event.lot.job_id, event.lot.state)]


def _of_nonconformance(event: Any) -> Iterable[About]:
    return [(event.nonconformance.order_id, event.nonconformance.job_id, event.nonconformance.state)]


_TYPES: list[tuple[type[Message], Callable[[Any], Iterable[About]]]] = [
    (order_pb2.OrderCreated, _of_order),
    (order_pb2.OrderChanged, _of_order),
    (order_pb2.OrderReleased, _of_order),
    (order_pb2.OrderStateChanged, _of_order),
    (order_pb2.OrderCompleted, _of_order),
    (order_pb2.OrderClosed, _of_order),
    (order_pb2.JobsAdded, lambda event: [(event.order_id, "", event.cause)]),
    (order_pb2.JobChanged, _of_job),
    (order_pb2.RunOpened, _of_run),
    (order_pb2.RunClosed, _of_run),
    (order_pb2.ReportRecorded, _of_report),
    (order_pb2.ReportDecided, _of_report),
    (order_pb2.OutsideMoved, lambda event: [(event.order_id, event.job_id, event.direction)]),
    (quality_pb2.InspectionLotOpened, _of_lot),
    (quality_pb2.InspectionCompleted, _of_lot),
    (quality_pb2.ControlChartSignal, lambda event: [(event.order_id, event.job_id, "signal")]),
    (quality_pb2.NonconformanceOpened, _of_nonconformance),
    (quality_pb2.NonconformanceDispositioned, _of_nonconformance),
    (quality_pb2.NonconformanceClosed, _of_nonconformance),
]
_ABOUT = {kind.DESCRIPTOR.full_name: (kind, about) for kind, about in _TYPES}


def _id(value: str) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


def note(session: AsyncSession, ctx: Context, payload: bytes, meta: Meta) -> None:
    """Keep an event in the history of every order that it is about; others are passed over."""
    known = _ABOUT.get(meta.type)
    if known is None:
        return
    kind, about = known
    for order, job, verb in about(kind.FromString(payload)):
        if order_id := _id(order):
            _add(session, ctx, meta, payload, order_id, _id(job), verb)


def _add(
    session: AsyncSession, ctx: Context, meta: Meta, payload: bytes, order_id: UUID, job_id: UUID | None, verb: str
) -> None:
    entry = HistoryEntry(
        id=ctx.new_id(), site_id=meta.site_id, order_id=order_id, job_id=job_id, source=meta.source,
        sequence=meta.sequence, type=meta.type, verb=verb, actor=meta.actor, at=meta.time, payload=payload,
    )  # fmt: skip
    session.add(entry)


def note_plan(session: AsyncSession, ctx: Context, applied: Applied, meta: Meta) -> None:
    """One entry for each order with jobs that a version moved materially: its own operations alone."""
    version = applied.version
    if version is None:
        return
    operations = {each.job_id: each for each in version.changed}
    orders: dict[UUID, list[str]] = defaultdict(list)
    for each in applied.moved:
        if each.material:
            orders[each.order_id].append(str(each.job_id))
    for order_id, jobs in orders.items():
        part = scheduling_pb2.SchedulePublished(
            version_id=version.version_id, version_no=version.version_no, solver=version.solver,
            policy=version.policy, trigger=version.trigger, published_at=version.published_at, chunks=1,
            changed=[operations[each] for each in jobs if each in operations],
            removed_job_ids=[each for each in jobs if each not in operations],
        )  # fmt: skip
        _add(session, ctx, meta, part.SerializeToString(), order_id, None, "plan")


async def note_machine(
    session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged, meta: Meta
) -> None:
    """A machine went down or came back: an entry for each job that is on it."""
    jobs = await session.execute(
        select(Job.id, Job.order_id).where(
            Job.site_id == ctx.site_id, Job.equipment_id == UUID(event.equipment_id), Job.state.in_(AT_MACHINE)
        )
    )
    for job_id, order_id in jobs:
        _add(session, ctx, meta, event.SerializeToString(), order_id, job_id, event.category)
