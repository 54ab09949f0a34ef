"""The AsyncAPI document: whole in itself, and true to what services publish and handle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from services.cli.composition import load_services
from tools import asyncapi


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi.document()


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 100
    for reference in found:
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]
        assert part


def test_every_handler_hears_a_message_that_is_described(document: dict[str, Any]) -> None:
    described = {message["name"] for message in document["components"]["messages"].values()}
    for service in load_services():
        assert set(service.consumers.handlers) <= described


def test_parts_of_events_are_no_messages_and_comments_come_along(document: dict[str, Any]) -> None:
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    assert "OrderReleased" in messages
    assert "Order" not in messages
    assert schemas["OrderReleased"]["properties"]["jobs"] == {
        "type": "array", "items": {"$ref": "#/components/schemas/Job"}, "x-proto-field": 2,
    }  # fmt: skip
    assert messages["SchedulePublished"]["summary"].startswith("One published version against the one before")
    assert document["channels"]["order"]["address"] == "mes.order.v1"
    assert document["channels"]["order"]["description"].startswith("Events of the order service")
