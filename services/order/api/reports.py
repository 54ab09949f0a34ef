"""Routes of reports: what was made, what it was worth, who decided."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from mes.i18n import t
from mes.web import Ctx, Language, Paging, Session, service_router, set_etag
from pydantic import ConfigDict, Field

from services.order.api.jobs import job_out, workers_of
from services.order.api.schemas import (
    Code,
    Moment,
    Positive,
    Qty,
    ReasonIn,
    ReportedOut,
    ReportOut,
    Strict,
    Text,
    WarningOut,
    WorkerIn,
    with_message,
)
from services.order.commands import decisions
from services.order.commands import reports as commands
from services.order.models import Report
from services.order.queries import reports as queries

router = service_router(tags=["reports"])


class ReportIn(Strict):
    """What was made. A quantity in another unit (kg) is converted by the material's factor, or the lot's own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"good_qty": "95", "scrap_qty": "5", "scrap_reason": "S-BURR"}]},
    )

    good_qty: Qty = Decimal(0)
    scrap_qty: Qty = Decimal(0)
    rework_qty: Qty = Decimal(0)
    scrap_reason: Code = ""
    scrap_class: str = Field(default="", pattern="^(operator|material|setup|)$")
    uom: Code = Field(default="", description="empty: the job's unit")
    lot: Code = ""
    lot_factor: Annotated[Decimal, Field(gt=0)] | None = Field(
        default=None, description="stock units in one report unit of this lot (kg per piece)"
    )
    occurred_at: Moment | None = None
    workers: list[WorkerIn] = Field(default=[], max_length=100)
    run_id: UUID | None = None
    equipment_id: UUID | None = None
    terminal: Code = ""
    caused_by_job_id: UUID | None = None
    caused_by_worker: Code = ""

    def entry(self) -> commands.Entry:
        """As commands take it."""
        return commands.Entry(
            good=self.good_qty, scrap=self.scrap_qty, rework=self.rework_qty, uom=self.uom, lot=self.lot,
            lot_factor=self.lot_factor, scrap_reason=self.scrap_reason, scrap_class=self.scrap_class,
            occurred_at=self.occurred_at, workers=workers_of(self.workers), run_id=self.run_id,
            equipment_id=self.equipment_id, terminal=self.terminal, caused_by_job_id=self.caused_by_job_id,
            caused_by_worker=self.caused_by_worker,
        )  # fmt: skip


class CompleteIn(ReportIn):
    """What was made, and that it is done. reason: why it ends short, where something remains."""

    reason: Text = ""


def report_out(report: Report, language: str) -> ReportOut:
    """A report's answer."""
    return ReportOut.model_validate(with_message(queries.report_view(report), language))


def reported_out(done: commands.Reported, response: Response, language: str) -> ReportedOut:
    """The answer to a report, with the job's version as ETag."""
    why = done.not_finished
    params = {name: str(value) for name, value in why.params.items()} if why else {}
    return ReportedOut(
        report=report_out(done.report, language),
        job=job_out((done.work, done.job), response, language),
        not_finished=WarningOut(code=why.code, message=t(why.code, language, **params), params=params) if why else None,
    )


