"""What a service is: a name, its routes, what it listens to, its background tasks and its tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession

from mes.clock import BusinessClock
from mes.config import Settings
from mes.context import Context
from mes.db import Database
from mes.ids import new_id
from mes.inbox import Consumers

if TYPE_CHECKING:
    from mes.rebuild import Projection
    from mes.runtime import ServiceRuntime


class BusyProbe(Protocol):
    """Says what the service is still doing on its own (a plan being solved), or None when it waits for the world."""

    def __call__(self, running: ServiceRuntime, /) -> Awaitable[str | None]: ...


Task = Callable[["ServiceRuntime"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Service:
    """One service.

    tasks: run while the instance runs, on every replica; a task that ends or fails is started again after a moment.
    leader_tasks: the same, but only on the replica that holds the service's leader lock.
    listens_to: services whose events it consumes. shortcuts: short paths at the root that lead into it (`/t` -> `/t`).
    projections: what it keeps of others' events and can be made anew from the log (`mes rebuild`), by name.
    startup: called once before anything is consumed or served. shutdown: the opposite.
    """

    name: str
    metadata: MetaData
    router: APIRouter
    consumers: Consumers = field(default_factory=Consumers)
    listens_to: Sequence[str] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)
    leader_tasks: Mapping[str, Task] = field(default_factory=dict)
    projections: Mapping[str, Projection] = field(default_factory=dict)
    busy: BusyProbe | None = None
    shortcuts: Mapping[str, str] = field(default_factory=dict)
    startup: Task | None = None
    shutdown: Task | None = None


class Scope(Protocol):
    """What a background task may use: see `mes.runtime.ServiceRuntime`."""

    settings: Settings
    clock: BusinessClock
    database: Database
    site_id: UUID

    def transaction(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def context(self, actor: str = "system") -> Context: ...


def make_context(site: UUID, actor: str, now: datetime, traceparent: str = "") -> Context:
    """A context for something that no event caused."""
    return Context(site, actor, now, new_id=new_id, traceparent=traceparent)
