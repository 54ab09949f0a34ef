"""Colours of the pages by their tokens: text at 4.5:1, shapes at 3:1, light and dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.order.pages import render

STYLE = Path(render.__file__).parent / "style"
_THEMES = dict(zip(("light", "dark"), (STYLE / "tokens.css").read_text(encoding="utf-8").split("@media"), strict=True))
TEXT = [
    ("text", "page"), ("text", "surface"), ("text", "sunken"), ("muted", "page"), ("muted", "surface"),
    ("muted", "sunken"), ("action", "surface"), ("action", "page"), ("on-action", "action"), ("producing", "surface"),
    ("text", "standby-fill"), ("setup", "surface"), ("engineering", "surface"), ("planned-down", "surface"),
    ("on-down", "down"), ("unknown", "surface"), ("late", "bad-fill"), ("held", "held-fill"),
    ("text", "bad-fill"), ("text", "good-fill"), ("text", "held-fill"), ("text", "risk-fill"), ("muted", "held-fill"),
]  # fmt: skip
# Shapes are the borders and bars; 4.5:1 of the same colours as text covers the rest.
SHAPES = [("producing", "sunken"), ("down", "surface"), ("held", "surface"), ("action", "page"),
          ("standby", "standby-fill"), ("risk", "risk-fill")]  # fmt: skip


def tokens(theme: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6});", _THEMES[theme]))


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    r, g, b = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_can_be_read(theme: str, front: str, back: str) -> None:
    found = tokens(theme)
    assert contrast(found[front], found[back]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), SHAPES)
def test_shapes_can_be_seen(theme: str, front: str, back: str) -> None:
    found = tokens(theme)
    assert contrast(found[front], found[back]) >= 3


def test_both_themes_have_every_colour_and_pages_use_names_only() -> None:
    assert tokens("light").keys() == tokens("dark").keys()
    assert not re.findall(r"#[0-9a-fA-F]{3,6}\b", (STYLE / "page.css").read_text(encoding="utf-8"))
    used = set(re.findall(r"var\(--([\w-]+)\)", (STYLE / "page.css").read_text(encoding="utf-8")))
    assert used <= set(re.findall(r"--([\w-]+):", _THEMES["light"]))
