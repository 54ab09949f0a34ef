"""Release: the routing revision is snapshotted into jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict
from mes.events.v1 import order_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import events, progress
from services.order.commands.loading import Work, check_order, load
from services.order.domain.codes import job_code
from services.order.domain.quantity import Units, plain
from services.order.models import Job, ProductionOrder
from services.order.models.catalog import Places, accepted_routing, material, places, units_of


async def release(session: AsyncSession, ctx: Context, order_id: UUID) -> ProductionOrder:
    """Release a draft: jobs from the newest accepted routing revision. Raises NotFound, Conflict."""
    work = await load(session, ctx, order_id)
    order = work.order
    check_order(order, "release")
    routing = await accepted_routing(session, ctx.site_id, order.material_id)
    units = units_of(await material(session, ctx.site_id, order.material_id))
    qty = units.to_report(order.qty, order.uom)
    if qty <= 0 or not routing.operations:
        raise Conflict(
            "order.nothing_to_do", state=order.state, legal=["change", "reject", "cancel"], qty=plain(order.qty),
            uom=order.uom, revision=routing.revision,
        )  # fmt: skip
    jobs = make_jobs(ctx, order, routing, await places(session, ctx.site_id), units, qty)
    _attach_components(order, jobs, routing, await _materials_of(session, order.component_order_ids))
    session.add_all(jobs.values())
    work.jobs = {job.id: job for job in jobs.values()}
    order.state, order.released_at = "Released", ctx.now
    order.routing_revision_id = UUID(routing.routing_revision_id)
    await _announce(session, ctx, work)
    return order


async def _announce(session: AsyncSession, ctx: Context, work: Work) -> None:
    """One event with all jobs, those that can begin already Ready in it."""
    await progress.prepare(session, ctx, work)
    events.publish_released(session, ctx, work.order, work.jobs.values())


def make_jobs(
    ctx: Context,
    order: ProductionOrder,
    routing: order_pb2.RoutingRevisionDefined,
    places: Places,
    units: Units,
    qty: Decimal,
) -> dict[int, Job]:
    """A job for every operation, by its seq. Predecessors are those that the routing names."""
    ids = {each.seq: ctx.new_id() for each in routing.operations}
    return {
        each.seq: _job(ctx, order, each, ids, places, units, qty)
        for each in sorted(routing.operations, key=lambda each: each.seq)
    }


def _job(
    ctx: Context,
    order: ProductionOrder,
    operation: order_pb2.RoutingOperation,
    ids: Mapping[int, UUID],
    places: Places,
    units: Units,
    qty: Decimal,
) -> Job:
    job_id = ids[operation.seq]
    return Job(
        id=job_id, site_id=ctx.site_id, order_id=order.id, code=job_code(job_id), seq=operation.seq,
        name_zh=operation.name.zh, name_en=operation.name.en, kind=operation.kind or "internal", state="Waiting",
        predecessor_ids=[ids[seq] for seq in operation.predecessors if seq in ids], component_order_ids=[],
        material_id=order.material_id, routing_operation_id=_id(operation.routing_operation_id),
        alternatives=resolve(operation.alternatives, places), setup_family=operation.setup_family,
        queue_s=operation.queue_s, move_s=operation.move_s, overlap_qty=_decimal(operation.overlap_qty),
        interruptible=operation.interruptible, optional=operation.optional, skill=operation.skill,
        inspection_plan_id=_id(operation.inspection_plan_id), first_article=operation.first_article,
        is_key_process=operation.is_key_process, nc_level=operation.nc_level, supplier=operation.supplier,
        lead_days=operation.lead_days, pieces_per_count=_decimal(operation.pieces_per_count) or Decimal(1),
        over_tolerance=_decimal(operation.over_tolerance) or Decimal(0), uom=units.report, uom_digits=units.digits,
        qty=qty, **NEW_JOB,
    )  # fmt: skip


NEW_JOB: Mapping[str, Any] = {
    "state_before_hold": "", "good_qty": Decimal(0), "scrap_qty": Decimal(0), "rework_qty": Decimal(0),
    "written_off_qty": Decimal(0), "over_qty": Decimal(0), "short_qty": Decimal(0), "sent_qty": Decimal(0),
    "returned_qty": Decimal(0),
    "allowed_to_start": True, "plan_cause": "", "pinned": False, "rework_loop": 0, "fai": "", "version": 1,
}  # fmt: skip
"""What a job begins with; given here because an event is made of it before it is stored."""


def resolve(alternatives: Sequence[order_pb2.OperationAlternative], places: Places) -> list[dict[str, Any]]:
    """Alternatives with work centres replaced by their machines; a machine that is named keeps its own times."""
    named = {UUID(each.equipment_id) for each in alternatives if each.equipment_id}
    found: list[dict[str, Any]] = []
    for each in alternatives:
        if each.equipment_id:
            machines: Sequence[UUID] = [UUID(each.equipment_id)]
        else:
            machines = [one for one in places.machines_of.get(each.work_centre_id, ()) if one not in named]
        found += [
            {
                "equipment_id": str(machine), "setup_s": each.setup_s, "run_s_per_unit": each.run_s_per_unit or "0",
                "preference": each.preference or 1,
            }
            for machine in machines
        ]  # fmt: skip
    return found


def _attach_components(
    order: ProductionOrder,
    jobs: Mapping[int, Job],
    routing: order_pb2.RoutingRevisionDefined,
    materials: Mapping[UUID, UUID],
) -> None:
    """Orders of sub-assemblies go to the operation that uses their material, else to the first operations."""
    for component in order.component_order_ids:
        used = str(materials.get(component, ""))
        places = [jobs[each.seq] for each in routing.operations if used and used in each.component_material_ids]
        for job in places or [job for job in jobs.values() if not job.predecessor_ids]:
            job.component_order_ids = [*job.component_order_ids, component]


async def _materials_of(session: AsyncSession, order_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    if not order_ids:
        return {}
    rows = await session.execute(
        select(ProductionOrder.id, ProductionOrder.material_id).where(ProductionOrder.id.in_(order_ids))
    )
    return {row.id: row.material_id for row in rows}


def _id(value: str) -> UUID | None:
    return UUID(value) if value else None


def _decimal(value: str) -> Decimal | None:
    return Decimal(value) if value else None
