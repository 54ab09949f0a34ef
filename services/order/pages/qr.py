"""Codes for cameras."""

from __future__ import annotations

import segno


def code_svg(text: str) -> str:
    """A QR code as an SVG element to stand in a page; prints sharply at any size."""
    return segno.make(text, error="m", micro=False).svg_inline(border=1, omitsize=True)
