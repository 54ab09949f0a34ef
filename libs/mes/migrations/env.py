"""Alembic's environment, the same for every service: who and where come from `mes.migrate` in the config."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from mes.migrate import Target
from sqlalchemy.types import TypeDecorator


def _render(kind: str, obj: Any, _: Any) -> str | Literal[False]:
    # Our own column types are written as what they are in the database, so that old migrations never import them.
    if kind == "type" and isinstance(obj, TypeDecorator):
        return f"sa.{obj.impl!r}"
    return False


def run() -> None:
    """Run the migration commands on the connection that was handed over."""
    target: Target = context.config.attributes["target"]
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=target.metadata,
        render_item=_render,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
