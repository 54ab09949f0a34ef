"""Nonconformances, and the series of their numbers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from services.quality.models.base import Base


class Nonconformance(Base):
    """A nonconformance. qty: pieces in question; dispositions: what was decided; history: who, when, what and why.

    What is wrong: `defect` as somebody put it, and findings [{code, params}], messages of the catalogues.
    """

    __tablename__ = "nonconformance"
    __table_args__ = (
        Index("uq_nonconformance_site_id_no", "site_id", "no", unique=True),
        Index("ix_nonconformance_state", "site_id", "state", "id"),
        Index("ix_nonconformance_job_id", "job_id"),
        Index("ix_nonconformance_order_id", "order_id"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    state: Mapped[str]
    source: Mapped[str]
    defect: Mapped[str]
    findings: Mapped[Json] = mapped_column(server_default=text("'[]'"))
    note: Mapped[str]
    qty: Mapped[Decimal]
    hold: Mapped[bool]
    inspection_lot_id: Mapped[UUID | None]
    signal_id: Mapped[UUID | None]
    equipment_id: Mapped[UUID | None]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    dispositions: Mapped[Json]
    dispositioned_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    history: Mapped[Json]
    version: Mapped[int] = mapped_column(default=1)


class NumberSeries(Base):
    """The last number given of a series."""

    __tablename__ = "number_series"
    __table_args__ = (Index("uq_number_series", "site_id", "series", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    series: Mapped[str]
    last: Mapped[int]
