"""The page that opens when a code is scanned: what it is, what comes next, and what was just done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

from fastapi import Request, Response
from mes.ids import new_id
from mes.runtime import ServiceRuntime
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Report
from services.order.pages.actions import actions_of
from services.order.pages.numbers import stepped, typed_code
from services.order.pages.render import WORKER_COOKIE, page
from services.order.pages.spoken import spoken_params
from services.order.queries.cards import JobCard, job_card
from services.order.queries.shopfloor import Reader, plain, reasons

NOTE_COOKIE = "mes_note"


@dataclass(slots=True)
class Receipt:
    """What was just done. report_id: a report that can be taken back; pending: it waits for the shift leader."""

    text: str
    notes: list[str] = field(default_factory=list)
    report_id: UUID | None = None
    pending: bool = False


def away(card: JobCard) -> Decimal:
    """Pieces at the supplier."""
    return max(Decimal(0), card.job.sent_qty - card.job.returned_qty)


def to_send(card: JobCard) -> Decimal:
    """Pieces that can still be sent."""
    return max(Decimal(0), min(card.remaining, card.job.qty - card.job.sent_qty))


async def scan_page(
    request: Request,
    session: AsyncSession,
    code: str,
    reader: Reader,
    *,
    typed: Mapping[str, str] | None = None,
    error: str = "",
    status: int = 200,
) -> Response:
    """The page of a job. typed: what to keep in its fields. Raises NotFound."""
    running: ServiceRuntime = request.app.state.service
    site_id, query = running.site_id, request.query_params
    card = await job_card(session, site_id, typed_code(code), reader)
    if typed is None:
        typed = stepped(query) if query.get("step") else {}
    codes = {each.code for each in card.not_ready}
    actions, primary, hint = actions_of(card.job, remaining=card.remaining, setup_s=card.setup_s, reasons=codes)
    around = card.order_card.around
    response = page(
        request, "scan.html", reader, status=status, card=card, job=card.job, typed=typed, error=error,
        actions=actions, primary=primary, hint=reader.known("page.hint", hint) if hint else "",
        unit=reader.known("page.uom", card.job.uom), key=new_id, away=away(card), to_send=to_send(card),
        worker_code=worker_of(request), ask_worker=query.get("who") == "1",
        receipt=None if error else _receipt(request, card, reader),
        holds=[*around.holds.get(card.job.id, ()), *around.holds.get(card.order.id, ())],
        scrap_reasons=await reasons(session, site_id, "scrap"), pause_reasons=await _pause_reasons(session, site_id),
        hold_types=HOLD_TYPES, report_text=lambda report: report_text(report, reader),
        pending_text=lambda report: pending_text(report, reader),
    )  # fmt: skip
    response.delete_cookie(NOTE_COOKIE)
    return response


HOLD_TYPES = ("OPERATIONAL", "MATERIAL_SHORTAGE", "MACHINE_FAILURE", "QUALITY_HOLD", "SAFETY", "OTHER")


async def _pause_reasons(session: AsyncSession, site_id: UUID) -> Mapping[str, Any]:
    found = await reasons(session, site_id, "pause")
    return found or await reasons(session, site_id, "downtime")


def worker_of(request: Request) -> str:
    """Who works here, as remembered by the device."""
    return unquote(request.cookies.get(WORKER_COOKIE, ""))[:100]


def report_text(report: Report, reader: Reader) -> str:
    """The quantities of a report in words."""
    unit = reader.known("page.uom", report.uom)
    parts = [
        reader.say(code, qty=plain(qty), uom=unit)
        for code, qty in (
            ("page.qty.good", report.good_qty), ("page.qty.scrap", report.scrap_qty),
            ("page.qty.rework", report.rework_qty),
        )
        if qty
    ]  # fmt: skip
    return ", ".join(parts) or reader.say("page.qty.nothing")


def pending_text(report: Report, reader: Reader) -> str:
    """Why a report waits for the shift leader."""
    return reader.say(
        report.pending_reason, **spoken_params(report.pending_reason, report.pending_params or {}, reader)
    )


def _receipt(request: Request, card: JobCard, reader: Reader) -> Receipt | None:
    """What the last request of this device did, by the address that it was sent on to."""
    did = request.query_params.get("did")
    if not did:
        return None
    receipt = Receipt(reader.known("page.did", did))
    if note := unquote(request.cookies.get(NOTE_COOKIE, "")):
        receipt.notes += note.split("\n")
    said = request.query_params.get("report", "")
    report = next((each for each in card.reports if str(each.id) == said), None)
    if report is not None:
        receipt.text = f"{receipt.text}: {report_text(report, reader)}"
        receipt.pending = report.state == "Pending"
        if receipt.pending:
            receipt.notes.append(reader.say("page.note.pending"))
        elif report.state == "Accepted" and report.kind in ("production", "setup") and not report.rework_qty:
            receipt.report_id = report.id
    return receipt


def cookie_text(text: str) -> str:
    """Text that may stand in a cookie."""
    return quote(text, safe="")