@router.post("/jobs/{job_id}/reports", status_code=201, summary="Report what was made; what breaks a guard is Pending")
async def post_report(
    job_id: UUID, body: ReportIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> ReportedOut:
    return reported_out(await commands.report(session, ctx, job_id, body.entry()), response, language)


@router.post("/jobs/{job_id}/complete", status_code=201, summary="Report what was made and finish; start is implied")
async def post_complete(
    job_id: UUID, body: CompleteIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> ReportedOut:
    done = await commands.complete(session, ctx, job_id, body.entry(), reason=body.reason)
    return reported_out(done, response, language)


class ScrapIn(Strict):
    """Pieces found bad, their reason, and what caused it where that is another operation or person."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"qty": "3", "reason": "S-DIM"}]})

    qty: Positive
    reason: Code
    scrap_class: str = Field(default="", pattern="^(operator|material|setup|)$")
    occurred_at: Moment | None = None
    workers: list[WorkerIn] = Field(default=[], max_length=100)
    terminal: Code = ""
    caused_by_job_id: UUID | None = None
    caused_by_worker: Code = ""


@router.post("/jobs/{job_id}/trial", status_code=201, summary="Report trial pieces of a setup")
async def post_trial(
    job_id: UUID, body: ReportIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> ReportedOut:
    return reported_out(await commands.trial(session, ctx, job_id, body.entry()), response, language)


@router.post("/jobs/{job_id}/scrap", status_code=201, summary="Scrap found later, also after completion")
async def post_scrap(
    job_id: UUID, body: ScrapIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> ReportedOut:
    entry = commands.Entry(
        scrap_reason=body.reason, scrap_class=body.scrap_class, occurred_at=body.occurred_at,
        workers=workers_of(body.workers), terminal=body.terminal, caused_by_job_id=body.caused_by_job_id,
        caused_by_worker=body.caused_by_worker,
    )  # fmt: skip
    return reported_out(await commands.scrap(session, ctx, job_id, body.qty, entry), response, language)


@router.get("/jobs/{job_id}/reports", summary="Everything that was reported about a job")
async def get_job_reports(
    job_id: UUID, session: Session, ctx: Ctx, page: Paging, language: Language
) -> list[ReportOut]:
    rows = await queries.reports(session, ctx.site_id, job_id=job_id, offset=page.offset, limit=page.limit)
    return [report_out(row, language) for row in rows]


@router.get("/reports", summary="Reports, for example those that wait for a decision")
async def get_reports(
    session: Session,
    ctx: Ctx,
    page: Paging,
    language: Language,
    state: Annotated[str, Query(description="states, comma-separated", examples=["Pending"])] = "",
    order: UUID | None = None,
    production_date: date | None = None,
    shift: str = "",
) -> list[ReportOut]:
    rows = await queries.reports(
        session, ctx.site_id, states=[each for each in state.split(",") if each], order_id=order,
        production_date=production_date, shift=shift, offset=page.offset, limit=page.limit,
    )  # fmt: skip
    return [report_out(row, language) for row in rows]


@router.get("/reports/{report_id}", summary="One report")
async def get_report(report_id: UUID, session: Session, ctx: Ctx, response: Response, language: Language) -> ReportOut:
    row = await queries.report_by_id(session, ctx.site_id, report_id)
    set_etag(response, row.version)
    return report_out(row, language)


# ---- decisions ------------------------------------------------------------------------------------------------------


class AcceptIn(Strict):
    """note: why it counts; correct_upstream: the operation before passed on more than it said."""

    note: Text = Field(default="", examples=["counted again"])
    correct_upstream: bool = False


class CorrectIn(Strict):
    """What it should have said; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"good_qty": "90", "reason": "typo"}]})

    good_qty: Qty | None = None
    scrap_qty: Qty | None = None
    rework_qty: Qty | None = None
    scrap_reason: Code = ""
    reason: Text


@router.post("/reports/{report_id}/accept", summary="Let a pending report count")
async def post_accept(
    report_id: UUID, session: Session, ctx: Ctx, language: Language, response: Response, body: AcceptIn | None = None
) -> ReportedOut:
    said = body or AcceptIn()
    done = await decisions.accept(session, ctx, report_id, note=said.note, upstream=said.correct_upstream)
    return reported_out(done, response, language)


@router.post("/reports/{report_id}/decline", summary="A pending report does not count")
async def post_decline(
    report_id: UUID, body: ReasonIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> ReportedOut:
    done = await decisions.decline(session, ctx, report_id, reason=body.reason)
    return reported_out(done, response, language)


@router.post("/reports/{report_id}/correct", status_code=201, summary="Correct a report by a counter-entry")
async def post_correct(
    report_id: UUID, body: CorrectIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> ReportedOut:
    done = await decisions.correct(
        session, ctx, report_id, good=body.good_qty, scrap=body.scrap_qty, rework=body.rework_qty,
        scrap_reason=body.scrap_reason, reason=body.reason,
    )  # fmt: skip
    return reported_out(done, response, language)
