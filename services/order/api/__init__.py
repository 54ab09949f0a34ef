"""Routes of the order service."""

from __future__ import annotations

from fastapi import APIRouter

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
)

router = APIRouter()
# Pages first: /orders/board is no order.
for part in (pages, orders, jobs, holds, outside, runs, splits, reports, workbook, definitions, dispatch, history):
    router.include_router(part.router)
