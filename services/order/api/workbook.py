"""The workbook: preview, import, export, template, and mappings of the users' own sheets."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import File as FilePart
from fastapi import Header, Query, Request, Response, UploadFile
from mes.errors import Invalid
from mes.web import (
    Ctx,
    Language,
    Paging,
    Running,
    Session,
    combined,
    fact_router,
    get_if_match,
    problem,
    service_router,
    set_etag,
)
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile as StarletteUpload

from services.order.workbook import mappings, writing
from services.order.workbook.importing import File, Refused, import_file, preview
from services.order.workbook.importing import import_runs as list_runs
from services.order.workbook.preparing import Prepared
from services.order.workbook.reading import MOST_BYTES
from services.order.workbook.template import template_book

router = service_router(tags=["workbook"])
asking = fact_router(tags=["workbook"])

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {XLSX: {}}, "description": "the workbook"}}


class ProblemOut(BaseModel):
    """Something in the file, by sheet, row and column as the file calls them; row null: the sheet as a whole."""

    sheet: str = Field(examples=["orders"])
    row: int | None = Field(examples=[17])
    column: str | None = Field(examples=["qty"])
    field: str | None = Field(examples=["qty"], description="our key of the column")
    code: str = Field(examples=["workbook.not_a_number"])
    params: dict[str, Any] = Field(examples=[{"value": "12 pcs"}])
    message: str = Field(examples=["“12 pcs” is not a number."])


class ChangeOut(BaseModel):
    """A change; field, old and new only where something there is was edited."""

    sheet: str = Field(examples=["orders"])
    row: int | None = Field(examples=[17])
    column: str | None = Field(examples=["due_at"])
    kind: str = Field(examples=["order"])
    key: str = Field(examples=["MO2603-003"])
    action: Literal["added", "changed", "removed"] = Field(examples=["changed"])
    field: str | None = Field(examples=["due_at"])
    old: str | None = Field(examples=["2026-03-10 17:00"])
    new: str | None = Field(examples=["2026-03-12 17:00"])
    message: str = Field(examples=["order MO2603-003: due 2026-03-10 17:00 → 2026-03-12 17:00"])


class ImportOut(BaseModel):
    """What an import does or did.

    errors: rows that cannot be taken; skipped: right rows that need one of those; notes: worth knowing, not wrong.
    importable: whether it can be imported without `good_rows`. token: give it to the import, which then refuses to do
    anything else than this.
    """

    file: str = Field(examples=["foshan-hardware.xlsx"])
    rows: int = Field(examples=[412])
    importable: bool
    imported: bool
    errors: list[ProblemOut]
    skipped: list[ProblemOut]
    notes: list[ProblemOut]
    changes: list[ChangeOut]
    counts: dict[str, int] = Field(examples=[{"added": 80, "changed": 2, "removed": 0, "errors": 0, "skipped": 0}])
    token: str = Field(examples=["5f0c2c5d0c1be5a1d0d6a2b8b5a0f7c1"])

    @staticmethod
    def of(file: File, prepared: Prepared, language: str, *, imported: bool) -> ImportOut:
        """The answer in the reader's language."""
        counted = Counter(each.action for each in prepared.changes)
        counts = {each: counted[each] for each in ("added", "changed", "removed")}
        return ImportOut(
            file=file.name, rows=prepared.rows, importable=not prepared.errors, imported=imported,
            errors=[ProblemOut(**each.render(language)) for each in prepared.errors],
            skipped=[ProblemOut(**each.render(language)) for each in prepared.skipped],
            notes=[ProblemOut(**each.render(language)) for each in prepared.notes],
            changes=[ChangeOut(**each.render(language)) for each in prepared.changes],
            counts=counts | {"errors": len(prepared.errors), "skipped": len(prepared.skipped)},
            token=prepared.token(),
        )  # fmt: skip


Upload = Annotated[UploadFile, FilePart(description=".xlsx, .csv (UTF-8 or GB18030) or .json ({sheet: [rows]})")]
GoodRows = Annotated[bool, Query(description="import the rows that can be taken, although others cannot")]
MappingName = Annotated[
    str, Query(description="a saved mapping, for a file that is not in our columns", max_length=100)
]
Token = Annotated[str, Query(description="token of the preview that was confirmed", max_length=64)]


async def uploaded(upload: StarletteUpload, session: Session, ctx: Ctx, running: Running, mapping: str) -> File:
    """The file that was sent, with the mapping of a name. Raises Invalid for one that is too large, NotFound."""
    name = (upload.filename or "file").replace("\\", "/").rpartition("/")[2][:200]
    if (upload.size or 0) > MOST_BYTES:
        raise Invalid("workbook.file_too_large", field="file", file=name, mb=MOST_BYTES >> 20)
    found = await mappings.find(session, ctx, mapping) if mapping else None
    return File(name, await upload.read(), running.settings.time_zone, found)


@asking.post("/workbook/preview", summary="Check a workbook: every error, and what an import would change")
async def post_preview(
    file: Upload,
    session: Session,
    ctx: Ctx,
    running: Running,
    language: Language,
    good_rows: Annotated[bool, Query(description="as in the import; a preview always shows both sides")] = False,
    mapping: MappingName = "",
) -> ImportOut:
    given = await uploaded(file, session, ctx, running, mapping)
    prepared = await preview(session, ctx, given)
    return ImportOut.of(given, prepared, language, imported=False)


