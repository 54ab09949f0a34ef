"""Routes of every service for its way through the log: what it keeps of others' events, and reading them again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mes.rebuild import rebuild
from mes.redelivery import Wish, redeliver
from mes.web import Running, service_router

router = service_router(tags=["event log"])


class ProjectionOut(BaseModel):
    """What the service keeps of others' events and can be made anew."""

    name: str = Field(examples=["definitions"])
    tables: list[str] = Field(examples=[["equipment", "calendar"]])
    events: list[str] = Field(description="types that fill it", examples=[["mes.events.v1.EquipmentDefined"]])


class RebuiltOut(BaseModel):
    """events: how many were applied."""

    events: int = Field(examples=[1250])


class RedeliveryIn(BaseModel):
    """Which events of a topic are read again: from an offset on, or those since a business time."""

    model_config = ConfigDict(extra="forbid")

    topic: str = Field(examples=["mes.order.v1"])
    from_offset: int = Field(default=0, ge=0, examples=[0])
    partition: int | None = Field(default=None, ge=0, description="only this one", examples=[None])
    since: AwareDatetime | None = Field(
        default=None, description="business time with its zone", examples=["2026-03-02T08:00:00+08:00"]
    )

    def wish(self) -> Wish:
        """As the command takes it."""
        since: datetime | None = self.since
        return Wish(self.topic, self.from_offset, self.partition, since)


class RedeliveredOut(BaseModel):
    """read: events that were read again; applied: those among them that have their effect only now."""

    read: int = Field(examples=[310])
    applied: int = Field(examples=[0])


Name = Annotated[str, Path(examples=["definitions"])]


@router.get("/projections", summary="What this service keeps of others' events and can be made anew")
async def get_projections(running: Running) -> list[ProjectionOut]:
    return [
        ProjectionOut(name=name, tables=[table.name for table in each.tables], events=sorted(each.consumers.handlers))
        for name, each in running.service.projections.items()
    ]


@router.post("/projections/{name}/rebuild", summary="Make a projection anew from the log; nothing is published")
async def post_rebuild(name: Name, running: Running) -> RebuiltOut:
    return RebuiltOut(events=await rebuild(running, name))


@router.post("/redelivery", summary="Read events again; what has had its effect is skipped")
async def post_redelivery(body: RedeliveryIn, running: Running) -> RedeliveredOut:
    return RedeliveredOut(**asdict(await redeliver(running, body.wish())))
