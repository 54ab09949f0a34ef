"""The published plan on the jobs: chunks kept until a version is whole, then applied in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.context import Context
from mes.events.v1 import order_pb2, scheduling_pb2
from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands.events import job_message
from services.order.models import Job, PlanChunk, PlanVersion, ProductionOrder

MATERIAL_SHIFT = timedelta(minutes=15)
"""An order's history notes a new plan of its jobs from this shift of a start on, and for every change of machine."""

_ENDED = "'Done', 'Skipped', 'Cancelled', 'Aborted', 'Superseded'"

# The order's row is the lock of all that belongs to it; always in the order of ids.
_LOCK = text(
    "SELECT id FROM production_order WHERE id IN (SELECT order_id FROM job WHERE id = ANY(CAST(:jobs AS uuid[]))) "
    "ORDER BY id FOR NO KEY UPDATE"
)
_NEWER = text(
    """
    INSERT INTO plan_version AS v (site_id, version_id, version_no, solver, published_at, applied_at)
    VALUES (:site, :version_id, :version_no, :solver, :published_at, :now)
    ON CONFLICT (site_id) DO UPDATE SET version_id = excluded.version_id, version_no = excluded.version_no,
        solver = excluded.solver, published_at = excluded.published_at, applied_at = excluded.applied_at
    WHERE v.version_no < excluded.version_no
    RETURNING version_no
    """
)
# A removed job comes as a row of nulls. Work that is over keeps the plan that it was done by.
_APPLY = text(
    f"""
    UPDATE job j SET planned_equipment_id = p.equipment, planned_setup_start = p.setup_start, planned_start = p.start,
        planned_end = p.finish, plan_rank = p.rank, plan_cause = coalesce(p.cause, ''), plan_cause_ref = p.cause_ref,
        plan_slack_s = p.slack
    FROM unnest(CAST(:jobs AS uuid[]), CAST(:equipment AS uuid[]), CAST(:setup_starts AS timestamptz[]),
                CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:ranks AS int[]),
                CAST(:causes AS text[]), CAST(:cause_refs AS uuid[]), CAST(:slacks AS bigint[]))
         AS p(job, equipment, setup_start, start, finish, rank, cause, cause_ref, slack)
    JOIN job old ON old.id = p.job
    WHERE j.id = p.job AND j.site_id = :site AND j.state NOT IN ({_ENDED})
    RETURNING j.id, j.order_id, old.planned_equipment_id, old.planned_start, j.planned_equipment_id, j.planned_start
    """  # noqa: S608 - constants of this module
)
_PROMISE = text(
    """
    UPDATE production_order o SET projected_end = p.finish, lateness_s = p.lateness
    FROM (SELECT e.* FROM unnest(CAST(:orders AS uuid[]), CAST(:ends AS timestamptz[]), CAST(:lateness AS bigint[]))
              AS e(id, finish, lateness)
          JOIN production_order l ON l.id = e.id
          WHERE l.state NOT IN ('Closed', 'Cancelled', 'Aborted', 'Rejected', 'Superseded')
          ORDER BY l.id FOR NO KEY UPDATE OF l) AS p
    WHERE o.id = p.id AND o.site_id = :site
        AND (o.projected_end, o.lateness_s) IS DISTINCT FROM (p.finish, CAST(p.lateness AS int))
    """
)


@dataclass(frozen=True, slots=True)
class Moved:
    """A job whose machine or start another version of the plan changed."""

    job_id: UUID
    order_id: UUID
    old_equipment: UUID | None
    old_start: datetime | None
    equipment: UUID | None
    start: datetime | None

    @property
    def material(self) -> bool:
        """Whether somebody who looks after the order wants to know."""
        if self.equipment != self.old_equipment or self.start is None or self.old_start is None:
            return True
        return abs(self.start - self.old_start) >= MATERIAL_SHIFT


@dataclass(frozen=True, slots=True)
class Applied:
    """What a version changed; empty while it waits for chunks, or when a newer one was there before."""

    version: scheduling_pb2.SchedulePublished | None = None
    moved: Sequence[Moved] = field(default=())


def moment(event: Message, name: str) -> datetime | None:
    """An optional time of a message."""
    if not event.HasField(name):
        return None
    stamp: Timestamp = getattr(event, name)
    return stamp.ToDatetime(tzinfo=UTC)


