"""Two releases side by side: a consumer of the older contracts and one of the newer read what both producers send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from mes import outbox
from mes.context import Context
from mes.events.v1 import order_pb2
from mes.inbox import Consumers, Meta
from mes.runtime import Runtime
from mes.testing import TestDatabases
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.platform.tiny import TABLES, MirrorBase, mirror, shop

REPORTED = order_pb2.ReportRecorded.DESCRIPTOR.full_name
NEW_TYPE = f"{order_pb2.DESCRIPTOR.package}.ReportPhotographed"


def contracts(change: Callable[[FileDescriptorProto], None]) -> Callable[[str], type[Message]]:
    """The order service's contracts with a change, as classes of their own beside the present ones."""
    pool = DescriptorPool()
    for each in order_pb2.DESCRIPTOR.dependencies:
        needed = FileDescriptorProto()
        each.CopyToProto(needed)
        pool.Add(needed)
    changed = FileDescriptorProto()
    order_pb2.DESCRIPTOR.CopyToProto(changed)
    change(changed)
    pool.Add(changed)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def message(file: FileDescriptorProto, name: str) -> Any:
    return next(each for each in file.message_type if each.name == name)


def older(file: FileDescriptorProto) -> None:
    """A release before reports had a material and a planned run time."""
    report = message(file, "Report")
    kept = [each for each in report.field if each.name not in ("material_id", "run_s_per_unit")]
    assert len(kept) == len(report.field) - 2
    del report.field[:]
    report.field.extend(kept)


def newer(file: FileDescriptorProto) -> None:
    """A release in which reports have a remark that may be missing, and there is one more type of event."""
    report = message(file, "Report")
    report.oneof_decl.add(name="_remark")
    report.field.add(
        name="remark", number=99, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL,
        proto3_optional=True, oneof_index=len(report.oneof_decl) - 1,
    )  # fmt: skip
    file.message_type.add(name="ReportPhotographed")


OLDER, NEWER = contracts(older), contracts(newer)


class Heard:
    """What a consumer of one release has read."""

    def __init__(self, release: Callable[[str], type[Message]], *types: str) -> None:
        self.events: list[Any] = []
        self.consumers = Consumers()
        self.consumers.on(*(release(each) for each in types))(self._hear)

    async def _hear(self, session: AsyncSession, ctx: Context, event: Any, meta: Meta) -> None:
        self.events.append(event)

    @property
    def reports(self) -> list[Any]:
        return [each.report for each in self.events if each.DESCRIPTOR.full_name == REPORTED]


@pytest.fixture
async def running(
    log_settings: dict[str, Any], databases: TestDatabases
) -> AsyncIterator[tuple[Runtime, Heard, Heard]]:
    tables = {"shop": TABLES["shop"], "elder": MirrorBase.metadata, "newer": MirrorBase.metadata}
    settings = await databases.settings([], tables=tables, **log_settings)
    old, new = Heard(OLDER, REPORTED), Heard(NEWER, REPORTED, NEW_TYPE)
    services = [
        shop,
        replace(mirror, name="elder", consumers=old.consumers),
        replace(mirror, name="newer", consumers=new.consumers),
    ]
    runtime = Runtime(settings, services)
    await runtime.start()
    yield runtime, old, new
    await runtime.stop()


@pytest.fixture(params=["postgres", "kafka"])
def log_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of the log that the test is for."""
    if request.param == "postgres":
        return {}
    return {
        "bus": "kafka", "kafka_bootstrap": request.getfixturevalue("kafka"), "topic_prefix": f"mes-{uuid4().hex[:8]}"
    }  # fmt: skip


async def send(runtime: Runtime, *events: Message) -> None:
    running = runtime.services["shop"]
    async with running.transaction() as session:
        for event in events:
            outbox.publish(session, running.context(), event, key="one and the same")
    assert await runtime.wait_idle(60) == []


async def set_aside(runtime: Runtime) -> int:
    found = 0
    for name in ("elder", "newer"):
        async with runtime.services[name].read() as session:
            found += (await session.execute(text("SELECT count(*) FROM parked_event"))).scalar_one()
    return found


async def test_both_read_what_the_newer_one_sends(running: tuple[Runtime, Heard, Heard]) -> None:
    runtime, old, new = running
    report = {"order_id": "o-1", "good_qty": "3", "material_id": "m-1", "remark": "burr"}
    await send(runtime, NEWER(REPORTED)(report=report), NEWER(NEW_TYPE)(), NEWER(REPORTED)(report={"good_qty": "4"}))
    assert [each.good_qty for each in old.reports] == [each.good_qty for each in new.reports] == ["3", "4"]
    assert len(old.events) == 2
    assert len(new.events) == 3
    assert [each.remark for each in new.reports if each.HasField("remark")] == ["burr"]
    assert await set_aside(runtime) == 0


async def test_both_read_what_the_older_one_sends(running: tuple[Runtime, Heard, Heard]) -> None:
    runtime, old, new = running
    await send(runtime, OLDER(REPORTED)(report={"order_id": "o-1", "good_qty": "3"}))
    (by_old,), (by_new,) = old.reports, new.reports
    assert (by_old.good_qty, by_new.good_qty) == ("3", "3")
    # Not told is not nothing, and not an empty remark.
    assert not by_new.HasField("remark")
    assert by_new.material_id == ""
    assert await set_aside(runtime) == 0


async def test_what_the_older_one_hands_on_keeps_what_it_does_not_know(running: tuple[Runtime, Heard, Heard]) -> None:
    runtime, old, new = running
    await send(runtime, NEWER(REPORTED)(report={"good_qty": "3", "remark": "burr"}))
    await send(runtime, old.events[0])
    assert [each.remark for each in new.reports] == ["burr", "burr"]
