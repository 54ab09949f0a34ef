"""Where planning stands, and the settings that hold."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.scheduling.domain.defaults import DEFAULTS
from services.scheduling.models import PlanningSettings


async def settings_of(session: AsyncSession, site: UUID) -> PlanningSettings:
    """The settings that hold; the defaults, version 0, before anybody changed one."""
    return await session.get(PlanningSettings, site) or PlanningSettings(site_id=site, version=0, **DEFAULTS)
