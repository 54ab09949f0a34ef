"""While there is no broker a process goes on: it is ready, says what it knows, and takes requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from mes import outbox
from mes.embedded.kafka import QUICK, KafkaCluster
from mes.events.v1 import order_pb2
from mes.front import root_app
from mes.runtime import Runtime
from mes.testing import TestDatabases

from tests.integration.platform.conftest import eventually
from tests.integration.platform.tiny import TABLES, mirror, shop


@pytest.fixture
def broker(can_run_kafka: None, tmp_path: Path) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(tmp_path / "kafka", settings=QUICK)
    cluster.start()
    yield cluster
    cluster.stop(kill=True, remove=True)


async def test_it_stays_ready_and_shows_no_lag_until_the_broker_is_back(
    broker: KafkaCluster, databases: TestDatabases
) -> None:
    settings = await databases.settings(
        [], tables=TABLES, bus="kafka", kafka_bootstrap=broker.bootstrap, topic_prefix=f"mes-{uuid4().hex[:8]}",
        watchdog_s=0.5,
    )  # fmt: skip
    runtime = Runtime(settings, [shop, mirror])
    await runtime.start()
    transport = httpx.ASGITransport(app=root_app(runtime, manage=False))
    lag, unsent = 'mes_consumer_lag_records{service="mirror"}', 'mes_outbox_unsent_rows{service="shop"}'
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as http:
            assert lag in (await http.get("/metrics")).text
            broker.kill_broker(1)
            running = runtime.services["shop"]
            async with running.transaction() as session:
                outbox.publish(session, running.context(), order_pb2.ReportRecorded(
                    report=order_pb2.Report(order_id=str(uuid4()), good_qty="1")), key=uuid4())  # fmt: skip
            began = time.monotonic()
            shown = (await http.get("/metrics")).text
            # Not a figure of a bench: before there was a limit it took a client's twenty seconds.
            assert time.monotonic() - began < 10
            assert lag not in shown
            assert f"{unsent} 1.0" in shown
            assert (await http.get("/readyz")).status_code == 200
            assert runtime.services["mirror"].watchdog.stalled == ""
            broker.start_broker(1)
            await eventually(lambda: runtime.services["mirror"].loop.taken > 0, 60)
            assert await runtime.wait_idle(60) == []
            assert f"{lag} 0.0" in (await http.get("/metrics")).text
    finally:
        await runtime.stop()
