"""Inspection plans: stages and their characteristics, as they were defined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from services.quality.domain.sampling import AQLS, LEVELS

VARIABLE, ATTRIBUTE = "variable", "attribute"
VARIABLE_CHARTS = ("xbar_r", "xbar_s", "i_mr")
ATTRIBUTE_CHARTS = ("p", "np", "c", "u")


@dataclass(frozen=True, slots=True)
class Characteristic:
    """What is looked at. kind: variable (measured) | attribute (defects counted); limits in its unit, None is none.

    limit_*: confirmed control limits of the location chart that came with the plan; limit_sigma: within-subgroup sigma.
    """

    characteristic_id: str
    no: str
    name_zh: str = ""
    name_en: str = ""
    kind: str = VARIABLE
    unit: str = ""
    lsl: float | None = None
    target: float | None = None
    usl: float | None = None
    chart: str = ""
    subgroup_size: int = 1
    importance: str = "general"
    rules_signal: tuple[int, ...] = ()
    rules_hold: tuple[int, ...] = ()
    limit_lcl: float | None = None
    limit_cl: float | None = None
    limit_ucl: float | None = None
    limit_sigma: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Characteristic:
        """From stored JSON."""
        rules = {name: tuple(row.get(name) or ()) for name in ("rules_signal", "rules_hold")}
        return cls(**{**row, **rules})

    def as_json(self) -> dict[str, Any]:
        """For storing."""
        return {**asdict(self), "rules_signal": list(self.rules_signal), "rules_hold": list(self.rules_hold)}

    def conforms(self, value: float | None, defects: int | None) -> bool:
        """A measured value lies within its limits, borders included; an attribute has no defect."""
        if self.kind == ATTRIBUTE:
            return not defects
        if value is None:
            return False
        return (self.lsl is None or value >= self.lsl) and (self.usl is None or value <= self.usl)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a plan. no: its place; every: pieces or minutes by trigger; aql, level: of sampling by AQL."""

    no: int
    stage: str
    trigger: str
    every: int = 0
    sampling: str = "fixed"
    sample_size: int = 1
    aql: str = ""
    inspection_level: str = ""
    gate: bool = False
    characteristics: tuple[Characteristic, ...] = field(default=())

    @property
    def by_aql(self) -> bool:
        """Whether the sample follows from an AQL that the standard has; else it is the fixed one."""
        known = self.aql in AQLS or any(self.aql == f"{float(each):g}" for each in AQLS)
        return self.sampling == "aql" and known and (self.inspection_level or "II") in LEVELS

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Stage:
        """From stored JSON."""
        return cls(**{**row, "characteristics": tuple(Characteristic.of(each) for each in row["characteristics"])})

    def as_json(self) -> dict[str, Any]:
        """For storing."""
        return {
            "no": self.no,
            "stage": self.stage,
            "trigger": self.trigger,
            "every": self.every,
            "sampling": self.sampling,
            "sample_size": self.sample_size,
            "aql": self.aql,
            "inspection_level": self.inspection_level,
            "gate": self.gate,
            "characteristics": [each.as_json() for each in self.characteristics],
        }
