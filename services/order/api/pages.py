"""Pages of the workshop: boards, one order, its job card, and what opens when a code is scanned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup
from mes.errors import Conflict, DomainError, Invalid, NotFound, Stale
from mes.web import Ctx, Running, ServiceRoute, Session

from services.order.pages.acts import Done, act
from services.order.pages.numbers import typed_code
from services.order.pages.origin import is_same_origin
from services.order.pages.qr import code_svg
from services.order.pages.render import WORKER_COOKIE, local, page, reader_for, style
from services.order.pages.scan import NOTE_COOKIE, cookie_text, scan_page, worker_of
from services.order.pages.spoken import spoken, spoken_params
from services.order.pages.symbols import urgency
from services.order.queries import boards, cards, dispatch, history, shopfloor

_STATUS: list[tuple[type[DomainError], int]] = [(NotFound, 404), (Conflict, 409), (Stale, 412), (Invalid, 422)]
_PAGE = 200
_NEXT = 3
# A device forgets who works at it after a long shift.
_SHIFT_S = 12 * 3600
# Nobody else's phone finds what is at these.
_THIS_COMPUTER = ("127.0.0.1", "localhost", "::1")


class PageRoute(ServiceRoute):
    """A route whose errors are pages too: in plain words, with what was typed. No other site's form can post to it."""

    async def error_page(self, request: Request, error: DomainError) -> Response:
        """The page of an error."""
        return await _error_page(request, error)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if request.method == "POST" and not is_same_origin(request.headers):
                reader = reader_for(request)
                back = f"{request.scope.get('root_path', '')}/orders/board"
                return page(
                    request, "problem.html", reader, status=403, text=reader.say("page.other_origin"), back=back
                )
            try:
                return await handler(request)
            except DomainError as error:
                return await self.error_page(request, error)

        return handle


router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


def status_of(error: DomainError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 400)


async def _error_page(request: Request, error: DomainError) -> Response:
    """The scan page with the error and what was typed; without a job, a page that leads back."""
    reader = reader_for(request)
    status = status_of(error)
    text = spoken(error, reader)
    code = request.path_params.get("code")
    if code and request.method == "POST" and not error.code.startswith("http."):
        typed = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        async with request.app.state.service.read() as session:
            try:
                return await scan_page(request, session, code, reader, typed=typed, error=text, status=status)
            except NotFound:
                pass
    base = request.scope.get("root_path", "")
    back = f"{base}/t/{code}" if code and not isinstance(error, NotFound) else f"{base}/t/"
    return page(request, "problem.html", reader, status=status, text=text, back=back)


# ---- boards ---------------------------------------------------------------------------------------------------------


@router.get("/orders/board", summary="Orders by urgency")
async def orders_board(request: Request, session: Session, ctx: Ctx, show: str = "open", offset: int = 0) -> Response:
    reader, only = reader_for(request), show if show in boards.FILTERS else "open"
    rows = await boards.orders(session, ctx.site_id, ctx.now, only=only, limit=_PAGE, offset=max(0, offset))
    ended = boards.FILTERS["ended"]
    return page(
        request, "orders.html", reader, refresh=60, rows=rows, only=only,
        counts=await boards.order_counts(session, ctx.site_id, ctx.now),
        plan=await boards.plan_version(session, ctx.site_id),
        materials=await shopfloor.named(session, ctx.site_id, "material", {row.material_id for row in rows}),
        machines=await shopfloor.named(session, ctx.site_id, "equipment"),
        urgent={
            row.id: urgency(row.due_at, row.projected_end, ctx.now, ended=row.state in ended) for row in rows
        },
        more=max(0, offset) + _PAGE if len(rows) == _PAGE else None,
    )  # fmt: skip


@router.get("/dispatch/board", summary="What every machine does now and next")
async def dispatch_board(request: Request, session: Session, ctx: Ctx) -> Response:
    reader = reader_for(request)
    rows = await dispatch.dispatch_list(session, ctx.site_id, reader, most=8)
    names = await shopfloor.named(session, ctx.site_id, "equipment")
    states = await shopfloor.machine_states(session, ctx.site_id)
    queues: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        row["share"] = 1 - Decimal(row["remaining_qty"]) / max(Decimal(row["qty"]), Decimal("0.000001"))
        queues[row["equipment_id"] or ""].append(row)
    machines = [
        _machine(named, states.get(key), queues.get(str(key), []))
        for key, named in sorted(names.items(), key=lambda item: item[1].no)
    ]
    return page(
        request, "dispatch.html", reader, refresh=20, machines=machines, unplanned=queues.get("", [])[:20],
        plan=await boards.plan_version(session, ctx.site_id),
    )  # fmt: skip


