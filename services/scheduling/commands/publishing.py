"""A plan becomes a version: stored whole, told to others as far as it changed, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from mes import outbox
from mes.context import Context
from mes.events.v1 import scheduling_pb2
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.domain import differences
from services.scheduling.domain.changes import drift_pause
from services.scheduling.domain.differences import Difference, Promise
from services.scheduling.domain.facts import Placed
from services.scheduling.models import Planning, Scenario, ScheduledOperation, ScheduleRun, ScheduleVersion

POLICY = "auto"
# Kafka's limit for a message is 1 MB; readers apply a version when they have all its chunks.
CHUNK_BYTES = 240 * 1024
KEEP_VERSIONS = 10

_OPERATIONS = text(
    """
    INSERT INTO scheduled_operation (site_id, version_id, job_id, order_id, equipment_id, setup_start, start_at, end_at,
                                     fixing, cause, cause_ref, rank, slack_s)
    SELECT :site, :version, * FROM unnest(
        CAST(:jobs AS uuid[]), CAST(:orders AS uuid[]), CAST(:machines AS uuid[]), CAST(:setups AS timestamptz[]),
        CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:fixings AS text[]), CAST(:causes AS text[]),
        CAST(:refs AS uuid[]), CAST(:ranks AS int[]), CAST(:slacks AS bigint[]))
    """
)
_PROMISES = text(
    """
    INSERT INTO order_promise AS p (site_id, order_id, projected_end, due_at, lateness_s, cause, version_id)
    SELECT :site, t.*, :version FROM unnest(
        CAST(:orders AS uuid[]), CAST(:ends AS timestamptz[]), CAST(:dues AS timestamptz[]), CAST(:lates AS bigint[]),
        CAST(:causes AS text[])) AS t
    ON CONFLICT (site_id, order_id) DO UPDATE SET projected_end = excluded.projected_end, due_at = excluded.due_at,
        lateness_s = excluded.lateness_s, cause = excluded.cause, version_id = excluded.version_id
    WHERE (p.projected_end, p.due_at, p.lateness_s) IS DISTINCT FROM
          (excluded.projected_end, excluded.due_at, excluded.lateness_s)
    RETURNING order_id
    """
)

_OLD_PINS = text("DELETE FROM pin p USING job j WHERE p.site_id = :site AND j.id = p.job_id AND NOT j.is_open")


@dataclass(frozen=True, slots=True)
class Result:
    """What is to be published. plan: with kept ranks. over: jobs of the version before that are finished or gone."""

    plan: Mapping[str, Placed]
    before: Mapping[str, Placed]
    found: Difference
    promises: Mapping[str, Promise]
    score: Mapping[str, int]
    rules: Mapping[str, Mapping[str, int]]
    solver: str
    policy: str = POLICY


async def publish(session: AsyncSession, ctx: Context, planning: Planning, run: ScheduleRun, result: Result) -> UUID:
    """Make the result the published version; returns its id. planning: the site's row, locked by the caller."""
    version = _version(ctx, planning, run, result)
    if planning.version_id is not None:
        await session.execute(
            update(ScheduleVersion)
            .where(ScheduleVersion.id == planning.version_id)
            .values(state="Superseded", superseded_at=ctx.now)
        )
    session.add(version)
    await session.flush()
    await session.execute(_OPERATIONS, _columns(ctx, version.id, list(result.plan.values())))
    _announce(session, ctx, version, result)
    await promise(session, ctx, version.id, result.promises)
    planning.version_id, planning.version_no = version.id, version.no
    # What was compared with another plan is history.
    await session.execute(
        update(Scenario)
        .where(Scenario.site_id == ctx.site_id, Scenario.state == "Ready", Scenario.base_version_id != version.id)
        .values(state="Outdated")
    )
    planning.drift_pause_s = int(drift_pause(len(result.plan)).total_seconds())
    run.version_id = version.id
    await _prune(session, ctx, version.no)
    return version.id


def _version(ctx: Context, planning: Planning, run: ScheduleRun, result: Result) -> ScheduleVersion:
    found = result.found
    late = sum(1 for each in result.promises.values() if (each.lateness_s or 0) > 0)
    return ScheduleVersion(
        id=ctx.new_id(), site_id=ctx.site_id, no=planning.version_no + 1, state="Published",
        previous_id=planning.version_id, run_id=run.id, policy=result.policy, approved_by=ctx.actor,
        trigger=run.trigger, solver=result.solver, score=dict(result.score),
        rules={name: dict(one) for name, one in result.rules.items()},
        operations=len(result.plan),
        changes={
            "added": len(found.added), "removed": len(found.removed), "moved": len(found.moved),
            "reassigned": len(found.reassigned), "late_orders": late,
        },
        detailed=True, published_at=ctx.now,
    )  # fmt: skip


