"""Tables of the equipment service. `site_id` leads every unique key; projections of others' things carry their ids."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mes.db import Json, PrimaryId, ServiceBase
from mes.tables import service_metadata
from sqlalchemy import BigInteger, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column


class Base(ServiceBase):
    """Base of this service's tables."""

    __abstract__ = True
    metadata = service_metadata()


class Equipment(Base):
    """A machine: its definition, where its fold stands (the head checkpoint), and its current state."""

    __tablename__ = "equipment"
    __table_args__ = (Index("uq_equipment_site_id_no", "site_id", "no", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    work_centre_id: Mapped[UUID | None]
    calendar_id: Mapped[UUID | None]
    is_networked: Mapped[bool]
    mapping: Mapped[str]
    counter_modulus: Mapped[Decimal | None]
    signal_timeout_s: Mapped[int]
    outdated: Mapped[bool]
    known_since: Mapped[datetime]
    fold: Mapped[Json]
    category: Mapped[str] = mapped_column(default="UNKNOWN")
    native: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="timeout")
    since: Mapped[datetime | None]


class WorkCentre(Base):
    """A work centre and the calendar of its machines."""

    __tablename__ = "work_centre"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    no: Mapped[str]
    calendar_id: Mapped[UUID | None]


class CalendarRow(Base):
    """A calendar as it was defined."""

    __tablename__ = "calendar"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    spec: Mapped[Json]


class Reason(Base):
    """A reason; `category`: what a stop with it stands for, empty where it changes nothing."""

    __tablename__ = "reason"
    __table_args__ = (Index("uq_reason_site_id_code", "site_id", "code", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    code: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str]
    category: Mapped[str]
    parent_code: Mapped[str]
    outdated: Mapped[bool]


class MappingRow(Base):
    """A version of a state mapping made by the workshop; never changed."""

    __tablename__ = "mapping_version"
    __table_args__ = (Index("uq_mapping_version", "site_id", "name", "version", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    name: Mapped[str]
    version: Mapped[int]
    valid_from: Mapped[datetime]
    words: Mapped[Json]
    by: Mapped[str]


class SignalStream(Base):
    """A stream of a machine's signals: source and session, numbered or not."""

    __tablename__ = "signal_stream"
    __table_args__ = (
        Index("uq_signal_stream", "site_id", "equipment_id", "source", "session", "numbered", unique=True),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    source: Mapped[str]
    session: Mapped[str]
    numbered: Mapped[bool]


class SignalRow(Base):
    """A signal as it came. Numbered ones are unique by (source, session, seq), others by (source, time, hash)."""

    __tablename__ = "signal"
    __table_args__ = (
        Index(
            "uq_signal_seq",
            "site_id",
            "source",
            "session",
            "seq",
            unique=True,
            postgresql_where=text("seq IS NOT NULL"),
        ),
        Index(
            "uq_signal_content", "site_id", "source", "at", "digest", unique=True, postgresql_where=text("seq IS NULL")
        ),
        Index("ix_signal_stream_place", "stream_id", "seq", "at"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    stream_id: Mapped[UUID]
    source: Mapped[str]
    session: Mapped[str]
    seq: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime]
    kind: Mapped[str]
    name: Mapped[str]
    value: Mapped[str]
    digest: Mapped[str]
    ingested_at: Mapped[datetime]


class Checkpoint(Base):
    """A fold's state some way back, from which late signals are folded in. no: signals folded until then."""

    __tablename__ = "fold_checkpoint"
    __table_args__ = (Index("uq_fold_checkpoint", "site_id", "equipment_id", "no", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    no: Mapped[int]
    state: Mapped[Json]


class StateInterval(Base):
    """A closed interval [start_at, end_at) of the fold, the no-th of its machine. The open one is in the state."""

    __tablename__ = "state_interval"
    __table_args__ = (
        Index("uq_state_interval", "site_id", "equipment_id", "no", unique=True),
        Index("ix_state_interval_time", "equipment_id", "end_at", "start_at"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    no: Mapped[int]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    category: Mapped[str]
    native: Mapped[str]
    mapping: Mapped[int]
    clamped: Mapped[bool]


class CounterStepRow(Base):
    """Counts between two readings, the no-th of its machine."""

    __tablename__ = "counter_step"
    __table_args__ = (
        Index("uq_counter_step", "site_id", "equipment_id", "no", unique=True),
        Index("ix_counter_step_time", "equipment_id", "to_at"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    no: Mapped[int]
    counter: Mapped[str]
    from_value: Mapped[Decimal]
    to_value: Mapped[Decimal]
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    counts: Mapped[Decimal]
    turn: Mapped[str]


class Alarm(Base):
    """An alarm of a machine: the latest that was said of it."""

    __tablename__ = "alarm"
    __table_args__ = (Index("uq_alarm", "site_id", "equipment_id", "code", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    code: Mapped[str]
    message: Mapped[str]
    active: Mapped[bool]
    acknowledged: Mapped[bool]
    changed_at: Mapped[datetime]
    raised_at: Mapped[datetime]


class OverlayRow(Base):
    """What a person laid over a timeline: who, when, and what. Only the end of an open stop is ever filled in."""

    __tablename__ = "overlay"
    __table_args__ = (Index("ix_overlay_time", "equipment_id", "start_at"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    kind: Mapped[str]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime | None]
    category: Mapped[str | None]
    reason: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    auto_closed: Mapped[bool]
    ended_by: Mapped[str] = mapped_column(default="")


class RunRow(Base):
    """A run as the order service tells of it."""

    __tablename__ = "run"
    __table_args__ = (Index("ix_run_time", "equipment_id", "started_at"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    kind: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    cause: Mapped[str]
    jobs: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    orders: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class JobRow(Base):
    """Where a job is now: only what the occupation of machines needs."""

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_equipment", "equipment_id", "state"),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    order_id: Mapped[UUID]
    equipment_id: Mapped[UUID | None]
    state: Mapped[str]
    version: Mapped[int] = mapped_column(BigInteger)


class ReportRow(Base):
    """A report of work on a machine. run_s_per_unit: planned run time per item that held for it."""

    __tablename__ = "report"
    __table_args__ = (
        Index("ix_report_time", "equipment_id", "occurred_at"),
        Index("ix_report_order", "order_id"),
    )

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    equipment_id: Mapped[UUID]
    order_id: Mapped[UUID]
    job_id: Mapped[UUID]
    state: Mapped[str]
    good: Mapped[Decimal]
    scrap: Mapped[Decimal]
    rework: Mapped[Decimal]
    run_s_per_unit: Mapped[Decimal | None]
    production_date: Mapped[str]
    shift: Mapped[str]
    occurred_at: Mapped[datetime]


# Reports that are in totals; a corrected one is taken back by its counter-entry.
COUNTED = ("Accepted", "Corrected")
