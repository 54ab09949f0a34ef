"""Values as events write them, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp


def stamp(moment: datetime) -> Timestamp:
    """The moment as protobuf has it."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def time_of(made: Timestamp) -> datetime:
    """The moment in UTC."""
    return made.ToDatetime(tzinfo=UTC)


def plain(quantity: Decimal) -> str:
    """A quantity without exponent and needless zeros."""
    shown = format(quantity, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def quantity_of(text: str) -> Decimal:
    """A quantity; absent is zero."""
    return Decimal(text) if text else Decimal(0)


def id_of(text: str) -> UUID | None:
    """An id; absent is None."""
    return UUID(text) if text else None
