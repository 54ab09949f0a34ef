"""Ids made in the application: UUIDv7, so that rows of one time lie together; and the stable id of a site."""

from __future__ import annotations

from uuid import UUID, uuid5

import uuid_utils

_SITES = UUID("6f1c1a52-6c0b-5e0e-9f5c-0d7a3a1f7a10")


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562), increasing within the process."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def site_id(code: str) -> UUID:
    """The id of a site by its code: the same in every service and process."""
    return uuid5(_SITES, code)
