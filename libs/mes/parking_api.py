"""Routes of every service for what could not be applied: look at it, and let it go when its cause is mended."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field

from mes import parking
from mes.web import Running, Session, service_router

router = service_router(tags=["parked events"])

_ERROR = "ValueError('unknown unit')"


class ParkedKeyOut(BaseModel):
    """An aggregate whose events wait. type and error are those of the first event, which keeps the others waiting."""

    topic: str = Field(examples=["mes.order.v1"])
    key: str = Field(examples=["0198c1f0-0000-7000-8000-000000000001"])
    events: int = Field(examples=[3])
    since: datetime = Field(description="real time, UTC", examples=["2026-03-02T00:05:00Z"])
    type: str = Field(examples=["mes.events.v1.JobChanged"])
    error: str = Field(examples=[_ERROR])


class ParkedEventOut(BaseModel):
    """An event that waits. payload: as JSON; null where its type is unknown to this service or its bytes are wrong."""

    position: int = Field(examples=[17])
    type: str = Field(examples=["mes.events.v1.JobChanged"])
    error: str = Field(examples=[_ERROR])
    parked_at: datetime = Field(description="real time, UTC", examples=["2026-03-02T00:05:00Z"])
    headers: dict[str, str] = Field(examples=[{"ce_id": "0198c1f0-0000-7000-8000-000000000002"}])
    payload: dict[str, Any] | None = Field(examples=[{"verb": "start"}])


class ReplayedOut(BaseModel):
    """What became of the events of a key."""

    applied: int = Field(description="took effect", examples=[3])
    left: int = Field(description="wait still", examples=[0])
    error: str = Field(description="why the first of those that wait does", examples=[""])


Topic = Annotated[str, Path(examples=["mes.order.v1"])]
Key = Annotated[str, Path(examples=["0198c1f0-0000-7000-8000-000000000001"])]


@router.get("/parked-events", summary="Aggregates whose events could not be applied here, those parked first before")
async def get_keys(session: Session) -> list[ParkedKeyOut]:
    return [ParkedKeyOut(**asdict(each)) for each in await parking.parked_keys(session)]


@router.get("/parked-events/{topic}/{key}", summary="The events of one aggregate that wait, in their order")
async def get_events(topic: Topic, key: Key, session: Session, running: Running) -> list[ParkedEventOut]:
    events = await parking.parked_events(session, running.service.consumers, topic, key)
    return [ParkedEventOut(**asdict(each)) for each in events]


@router.post("/parked-events/{topic}/{key}/replay", summary="Apply the events of one aggregate now, in their order")
async def post_replay(topic: Topic, key: Key, running: Running) -> ReplayedOut:
    return ReplayedOut(**asdict(await parking.replay(running.database, running.loop, topic, key)))
