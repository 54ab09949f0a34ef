"""What every test of the contract gets: a log of each kind, and names that no other test uses."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from mes.bus import Bus
from mes.testing import TestDatabases

from tests.contract.logs import HostileLog, KafkaLog, Log, PostgresLog

# A failed run of a hostile log is repeated with its seed.
SEED = int(os.environ.get("MES_TEST_SEED", "1"))


@pytest.fixture(params=["postgres", "kafka", "hostile-postgres", "hostile-kafka"])
async def log(request: pytest.FixtureRequest, databases: TestDatabases) -> AsyncIterator[Log]:
    """An empty log of each kind."""
    made: Log
    if request.param.endswith("kafka"):
        made = KafkaLog(request.getfixturevalue("kafka"))
    else:
        made = PostgresLog((await databases.empty("log")).replace("postgresql+asyncpg", "postgresql"))
    if request.param.startswith("hostile"):
        made = HostileLog(made, SEED)
    yield made
    await made.close()


@pytest.fixture
async def bus(log: Log) -> Bus:
    """A client of the log."""
    return await log.connect()


@pytest.fixture
def topic() -> str:
    return f"mes.test-{uuid4().hex[:8]}.v1"


@pytest.fixture
def group() -> str:
    return f"mes.test-{uuid4().hex[:8]}"