def _columns(ctx: Context, version: UUID, plan: Sequence[Placed]) -> dict[str, Any]:
    return {
        "site": ctx.site_id, "version": version,
        "jobs": [UUID(each.job) for each in plan], "orders": [UUID(each.order) for each in plan],
        "machines": [_uuid(each.machine) for each in plan], "setups": [each.setup_start for each in plan],
        "starts": [each.start for each in plan], "ends": [each.end for each in plan],
        "fixings": [each.fixing for each in plan], "causes": [each.cause for each in plan],
        "refs": [_uuid(each.cause_ref) for each in plan], "ranks": [each.rank for each in plan],
        "slacks": [each.slack_s for each in plan],
    }  # fmt: skip


def _uuid(value: str) -> UUID | None:
    return UUID(value) if value else None


async def promise(session: AsyncSession, ctx: Context, version: UUID, promises: Mapping[str, Promise]) -> None:
    """Store the promises and tell those that changed. Orders without anything left to do keep their last one."""
    if not promises:
        return
    made = list(promises.values())
    rows = await session.scalars(
        _PROMISES,
        {
            "site": ctx.site_id, "version": version, "orders": [UUID(each.order) for each in made],
            "ends": [each.projected_end for each in made], "dues": [each.due_at for each in made],
            "lates": [each.lateness_s for each in made], "causes": [each.cause for each in made],
        },
    )  # fmt: skip
    _announce_promises(session, ctx, version, [promises[str(order)] for order in rows])


# ---- what is announced -----------------------------------------------------------------------------------------------


def _stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def _announce(session: AsyncSession, ctx: Context, version: ScheduleVersion, result: Result) -> None:
    changed = [_operation(each) for each in differences.changed(result.before, result.plan.values())]
    parts = list(_chunks(changed, list(result.found.removed)))
    for number, (operations, removed) in enumerate(parts):
        event = scheduling_pb2.SchedulePublished(
            version_id=str(version.id), version_no=version.no, previous_version_id=str(version.previous_id or ""),
            chunk=number, chunks=len(parts), changed=operations, removed_job_ids=removed, solver=version.solver,
            policy=version.policy, trigger=",".join(version.trigger), published_at=_stamp(ctx.now),
        )  # fmt: skip
        outbox.publish(session, ctx, event, key=ctx.site_id)


def _operation(each: Placed) -> scheduling_pb2.ScheduledOperation:
    return scheduling_pb2.ScheduledOperation(
        job_id=each.job, order_id=each.order, equipment_id=each.machine, setup_start=_stamp(each.setup_start),
        start=_stamp(each.start), end=_stamp(each.end), frozen=each.fixing == "frozen", cause=each.cause,
        cause_ref=each.cause_ref, rank=each.rank, slack_s=each.slack_s or 0,
    )  # fmt: skip


def _chunks(
    changed: Sequence[scheduling_pb2.ScheduledOperation], removed: Sequence[str]
) -> Iterator[tuple[list[scheduling_pb2.ScheduledOperation], list[str]]]:
    """The changes in parts that stay below the limit; one part at least."""
    operations: list[scheduling_pb2.ScheduledOperation] = []
    gone: list[str] = []
    room = CHUNK_BYTES
    for each in changed:
        size = each.ByteSize() + 4
        if size > room:
            yield operations, []
            operations, room = [], CHUNK_BYTES
        operations.append(each)
        room -= size
    for job in removed:
        if len(job) + 4 > room:
            yield operations, gone
            operations, gone, room = [], [], CHUNK_BYTES
        gone.append(job)
        room -= len(job) + 4
    yield operations, gone


def _announce_promises(session: AsyncSession, ctx: Context, version: UUID, told: Sequence[Promise]) -> None:
    for start in range(0, len(told), 1500):
        event = scheduling_pb2.PromisesChanged(version_id=str(version))
        for each in told[start : start + 1500]:
            line = event.promises.add(order_id=each.order, lateness_s=each.lateness_s or 0, cause=each.cause)
            if each.projected_end is not None:
                line.projected_end.FromDatetime(each.projected_end)
        outbox.publish(session, ctx, event, key=ctx.site_id)


# ---- what is forgotten -----------------------------------------------------------------------------------------------


async def _prune(session: AsyncSession, ctx: Context, newest: int) -> None:
    """Forget the operations of versions that are older than the last few; their summary stays."""
    old = ScheduleVersion.site_id == ctx.site_id, ScheduleVersion.no <= newest - KEEP_VERSIONS, ScheduleVersion.detailed
    ids = list(await session.scalars(select(ScheduleVersion.id).where(*old)))
    if ids:
        await session.execute(
            delete(ScheduledOperation).where(
                ScheduledOperation.site_id == ctx.site_id, ScheduledOperation.version_id.in_(ids)
            )
        )
        await session.execute(update(ScheduleVersion).where(ScheduleVersion.id.in_(ids)).values(detailed=False))
    await session.execute(_OLD_PINS, {"site": ctx.site_id})
