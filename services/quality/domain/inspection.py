"""When an inspection is due, and whether a lot passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from services.quality.domain.plans import Characteristic, Stage
from services.quality.domain.sampling import sampling_plan, standard_aql

AT_WORK = ("Setup", "Running", "Paused")
OVER = ("Cancelled", "Aborted", "Skipped", "Superseded")


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a job. good: pieces; made: with scrap and rework; from_state: before, "" where unknown."""

    state: str
    from_state: str
    kind: str
    first_article: bool
    equipment: str
    good: Decimal
    made: Decimal
    remaining: Decimal


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a stage of a job stands since its last lot. shift: None before the first lot, "" when it was not known."""

    good: Decimal = Decimal(0)
    made: Decimal = Decimal(0)
    at: datetime | None = None
    shift: str | None = None
    equipment: str | None = None


def is_due(stage: Stage, step: Step, watch: Watch, now: datetime, shift: str = "") -> bool:
    """Whether a lot of the stage is to be opened now. shift: production date and shift, if something told it."""
    if not stage.characteristics or step.state in OVER:
        return False
    if stage.trigger == "first_off":
        return _first_off(stage, step, watch)
    if stage.trigger == "every_n":
        return stage.every > 0 and step.made - watch.made >= stage.every
    if stage.trigger == "every_minutes":
        passed = watch.at is not None and now - watch.at >= timedelta(minutes=max(1, stage.every))
        return step.state == "Running" and passed
    if stage.trigger == "shift_start":
        return step.state == "Running" and (watch.shift is None or (bool(shift) and watch.shift not in {"", shift}))
    # per_lot: outside work by its deliveries, all else when the quantity is there
    reached = step.state == "Done" or (step.state in {"Running", "Paused"} and step.remaining <= 0)
    return stage.trigger == "per_lot" and step.kind != "outside" and reached and step.good > watch.good


def _first_off(stage: Stage, step: Step, watch: Watch) -> bool:
    """At every set-up, and at a start on another machine than the last first-off was for."""
    if stage.stage == "FAI" and not step.first_article:
        return False
    if step.state == "Setup":
        return step.from_state not in {"Setup", "Held"} or watch.equipment is None
    return step.state == "Running" and watch.equipment != step.equipment


@dataclass(frozen=True, slots=True)
class Sampling:
    """n pieces to inspect; accepted up to `accept` nonconforming ones. letter, severity: of a plan by AQL."""

    n: int
    accept: int
    letter: str = ""
    severity: str = ""

    @property
    def reject(self) -> int:
        return self.accept + 1


def sample_for(stage: Stage, lot_qty: Decimal, severity: str = "normal") -> Sampling:
    """How much of a lot is inspected. Discontinued acceptance inspection looks at everything and accepts no fault."""
    whole = max(1, ceil(lot_qty))
    if stage.by_aql:
        if severity == "discontinued":
            return Sampling(whole, 0, "", severity)
        plan = sampling_plan(whole, stage.inspection_level or "II", stage.aql, severity or "normal")
        return Sampling(plan.n, plan.accept, plan.letter, plan.severity)
    if stage.sampling == "all":
        return Sampling(whole, 0)
    n = max(1, stage.sample_size)
    # Fewer pieces than the sample wants can only happen where the lot is complete.
    return Sampling(min(n, whole) if stage.trigger == "per_lot" else n, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A measurement: a value, or the defects in `qty` pieces of an attribute."""

    characteristic_id: str
    value: float | None = None
    defects: int | None = None
    qty: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """missing: pieces still to be inspected, by characteristic; nonconforming: pieces, or defects above AQL 10."""

    missing: Mapping[str, int]
    nonconforming: int
    passed: bool
    failed_characteristics: Sequence[str]

    @property
    def complete(self) -> bool:
        return not self.missing


def evaluate(
    characteristics: Sequence[Characteristic], sampling: Sampling, entries: Sequence[Entry], aql: str = ""
) -> Outcome:
    """The outcome of a lot from all of its entries; the k-th entries of the characteristics are of the k-th piece."""
    by_id = {each.characteristic_id: each for each in characteristics}
    bad_pieces: set[int] = set()
    lumped = defects = 0
    seen = dict.fromkeys(by_id, 0)
    failed: list[str] = []
    for entry in entries:
        characteristic = by_id[entry.characteristic_id]
        place = seen[entry.characteristic_id]
        seen[entry.characteristic_id] += entry.qty
        if characteristic.conforms(entry.value, entry.defects):
            continue
        defects += entry.defects or 1
        failed.append(characteristic.no)
        if entry.qty == 1:
            bad_pieces.add(place)
        else:
            lumped += min(entry.defects or 1, entry.qty)
    counts_defects = bool(aql) and float(standard_aql(aql)) > 10
    nonconforming = defects if counts_defects else len(bad_pieces) + lumped
    missing = {each.no: sampling.n - seen[each.characteristic_id] for each in characteristics}
    return Outcome(
        {no: count for no, count in missing.items() if count > 0},
        nonconforming,
        nonconforming <= sampling.accept,
        list(dict.fromkeys(failed)),
    )
