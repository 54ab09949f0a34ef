"""What `mes doctor` says of Kafka: whether it answers, whether topics are as they should be, who is behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from mes.bus import Record
from mes.bus.kafka import KafkaBus
from mes.config import Settings
from mes.embedded import HomeLock
from mes.embedded.server import free_port
from mes.runtime import make_topics, topics_wanted

from services.cli.composition import load_services
from services.cli.doctor import Finding, examine
from services.cli.installation import announce, withdraw


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    return Settings(bus="kafka", kafka_bootstrap=kafka, topic_prefix=f"mes-{uuid4().hex[:8]}", home=tmp_path)


def findings(settings: Settings) -> dict[str, list[Finding]]:
    """Findings by code."""
    found: dict[str, list[Finding]] = {}
    for each in examine(settings):
        found.setdefault(each.code, []).append(each)
    return found


def test_what_is_missing_is_named_with_what_makes_it(settings: Settings) -> None:
    found = findings(settings)
    assert found["doctor.kafka"][0].verdict == "ok"
    assert found["doctor.kafka"][0].params["count"] >= 1
    (missing,) = found["doctor.topics_missing"]
    assert missing.verdict == "wrong"
    assert f"{settings.topic_prefix}.order.v1" in missing.params["names"]


def test_topics_that_were_made_are_as_they_should_be(settings: Settings) -> None:
    asyncio.run(make_topics(settings, load_services()))
    found = findings(settings)
    (topics,) = found["doctor.topics"]
    assert topics.params["count"] == len(topics_wanted(settings, load_services()))
    assert "doctor.topics_missing" not in found
    assert {each.params["behind"] for each in found["doctor.lag"]} == {0}


def test_a_topic_of_another_shape_is_told_and_left_as_it_is(settings: Settings) -> None:
    asyncio.run(make_topics(settings, load_services()))
    wish = settings.model_copy(update={"partitions": 9, "kafka_retention_ms": 1000})
    asyncio.run(make_topics(wish, load_services()))
    told = findings(wish)["doctor.topic_differs"]
    assert len(told) == len(topics_wanted(settings, load_services()))
    assert told[0].params["is"] == "partitions=4 replication=1 retention_ms=-1"
    assert told[0].params["wanted"] == "partitions=9 replication=1 retention_ms=1000"
    assert told[0].verdict == "note"


def test_who_is_behind_is_told(settings: Settings) -> None:
    async def append() -> None:
        bus = KafkaBus.of(settings)
        await bus.start()
        await bus.append([Record(f"{settings.topic_prefix}.order.v1", "k", b"", {})] * 3)
        await bus.close()

    asyncio.run(make_topics(settings, load_services()))
    asyncio.run(append())
    behind = {each.params["group"]: each.params["behind"] for each in findings(settings)["doctor.lag"]}
    assert behind[f"{settings.topic_prefix}.quality"] == 3


def test_a_broker_that_does_not_answer_is_said_to(tmp_path: Path) -> None:
    found = findings(Settings(bus="kafka", kafka_bootstrap=f"127.0.0.1:{free_port()}", home=tmp_path))
    assert found["kafka.unreachable"][0].verdict == "wrong"


def test_the_broker_of_the_instance_that_runs_is_looked_at(settings: Settings) -> None:
    """`mes cluster` starts its own; a command beside it has no setting that says where."""
    assert settings.home
    told = {"bus": "kafka", "kafka_bootstrap": settings.kafka_bootstrap, "kafka_replication": 1}
    bare = Settings(home=settings.home, topic_prefix=settings.topic_prefix)
    lock = HomeLock(settings.home)
    lock.acquire()
    try:
        announce(settings.home, "http://127.0.0.1:1", told)
        assert findings(bare)["doctor.kafka"][0].params["servers"] == settings.kafka_bootstrap
    finally:
        withdraw(settings.home)
        lock.release()
    assert "doctor.kafka" not in findings(bare)
