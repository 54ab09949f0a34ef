"""The event contracts as an AsyncAPI 3 document, made of `proto/` and of what each service listens to.

python -m tools.asyncapi   writes docs/asyncapi.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from mes.config import Settings
from mes.inbox import dead_letters_of, topics_of
from mes.outbox import CONTENT_TYPE
from mes.service import Service

from services.cli.composition import load_services

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "asyncapi.json"
_PACKAGE = "mes.events.v1"
_Field = FieldDescriptorProto
# The JSON form of protobuf's own types: 64-bit integers are text in it.
_PLAIN: Mapping[int, dict[str, str]] = {
    _Field.TYPE_STRING: {"type": "string"},
    _Field.TYPE_BOOL: {"type": "boolean"},
    _Field.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _Field.TYPE_DOUBLE: {"type": "number"},
    _Field.TYPE_FLOAT: {"type": "number"},
    _Field.TYPE_INT32: {"type": "integer", "format": "int32"},
    _Field.TYPE_UINT32: {"type": "integer", "format": "uint32"},
    _Field.TYPE_INT64: {"type": "string", "format": "int64"},
    _Field.TYPE_UINT64: {"type": "string", "format": "uint64"},
}
_TEXT = {"type": "string"}
_HEADERS = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_sequence", "ce_site"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**_TEXT, "format": "uuid", "description": "with ce_source: the same for every copy of an event"},
        "ce_source": {**_TEXT, "description": "consumer group of the service that published it"},
        "ce_type": {**_TEXT, "description": "full name of the protobuf message"},
        "ce_time": {**_TEXT, "format": "date-time", "description": "business time at which it happened"},
        "ce_subject": {**_TEXT, "description": "id of the aggregate, as the record's key"},
        "ce_sequence": {**_TEXT, "description": "+1 for each event of an aggregate and source; no gaps"},
        "ce_actor": {**_TEXT, "description": "who did it"},
        "ce_site": {**_TEXT, "format": "uuid"},
        "ce_causationid": {**_TEXT, "format": "uuid", "description": "the event that made this one happen"},
        "content-type": {"const": CONTENT_TYPE},
        "traceparent": {**_TEXT, "description": "W3C trace context"},
    },
}


def document() -> dict[str, Any]:
    """The whole document."""
    files = [file for file in _described() if file.package == _PACKAGE]
    services = {service.name: service for service in load_services()}
    events = {name: _events(files, name) for name in services}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lingnan MES events",
            "version": "1",
            "description": "Records are keyed by the aggregate's id, so the events of one aggregate keep their order. "
            "Delivery is at least once: skip a pair of ce_source and ce_id that was seen. Fields are only added.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {name: _channel(name, events[name], files) for name in services}
        | {f"{name}.deadLetters": _dead_letters(name) for name, each in services.items() if each.listens_to},
        "operations": _operations(services, events),
        "components": {
            "messages": {event.name: _message(event, comment) for found in events.values() for event, comment in found},
            "messageTraits": {"cloudEvent": {"headers": _HEADERS}},
            "schemas": {
                message.name: _schema(message, comments, (4, place))
                for file, comments in ((file, _comments(file)) for file in files)
                for place, message in enumerate(file.message_type)
            },
        },
    }


def _described() -> Sequence[FileDescriptorProto]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "all.binpb"
        sources = sorted(str(path) for path in (ROOT / "proto").rglob("*.proto"))
        words = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", "--include_source_info"]
        subprocess.run([*words, f"--descriptor_set_out={target}", *sources], check=True, cwd=ROOT)  # noqa: S603
        return FileDescriptorSet.FromString(target.read_bytes()).file


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Comments by the path of what they stand at."""
    return {
        tuple(place.path): " ".join(f"{place.leading_comments} {place.trailing_comments}".split())
        for place in file.source_code_info.location
        if place.leading_comments or place.trailing_comments
    }


