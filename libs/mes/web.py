"""The HTTP side of every service: transactions, idempotency, problem+json, health, metrics, the front page."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mes import logging as mes_logging
from mes import metrics, outbox
from mes.context import Context
from mes.errors import Conflict, DomainError, Invalid, NotFound, Stale, Unavailable
from mes.i18n import choose_language, t
from mes.reference import add_docs
from mes.runtime import ServiceRuntime

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
_STATUS: list[tuple[type[DomainError], int]] = [
    (NotFound, 404),
    (Conflict, 409),
    (Stale, 412),
    (Invalid, 422),
    (Unavailable, 503),
]


# ---- what an endpoint asks for --------------------------------------------------------------------------------------
# Coroutines although they wait for nothing: FastAPI runs plain functions in threads, a hop for each.


async def get_session(request: Request) -> AsyncSession:
    """The request's session: one transaction, committed with the outbox after the answer is made, before it is sent."""
    session: AsyncSession = request.state.session
    return session


async def get_service(request: Request) -> ServiceRuntime:
    """The running service behind the request."""
    running: ServiceRuntime = request.app.state.service
    return running


async def get_context(
    request: Request,
    x_actor: Annotated[
        str, Header(description="who acts: worker code (unverified until identities exist)", max_length=100)
    ] = "anonymous",
) -> Context:
    """Who, where, when; traceparent from the request."""
    running: ServiceRuntime = request.app.state.service
    return running.context(x_actor, traceparent=mes_logging.traceparent.get())


async def get_language(request: Request) -> str:
    """The reader's language: `?lang=`, else Accept-Language, else the setting."""
    return language_of(request)


async def get_if_match(
    if_match: Annotated[str | None, Header(description='version seen, as in ETag: "3"')] = None,
) -> int:
    """The version that the caller saw. 428 without If-Match."""
    if if_match is None:
        raise HTTPException(428, "if_match_missing")
    try:
        return int(if_match.strip().removeprefix("W/").strip('"'))
    except ValueError as error:
        raise Invalid("http.if_match", field="If-Match") from error


Session = Annotated[AsyncSession, Depends(get_session)]
Ctx = Annotated[Context, Depends(get_context)]
Running = Annotated[ServiceRuntime, Depends(get_service)]
Language = Annotated[str, Depends(get_language)]
IfMatch = Annotated[int, Depends(get_if_match)]


class Page(BaseModel):
    """limit: rows at most; offset: rows to skip."""

    limit: int = 100
    offset: int = 0


async def get_page(limit: Annotated[int, Query(ge=1, le=1000)] = 100, offset: Annotated[int, Query(ge=0)] = 0) -> Page:
    """The part of a list that is asked for."""
    return Page(limit=limit, offset=offset)


Paging = Annotated[Page, Depends(get_page)]


