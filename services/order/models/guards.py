"""How hard each guard is in this workshop."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mes.db import PrimaryId
from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from services.order.models.base import Base


class GuardSetting(Base):
    """A guard that does not have its default level. level: off | warn | block."""

    __tablename__ = "guard_setting"
    __table_args__ = (Index("uq_guard_setting_site_id_guard", "site_id", "guard", unique=True),)

    id: Mapped[PrimaryId]
    site_id: Mapped[UUID]
    guard: Mapped[str]
    level: Mapped[str]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
