"""Reads the facts that planning needs, whole, in a handful of statements."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.events.v1.order_pb2 import CalendarDefined
from mes.shifts import Calendar, calendar_of
from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.domain.decisions import Decision, applied
from services.scheduling.domain.facts import JobFacts, MachineFacts, MatrixRow, OrderFacts, OverFacts, Placed, Shop, Way
from services.scheduling.models import CalendarRow, Planning, PlanningDecision, SetupMatrix

log = logging.getLogger(__name__)

# The last job on a machine says what it is set up for.
_MACHINES = text(
    """
    SELECT e.id, coalesce(e.calendar_id, w.calendar_id) AS calendar_id, e.work_centre_id, e.efficiency, e.outdated,
           coalesce(last.family, e.initial_family) AS family, last.id AS last_job,
           coalesce(s.category, '') AS category, s.since, s.expected_until
    FROM equipment e
    LEFT JOIN work_centre w ON w.id = e.work_centre_id
    LEFT JOIN equipment_state s ON s.id = e.id
    LEFT JOIN LATERAL (
        SELECT j.id, j.family FROM job j
        WHERE j.site_id = e.site_id AND j.equipment_id = e.id AND j.finished_at IS NOT NULL
        ORDER BY j.finished_at DESC LIMIT 1
    ) last ON true
    WHERE e.site_id = :site
    """
)
_JOBS = text(
    """
    SELECT j.id, j.order_id, j.state, j.kind, j.predecessor_ids, j.component_order_ids, j.alternatives, j.family,
           j.queue_s, j.move_s, j.overlap_qty, j.good_qty, j.remaining_qty, j.interruptible, j.lead_days,
           j.material_ready_at, j.expected_back_at, j.equipment_id, j.started_at, j.progress_at,
           p.job_id IS NOT NULL OR j.pinned AS pinned,
           coalesce(p.equipment_id, j.planned_equipment_id) AS pinned_machine,
           coalesce(p.start_at, j.planned_start) AS pinned_start
    FROM job j LEFT JOIN pin p ON p.site_id = j.site_id AND p.job_id = j.id
    WHERE j.site_id = :site AND j.is_open
    """
)
_OVER = text("SELECT id, finished_at, move_s FROM job WHERE id = ANY(CAST(:ids AS uuid[])) AND NOT is_open")
_ORDERS = text(
    """
    WITH asked AS (
        SELECT DISTINCT order_id AS id FROM job WHERE site_id = :site AND is_open
    ), named AS (
        SELECT id FROM asked
        UNION SELECT unnest(o.component_order_ids) FROM production_order o JOIN asked USING (id)
        UNION SELECT unnest(component_order_ids) FROM job WHERE site_id = :site AND is_open
    )
    SELECT o.id, o.state, o.priority, o.release_at, o.due_at, o.deadline_type, o.component_order_ids
    FROM production_order o JOIN named USING (id)
    """
)
_PLACED = text(
    """
    SELECT job_id, order_id, equipment_id, setup_start, start_at, end_at, rank, fixing
    FROM scheduled_operation WHERE site_id = :site AND version_id = :version
    """
)


async def load_shop(session: AsyncSession, site: UUID, now: datetime) -> Shop:
    """Everything that is not over, and the published plan, with what planners decided and is in force at `now`.

    One snapshot: the caller's transaction.
    """
    jobs = {job.id: job for job in [_job(row) for row in await session.execute(_JOBS, {"site": site})]}
    named = {UUID(one) for job in jobs.values() for one in job.predecessors if one not in jobs}
    over = await session.execute(_OVER, {"ids": list(named)}) if named else ()
    machines = [_machine(row) for row in await session.execute(_MACHINES, {"site": site})]
    orders = [_order(row) for row in await session.execute(_ORDERS, {"site": site})]
    shop = Shop(
        machines={machine.id: machine for machine in machines},
        calendars=await _calendars(session, site),
        matrix=await _matrix(session, site),
        orders={order.id: order for order in orders},
        jobs=jobs,
        over={str(row.id): OverFacts(row.finished_at, row.move_s) for row in over},
        current=await placed(session, site, await session.scalar(_version_of(site))),
    )
    return applied(shop, await in_force(session, site, now))


async def in_force(session: AsyncSession, site: UUID, now: datetime) -> list[Decision]:
    """Decisions that planning keeps to now, the oldest first."""
    rows = await session.scalars(
        select(PlanningDecision)
        .where(
            PlanningDecision.site_id == site,
            PlanningDecision.state == "InForce",
            or_(PlanningDecision.expires_at.is_(None), PlanningDecision.expires_at > now),
        )
        .order_by(PlanningDecision.at, PlanningDecision.id)
    )
    return [Decision(row.kind, row.body) for row in rows]


def _version_of(site: UUID) -> Any:
    return select(Planning.version_id).where(Planning.site_id == site)


async def placed(session: AsyncSession, site: UUID, version: UUID | None) -> dict[str, Placed]:
    """Where a version has its jobs; empty without one."""
    if version is None:
        return {}
    rows = await session.execute(_PLACED, {"site": site, "version": version})
    return {
        str(row.job_id): Placed(
            str(row.job_id), str(row.order_id), _text(row.equipment_id), row.setup_start, row.start_at, row.end_at,
            row.rank, row.fixing,
        )
        for row in rows
    }  # fmt: skip


async def _calendars(session: AsyncSession, site: UUID) -> dict[str, Calendar]:
    found: dict[str, Calendar] = {}
    for row in await session.execute(select(CalendarRow.id, CalendarRow.definition).where(CalendarRow.site_id == site)):
        try:
            found[str(row.id)] = calendar_of(CalendarDefined.FromString(row.definition))
        except (ValueError, KeyError) as error:
            # A plan around the clock is better than none.
            log.warning("a calendar cannot be read", extra={"calendar": str(row.id), "error": repr(error)})
    return found


async def _matrix(session: AsyncSession, site: UUID) -> Sequence[MatrixRow]:
    entries = await session.scalar(select(SetupMatrix.entries).where(SetupMatrix.site_id == site))
    return [MatrixRow(**each) for each in entries or ()]


def _text(value: UUID | None) -> str:
    return str(value) if value is not None else ""


def _machine(row: Any) -> MachineFacts:
    return MachineFacts(
        id=str(row.id), calendar=_text(row.calendar_id), work_centre=_text(row.work_centre_id),
        efficiency=row.efficiency, family=row.family, outdated=row.outdated, category=row.category, since=row.since,
        expected_until=row.expected_until, last_job=_text(row.last_job),
    )  # fmt: skip


def _order(row: Any) -> OrderFacts:
    return OrderFacts(
        id=str(row.id), state=row.state, priority=row.priority, release_at=row.release_at, due_at=row.due_at,
        deadline_type=row.deadline_type, components=[str(one) for one in row.component_order_ids],
    )  # fmt: skip


def _job(row: Any) -> JobFacts:
    return JobFacts(
        id=str(row.id), order=str(row.order_id), state=row.state, outside=row.kind == "outside",
        predecessors=[str(one) for one in row.predecessor_ids],
        components=[str(one) for one in row.component_order_ids], ways=[way_of(each) for each in row.alternatives],
        family=row.family, queue_s=row.queue_s, move_s=row.move_s, overlap_qty=row.overlap_qty, good=row.good_qty,
        remaining=row.remaining_qty, interruptible=row.interruptible, lead_days=row.lead_days,
        material_ready_at=row.material_ready_at, expected_back_at=row.expected_back_at, pinned=row.pinned,
        pinned_machine=_text(row.pinned_machine), pinned_start=row.pinned_start, machine=_text(row.equipment_id),
        started_at=row.started_at, progress_at=row.progress_at,
    )  # fmt: skip


def way_of(stored: Mapping[str, Any]) -> Way:
    """A way from its stored form."""
    return Way(stored["equipment_id"], Decimal(stored["run_s_per_unit"]), stored["setup_s"], stored["preference"])
