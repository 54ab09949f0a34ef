"""Every released schema comes up to the current one, and is then what the models say."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from mes.migrate import Target, drift, pending, upgrade
from mes.testing import TestDatabases

from services.cli.composition import load_services

SCHEMAS = sorted(Path(__file__).parent.glob("[0-9]*/*.sql"))
TARGETS = {service.name: Target(service.name, service.metadata) for service in load_services()}


def test_there_is_a_schema_of_every_service_that_was_released() -> None:
    first = {path.stem for path in (Path(__file__).parent / "0.1.0").glob("*.sql")}
    assert first == {"order", "scheduling", "equipment", "quality"}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_released_schema_comes_up_to_date(schema: Path, databases: TestDatabases) -> None:
    target, url = TARGETS[schema.stem], await databases.empty(schema.stem)
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        await connection.execute(schema.read_text(encoding="utf-8"))
    finally:
        await connection.close()
    await upgrade(target, url)
    assert await pending(target, url) == []
    assert await drift(target, url) == []
