"""The page of the workbook: choose a file, see what is wrong in it and what it would change, import exactly that."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from mes.context import Context
from mes.errors import DomainError, Invalid, Stale
from mes.ids import new_id
from mes.runtime import ServiceRuntime
from mes.web import Ctx, Running, Session, combined
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData, UploadFile

from services.order.api.pages import PageRoute, status_of
from services.order.api.workbook import ImportOut, uploaded
from services.order.models import ImportRun
from services.order.pages.render import WORKER_COOKIE, local, page, reader_for
from services.order.pages.scan import cookie_text, worker_of
from services.order.pages.spoken import spoken
from services.order.workbook import mappings
from services.order.workbook.importing import File, Refused, import_file, import_run, import_runs, preview

# A file up to here travels in the page from its preview to its import; a larger one is chosen once more.
_MOST_CARRIED = 4 << 20
_MOST_PART = 8 << 20
# Lines of a list that a page still shows without making the browser slow.
_MOST_LINES = {"errors": 2000, "skipped": 500, "notes": 200, "changes": 500}
_SHIFT_S = 12 * 3600
_ACTIONS = ("added", "changed", "removed")


class WorkbookRoute(PageRoute):
    """A page of the workbook: an error leads back to where a file is chosen."""

    async def error_page(self, request: Request, error: DomainError) -> Response:
        """The first page, with the error."""
        running: ServiceRuntime = request.app.state.service
        text = spoken(error, reader_for(request))
        async with running.read() as session:
            return await _page(request, session, running.context("anonymous"), error=text, status=status_of(error))


class LookingRoute(WorkbookRoute):
    """The same for what only looks: it may be sent twice."""

    needs_key = False


router = APIRouter(route_class=WorkbookRoute, include_in_schema=False, default_response_class=HTMLResponse)
looking = APIRouter(route_class=LookingRoute, include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/workbook", summary="Choose a workbook to import; what was imported last")
async def start(request: Request, session: Session, ctx: Ctx, done: str = "") -> Response:
    return await _page(request, session, ctx, receipt=await _receipt(session, ctx, done))


@looking.post("/workbook", summary="Preview of a workbook: every error, and what an import would change")
async def look(request: Request, session: Session, ctx: Ctx, running: Running) -> Response:
    async with request.form(max_part_size=_MOST_PART) as form:
        given = await _given(form, session, ctx, running)
        return await _preview_page(request, session, ctx, given, _text(form, "mapping"))


@router.post("/workbook/confirm", summary="Import exactly what a preview showed, or its good rows")
async def confirm(request: Request, session: Session, running: Running) -> Response:
    async with request.form(max_part_size=_MOST_PART) as form:
        worker = (_text(form, "worker") or worker_of(request)).strip()[:100]
        if not worker:
            raise Invalid("page.worker_missing", field="worker")
        ctx = running.context(worker)
        given = await _given(form, session, ctx, running)
        token, good_rows = _text(form, "token"), _text(form, "good_rows") == "1"
        if not token:
            raise Invalid("page.workbook.no_preview", field="token")
        try:
            prepared = await import_file(session, ctx, given, good_rows=good_rows, token=token)
        except (Stale, Refused) as error:
            await session.rollback()
            return await _preview_page(request, session, ctx, given, _text(form, "mapping"), error)
    address = f"{request.scope.get('root_path', '')}/workbook?done={prepared.run_id or 'nothing'}"
    response = RedirectResponse(address, 303)
    response.set_cookie(WORKER_COOKIE, cookie_text(worker), max_age=_SHIFT_S, httponly=True, samesite="lax")
    return response


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def _given(form: FormData, session: AsyncSession, ctx: Context, running: ServiceRuntime) -> File:
    """The file that was chosen, or the one that the page carried. Raises Invalid, NotFound for an unknown mapping."""
    mapping, chosen = _text(form, "mapping"), form.get("file")
    if isinstance(chosen, UploadFile) and chosen.filename:
        return await uploaded(chosen, session, ctx, running, mapping)
    try:
        content = base64.b64decode(_text(form, "content"), validate=True)
    except binascii.Error:
        content = b""
    if not content:
        raise Invalid("page.workbook.no_file", field="file")
    found = await mappings.find(session, ctx, mapping) if mapping else None
    return File(_text(form, "name")[:200] or "file", content, running.settings.time_zone, found)


async def _receipt(session: AsyncSession, ctx: Context, done: str) -> ImportRun | str | None:
    """The import that this device was sent on from; "nothing" for one that changed nothing."""
    if done in ("", "nothing"):
        return done or None
    try:
        return await import_run(session, ctx, UUID(done))
    except ValueError:
        return None


async def _preview_page(
    request: Request,
    session: AsyncSession,
    ctx: Context,
    given: File,
    mapping: str,
    error: DomainError | None = None,
) -> Response:
    """What an import of the file would do; with what stood in the way of one."""
    reader = reader_for(request)
    seen = ImportOut.of(given, await preview(session, ctx, given), reader.language, imported=False)
    carried = base64.b64encode(given.content).decode() if len(given.content) <= _MOST_CARRIED else ""
    return await _page(
        request, session, ctx, seen=seen, mapping=mapping, content=carried,
        error=spoken(error, reader) if error else "", status=status_of(error) if error else 200,
    )  # fmt: skip


def _by_sheet(seen: ImportOut) -> Mapping[str, Counter[str]]:
    """How much of what each sheet has."""
    sheets: dict[str, Counter[str]] = {}
    for change in seen.changes:
        sheets.setdefault(change.sheet, Counter())[change.action] += 1
    for name in ("errors", "skipped", "notes"):
        for each in getattr(seen, name):
            sheets.setdefault(each.sheet or seen.file, Counter())[name] += 1
    return sheets


def _run_counts(run: ImportRun) -> dict[str, int]:
    """How many things an import added, changed and removed."""
    counts = run.changes.get("counts", {})
    return {
        action: sum(count for key, count in counts.items() if key.rpartition(".")[2] == action) for action in _ACTIONS
    }


async def _page(
    request: Request,
    session: AsyncSession,
    ctx: Context,
    *,
    seen: ImportOut | None = None,
    receipt: ImportRun | str | None = None,
    error: str = "",
    status: int = 200,
    mapping: str = "",
    content: str = "",
) -> Response:
    reader = reader_for(request)
    values: dict[str, Any] = {
        "seen": seen, "receipt": receipt, "error": error, "mapping": mapping, "content": content,
        "sheets": _by_sheet(seen) if seen else {}, "most": _MOST_LINES,
        "mappings": [each.name for each in await mappings.mappings(session, ctx, 200, 0)],
        "runs": await import_runs(session, ctx, 5, 0), "run_counts": _run_counts,
        "time": lambda moment: local(reader, moment), "key": new_id, "worker_code": worker_of(request),
    }  # fmt: skip
    return page(request, "workbook.html", reader, status=status, **values)


router = combined(router, looking)
