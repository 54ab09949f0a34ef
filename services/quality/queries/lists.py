"""Lists of lots and nonconformances with the names that people know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mes.errors import NotFound
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.models import (
    Equipment,
    InspectionLot,
    InspectionPlan,
    Job,
    Material,
    Measurement,
    Nonconformance,
    SamplingState,
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What of a list is wanted; empty is everything."""

    states: Sequence[str] = ()
    job: UUID | None = None
    order: UUID | None = None
    equipment: UUID | None = None
    stage: str = ""
    source: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A row with what its ids are called."""

    row: Any
    job: Job | None
    equipment: Equipment | None
    material: Material | None
    plan: InspectionPlan | None = None


def _filtered(
    query: Select[*tuple[Any, ...]], table: type[InspectionLot] | type[Nonconformance], wanted: Filter
) -> Select[*tuple[Any, ...]]:
    if wanted.states:
        query = query.where(table.state.in_(wanted.states))
    if wanted.job:
        query = query.where(table.job_id == wanted.job)
    if wanted.order:
        query = query.where(table.order_id == wanted.order)
    if wanted.equipment:
        query = query.where(table.equipment_id == wanted.equipment)
    if wanted.since:
        query = query.where(table.opened_at >= wanted.since)
    return query


def _lots(site: UUID) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = (
        select(InspectionLot, Job, Equipment, Material, InspectionPlan)
        .outerjoin(Job, Job.id == InspectionLot.job_id)
        .outerjoin(Equipment, Equipment.id == InspectionLot.equipment_id)
        .outerjoin(Material, Material.id == InspectionLot.material_id)
        .outerjoin(InspectionPlan, InspectionPlan.id == InspectionLot.inspection_plan_id)
        .where(InspectionLot.site_id == site)
    )
    return query


async def lots(session: AsyncSession, site: UUID, wanted: Filter, offset: int, limit: int) -> list[Named]:
    """Inspection lots, the one that has waited longest first."""
    query = _filtered(_lots(site), InspectionLot, wanted)
    if wanted.stage:
        query = query.where(InspectionLot.stage == wanted.stage)
    query = query.order_by(InspectionLot.opened_at, InspectionLot.id).offset(offset).limit(limit)
    return [Named(*row) for row in await session.execute(query)]


async def lot(session: AsyncSession, site: UUID, lot_id: UUID) -> Named:
    """One lot. Raises NotFound."""
    row = (await session.execute(_lots(site).where(InspectionLot.id == lot_id))).first()
    if row is None:
        raise NotFound("inspection_lot.unknown", lot=str(lot_id))
    return Named(*row)


async def measurements(session: AsyncSession, lot_id: UUID) -> Sequence[Measurement]:
    """Everything that was measured of a lot, in the order in which it came."""
    rows = await session.scalars(
        select(Measurement).where(Measurement.inspection_lot_id == lot_id).order_by(Measurement.id)
    )
    return rows.all()


def _nonconformances(site: UUID) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = (
        select(Nonconformance, Job, Equipment, Material)
        .outerjoin(Job, Job.id == Nonconformance.job_id)
        .outerjoin(Equipment, Equipment.id == Nonconformance.equipment_id)
        .outerjoin(Material, Material.id == Job.material_id)
        .where(Nonconformance.site_id == site)
    )
    return query


async def nonconformances(session: AsyncSession, site: UUID, wanted: Filter, offset: int, limit: int) -> list[Named]:
    """Nonconformances, the oldest first."""
    query = _filtered(_nonconformances(site), Nonconformance, wanted)
    if wanted.source:
        query = query.where(Nonconformance.source == wanted.source)
    query = query.order_by(Nonconformance.opened_at, Nonconformance.id).offset(offset).limit(limit)
    return [Named(*row) for row in await session.execute(query)]


async def nonconformance(session: AsyncSession, site: UUID, nonconformance_id: UUID) -> Named:
    """One nonconformance. Raises NotFound."""
    query = _nonconformances(site).where(Nonconformance.id == nonconformance_id)
    row = (await session.execute(query)).first()
    if row is None:
        raise NotFound("nonconformance.unknown", nonconformance=str(nonconformance_id))
    return Named(*row)


async def sampling_states(session: AsyncSession, site: UUID, offset: int, limit: int) -> Sequence[SamplingState]:
    """Severity of the inspections by AQL, the latest change first."""
    rows = await session.scalars(
        select(SamplingState)
        .where(SamplingState.site_id == site)
        .order_by(SamplingState.changed_at.desc(), SamplingState.id)
        .offset(offset)
        .limit(limit)
    )
    return rows.all()
