"""What the forms of the scan page do: each is a command of the terminal, with the fields of its form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, NotFound
from mes.web import parse_uuid
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.commands import decisions, holds, jobs, outside, reports
from services.order.commands.loading import Work
from services.order.commands.recording import Entry, Reported
from services.order.models import Job, Report
from services.order.pages.numbers import typed_number

Form = Mapping[str, str]


@dataclass(slots=True)
class Done:
    """What came of it. warnings: guards that only warn, (code, params); not_finished: why a completion did not end."""

    job: Job
    warnings: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    report: Report | None = None
    not_finished: Conflict | None = None


Act = Callable[[AsyncSession, Context, UUID, Form], Awaitable[Done]]


def _machine(form: Form) -> UUID | None:
    value = form.get("equipment_id", "")
    return parse_uuid(value, "equipment_id") if value else None


def _of(result: tuple[Work, Job]) -> Done:
    work, job = result
    return Done(job, work.warnings)


async def _start_setup(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _of(await jobs.start_setup(session, ctx, job_id, equipment_id=_machine(form)))


async def _start(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _of(await jobs.start(session, ctx, job_id, equipment_id=_machine(form)))


async def _stop_setup(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _of(await jobs.stop_setup(session, ctx, job_id, reason=form.get("reason", "")))


async def _pause(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _of(await jobs.pause(session, ctx, job_id, reason=form.get("reason", "")))


async def _resume(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _of(await jobs.resume(session, ctx, job_id))


async def _finish(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _of(await jobs.finish(session, ctx, job_id, reason=form.get("reason", "").strip()))


async def _undo_finish(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _of(await jobs.undo_finish(session, ctx, job_id, reason=form.get("reason", "")))


def _entry(form: Form, **more: Any) -> Entry:
    return Entry(
        good=typed_number(form, "good"), scrap=typed_number(form, "scrap"), rework=typed_number(form, "rework"),
        scrap_reason=form.get("scrap_reason", "").strip(), equipment_id=_machine(form), terminal="scan", **more,
    )  # fmt: skip


def _reported(result: Reported) -> Done:
    return Done(result.job, result.work.warnings, result.report, result.not_finished)


async def _report(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    if form.get("final"):
        return await _complete(session, ctx, job_id, form)
    return _reported(await reports.report(session, ctx, job_id, _entry(form)))


async def _complete(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _reported(await reports.complete(session, ctx, job_id, _entry(form)))


async def _trial(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    return _reported(await reports.trial(session, ctx, job_id, _entry(form)))


async def _hold(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    reason_type, reason = form.get("reason_type", "OTHER"), form.get("reason", "")
    return _of(await holds.hold_job(session, ctx, job_id, reason_type=reason_type, reason=reason))


async def _send(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    qty, supplier = typed_number(form, "qty"), form.get("supplier", "").strip()
    return _of(await outside.send(session, ctx, job_id, qty=qty, supplier=supplier, kg=_kg(form)))


async def _return(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    qty, short = typed_number(form, "qty"), typed_number(form, "shortage_qty")
    return _reported(await outside.take_back(session, ctx, job_id, qty=qty, kg=_kg(form), shortage=short))


def _kg(form: Form) -> Decimal | None:
    return typed_number(form, "kg") if form.get("kg", "").strip() else None


async def _undo(session: AsyncSession, ctx: Context, job_id: UUID, form: Form) -> Done:
    """Take a report back: a counter-entry that leaves nothing of it."""
    report_id = parse_uuid(form.get("report_id", ""), "report_id")
    row = await session.get(Report, report_id)
    if row is None or row.job_id != job_id:
        raise NotFound("page.report_gone")
    nothing = Decimal(0)
    scrap = nothing if row.scrap_qty else None
    good = nothing if row.good_qty else None
    result = await decisions.correct(session, ctx, report_id, good=good, scrap=scrap, reason="undo")
    return Done(result.job, result.work.warnings)


ACTS: dict[str, Act] = {
    "start-setup": _start_setup,
    "stop-setup": _stop_setup,
    "start": _start,
    "pause": _pause,
    "resume": _resume,
    "finish": _finish,
    "undo-finish": _undo_finish,
    "report": _report,
    "complete": _complete,
    "trial": _trial,
    "hold": _hold,
    "send": _send,
    "return": _return,
    "undo": _undo,
}


async def act(session: AsyncSession, ctx: Context, job_id: UUID, action: str, form: Form) -> Done:
    """Do what a form asks for. Raises NotFound for an action that is none, and what the command raises."""
    known = ACTS.get(action)
    if known is None:
        raise NotFound("page.action_unknown", action=action)
    return await known(session, ctx, job_id, form)
