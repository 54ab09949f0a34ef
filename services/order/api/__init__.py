"""Routes of the order service."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter

router = APIRouter()
# The whole service in one router; a part that is not there yet is left out. Pages first: /orders/board is no order.
for part in ("pages", "orders", "jobs", "reports", "workbook", "definitions", "dispatch", "history"):
    if find_spec(f"{__name__}.{part}"):
        router.include_router(import_module(f"{__name__}.{part}").router)
