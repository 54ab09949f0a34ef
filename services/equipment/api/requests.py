"""Shapes of requests. Times carry their zone; what sources say is kept as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from services.equipment.api.schemas import AT, shown
from services.equipment.domain.signals import SignalKind


def _as_text(value: Any) -> Any:
    # Sources say numbers too; booleans stay wrong.
    return str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Said = Annotated[str, BeforeValidator(_as_text), Field(max_length=500, pattern=r"^[^\x00]*$")]


class Strict(BaseModel):
    """A request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class SignalIn(Strict):
    """A signal. seq: the source's own number within its session; name: counter or alarm code."""

    equipment_id: UUID
    source: Annotated[Text, Field(min_length=1)]
    session: Text = ""
    seq: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    time: AwareDatetime
    kind: SignalKind
    name: Text = ""
    value: Said = ""


class SignalsIn(Strict):
    """A batch of at most 1,000 signals of any machines, in any order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "signals": [
                        {
                            "equipment_id": "0198c1f0-0000-7000-8000-000000000001", "source": "plc-1",
                            "session": "2026-11-23", "seq": 17, "time": "2026-11-23T08:00:00Z", "kind": "state",
                            "value": "EXECUTE",
                        }
                    ]
                }
            ]
        },
    )  # fmt: skip
    signals: Annotated[list[SignalIn], Field(min_length=1, max_length=1000)]


class StopIn(Strict):
    """A stop told by hand; without `end` it lasts until production goes on."""

    model_config = shown(start=AT.format(0), reason="D-BREAK", category="UNPLANNED_DOWN", worker="W-017")
    start: AwareDatetime
    end: AwareDatetime | None = None
    reason: Text = ""
    category: Text = ""
    worker: Text = ""


class EndIn(Strict):
    """When the stop ended."""

    model_config = shown(end=AT.format(5))
    end: AwareDatetime


class ReasonIn(Strict):
    """The reason of the stops in [start, end)."""

    model_config = shown(start=AT.format(0), end=AT.format(5), reason="D-MATERIAL")
    start: AwareDatetime
    end: AwareDatetime
    reason: Text


class ReclassifyIn(Strict):
    """[start, end) was of this category."""

    model_config = shown(
        start=AT.format(0), end=AT.format(5), category="PLANNED_DOWN", reason="D-PM"
    )  # fmt: skip
    start: AwareDatetime
    end: AwareDatetime
    category: Text
    reason: Text = ""


class SplitIn(Strict):
    """Where to cut."""

    model_config = shown(at=AT.format(2))
    at: AwareDatetime


class MappingIn(Strict):
    """The next version of a mapping: native value to category."""

    model_config = shown(words={"EXECUTE": "PRODUCING", "SUSPENDED": "STANDBY"})
    words: dict[str, str]
    valid_from: AwareDatetime | None = None