class Problem(BaseModel):
    """An error by RFC 9457. `type` and `params` are stable; title and detail are in the reader's language."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:lingnan-mes:problem:job.illegal", "title": "Not allowed in this state", "status": 409,
                    "detail": "Job 7K3QX9AB is ready: pause is not possible now. Possible: hold, start.",
                    "instance": "/order/jobs/0198c1f0-0000-7000-8000-000000000001/pause", "code": "job.illegal",
                    "params": {"verb": "pause", "state": "Ready", "legal": ["hold", "start"], "job": "7K3QX9AB"},
                }
            ]
        }
    )  # fmt: skip
    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    code: str
    params: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []


_WRONG_INPUT: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "The input is wrong; says what to do"}
}


# ---- routes: one transaction a request, idempotent POSTs ------------------------------------------------------------


class ServiceRoute(APIRoute):
    """A route whose request is one transaction; a POST needs an Idempotency-Key (header, or `?idempotency_key=`)."""

    needs_key = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            running: ServiceRuntime = request.app.state.service
            if request.method in {"GET", "HEAD"}:
                async with running.database.read() as session:
                    request.state.session = session
                    return await handler(request)
            key = request.headers.get("idempotency-key") or request.query_params.get("idempotency_key", "")
            if request.method == "POST" and self.needs_key and not key:
                raise Invalid("http.idempotency_key_missing", field="Idempotency-Key")
            async with AsyncSession(running.database.engine, expire_on_commit=False) as session:
                request.state.session = session
                return await self._write(running, session, request, handler, key if request.method == "POST" else "")

        return handle

    async def _write(
        self,
        running: ServiceRuntime,
        session: AsyncSession,
        request: Request,
        handler: Callable[[Request], Awaitable[Response]],
        key: str,
    ) -> Response:
        identity: dict[str, Any] | None = None
        if key:
            if len(key) > 200:
                raise Invalid("http.idempotency_key_long", field="Idempotency-Key")
            identity = {
                "principal": request.headers.get("x-actor", "anonymous"),
                "method": request.method,
                "path": request.url.path,
                "key": key,
            }
            digest = hashlib.sha256(request.url.query.encode() + b"\0" + await request.body()).digest()
            if (replay := await _replay(session, identity, digest)) is not None:
                return replay
            identity["body_hash"] = digest
        response = await handler(request)
        if identity is not None and response.status_code < 400:
            await _remember(session, identity, response)
        await running.database.commit(session)
        return response


class FactRoute(ServiceRoute):
    """A route for facts that carry their own keys (signals, measurements): an Idempotency-Key is optional."""

    needs_key = False


_FIND = text(
    "SELECT pg_try_advisory_xact_lock("
    "hashtextextended(:principal || ' ' || :method || ' ' || :path || ' ' || :key, 0)), "
    "k.body_hash, k.status, k.media_type, k.headers, k.body FROM (SELECT 1) AS one LEFT JOIN idempotency_key k "
    "ON k.principal = :principal AND k.method = :method AND k.path = :path AND k.key = :key"
)
_REMEMBER = text(
    "INSERT INTO idempotency_key (principal, method, path, key, body_hash, status, media_type, headers, body) "
    "VALUES (:principal, :method, :path, :key, :body_hash, :status, :media_type, CAST(:headers AS jsonb), :body) "
    "ON CONFLICT DO NOTHING RETURNING true"
)


async def _replay(session: AsyncSession, identity: dict[str, Any], digest: bytes) -> Response | None:
    """The stored answer of a request seen before. Conflict while it is in flight; Invalid with another body."""
    free, body_hash, status, media_type, headers, body = (await session.execute(_FIND, identity)).one()
    if body_hash is not None:
        if bytes(body_hash) != digest:
            raise Invalid("http.idempotency_key_reused", field="Idempotency-Key")
        response = Response(bytes(body), status, media_type=media_type)
        for name, value in headers.items():
            response.headers[name] = value
        response.headers["Idempotent-Replay"] = "true"
        return response
    if not free:
        raise Conflict("http.in_flight")
    return None


async def _remember(session: AsyncSession, identity: dict[str, Any], response: Response) -> None:
    """Store the answer. Conflict when a twin of the request was faster: nothing of this one may stay."""
    kept = {name: value for name, value in response.headers.items() if name in {"etag", "location"}}
    stored = {
        "status": response.status_code,
        "media_type": response.headers.get("content-type"),
        "headers": json.dumps(kept),
        "body": bytes(getattr(response, "body", b"")),
    }
    if (await session.execute(_REMEMBER, identity | stored)).first() is None:
        raise Conflict("http.in_flight")


def set_etag(response: Response, version: int) -> None:
    """Tell the caller the version of what it got."""
    response.headers["ETag"] = f'"{version}"'


# ---- errors ---------------------------------------------------------------------------------------------------------


def language_of(request: Request) -> str:
    """See `get_language`."""
    wish = request.query_params.get("lang") or request.headers.get("accept-language")
    service = getattr(request.app.state, "service", None)
    return choose_language(wish, service.settings.lang if service else "zh-CN")


def problem(
    request: Request, status: int, code: str, params: dict[str, Any], errors: list[dict[str, Any]] | None = None
) -> JSONResponse:
    """A problem+json answer; the detail comes from the catalogues."""
    language = language_of(request)
    body: dict[str, Any] = {
        "type": f"urn:lingnan-mes:problem:{code}",
        "title": t(f"http.status.{status}", language),
        "status": status,
        "detail": t(code, language, **params),
        "instance": request.url.path,
        "code": code,
        "params": {name: _plain(value) for name, value in params.items()},
    }
    if errors:
        body["errors"] = errors
    return JSONResponse(body, status, media_type=PROBLEM)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return str(value)


async def _on_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)  # noqa: S101 - registered for this class only
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    params = dict(error.params)
    errors = params.pop("errors", None)
    if errors:
        language = language_of(request)
        errors = [
            {**each, "message": t(each["code"], language, **each.get("params", {}))} if "code" in each else each
            for each in errors
        ]
    return problem(request, status, error.code, params, _plain(errors))


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    errors = [_wrong_field(each, language_of(request)) for each in error.errors()]
    fields = ", ".join(each["field"] or each["where"] for each in errors)
    return problem(request, 422, "http.request_invalid", {"fields": fields}, errors)


def _wrong_field(error: Mapping[str, Any], language: str) -> dict[str, Any]:
    where, *path = (str(part) for part in error["loc"])
    code = f"http.field.{error['type']}"
    message = t(code, language, **error.get("ctx", {}))
    return {
        # Where the body is no JSON at all, the rest of the path is a position.
        "field": "" if error["type"] == "json_invalid" else ".".join(path),
        "where": where,
        "kind": error["type"],
        "message": error["msg"] if message == code else message,
    }


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    code = error.detail if error.detail == "if_match_missing" else f"{error.status_code}"
    return problem(request, error.status_code, f"http.{code}", {"path": request.url.path})


async def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError | StaleDataError)  # noqa: S101 - registered for these classes only
    if isinstance(error, StaleDataError):
        return problem(request, 412, "http.stale", {})
    if isinstance(error, IntegrityError):
        # asyncpg's error is the cause of SQLAlchemy's adaption of it.
        cause = getattr(error.orig, "__cause__", None)
        name = getattr(cause, "constraint_name", None) or ""
        return problem(request, 409, "http.integrity", {"constraint": name})
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in {"40001", "40P01"}:
        return problem(request, 503, "http.try_again", {})
    log.exception("database error", exc_info=error)
    if error.connection_invalidated or state[:2] in {"08", "53", "57"}:
        return problem(request, 503, "http.database_unavailable", {})
    return problem(request, 500, "http.internal", {})


async def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("the database does not answer", extra={"error": repr(error)})
    return problem(request, 503, "http.database_unavailable", {})


async def _on_any(request: Request, error: Exception) -> Response:
    log.exception("unexpected error", exc_info=error)
    return problem(request, 500, "http.internal", {})


def handle_errors(app: FastAPI) -> None:
    """Answer every error as problem+json."""
    app.add_exception_handler(DomainError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(StaleDataError, _on_database)
    app.add_exception_handler(OSError, _on_unavailable)
    app.add_exception_handler(Exception, _on_any)


# ---- one service's application --------------------------------------------------------------------------------------


class Observed:
    """ASGI middleware: trace context, and time and outcome of every request by its route."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        incoming = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), "")
        token = mes_logging.traceparent.set(mes_logging.continued(incoming))

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, observe)
        finally:
            mes_logging.traceparent.reset(token)
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.HTTP.labels(self.service, scope["method"], route, str(status)).observe(
                time.perf_counter() - started
            )


