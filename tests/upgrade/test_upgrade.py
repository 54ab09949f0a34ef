"""Every released schema comes up to the current one, and is then what the models say."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from mes.migrate import Target, drift, pending, upgrade
from mes.testing import TestDatabases

from services.cli.composition import load_services

HERE = Path(__file__).parent
# "0.1.0-order" -> the script that makes that schema.
SCHEMAS = {f"{path.parent.name}-{path.stem}": path.read_text("utf-8") for path in HERE.glob("[0-9]*/*.sql")}
TARGETS = {service.name: Target(service.name, service.metadata) for service in load_services()}


def test_there_is_a_schema_of_every_service_that_was_released() -> None:
    assert {name for name in SCHEMAS if name.startswith("0.1.0-")} == {f"0.1.0-{service}" for service in TARGETS}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
async def test_a_released_schema_comes_up_to_date(name: str, databases: TestDatabases) -> None:
    service = name.rpartition("-")[2]
    target, url = TARGETS[service], await databases.empty(service)
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        await connection.execute(SCHEMAS[name])
    finally:
        await connection.close()
    await upgrade(target, url)
    assert await pending(target, url) == []
    assert await drift(target, url) == []