async def take_chunk(session: AsyncSession, ctx: Context, event: scheduling_pb2.SchedulePublished) -> Applied:
    """Keep a chunk of a version; with the last one apply the version and announce the jobs that it moved.

    A version that is not newer than the one applied changes nothing.
    """
    applied_no = await session.scalar(select(PlanVersion.version_no).where(PlanVersion.site_id == ctx.site_id))
    if applied_no is not None and event.version_no <= applied_no:
        return Applied()
    version = event if event.chunks <= 1 else await _whole(session, ctx, event)
    if version is None or not await _is_newest(session, ctx, version):
        return Applied()
    await session.execute(
        delete(PlanChunk).where(PlanChunk.site_id == ctx.site_id, PlanChunk.version_no <= version.version_no)
    )
    moved = await _apply(session, ctx, version)
    await _announce(session, ctx, [each.job_id for each in moved])
    return Applied(version, moved)


async def _whole(
    session: AsyncSession, ctx: Context, event: scheduling_pb2.SchedulePublished
) -> scheduling_pb2.SchedulePublished | None:
    """The version with all its chunks in one message, or None while some are missing."""
    version_id = UUID(event.version_id)
    row = {
        "version_id": version_id, "chunk": event.chunk, "site_id": ctx.site_id, "version_no": event.version_no,
        "payload": event.SerializeToString(),
    }  # fmt: skip
    await session.execute(insert(PlanChunk).values(row).on_conflict_do_nothing())
    payloads = await session.scalars(
        select(PlanChunk.payload).where(PlanChunk.version_id == version_id).order_by(PlanChunk.chunk)
    )
    chunks = [scheduling_pb2.SchedulePublished.FromString(each) for each in payloads]
    if len(chunks) < event.chunks:
        return None
    whole = chunks[0]
    for each in chunks[1:]:
        whole.changed.extend(each.changed)
        whole.removed_job_ids.extend(each.removed_job_ids)
    return whole


async def _is_newest(session: AsyncSession, ctx: Context, version: scheduling_pb2.SchedulePublished) -> bool:
    row = {
        "site": ctx.site_id, "version_id": UUID(version.version_id), "version_no": version.version_no,
        "solver": version.solver, "published_at": moment(version, "published_at"), "now": ctx.now,
    }  # fmt: skip
    return await session.scalar(_NEWER, row) is not None


async def _apply(session: AsyncSession, ctx: Context, version: scheduling_pb2.SchedulePublished) -> list[Moved]:
    await session.flush()
    columns = _columns(version)
    await session.execute(_LOCK, {"jobs": columns["jobs"]})
    rows = await session.execute(_APPLY, {"site": ctx.site_id, **columns})
    moved = [Moved(*row) for row in rows]
    return [each for each in moved if (each.old_equipment, each.old_start) != (each.equipment, each.start)]


def _columns(version: scheduling_pb2.SchedulePublished) -> dict[str, list[Any]]:
    """The operations as columns, one of each job; those removed as nulls."""
    changed = {each.job_id: each for each in version.changed}
    removed = [UUID(each) for each in version.removed_job_ids if each not in changed]
    operations, nothing = list(changed.values()), [None] * len(removed)
    return {
        "jobs": [UUID(each.job_id) for each in operations] + removed,
        "equipment": [_id(each.equipment_id) for each in operations] + nothing,
        "setup_starts": [moment(each, "setup_start") for each in operations] + nothing,
        "starts": [moment(each, "start") for each in operations] + nothing,
        "ends": [moment(each, "end") for each in operations] + nothing,
        "ranks": [each.rank or None for each in operations] + nothing,
        "causes": [each.cause for each in operations] + nothing,
        "cause_refs": [_id(each.cause_ref) for each in operations] + nothing,
        "slacks": [each.slack_s for each in operations] + nothing,
    }


def _id(value: str) -> UUID | None:
    """An id, or None for nothing and for what is no id (a cause may refer to other things than jobs)."""
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


async def _announce(session: AsyncSession, ctx: Context, job_ids: Iterable[UUID]) -> None:
    """JobChanged of every job whose machine or start is another now.

    The version of the job stays: who read the job before a new plan may still act on it.
    """
    rows = await session.execute(
        select(Job, ProductionOrder.no)
        .join(ProductionOrder, ProductionOrder.id == Job.order_id)
        .where(Job.id.in_(list(job_ids)))
        .order_by(Job.order_id, Job.seq)
        .execution_options(populate_existing=True)
    )
    for job, order_no in rows:
        event = order_pb2.JobChanged(job=job_message(job, order_no), from_state=job.state, verb="plan")
        outbox.publish(session, ctx, event, key=job.order_id)


async def put_promises(session: AsyncSession, ctx: Context, event: scheduling_pb2.PromisesChanged) -> None:
    """Keep when the plan says that orders will be done."""
    await session.flush()
    await session.execute(
        _PROMISE,
        {
            "site": ctx.site_id,
            "orders": [UUID(each.order_id) for each in event.promises],
            "ends": [moment(each, "projected_end") for each in event.promises],
            "lateness": [each.lateness_s if each.HasField("projected_end") else None for each in event.promises],
        },
    )
