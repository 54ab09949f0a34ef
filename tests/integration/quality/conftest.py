"""A shop with the quality service at work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from mes.testing import TestDatabases

from tests.integration.quality.shop import Shop, opened


@pytest.fixture
async def shop(databases: TestDatabases) -> AsyncIterator[Shop]:
    """The service at work on fresh databases."""
    async with opened(databases) as made:
        yield made
