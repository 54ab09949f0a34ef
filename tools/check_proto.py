"""Generated code is that of `proto/`, and the event contracts only grew since they were accepted.

python -m tools.check_proto --accept   takes the present contracts as the new snapshot; refuses what is not compatible
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "proto" / "snapshot.json"
Contracts = dict[str, dict[str, str]]
_NAMES = "reserved names"


def check() -> list[str]:
    """What is stale or not compatible."""
    return [*_stale(), *incompatible(_accepted(), _present()), *_not_accepted()]


def _stale() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        words = [sys.executable, str(ROOT / "tools" / "proto.py"), folder]
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "PATH": path})  # noqa: S603
        made = Path(folder) / "mes" / "events"
        new = {file.relative_to(made).as_posix(): file.read_text(encoding="utf-8") for file in made.rglob("*_pb2.py*")}
    there = ROOT / "libs" / "mes" / "events"
    old = {file.relative_to(there).as_posix(): file.read_text(encoding="utf-8") for file in there.rglob("*_pb2.py*")}
    return [
        f"{name} is not what proto/ says; run: make proto"
        for name in sorted({*new, *old})
        if new.get(name) != old.get(name)
    ]


def _present() -> Contracts:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "all.binpb"
        sources = sorted(str(path) for path in (ROOT / "proto").rglob("*.proto"))
        words = [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{ROOT / 'proto'}",
            f"--descriptor_set_out={target}",
            *sources,
        ]
        subprocess.run(words, check=True, cwd=ROOT)  # noqa: S603
        files = FileDescriptorSet.FromString(target.read_bytes())
    contracts: Contracts = {}
    for file in files.file:
        for message in file.message_type:
            add_message(contracts, f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            add_enum(contracts, f"{file.package}.{enum.name}", enum)
    return dict(sorted(contracts.items()))


def add_message(contracts: Contracts, name: str, message: DescriptorProto) -> None:
    """Enter a message and what is in it."""
    contracts[name] = {str(field.number): _field(message, field) for field in message.field}
    for reserved in message.reserved_range:
        for number in range(reserved.start, reserved.end):
            contracts[name][str(number)] = "reserved"
    if message.reserved_name:
        contracts[name][_NAMES] = " ".join(sorted(message.reserved_name))
    for inner in message.nested_type:
        add_message(contracts, f"{name}.{inner.name}", inner)
    for enum in message.enum_type:
        add_enum(contracts, f"{name}.{enum.name}", enum)


def _field(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    """What a reader of an older release relies on: label, type, name, presence, and its name in JSON if it is given."""
    words = [str(field.label), str(field.type), field.type_name, field.name]
    if field.proto3_optional:
        words.append("optional")
    elif field.HasField("oneof_index"):
        words.append(f"oneof {message.oneof_decl[field.oneof_index].name}")
    head, *rest = field.name.split("_")
    if field.json_name not in ("", head + "".join(each.capitalize() for each in rest)):
        words.append(f"json {field.json_name}")
    return " ".join(words)


def add_enum(contracts: Contracts, name: str, enum: EnumDescriptorProto) -> None:
    """Enter an enumeration."""
    contracts[name] = {str(value.number): value.name for value in enum.value}


def _accepted() -> Contracts:
    if not SNAPSHOT.exists():
        return {}
    accepted: Contracts = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    return accepted


def incompatible(old: Contracts, new: Contracts) -> list[str]:
    """What a reader of the old contracts could not read, after buf's rules FILE and WIRE_JSON."""
    wrong = []
    for name, fields in old.items():
        if name not in new:
            wrong.append(f"{name} is gone")
            continue
        names = new[name].get(_NAMES, "").split()
        for number, was in fields.items():
            if number == _NAMES:
                continue
            now = new[name].get(number)
            if now is None:
                wrong.append(f"{name}: {number} ({was}) is gone; reserve the number")
            elif now not in (was, "reserved"):
                wrong.append(f"{name}: {number} was {was}, is {now}")
            elif now != was and was.split(" ")[3] not in names:
                wrong.append(f"{name}: {number} ({was}) is gone; reserve its name too")
    return wrong


def _not_accepted() -> list[str]:
    if _accepted() == _present():
        return []
    return ["the contracts are not those of proto/snapshot.json; run: python -m tools.check_proto --accept"]


def main() -> int:
    """Accept the present contracts."""
    present = _present()
    if wrong := incompatible(_accepted(), present):
        print("\n".join(wrong))
        return 1
    SNAPSHOT.write_text(json.dumps(present, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
