"""A fold's state as plain JSON and back, so that it can be kept between two batches of signals."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from services.equipment.domain.counters import Reading
from services.equipment.domain.signals import Mark, Order, Stream
from services.equipment.domain.timeline import EMPTY, FoldState


def dump(state: FoldState) -> dict[str, Any]:
    """The state as JSON."""
    return {
        "last": None if state.last is None else [_out(state.last[0]), list(state.last[1]), list(state.last[2])],
        "marks": [[list(stream), list(mark.position), _out(mark.at)] for stream, mark in state.marks.items()],
        "seen": _out(state.seen),
        "since": _out(state.since),
        "native": state.native,
        "said_at": _out(state.said_at),
        "clamped": state.clamped,
        "counters": [[name, str(r.value), _out(r.at), str(r.total)] for name, r in state.counters.items()],
        "closed": state.closed,
        "steps": state.steps,
        "signals": state.signals,
    }


def load(data: dict[str, Any] | None) -> FoldState:
    """The state from its JSON; the empty one from nothing."""
    if not data:
        return EMPTY
    return FoldState(
        last=_order(data["last"]),
        marks={_stream(s): Mark((int(p[0]), p[1], p[2]), datetime.fromisoformat(at)) for s, p, at in data["marks"]},
        seen=_in(data["seen"]),
        since=_in(data["since"]),
        native=data["native"],
        said_at=_in(data["said_at"]),
        clamped=data["clamped"],
        counters={
            name: Reading(Decimal(value), datetime.fromisoformat(at), Decimal(total))
            for name, value, at, total in data["counters"]
        },
        closed=data["closed"],
        steps=data["steps"],
        signals=data["signals"],
    )


def _order(value: list[Any] | None) -> Order | None:
    if value is None:
        return None
    at, stream, position = value
    return datetime.fromisoformat(at), _stream(stream), (int(position[0]), position[1], position[2])


def _stream(value: list[Any]) -> Stream:
    return str(value[0]), str(value[1]), bool(value[2])


def _out(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _in(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
