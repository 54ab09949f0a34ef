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
    Qty,
    ReportedOut,
    ReportOut,
    Strict,
    Text,
    WarningOut,
    WorkerIn,
    with_message,
)
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
