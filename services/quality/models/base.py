"""What all tables of the quality service share."""

from __future__ import annotations

from mes.db import ServiceBase
from mes.tables import service_metadata


class Base(ServiceBase):
    """Base of this service's tables. `site_id` leads every unique key."""

    __abstract__ = True
    metadata = service_metadata()
