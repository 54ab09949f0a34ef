"""Routes of the order service."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter

# Pages first: `/orders/board` would else be taken for an order's id. A part that is not there is left out.
_PARTS = ("pages", "dispatch", "history", "workbook", "definitions", "orders", "jobs", "reports", "holds", "outside",
          "runs", "splits")  # fmt: skip

router = APIRouter()
for part in _PARTS:
    if find_spec(f"{__name__}.{part}"):
        router.include_router(import_module(f"{__name__}.{part}").router)
