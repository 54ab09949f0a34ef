"""What all tables of this service share."""

from __future__ import annotations

from mes.db import ServiceBase
from mes.tables import service_metadata


class Base(ServiceBase):
    """Base of this service's tables."""

    __abstract__ = True
    metadata = service_metadata()