def _machine(named: shopfloor.Named, told: Any, queue: list[dict[str, Any]]) -> dict[str, Any]:
    """One machine of the board."""
    now = [row for row in queue if row["state"] in shopfloor.AT_WORK]
    following = [row for row in queue if row["state"] not in shopfloor.AT_WORK]
    return {
        "named": named, "told": told, "category": told.category if told else "UNKNOWN", "now": now,
        "next": following[:_NEXT], "more": max(0, len(following) - _NEXT),
    }  # fmt: skip


# ---- one order ------------------------------------------------------------------------------------------------------


@router.get("/orders/{order_id}/page", summary="One order: its jobs and its history")
async def order_page(order_id: UUID, request: Request, session: Session, ctx: Ctx) -> Response:
    reader = reader_for(request)
    card = await cards.order_card(session, ctx.site_id, order_id)
    order = card.order
    ended = order.state in boards.FILTERS["ended"]
    return page(
        request, "order.html", reader, card=card, order=order, left=cards.remaining,
        history=await history.history(session, ctx.site_id, order_id, reader),
        full=request.query_params.get("all") == "1",
        urgent=urgency(order.due_at, order.projected_end, ctx.now, ended=ended),
    )  # fmt: skip


@router.get("/orders/{order_id}/card", summary="The job card to print, with a code to scan for each operation")
async def order_print(order_id: UUID, request: Request, session: Session, ctx: Ctx) -> Response:
    reader = reader_for(request)
    card = await cards.order_card(session, ctx.site_id, order_id)
    host = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
    gone = ("Cancelled", "Aborted", "Superseded", "Skipped")
    jobs = [(job, Markup(code_svg(f"{host}/t/{job.code}"))) for job in card.jobs if job.state not in gone]  # noqa: S704
    return page(
        request, "card.html", reader, card=card, order=card.order, jobs=jobs, card_css=style("card"),
        printed=local(reader, ctx.now), here_only=host if request.url.hostname in _THIS_COMPUTER else "",
    )  # fmt: skip


# ---- a scanned code -------------------------------------------------------------------------------------------------


@router.get("/t/", summary="Enter a code by hand")
async def enter(request: Request, session: Session, ctx: Ctx, code: str = "") -> Response:
    reader, typed, error = reader_for(request), typed_code(code), ""
    if typed:
        try:
            found = await cards.job_card(session, ctx.site_id, typed, reader)
            return RedirectResponse(f"{request.scope.get('root_path', '')}/t/{found.job.code}", 303)
        except NotFound as unknown:
            error = spoken(unknown, reader)
    return page(request, "enter.html", reader, status=404 if error else 200, typed=typed, error=error)


@router.get("/t/{code}", summary="A job: what it is and what is to be done next")
async def scanned(code: str, request: Request, session: Session, ctx: Ctx, running: Running) -> Response:
    return await scan_page(request, session, code, reader_for(request))


@router.post("/t/{code}/{action}", summary="Do what is next, and show a receipt")
async def act_on(code: str, action: str, request: Request, session: Session, running: Running) -> Response:
    reader = reader_for(request)
    form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    worker = (form.get("worker") or worker_of(request)).strip()[:100]
    if not worker:
        raise Invalid("page.worker_missing", field="worker")
    ctx = running.context(worker)
    card = await cards.job_card(session, ctx.site_id, typed_code(code), reader)
    address = f"{request.scope.get('root_path', '')}/t/{card.job.code}?did={action}"
    notes: list[str] = []
    if action != "who":
        done = await act(session, ctx, card.job.id, action, form)
        address += f"&report={done.report.id}" if done.report is not None else ""
        notes = _notes(done, reader)
    response = RedirectResponse(address, 303)
    response.set_cookie(WORKER_COOKIE, cookie_text(worker), max_age=_SHIFT_S, httponly=True, samesite="lax")
    if notes:
        response.set_cookie(NOTE_COOKIE, cookie_text("\n".join(notes))[:3000], max_age=60, samesite="lax")
    return response


def _notes(done: Done, reader: shopfloor.Reader) -> list[str]:
    """What else there is to say after something was done."""
    notes = [reader.say(code, **spoken_params(code, params, reader)) for code, params in done.warnings]
    if done.not_finished is not None:
        notes.append(reader.say("page.note.unfinished", reason=spoken(done.not_finished, reader)))
    return notes
