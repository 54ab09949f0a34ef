"""Keep the schema of a release: one SQL file per service in `tests/upgrade/<version>/`, from which upgrades are tested.

python -m tools.dump_schema 0.1.0
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mes.embedded import EmbeddedServer
from mes.migrate import Target
from mes.testing import TestDatabases, test_server

from services.cli.composition import load_services

ROOT = Path(__file__).resolve().parent.parent


def _dump(server: EmbeddedServer, database: str, *options: str) -> str:
    done = server.programs.run(
        "pg_dump", *options, "--no-owner", "--no-privileges", "--no-comments",
        server.admin_address(database), cwd=server.folder,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    # What psql alone understands, and what names the server's version, is no part of the schema.
    kept = [line for line in done.stdout.splitlines() if not line.startswith(("\\", "--", "SET transaction_timeout"))]
    return "\n".join(line for line in kept if line.strip())


async def _write(server: EmbeddedServer, folder: Path) -> None:
    services = load_services()
    databases = TestDatabases(server, {each.name: Target(each.name, each.metadata) for each in services})
    for each in services:
        database = (await databases.database(each.name)).rpartition("/")[2].partition("?")[0]
        revision = ("--data-only", "--inserts", "--table=alembic_version")
        parts = (_dump(server, database, "--schema-only"), _dump(server, database, *revision))
        (folder / f"{each.name}.sql").write_text("\n".join(parts) + "\n", encoding="utf-8")
    await databases.drop()


def main(version: str) -> None:
    """Write the files of a version."""
    folder = ROOT / "tests" / "upgrade" / version
    folder.mkdir(parents=True, exist_ok=True)
    with test_server() as server:
        asyncio.run(_write(server, folder))
    print(f"wrote {', '.join(sorted(path.name for path in folder.glob('*.sql')))} in {folder.relative_to(ROOT)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
