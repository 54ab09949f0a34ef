"""Pages from templates: one request each, readable without scripts, in the reader's language."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from mes.i18n import LANGUAGES, choose_language
from mes.runtime import ServiceRuntime
from mes.web import language_of

from services.order.pages.symbols import JOB, MACHINE, ORDER, Sign, order_sign
from services.order.queries.shopfloor import Reader, plain

_HERE = Path(__file__).resolve().parent
LANGUAGE_COOKIE, WORKER_COOKIE = "mes_lang", "mes_worker"


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["qty"] = quantity
    made.filters["icon"] = icon
    made.filters["iso"] = lambda moment: moment.isoformat() if moment else ""
    return made


@cache
def style(name: str) -> Markup:
    """A style sheet, to stand in the page itself."""
    return Markup((_HERE / "style" / f"{name}.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def icon(symbol: str) -> Markup:
    """A symbol; those that not every font has are drawn."""
    drawn = _HERE / "icons" / f"{symbol}.svg"
    if symbol.isalpha() and drawn.is_file():
        return Markup(drawn.read_text(encoding="utf-8").strip())  # noqa: S704 - our own file
    return escape(symbol)


def quantity(value: Decimal | None) -> str:
    """A quantity for people; "—" when it is not known."""
    return plain(value) or "—"


def language_for(request: Request) -> str:
    """`?lang=`, else what was chosen before, else what the browser asks for."""
    if not request.query_params.get("lang") and (chosen := request.cookies.get(LANGUAGE_COOKIE)):
        return choose_language(chosen)
    return language_of(request)


def reader_for(request: Request) -> Reader:
    """Who reads this page."""
    running: ServiceRuntime = request.app.state.service
    return Reader(language_for(request), ZoneInfo(running.settings.time_zone), running.clock.now())


def page(
    request: Request, template: str, reader: Reader, *, status: int = 200, refresh: int | None = None, **values: Any
) -> HTMLResponse:
    """The page of a template. refresh: seconds after which the browser asks again."""
    other = next(each for each in LANGUAGES if each != reader.language)
    query = [
        (key, value) for key, value in request.query_params.multi_items() if key not in ("lang", "idempotency_key")
    ]
    html = _templates().get_template(template).render(
        reader=reader, say=reader.say, base=request.scope.get("root_path", ""), other=other, refresh=refresh,
        tokens=style("tokens"), css=style("page"), here=request.url.path, query=query, job_sign=_sign(JOB),
        machine_sign=_sign(MACHINE), order_sign=order_sign, order_state_sign=_sign(ORDER), **values,
    )  # fmt: skip
    # A page shows what is true now: going back asks again.
    response = HTMLResponse(html, status, headers={"Cache-Control": "no-store"})
    if request.query_params.get("lang"):
        response.set_cookie(LANGUAGE_COOKIE, reader.language, max_age=31_536_000, samesite="lax")
    return response


def _sign(signs: dict[str, Sign]) -> Any:
    return lambda state: signs.get(state, Sign("?", "unknown"))


def local(reader: Reader, moment: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time in full, in the zone of the site."""
    return moment.astimezone(reader.zone).strftime(form) if moment else "—"
