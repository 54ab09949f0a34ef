"""Orders and their jobs as they are told, and what their changes mean for the plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.db import put
from mes.events.v1 import order_pb2
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.commands.projections import decimal_of, table_of, time_of, uuid_of
from services.scheduling.commands.requests import request_plan
from services.scheduling.domain import changes
from services.scheduling.domain.changes import After, Before, Why
from services.scheduling.domain.facts import ACTIVE_ORDERS, DOWN, OVER
from services.scheduling.models import Job, Order

_KNOWN = text(
    """
    SELECT j.*, s.equipment_id AS s_machine, s.setup_start AS s_setup, s.start_at AS s_start, s.end_at AS s_end,
           s.job_id IS NOT NULL AS is_planned, coalesce(e.category = :down, false) AS machine_down,
           coalesce(ps.drift_threshold_s, 900) AS threshold_s
    FROM job j
    LEFT JOIN planning p ON p.site_id = j.site_id
    LEFT JOIN planning_settings ps ON ps.site_id = j.site_id
    LEFT JOIN scheduled_operation s ON s.site_id = j.site_id AND s.version_id = p.version_id AND s.job_id = j.id
    LEFT JOIN equipment_state e ON e.id = coalesce(CAST(:machine AS uuid), j.equipment_id)
    WHERE j.id = :id
    """
)
# What another value of changes the problem; all else is progress.
_FACTS = (
    "predecessor_ids", "component_order_ids", "alternatives", "family", "queue_s", "move_s", "overlap_qty",
    "interruptible", "lead_days", "material_ready_at", "pinned",
)  # fmt: skip
# Orders with jobs that are planned, or would be but for a hold; and states that take jobs out of the plan.
_LIVE = {*ACTIVE_ORDERS, "Held"}
_STOPPED = {"Held", "Draft", "Cancelled", "Aborted", "Rejected", "Superseded"}
_TERMS = ("priority", "release_at", "due_at", "deadline_type", "component_order_ids")


# ---- orders ----------------------------------------------------------------------------------------------------------


async def put_order(session: AsyncSession, ctx: Context, order: order_pb2.Order) -> None:
    """An order was made, changed, or is in another state; what its jobs make of it they tell themselves."""
    values = _order_row(ctx, order)
    columns = table_of(Order).c
    known = (await session.execute(select(table_of(Order)).where(columns.id == values["id"]))).first()
    if known is not None and known.version > values["version"]:
        return
    await put(session, Order, values, newer="version")
    if known is not None:
        await request_plan(session, ctx, _of_order(known, values))


def _order_row(ctx: Context, order: order_pb2.Order) -> dict[str, Any]:
    return {
        "id": UUID(order.order_id), "site_id": ctx.site_id, "no": order.no, "state": order.state,
        "priority": order.priority, "release_at": _moment(order, "release_at"), "due_at": _moment(order, "due_at"),
        "deadline_type": order.deadline_type, "component_order_ids": [UUID(one) for one in order.component_order_ids],
        "version": order.version,
    }  # fmt: skip


def _moment(message: order_pb2.Order | order_pb2.Job, name: str) -> datetime | None:
    return time_of(getattr(message, name)) if message.HasField(name) else None  # type: ignore[arg-type]


def _of_order(known: Any, values: dict[str, Any]) -> set[Why]:
    found = set()
    before, after = known.state, values["state"]
    if before != after and (before == "Held" or after in _STOPPED):
        found.add(Why.ORDER_STATE)
    if before in _LIVE and after in _LIVE and any(getattr(known, name) != values[name] for name in _TERMS):
        found.add(Why.ORDER_CHANGED)
    return found


# ---- jobs ------------------------------------------------------------------------------------------------------------


async def add_jobs(session: AsyncSession, ctx: Context, jobs: Sequence[order_pb2.Job], why: Why, at: datetime) -> None:
    """Jobs came into being: by a release, or after it (rework, split, make-up)."""
    if not jobs:
        return
    await put(session, Job, *(_job_row(ctx, job, at) for job in jobs), newer="version")
    await request_plan(session, ctx, {why})


async def put_job(session: AsyncSession, ctx: Context, job: order_pb2.Job, at: datetime) -> None:
    """A job changed at `at`; asks for a new plan only if the change matters to one."""
    asked = {"id": UUID(job.job_id), "machine": uuid_of(job.equipment_id), "down": DOWN}
    known = (await session.execute(_KNOWN, asked)).first()
    if known is None:
        await add_jobs(session, ctx, [job], Why.JOBS_ADDED, at)
        return
    if known.version > job.version:
        return
    values = _job_row(ctx, job, _progress_at(known, job, at))
    await put(session, Job, values, newer="version")
    when = _moment(job, "finished_at") if job.state == "Done" else _moment(job, "started_at")
    if job.state not in {"Done", "Running"} or when is None:
        when = at
    reasons = changes.of_job(_before(known), _after(known, values), max(when, at), known.threshold_s)
    await request_plan(session, ctx, reasons)


def _progress_at(known: Any, job: order_pb2.Job, at: datetime) -> datetime:
    """From when on what remains is worked off: a begin, a resumption, a report; else as before."""
    if job.state != known.state:
        began = known.state in {"Waiting", "Ready"} and job.state == "Running" and job.HasField("started_at")
        return time_of(job.started_at) if began else at
    if decimal_of(job.remaining_qty) != known.remaining_qty or known.progress_at is None:
        return at
    return known.progress_at  # type: ignore[no-any-return]


def _job_row(ctx: Context, job: order_pb2.Job, progress_at: datetime) -> dict[str, Any]:
    ways = [
        {
            "equipment_id": each.equipment_id, "setup_s": each.setup_s, "run_s_per_unit": each.run_s_per_unit or "0",
            "preference": each.preference,
        }
        for each in job.alternatives
    ]  # fmt: skip
    return {
        "id": UUID(job.job_id), "site_id": ctx.site_id, "order_id": UUID(job.order_id), "order_no": job.order_no,
        "code": job.code, "seq": job.seq, "name_zh": job.name.zh, "name_en": job.name.en, "kind": job.kind,
        "state": job.state, "is_open": job.state not in OVER,
        "predecessor_ids": [UUID(one) for one in job.predecessor_ids],
        "component_order_ids": [UUID(one) for one in job.component_order_ids.split(",") if one],
        "alternatives": ways, "family": job.setup_family, "queue_s": job.queue_s, "move_s": job.move_s,
        "overlap_qty": Decimal(job.overlap_qty) if job.overlap_qty else None, "qty": decimal_of(job.qty),
        "good_qty": decimal_of(job.good_qty), "remaining_qty": decimal_of(job.remaining_qty),
        "interruptible": job.interruptible, "lead_days": job.lead_days,
        "material_ready_at": _moment(job, "material_ready_at"), "expected_back_at": _moment(job, "expected_back_at"),
        "pinned": job.pinned, "planned_equipment_id": uuid_of(job.planned_equipment_id),
        "planned_start": _moment(job, "planned_start"), "equipment_id": uuid_of(job.equipment_id),
        "started_at": _moment(job, "started_at"), "finished_at": _moment(job, "finished_at"),
        "progress_at": progress_at, "version": job.version,
    }  # fmt: skip


def _facts(values: Any) -> dict[str, Any]:
    found = {name: values[name] for name in _FACTS}
    if found["pinned"]:
        found |= {"on": values["planned_equipment_id"], "at": values["planned_start"]}
    return found


def _before(known: Any) -> Before:
    return Before(
        state=known.state,
        facts=_facts(known._mapping),
        qty=known.qty,
        remaining=known.remaining_qty,
        expected_back=known.expected_back_at,
        planned_machine=str(known.s_machine or "") if known.is_planned else None,
        planned_setup=known.s_setup,
        planned_start=known.s_start,
        planned_end=known.s_end,
        machine_down=known.machine_down,
    )


def _after(known: Any, values: dict[str, Any]) -> After:
    machine = str(values["equipment_id"] or "")
    way = next((each for each in values["alternatives"] if each["equipment_id"] == machine), None)
    return After(
        state=values["state"],
        facts=_facts(values),
        qty=values["qty"],
        remaining=values["remaining_qty"],
        expected_back=values["expected_back_at"],
        machine=machine,
        run_s=Decimal(way["run_s_per_unit"]) if way else None,
    )