def _events(files: Sequence[FileDescriptorProto], service: str) -> list[tuple[DescriptorProto, str]]:
    """The events of a service with their comments: messages of its file that are part of no other message."""
    parts = {field.type_name for file in files for message in file.message_type for field in message.field}
    return [
        (message, _comments(file).get((4, place), ""))
        for file in files
        if file.name.endswith(f"/{service}.proto")
        for place, message in enumerate(file.message_type)
        if f".{_PACKAGE}.{message.name}" not in parts
    ]


def _channel(
    service: str, events: Sequence[tuple[DescriptorProto, str]], files: Sequence[FileDescriptorProto]
) -> dict[str, Any]:
    file = next(file for file in files if file.name.endswith(f"/{service}.proto"))
    return {
        "address": topics_of([service])[0],
        "description": _comments(file).get((12,), ""),
        "messages": {event.name: {"$ref": f"#/components/messages/{event.name}"} for event, _ in events},
        "bindings": {"kafka": {"partitions": Settings.model_fields["partitions"].default}},
    }


def _dead_letters(service: str) -> dict[str, Any]:
    return {
        "address": dead_letters_of(service),
        "description": f"Copies of what the {service} service could not apply, with mes_error, mes_topic and "
        "mes_offset among the headers; `mes dlq` shows and replays what waits.",
    }


def _message(event: DescriptorProto, comment: str) -> dict[str, Any]:
    return {
        "name": f"{_PACKAGE}.{event.name}",
        **({"summary": comment} if comment else {}),
        "contentType": CONTENT_TYPE,
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"#/components/schemas/{event.name}"},
    }


def _schema(message: DescriptorProto, comments: Mapping[tuple[int, ...], str], path: tuple[int, ...]) -> dict[str, Any]:
    maps = {each.name: each for each in message.nested_type if each.options.map_entry}
    properties = {}
    for place, field in enumerate(message.field):
        shown: dict[str, Any] = _type(field)
        if entry := maps.get(field.type_name.rpartition(".")[2]):
            shown = {"type": "object", "additionalProperties": _type(entry.field[1])}
        elif field.label == _Field.LABEL_REPEATED:
            shown = {"type": "array", "items": shown}
        if comment := comments.get((*path, 2, place)):
            shown = {**shown, "description": comment}
        properties[field.name] = {**shown, "x-proto-field": field.number}
    comment = comments.get(path, "")
    return {"type": "object", **({"description": comment} if comment else {}), "properties": properties}


def _type(field: FieldDescriptorProto) -> dict[str, Any]:
    if field.type == _Field.TYPE_MESSAGE:
        if field.type_name == ".google.protobuf.Timestamp":
            return {"type": "string", "format": "date-time"}
        return {"$ref": f"#/components/schemas/{field.type_name.rpartition('.')[2]}"}
    return dict(_PLAIN[field.type])


def _operations(
    services: Mapping[str, Service], events: Mapping[str, Sequence[tuple[DescriptorProto, str]]]
) -> dict[str, Any]:
    """Who publishes, and who does something about which messages."""
    made: dict[str, Any] = {}
    for name, service in services.items():
        made[f"{name}.publishes"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
        for source in service.listens_to:
            heard = [
                event.name for event, _ in events[source]
                if service.consumers.every is not None or f"{_PACKAGE}.{event.name}" in service.consumers.handlers
            ]  # fmt: skip
            made[f"{name}.hears.{source}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{source}"},
                "messages": [{"$ref": f"#/channels/{source}/messages/{each}"} for each in heard],
            }
    return made


def written() -> str:
    """The document as its file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def check() -> list[str]:
    """Whether the file is what `proto/` and the services say."""
    fresh = TARGET.exists() and TARGET.read_text(encoding="utf-8") == written()
    return [] if fresh else ["docs/asyncapi.json is stale; run: python -m tools.asyncapi"]


if __name__ == "__main__":
    TARGET.write_text(written(), encoding="utf-8")
