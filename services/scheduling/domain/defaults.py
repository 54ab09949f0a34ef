"""How planning works until somebody decides otherwise. Business seconds, but for improvement_s (real ones)."""

from __future__ import annotations

DEFAULTS: dict[str, float | int | None] = {
    "frozen_window_s": 1800,
    "improvement_s": 3.0,
    "stability_threshold_s": 60,
    "repair_estimate_s": 7200,
    "drift_threshold_s": 900,
    "seed": 1,
    "stability": 0.5,
    "accept_moved": None,
    "accept_harmed": None,
}
