"""What the simulated people read from the API, as far as they need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

Json = Mapping[str, Any]


def moment(value: str | None) -> datetime | None:
    """A time with its zone from ISO 8601 text; None stays None."""
    return datetime.fromisoformat(value) if value else None


def number(value: Any) -> Decimal:
    """A quantity; absent is zero."""
    return Decimal(str(value)) if value not in (None, "") else Decimal(0)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the dispatch list and the job list show it. Times of setup and run hold for `equipment_id`."""

    id: str
    order_id: str
    seq: int
    state: str
    kind: str
    qty: Decimal
    remaining: Decimal
    equipment_id: str
    rank: int
    planned_start: datetime | None
    setup_s: float
    run_s: float
    pieces_per_count: float
    first_article: bool
    allowed: bool
    supplier: str
    lead_days: int

    @classmethod
    def of(cls, row: Json, *, rank: int = 0) -> Job:
        """From the row of a list."""
        place = str(row.get("equipment_id") or row.get("planned_equipment_id") or "")
        times = next((each for each in row.get("alternatives") or [] if each.get("equipment_id") == place), row)
        return cls(
            id=str(row["job_id"]),
            order_id=str(row["order_id"]),
            seq=int(row.get("seq") or 0),
            state=str(row["state"]),
            kind=str(row.get("kind") or "internal"),
            qty=number(row.get("qty")),
            remaining=number(row.get("remaining_qty")),
            equipment_id=place,
            rank=int(row.get("rank") or rank),
            planned_start=moment(row.get("planned_start")),
            setup_s=float(times.get("setup_s") or 0),
            run_s=float(times.get("run_s_per_unit") or 0),
            pieces_per_count=float(row.get("pieces_per_count") or 1),
            first_article=bool(row.get("first_article")),
            allowed=bool(row.get("allowed_to_start", True)),
            supplier=str(row.get("supplier") or ""),
            lead_days=int(row.get("lead_days") or 0),
        )


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the order list shows it."""

    id: str
    no: str
    state: str
    release_at: datetime | None

    @classmethod
    def of(cls, row: Json) -> Order:
        """From the row of a list."""
        return cls(str(row["order_id"]), str(row["no"]), str(row["state"]), moment(row.get("release_at")))

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {"Closed", "Cancelled", "Aborted", "Rejected", "Superseded"}


@dataclass(frozen=True, slots=True)
class Place:
    """A machine or bench by its definition."""

    id: str
    no: str
    is_networked: bool
    mapping: str


@dataclass(frozen=True, slots=True)
class Characteristic:
    """What is measured. sigma: the spread of a good process."""

    id: str
    kind: str
    target: float
    sigma: float

    @classmethod
    def of(cls, row: Json) -> Characteristic:
        """From a plan; without a known spread a sixth of the half tolerance is taken, six sigma in all."""
        lsl, usl, target = row.get("lsl"), row.get("usl"), row.get("target")
        middle = target if target is not None else _middle(lsl, usl)
        if (sigma := row.get("limit_sigma")) is None:
            reach = [abs(each - middle) for each in (lsl, usl) if each is not None]
            sigma = min(reach, default=0.0) / 5
        return cls(str(row["characteristic_id"]), str(row["kind"]), float(middle), float(sigma))


def _middle(lsl: float | None, usl: float | None) -> float:
    """Where a process sits when nobody named a target: well inside its one or two limits."""
    if lsl is not None and usl is not None:
        return (lsl + usl) / 2
    if usl is not None:
        return usl / 2
    return lsl * 1.3 if lsl is not None else 0.0


@dataclass(frozen=True, slots=True)
class Lot:
    """An inspection lot that waits for its measurements."""

    id: str
    job_id: str
    order_id: str
    stage: str
    state: str
    sample_size: int
    equipment_id: str
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True, slots=True)
class Nonconformance:
    """A nonconformance that waits for its disposition."""

    id: str
    job_id: str
    state: str
    source: str
    qty: Decimal


def lot_of(row: Json) -> Lot:
    """From the row of a list, with its characteristics."""
    return Lot(
        id=str(row["inspection_lot_id"]),
        job_id=str(row.get("job_id") or ""),
        order_id=str(row.get("order_id") or ""),
        stage=str(row.get("stage") or ""),
        state=str(row["state"]),
        sample_size=int(row.get("sample_size") or 1),
        equipment_id=str(row.get("equipment_id") or ""),
        characteristics=tuple(Characteristic.of(each) for each in row.get("characteristics") or ()),
    )


def nonconformance_of(row: Json) -> Nonconformance:
    """From the row of a list."""
    return Nonconformance(
        id=str(row["nonconformance_id"]),
        job_id=str(row.get("job_id") or ""),
        state=str(row["state"]),
        source=str(row.get("source") or ""),
        qty=number(row.get("qty")),
    )
