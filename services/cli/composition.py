"""Which services there are: every package below `services` with a module `service` that defines `service`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from mes.errors import NotFound
from mes.service import Service

_FOLDER = Path(__file__).resolve().parent.parent
# Whoever owns the definitions starts first.
_FIRST = ("order", "scheduling", "equipment", "quality")


def service_names() -> list[str]:
    """Names of all services of this installation, in the order of starting."""
    found = {path.parent.name for path in _FOLDER.glob("*/service.py")}
    return [name for name in _FIRST if name in found] + sorted(found.difference(_FIRST))


def load_services(names: Sequence[str] = ()) -> list[Service]:
    """The services named, or all. Raises NotFound for a name that is none."""
    known = service_names()
    for name in names:
        if name not in known:
            raise NotFound("cli.no_service", name=name, known=", ".join(known))
    loaded: list[Service] = [import_module(f"services.{name}.service").service for name in names or known]
    return loaded
