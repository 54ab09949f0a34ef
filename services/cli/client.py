"""Commands as clients of an instance: the running one, or one started for the command."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from mes.config import Settings
from mes.embedded.server import free_port
from mes.errors import Invalid, Unavailable
from mes.ids import new_id
from rich.markup import escape
from rich.table import Table

from services.cli.composition import load_services
from services.cli.installation import home_of, is_for_real_use, running_address
from services.cli.serving import address_of, database, migrate, run_async, serving, unless_told
from services.cli.terminal import language, out, problem_text, say, text, working

T = TypeVar("T")
PREVIEW, IMPORT = "/order/workbook/preview", "/order/workbook/import"
EXPORT, TEMPLATE = "/order/workbook/export.xlsx", "/order/workbook/template.xlsx"
_MEDIA = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".csv": "text/csv",
    ".json": "application/json",
}


def with_instance(settings: Settings, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Do the work with a client of the running instance, or of one that lives as long as the work."""
    address = running_address(home_of(settings))
    if address:
        return run_async(unless_told(_with_client(address, work)))
    pinned = is_for_real_use(home_of(settings))
    headless = settings.model_copy(update={"host": "127.0.0.1", "port": free_port(), "clock_pinned": pinned})
    with database(headless) as reachable:
        return run_async(_headless(reachable, work))


async def _headless(settings: Settings, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    services = load_services()
    with working("cli.migrating"):
        await migrate(settings, services)
    async with serving(settings, services) as server:
        try:
            return await unless_told(_with_client(address_of(settings), work))
        finally:
            server.should_exit = True


async def _with_client(address: str, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    headers = {"Accept-Language": language()}
    async with httpx.AsyncClient(base_url=address, timeout=600, headers=headers) as client:
        return await work(client)


async def download(client: httpx.AsyncClient, path: str, target: Path) -> int:
    """Write what a path answers into a file, whole or not at all; its size in bytes."""
    response = await client.get(path)
    response.raise_for_status()
    fresh = target.with_name(f".{target.name}.part")
    try:
        await asyncio.to_thread(fresh.write_bytes, response.content)
        fresh.replace(target)
    except OSError as error:
        raise Unavailable("cli.not_written", target=str(target), reason=error.strerror) from error
    return len(response.content)


def read_import(path: Path) -> tuple[str, bytes, str]:
    """A file to import as name, bytes and media type. Raises Invalid when it cannot be read or is of another kind."""
    media = _MEDIA.get(path.suffix.lower())
    if media is None:
        raise Invalid("cli.import_kind", field="file", file=str(path), known=", ".join(_MEDIA))
    try:
        return path.name, path.read_bytes(), media
    except OSError as error:
        raise Invalid("cli.unreadable", field="file", file=str(path), reason=error.strerror) from error


async def preview(client: httpx.AsyncClient, file: tuple[str, bytes, str], **options: Any) -> dict[str, Any]:
    """What an import would do: its `errors` and `changes`."""
    return await _send(client, PREVIEW, file, options)


async def do_import(client: httpx.AsyncClient, file: tuple[str, bytes, str], **options: Any) -> dict[str, Any]:
    """Import; what was changed."""
    return await _send(client, IMPORT, file, options)


async def _send(
    client: httpx.AsyncClient, path: str, file: tuple[str, bytes, str], options: dict[str, Any]
) -> dict[str, Any]:
    response = await client.post(
        path,
        params={name: str(value).lower() for name, value in options.items() if value},
        files={"file": file},
        headers={"Idempotency-Key": str(new_id()), "X-Actor": "mes-cli"},
    )
    # An import with errors in it answers 422 with the list; that is a result to show, not a failure of the request.
    if response.status_code == 422 and response.json().get("errors"):
        return dict(response.json())
    if response.is_error:
        raise httpx.HTTPStatusError(problem_text(response), request=response.request, response=response)
    return dict(response.json())


def show_errors(errors: list[dict[str, Any]]) -> None:
    """Every error by sheet, row and column."""
    _show_problems(errors)
    say("cli.import_errors", count=len(errors))


def show_left_out(result: dict[str, Any]) -> None:
    """What an import of the good rows leaves out, and why."""
    left_out = [*result.get("errors", ()), *result.get("skipped", ())]
    if left_out:
        _show_problems(left_out)
        say("cli.left_out", count=len(left_out))


def show_notes(result: dict[str, Any]) -> None:
    """What is worth knowing about a file, but not wrong."""
    for each in result.get("notes", ()):
        place = "/".join(str(each[part]) for part in ("sheet", "row") if each.get(part))
        out.print(f"  [yellow]•[/] {escape(place)}: {escape(str(each['message']))}", highlight=False)


def _show_problems(problems: list[dict[str, Any]]) -> None:
    table = Table("cli.sheet", "cli.row", "cli.column", "cli.error")
    for column in table.columns:
        column.header = text(str(column.header))
    for each in problems:
        words = str(each.get("message") or each.get("detail") or each.get("code", ""))
        place = (each.get("sheet"), each.get("row"), each.get("column"))
        table.add_row(*(escape("" if part is None else str(part)) for part in (*place, words)))
    out.print(table)


def show_changes(changes: list[dict[str, Any]], most: int = 200) -> None:
    """What an import changes: how many new things by sheet, and every edit, old and new."""
    new = Counter(str(each["sheet"]) for each in changes if each["action"] == "added")
    for sheet, count in new.items():
        say("cli.added", sheet=sheet, count=count)
    edits = [each for each in changes if each["action"] != "added"]
    for each in edits[:most]:
        out.print(f"  {escape(str(each['message']))}", highlight=False)
    if len(edits) > most:
        say("cli.more_changes", count=len(edits) - most)
