"""Every route of every service says what it does, what it answers, and what that looks like."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import pytest
from fastapi import FastAPI
from mes.reference import page
from mes.web import PROBLEM, describe_errors

from services.cli.composition import load_services, service_names


def _document(name: str) -> dict[str, Any]:
    (service,) = load_services([name])
    app = FastAPI(title=name)
    app.router.routes.extend(service.router.routes)
    describe_errors(app)
    return app.openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _json(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [body for media, body in content.items() if media == "application/json"]


def _has_example(part: Any, schemas: dict[str, Any], seen: frozenset[str] = frozenset()) -> bool:
    if isinstance(part, list):
        return any(_has_example(each, schemas, seen) for each in part)
    if not isinstance(part, dict):
        return False
    if "example" in part or "examples" in part:
        return True
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name and name not in seen and _has_example(schemas[name], schemas, seen | {name}):
        return True
    return any(_has_example(each, schemas, seen) for each in part.values())


@pytest.mark.parametrize("name", service_names())
def test_every_route_has_a_summary_typed_answers_and_examples(name: str) -> None:
    document = _document(name)
    schemas, missing = document["components"]["schemas"], []
    for route, operation in _operations(document):
        if not operation.get("summary"):
            missing.append(f"{route}: summary")
        for body in _json(operation.get("requestBody", {}).get("content", {})):
            if not _has_example(body, schemas):
                missing.append(f"{route}: example of the request")
        for status, answer in operation["responses"].items():
            for body in _json(answer.get("content", {})):
                if not body.get("schema"):
                    missing.append(f"{route}: type of {status}")
                if not _has_example(body, schemas):
                    missing.append(f"{route}: example of {status}")
            if status != "204" and not answer.get("content"):
                missing.append(f"{route}: type of {status}")
    assert missing == []


@pytest.mark.parametrize("name", service_names())
def test_the_reference_shows_every_route_without_anything_from_the_internet(name: str) -> None:
    document = _document(name)
    shown = page(document)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"<b>{method.upper()}</b> {path}" in shown
            assert escape(operation["summary"]) in shown
    assert "http://" not in shown.replace("http://shop", "") and "<script" not in shown


@pytest.mark.parametrize("name", service_names())
def test_every_route_names_its_errors_as_problems(name: str) -> None:
    document = _document(name)
    assert "Problem" in document["components"]["schemas"]
    for route, operation in _operations(document):
        wrong = {status for status in operation["responses"] if status.startswith("4")}
        assert "422" in wrong, route
        assert ("404" in wrong) == ("{" in route), route
        assert ("409" in wrong) == (not route.startswith("GET ")), route
        for status in wrong:
            assert list(operation["responses"][status]["content"]) == [PROBLEM], route
