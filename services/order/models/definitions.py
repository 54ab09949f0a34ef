"""Definitions: what the workbook brings and every other service keeps a projection of.

A definition is a document: it is imported, compared, published and exported as a whole, and nothing in this service
asks for a part of it across rows. So each is one row whose `spec` is the event contract's message as JSON (field names
of `proto/`), validated before it gets here.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mes.db import Json, PrimaryId
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from services.order.models.base import Base

KINDS = (
    "calendar",
    "material",
    "work_centre",
    "equipment",
    "setup_matrix",
    "reason",
    "worker",
    "inspection_plan",
    "routing",
)
"""In an order in which each refers only to those before it."""


class Definition(Base):
    """A material, routing revision, machine ... `no` is what people call it ("FG-001", "FG-001/A" for a routing).

    The setup matrix of the site is the one definition of its kind, with `no` = "site".
    """

    __tablename__ = "definition"
    __table_args__ = (Index("uq_definition_site_id_kind_no", "site_id", "kind", "no", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    kind: Mapped[str]
    no: Mapped[str]
    spec: Mapped[Json]
    outdated: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


class ColumnMapping(Base):
    """How a user's own sheet maps to ours; saved under a name."""

    __tablename__ = "column_mapping"
    __table_args__ = (Index("uq_column_mapping_site_id_name", "site_id", "name", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    name: Mapped[str]
    spec: Mapped[Json]
    version: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


class ImportRun(Base):
    """An import that was made: who, when, which file, how many changes."""

    __tablename__ = "import_run"

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    file_name: Mapped[str]
    file_hash: Mapped[str]
    changes: Mapped[Json]
    skipped_rows: Mapped[int]
    imported_at: Mapped[datetime]
    imported_by: Mapped[str]
