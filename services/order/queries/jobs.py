"""Jobs, one and many, and what was worked on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mes.errors import NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.domain.quantity import plain
from services.order.domain.states import legal_for_job
from services.order.models import Job, OutsideMove, ProductionOrder, Run, RunLine


def job_view(job: Job, order_no: str = "") -> dict[str, Any]:
    """A job in the fields of the event contract, with its plan and what may be done with it."""
    return {
        "job_id": job.id, "order_id": job.order_id, "order_no": order_no, "code": job.code, "seq": job.seq,
        "name": {"zh": job.name_zh, "en": job.name_en}, "kind": job.kind, "state": job.state,
        "state_before_hold": job.state_before_hold, "predecessor_ids": list(job.predecessor_ids),
        "component_order_ids": list(job.component_order_ids), "material_id": job.material_id,
        "routing_operation_id": job.routing_operation_id, "alternatives": job.alternatives,
        "setup_family": job.setup_family, "queue_s": job.queue_s, "move_s": job.move_s,
        "overlap_qty": plain(job.overlap_qty) or None, "interruptible": job.interruptible, "optional": job.optional,
        "skill": job.skill, "inspection_plan_id": job.inspection_plan_id, "first_article": job.first_article,
        "fai": job.fai, "is_key_process": job.is_key_process, "nc_level": job.nc_level, "supplier": job.supplier,
        "lead_days": job.lead_days, "pieces_per_count": plain(job.pieces_per_count),
        "over_tolerance": plain(job.over_tolerance), "uom": job.uom, **quantities(job),
        "allowed_to_start": job.allowed_to_start, "material_ready_at": job.material_ready_at,
        "material_ready_qty": plain(job.material_ready_qty) or None, "planned_equipment_id": job.planned_equipment_id,
        "planned_setup_start": job.planned_setup_start, "planned_start": job.planned_start,
        "planned_end": job.planned_end, "rank": job.plan_rank, "plan_cause": job.plan_cause,
        "plan_slack_s": job.plan_slack_s, "pinned": job.pinned, "equipment_id": job.equipment_id,
        "started_at": job.started_at, "finished_at": job.finished_at, "expected_back_at": job.expected_back_at,
        "rework_of": job.rework_of, "rework_loop": job.rework_loop, "version": job.version,
        "legal": legal_for_job(job.state, job.kind),
    }  # fmt: skip


def quantities(job: Job) -> dict[str, str]:
    """The ledger of a job."""
    return {
        "qty": plain(job.qty), "good_qty": plain(job.good_qty), "scrap_qty": plain(job.scrap_qty),
        "rework_qty": plain(job.rework_qty), "written_off_qty": plain(job.written_off_qty),
        "over_qty": plain(job.over_qty), "remaining_qty": plain(job.remaining_qty),
        "sent_qty": plain(job.sent_qty), "returned_qty": plain(job.returned_qty),
    }  # fmt: skip


async def job_by_id(session: AsyncSession, site: UUID, job_id: UUID) -> tuple[Job, str]:
    """A job and the number of its order. Raises NotFound."""
    found = (
        await session.execute(
            select(Job, ProductionOrder.no)
            .join(ProductionOrder, ProductionOrder.id == Job.order_id)
            .where(Job.id == job_id, Job.site_id == site)
        )
    ).one_or_none()
    if found is None:
        raise NotFound("job.unknown", job=str(job_id))
    return found[0], found[1]


async def jobs(
    session: AsyncSession,
    site: UUID,
    *,
    states: Sequence[str] = (),
    kind: str = "",
    order_id: UUID | None = None,
    equipment_id: UUID | None = None,
    code: str = "",
    offset: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Jobs order by order, along the routing. equipment_id: planned there or being worked on there."""
    query = (
        select(Job, ProductionOrder.no)
        .join(ProductionOrder, ProductionOrder.id == Job.order_id)
        .where(Job.site_id == site)
        .order_by(Job.order_id, Job.seq, Job.id)
    )
    if states:
        query = query.where(Job.state.in_(states))
    if kind:
        query = query.where(Job.kind == kind)
    if order_id is not None:
        query = query.where(Job.order_id == order_id)
    if equipment_id is not None:
        query = query.where((Job.planned_equipment_id == equipment_id) | (Job.equipment_id == equipment_id))
    if code:
        query = query.where(Job.code == code)
    rows = await session.execute(query.offset(offset).limit(limit))
    return [job_view(job, no) for job, no in rows]


async def runs_of_job(session: AsyncSession, job_id: UUID) -> list[dict[str, Any]]:
    """All runs that served a job, the oldest first."""
    query = (
        select(Run).join(RunLine, RunLine.run_id == Run.id).where(RunLine.job_id == job_id)
        .order_by(Run.started_at, Run.id)
    )  # fmt: skip
    return await run_views(session, (await session.scalars(query)).all())


async def runs(
    session: AsyncSession,
    site: UUID,
    *,
    equipment_id: UUID | None = None,
    is_open: bool | None = None,
    offset: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Runs, the newest first. is_open: only open or only ended ones."""
    query = select(Run).where(Run.site_id == site).order_by(Run.started_at.desc(), Run.id.desc())
    if equipment_id is not None:
        query = query.where(Run.equipment_id == equipment_id)
    if is_open is not None:
        query = query.where(Run.ended_at.is_(None) if is_open else Run.ended_at.is_not(None))
    return await run_views(session, (await session.scalars(query.offset(offset).limit(limit))).all())


async def run_views(session: AsyncSession, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs with their lines."""
    lines: dict[UUID, list[RunLine]] = {run.id: [] for run in runs}
    query = select(RunLine).where(RunLine.run_id.in_(list(lines))).order_by(RunLine.run_id, RunLine.job_id)
    for line in await session.scalars(query):
        lines[line.run_id].append(line)
    return [
        {
            "run_id": run.id, "equipment_id": run.equipment_id, "kind": run.kind, "workers": run.workers,
            "lines": [
                {"job_id": each.job_id, "order_id": each.order_id, "qty": plain(each.qty) or None}
                for each in lines[run.id]
            ],
            "started_at": run.started_at, "ended_at": run.ended_at, "cause": run.cause, "reason": run.reason,
        }
        for run in runs
    ]  # fmt: skip


async def moves_of_job(session: AsyncSession, job_id: UUID) -> Sequence[OutsideMove]:
    """What of a job went out and came back, the oldest first."""
    query = select(OutsideMove).where(OutsideMove.job_id == job_id).order_by(OutsideMove.occurred_at, OutsideMove.id)
    return (await session.scalars(query)).all()


__all__ = ["job_by_id", "job_view", "jobs", "moves_of_job", "quantities", "run_views", "runs", "runs_of_job"]
