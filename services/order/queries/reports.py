"""Reports: of a job, of an order, and those that wait for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from mes.errors import NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.domain.quantity import plain
from services.order.domain.states import REPORT, legal
from services.order.models import Report


def report_view(report: Report) -> dict[str, Any]:
    """A report in the fields of the event contract, with who decided what."""
    return {
        "report_id": report.id, "job_id": report.job_id, "order_id": report.order_id, "run_id": report.run_id,
        "equipment_id": report.equipment_id, "kind": report.kind, "state": report.state,
        "good_qty": plain(report.good_qty), "scrap_qty": plain(report.scrap_qty),
        "rework_qty": plain(report.rework_qty), "uom": report.uom, "entered": report.entered,
        "scrap_reason": report.scrap_reason, "scrap_class": report.scrap_class,
        "caused_by_job_id": report.caused_by_job_id, "caused_by_worker": report.caused_by_worker,
        "production_date": report.production_date, "shift": report.shift, "occurred_at": report.occurred_at,
        "recorded_at": report.recorded_at, "reported_by": report.reported_by, "terminal": report.terminal,
        "workers": report.workers, "source": report.source, "corrects_report_id": report.corrects_report_id,
        "pending_reason": report.pending_reason, "pending_params": report.pending_params or {},
        "decided_at": report.decided_at, "decided_by": report.decided_by, "decision_note": report.decision_note,
        "counter_from": plain(report.counter_from) or None, "counter_to": plain(report.counter_to) or None,
        "run_s_per_unit": plain(report.run_s_per_unit) or None, "final": report.final, "version": report.version,
        "legal": legal(REPORT, report.state),
    }  # fmt: skip


async def report_by_id(session: AsyncSession, site: UUID, report_id: UUID) -> Report:
    """A report. Raises NotFound."""
    row = await session.get(Report, report_id)
    if row is None or row.site_id != site:
        raise NotFound("report.unknown", report=str(report_id))
    return row


async def reports(
    session: AsyncSession,
    site: UUID,
    *,
    states: Sequence[str] = (),
    job_id: UUID | None = None,
    order_id: UUID | None = None,
    production_date: date | None = None,
    shift: str = "",
    offset: int = 0,
    limit: int = 100,
) -> Sequence[Report]:
    """Reports in the order in which they were recorded."""
    query = select(Report).where(Report.site_id == site).order_by(Report.recorded_at, Report.id)
    if states:
        query = query.where(Report.state.in_(states))
    if job_id is not None:
        query = query.where(Report.job_id == job_id)
    if order_id is not None:
        query = query.where(Report.order_id == order_id)
    if production_date is not None:
        query = query.where(Report.production_date == production_date)
    if shift:
        query = query.where(Report.shift == shift)
    return (await session.scalars(query.offset(offset).limit(limit))).all()