@router.post(
    "/workbook/import",
    summary="Import a workbook in one transaction; with errors nothing is imported",
    response_model=ImportOut,
)
async def post_import(
    request: Request,
    file: Upload,
    session: Session,
    ctx: Ctx,
    running: Running,
    language: Language,
    good_rows: GoodRows = False,
    mapping: MappingName = "",
    token: Token = "",
) -> ImportOut | Response:
    given = await uploaded(file, session, ctx, running, mapping)
    try:
        prepared = await import_file(session, ctx, given, good_rows=good_rows, token=token)
    except Refused as refused:
        await session.rollback()
        errors = [each.render(language) for each in refused.problems]
        return problem(request, 422, refused.code, refused.params, errors)
    return ImportOut.of(given, prepared, language, imported=True)


@router.get(
    "/workbook/export.xlsx",
    summary="Everything as a workbook; importing it again changes nothing",
    response_class=Response,
    responses=_FILE,
)
async def get_export(
    session: Session,
    ctx: Ctx,
    running: Running,
    language: Language,
    headers: Annotated[
        Literal["key", "title"], Query(description="names of sheets and columns: as in the API, or in your language")
    ] = "key",
) -> Response:
    content = await writing.export(session, ctx, running.settings, language if headers == "title" else "")
    return _download(content, "lingnan-mes.xlsx")


@router.get(
    "/workbook/template.xlsx",
    summary="A workbook to fill in: examples, drop-down lists, and a sheet that explains every column",
    response_class=Response,
    responses=_FILE,
)
async def get_template(running: Running, language: Language) -> Response:
    content = await asyncio.to_thread(template_book, language, ZoneInfo(running.settings.time_zone))
    return _download(content, "template.xlsx")


def _download(content: bytes, name: str) -> Response:
    return Response(content, media_type=XLSX, headers={"Content-Disposition": f'attachment; filename="{name}"'})


class ImportRunOut(BaseModel):
    """An import that changed something. changes: counts by kind and action, and every edited field."""

    file_name: str = Field(examples=["orders.xlsx"])
    file_hash: str
    changes: dict[str, Any]
    skipped_rows: int = Field(examples=[0])
    imported_at: datetime
    imported_by: str = Field(examples=["planner"])


@router.get("/workbook/imports", summary="Imports that changed something, the last first")
async def get_imports(session: Session, ctx: Ctx, page: Paging) -> list[ImportRunOut]:
    rows = await list_runs(session, ctx, page.limit, page.offset)
    return [ImportRunOut.model_validate(row, from_attributes=True) for row in rows]


# ---- mappings -------------------------------------------------------------------------------------------------------


class SheetMappingIn(BaseModel):
    """How one of your sheets is one of ours."""

    model_config = ConfigDict(extra="forbid")

    sheet: str = Field(max_length=100, examples=["生产计划"], description="your sheet; for CSV any name will do")
    to: str = Field(max_length=40, examples=["orders"], description="our sheet")
    header_row: int = Field(0, ge=0, le=1000, examples=[3], description="row of the titles; 0: find it")
    columns: dict[str, str] = Field(
        default={}, examples=[{"订单号": "no", "产品": "material", "数量": "qty", "F": "due_at"}],
        description="your title, or letter, of a column -> our column",
    )  # fmt: skip
    constants: dict[str, str] = Field(
        default={}, examples=[{"uom": "pcs"}], description="our column -> what to take where yours says nothing"
    )
    words: dict[str, dict[str, str]] = Field(
        default={}, examples=[{"deadline_type": {"加急": "ASAP"}}], description="our column -> your word -> ours"
    )
    fill_down: list[str] = Field(
        default=[], examples=[["material"]], description="our columns where an empty cell means the same as above"
    )
    skip_words: list[str] = Field(default=[], examples=[["合计", "小计"]], description="rows that begin so are no data")


class MappingIn(BaseModel):
    """How a workbook of yours is ours. date_order: of dates like 3/2/2026."""

    model_config = ConfigDict(extra="forbid")

    sheets: list[SheetMappingIn] = Field(min_length=1, max_length=20)
    date_order: Literal["ymd", "dmy", "mdy"] = "ymd"


class MappingOut(MappingIn):
    """A saved mapping."""

    name: str = Field(examples=["customer-a"])
    version: int = Field(examples=[1])
    changed_at: datetime
    changed_by: str = Field(examples=["planner"])


@router.get("/workbook/mappings", summary="Saved column mappings")
async def get_mappings(session: Session, ctx: Ctx, page: Paging) -> list[MappingOut]:
    rows = await mappings.mappings(session, ctx, page.limit, page.offset)
    return [_mapping_out(row) for row in rows]


@router.get("/workbook/mappings/{name}", summary="A saved column mapping")
async def get_mapping(name: str, session: Session, ctx: Ctx, response: Response) -> MappingOut:
    row = await mappings.mapping(session, ctx, name)
    set_etag(response, row.version)
    return _mapping_out(row)


@router.put(
    "/workbook/mappings/{name}", summary="Save a column mapping; a saved one needs If-Match with the version you saw"
)
async def put_mapping(
    name: str,
    body: MappingIn,
    session: Session,
    ctx: Ctx,
    response: Response,
    if_match: Annotated[str | None, Header(description='version seen, as in ETag: "3"')] = None,
) -> MappingOut:
    known = await mappings.version_of(session, ctx, name)
    seen = await get_if_match(if_match) if known else 0
    row = await mappings.save(session, ctx, name, body.model_dump(), seen)
    set_etag(response, row.version)
    return _mapping_out(row)


def _mapping_out(row: Any) -> MappingOut:
    return MappingOut(
        **row.spec, name=row.name, version=row.version, changed_at=row.changed_at, changed_by=row.changed_by
    )


router = combined(router, asking)
