"""Routes of the order service."""

from __future__ import annotations

from mes.web import combined

from services.order.api import (
    definitions,
    dispatch,
    history,
    holds,
    jobs,
    orders,
    outside,
    pages,
    reports,
    runs,
    splits,
    workbook,
    workbook_pages,
)

# Pages first: /orders/board is no order.
_PARTS = (
    pages,
    workbook_pages,
    orders,
    jobs,
    holds,
    outside,
    runs,
    splits,
    reports,
    workbook,
    definitions,
    dispatch,
    history,
)
router = combined(*(part.router for part in _PARTS))
