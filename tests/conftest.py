"""What tests of every kind share: a real PostgreSQL server, fresh databases, the public data."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from mes.embedded import EmbeddedServer
from mes.embedded.java import KAFKA_VERSION, cache_folder, missing
from mes.embedded.kafka import QUICK, KafkaCluster
from mes.i18n import t
from mes.migrate import Target
from mes.testing import TestDatabases, test_server

# The solver's kernel is compiled, as in its own process; test_kernel.py also interprets it.
os.environ.setdefault("MES_SOLVER_COMPILED", "1")

# How long an example takes says nothing on a shared machine; how long a test may take, its timeout does.
hypothesis_settings.register_profile("mes", deadline=None)
hypothesis_settings.load_profile("mes")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """The PostgreSQL server of this test run: 18, or the version that MES_TEST_POSTGRES names."""
    with test_server(int(os.environ.get("MES_TEST_POSTGRES", "18"))) as server:
        yield server


class _Targets(dict[str, Target]):
    """Imports a service only when a test asks for its schema."""

    def __missing__(self, name: str) -> Target:
        service = import_module(f"services.{name}.service").service
        self[name] = Target(name, service.metadata)
        return self[name]


@pytest.fixture(scope="session")
def _server_databases(postgres: EmbeddedServer) -> TestDatabases:
    return TestDatabases(postgres, _Targets())


@pytest.fixture
async def databases(_server_databases: TestDatabases) -> AsyncIterator[TestDatabases]:
    """Fresh databases for one test: `await databases.database("order")` is an address with the service's schema,
    `await databases.settings(["order", "quality"])` the settings of a whole installation, `.empty()` no schema."""
    yield _server_databases
    await _server_databases.drop()


@pytest.fixture(scope="session")
def _old_server_databases() -> Iterator[TestDatabases]:
    with test_server(16) as server:
        yield TestDatabases(server, _Targets())


@pytest.fixture
async def databases_on_16(_old_server_databases: TestDatabases) -> AsyncIterator[TestDatabases]:
    """The same on the oldest PostgreSQL that is supported."""
    yield _old_server_databases
    await _old_server_databases.drop()


@pytest.fixture(scope="session")
def can_run_kafka() -> None:
    """Skips where brokers of our own cannot be run, fails in CI."""
    if lack := missing():
        reason = t(lack, "en", version=KAFKA_VERSION, folder=str(cache_folder()))
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Addresses of a Kafka: of the one that MES_TEST_KAFKA names, or of a broker of this test run."""
    if named := os.environ.get("MES_TEST_KAFKA"):
        yield named
        return
    request.getfixturevalue("can_run_kafka")
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"), settings=QUICK)
    cluster.start()
    yield cluster.bootstrap
    cluster.stop(kill=True, remove=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data. Skips in a clone without it, fails in CI."""
    folder = Path(os.environ.get("MES_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"public data is missing: {folder}; set MES_SHARED")
        pytest.skip("public data is not here: set MES_SHARED to the folder that has data/")
    return folder
