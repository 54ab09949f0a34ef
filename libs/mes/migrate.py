"""Brings the services' databases to the current schema, by one Alembic environment for all.

`python -m mes.migrate revision SERVICE "message"` writes a new revision from the models (developers only; needs
MES_DATABASE_URL or a server started for it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


@dataclass(frozen=True, slots=True)
class Target:
    """One service's schema: its name, its tables, and its folder of revisions."""

    service: str
    metadata: MetaData

    @property
    def versions(self) -> Path:
        spec = find_spec(f"services.{self.service}")
        if spec is None or not spec.submodule_search_locations:
            raise LookupError(f"there is no service {self.service}")
        return Path(spec.submodule_search_locations[0]) / "migrations" / "versions"


def _config(target: Target) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("version_locations", str(target.versions).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["target"] = target
    return config


async def _on_connection(target: Target, url: str, work: Callable[[Config], Any]) -> Any:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:

            def run(sync: Connection) -> Any:
                config = _config(target)
                config.attributes["connection"] = sync
                return work(config)

            # Two replicas may start at once: one migrates, the other waits and finds it done.
            await connection.execute(text("SELECT pg_advisory_lock(7110904)"))
            await connection.commit()
            try:
                result = await connection.run_sync(run)
                await connection.commit()
                return result
            finally:
                await connection.rollback()
                await connection.execute(text("SELECT pg_advisory_unlock(7110904)"))
                await connection.commit()
    finally:
        await engine.dispose()


async def upgrade(target: Target, url: str) -> None:
    """Bring the database to the newest revision; nothing happens when it is there already."""
    await _on_connection(target, url, lambda config: command.upgrade(config, "head"))


async def revision(target: Target, url: str, message: str) -> None:
    """Write the next revision from the difference between models and database."""
    target.versions.mkdir(parents=True, exist_ok=True)
    number = len(list(target.versions.glob("[0-9]*.py"))) + 1
    await _on_connection(
        target, url, lambda config: command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
    )


async def drift(target: Target, url: str) -> list[Any]:
    """Differences between the models and the migrated database; empty when they agree."""

    def compare(config: Config) -> list[Any]:
        context = MigrationContext.configure(config.attributes["connection"], opts={"compare_type": True})
        found = compare_metadata(context, target.metadata)
        return [each for each in found if "alembic_version" not in str(each)]

    return list(await _on_connection(target, url, compare))


async def pending(target: Target, url: str) -> list[str]:
    """Revisions that the database has not had yet."""

    def look(config: Config) -> list[str]:
        scripts = ScriptDirectory.from_config(config)
        current = MigrationContext.configure(config.attributes["connection"]).get_current_heads()
        return [each.revision for each in scripts.iterate_revisions("heads", current or "base")]

    return list(await _on_connection(target, url, look))