def service_app(running: ServiceRuntime) -> FastAPI:
    """The application of one service, to be mounted below its name."""
    # Its routes are made with what is defined here.
    from mes import log_api, parking_api

    name = running.service.name
    app = FastAPI(
        title=f"Lingnan MES - {name}",
        version="0.1.0",
        summary=f"The {name} service of the manufacturing execution system",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = running
    handle_errors(app)
    app.add_middleware(Observed, service=name)
    of_platform = [*parking_api.router.routes, *log_api.router.routes]
    app.router.routes.extend([*running.service.router.routes, *of_platform])
    describe_errors(app)
    add_docs(app)
    return app


_ERRORS = {
    "404": "There is no such thing",
    "409": "Not allowed in this state; params tell the state and what is legal",
    "412": "Changed by someone else since the version in If-Match",
    "422": "The input is wrong; says what to do",
    "428": "If-Match is missing",
}


def describe_errors(app: FastAPI) -> None:
    """Let the OpenAPI document name the errors of every route, all of them a `Problem`."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _add_errors(operation["responses"], _errors_of(path, method, operation))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _errors_of(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    found = ["422"] + (["404"] if "{" in path else []) + (["409"] if method != "get" else [])
    if any(each["name"] == "if-match" for each in operation.get("parameters", ())):
        found += ["412", "428"]
    return sorted(found)


def _add_errors(responses: dict[str, Any], statuses: list[str]) -> None:
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in statuses:
        responses[status] = {"description": _ERRORS[status], "content": content}


def service_router(**kwargs: Any) -> APIRouter:
    """A router whose requests are transactions: see `ServiceRoute`."""
    return APIRouter(route_class=ServiceRoute, **{"responses": _WRONG_INPUT, **kwargs})


def fact_router(**kwargs: Any) -> APIRouter:
    """A router for facts with their own keys: see `FactRoute`."""
    return APIRouter(route_class=FactRoute, **{"responses": _WRONG_INPUT, **kwargs})


def combined(*routers: APIRouter) -> APIRouter:
    """One router with the routes of others, in their order.

    `include_router` would build every route a second time, and every request would be matched level by level.
    """
    made = APIRouter()
    for router in routers:
        made.routes.extend(router.routes)
    return made


def discard(session: AsyncSession) -> None:
    """Forget events published in a session whose transaction will not be committed."""
    outbox.discard(session)


def parse_uuid(value: str, field: str) -> UUID:
    """A UUID from text. Raises Invalid naming the field."""
    try:
        return UUID(value)
    except ValueError as error:
        raise Invalid("http.not_an_id", field=field, value=value) from error
