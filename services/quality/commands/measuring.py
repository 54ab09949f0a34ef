"""Measurements come in; a complete sample decides its lot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes.context import Context
from mes.errors import Invalid
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands.charts import SYMBOLS, add_points
from services.quality.commands.lots import (
    advance,
    announce_completed,
    locked_lot,
    sampling_of,
    sampling_state,
)
from services.quality.commands.nonconformances import Finding, open_nonconformance
from services.quality.commands.sampling import keep, switching_of
from services.quality.domain.inspection import Entry, Outcome, evaluate
from services.quality.domain.plans import ATTRIBUTE, Characteristic
from services.quality.domain.sampling import AQLS, master_plan, standard_aql
from services.quality.domain.states import LOT_OPEN
from services.quality.domain.switching import after_lot
from services.quality.models import InspectionLot, Job, Measurement, Nonconformance, Signal, StageWatch

_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A measurement as it comes. measurement_id: its own key, by which it is known when it comes again."""

    characteristic_id: UUID
    value: float | None
    defects: int | None
    qty: int = 1
    gauge: str = ""
    measurement_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """accepted: new ones; duplicates: known before; late: kept, but their lot was decided already."""

    lot: InspectionLot
    accepted: int
    duplicates: int
    late: bool
    missing: dict[str, int]
    nonconformance: Nonconformance | None


async def measure(
    session: AsyncSession, ctx: Context, lot_id: UUID, *, inspector: str, at: datetime, batch: Sequence[Incoming]
) -> Taken:
    """Take measurements of a lot in; when its sample is complete, it passes or fails.

    Raises NotFound, Invalid with every wrong measurement by its place. Those of a decided lot are kept as late facts.
    """
    lot = await locked_lot(session, ctx, lot_id)
    specs = {UUID(each["characteristic_id"]): Characteristic.of(each) for each in lot.characteristics}
    _check(batch, specs)
    if at > ctx.now + _CLOCKS_DIFFER:
        raise Invalid("measurement.in_future", field="occurred_at", time=at.isoformat(), now=ctx.now.isoformat())
    fresh = await _unknown(session, ctx, batch)
    late = lot.state not in LOT_OPEN
    rows = [
        Measurement(
            id=ctx.new_id(), site_id=ctx.site_id, key=each.measurement_id, inspection_lot_id=lot.id,
            characteristic_id=each.characteristic_id, round=lot.round, value=each.value, defects=each.defects,
            qty=each.qty, conforming=specs[each.characteristic_id].conforms(each.value, each.defects), late=late,
            gauge=each.gauge, measured_by=inspector, recorded_by=ctx.actor, occurred_at=at, recorded_at=ctx.now,
        )
        for each in fresh
    ]  # fmt: skip
    session.add_all(rows)
    await session.flush()
    missing: dict[str, int] = {}
    found: Nonconformance | None = None
    if rows and not late:
        missing, found = await _decide(session, ctx, lot, list(specs.values()), inspector, at)
    return Taken(lot, len(rows), len(batch) - len(rows), late, missing, found)


def _check(batch: Sequence[Incoming], specs: dict[UUID, Characteristic]) -> None:
    errors: list[dict[str, Any]] = []
    known = ", ".join(sorted(each.no for each in specs.values()))
    for place, each in enumerate(batch):
        spec, where = specs.get(each.characteristic_id), f"measurements.{place}"
        if spec is None:
            params = {"characteristic": str(each.characteristic_id), "known": known}
            errors.append({"field": f"{where}.characteristic_id", "code": "measurement.not_planned", "params": params})
        elif spec.kind == ATTRIBUTE and each.defects is None:
            errors.append({"field": f"{where}.defects", "code": "measurement.needs_defects", "params": {"no": spec.no}})
        elif spec.kind != ATTRIBUTE and (each.value is None or each.qty != 1):
            errors.append({"field": f"{where}.value", "code": "measurement.needs_value", "params": {"no": spec.no}})
    if errors:
        raise Invalid("measurement.batch_invalid", field=errors[0]["field"], count=len(errors), errors=errors)


async def _unknown(session: AsyncSession, ctx: Context, batch: Sequence[Incoming]) -> list[Incoming]:
    """Those that did not come before; one id given twice counts once. Raises Invalid for an id used elsewhere."""
    named = {each.measurement_id: each for each in reversed(batch) if each.measurement_id is not None}
    query = select(Measurement).where(Measurement.site_id == ctx.site_id, Measurement.key.in_(named))
    known = {row.key: row for row in await session.scalars(query) if row.key} if named else {}
    for key, row in known.items():
        if row.characteristic_id != named[key].characteristic_id:
            raise Invalid("measurement.id_reused", field="measurement_id", measurement=str(key))
    first = [each for each in batch if each.measurement_id is None or named[each.measurement_id] is each]
    return [each for each in first if each.measurement_id is None or each.measurement_id not in known]


async def _decide(
    session: AsyncSession,
    ctx: Context,
    lot: InspectionLot,
    characteristics: Sequence[Characteristic],
    inspector: str,
    at: datetime,
) -> tuple[dict[str, int], Nonconformance | None]:
    rows = list(
        await session.scalars(
            select(Measurement)
            .where(
                Measurement.inspection_lot_id == lot.id,
                Measurement.round == lot.round,
                Measurement.late.is_(False),
            )
            .order_by(Measurement.id)
        )
    )
    entries = [Entry(str(row.characteristic_id), row.value, row.defects, row.qty) for row in rows]
    outcome = evaluate(characteristics, sampling_of(lot), entries, lot.aql)
    lot.inspector = inspector
    if not outcome.complete:
        if lot.state == "Pending":
            advance(ctx, lot, "begin")
        return dict(outcome.missing), None
    lot.nonconforming, lot.completed_at = outcome.nonconforming, at
    advance(ctx, lot, "pass" if outcome.passed else "fail", ", ".join(outcome.failed_characteristics))
    announce_completed(session, ctx, lot, rows)
    await _switch(session, ctx, lot, outcome)
    holding = [each for each in await add_points(session, ctx, lot, characteristics, rows, at) if each.hold]
    if outcome.passed and not holding:
        return {}, None
    found = await _open(session, ctx, lot, outcome, holding, characteristics)
    for each in holding:
        each.nonconformance_id = found.id
    return {}, found


async def _open(
    session: AsyncSession,
    ctx: Context,
    lot: InspectionLot,
    outcome: Outcome,
    holding: Sequence[Signal],
    characteristics: Sequence[Characteristic],
) -> Nonconformance:
    """One nonconformance for the sample, whatever was found in it: the job is held once for the same pieces.

    In question is every good piece since the lot before, also those made while this one waited.
    """
    job = await session.get(Job, lot.job_id, with_for_update=True)
    assert job is not None  # noqa: S101 - lots are opened for jobs
    qty = lot.lot_qty if lot.cause == "delivery" else max(job.good - lot.good_from, Decimal(0))
    watch = await session.scalar(
        select(StageWatch).where(
            StageWatch.site_id == ctx.site_id, StageWatch.job_id == job.id, StageWatch.stage_no == lot.stage_no
        )
    )
    if watch is not None and lot.cause != "delivery":
        watch.good, watch.made = max(watch.good, job.good), max(watch.made, job.made)
    names = {each.characteristic_id: each.no for each in characteristics}
    said = list(outcome.failed_characteristics) if not outcome.passed else []
    findings = [_finding(each, names[str(each.characteristic_id)]) for each in holding]
    return await open_nonconformance(
        session, ctx, job, source="chart" if outcome.passed else "inspection", defect=", ".join(said), qty=qty,
        hold=True, lot=lot, signal_id=holding[0].id if holding else None, findings=findings,
    )  # fmt: skip


def _finding(signal: Signal, characteristic: str) -> Finding:
    chart = SYMBOLS.get(signal.chart, signal.chart)
    return Finding("nonconformance.rule", {"characteristic": characteristic, "chart": chart, "rule": str(signal.rule)})


async def _switch(session: AsyncSession, ctx: Context, lot: InspectionLot, outcome: Outcome) -> None:
    """The result of an original inspection by AQL moves the severity of the next."""
    if not lot.aql or lot.round > 1:
        return
    row = await sampling_state(session, ctx, lot.inspection_plan_id, lot.stage_no, lot.material_id)
    state = switching_of(row)
    if state.severity != lot.severity:
        return
    after = after_lot(
        state, accepted=outcome.passed, accept=lot.accept, accepted_one_step_tighter=_tighter(lot, outcome)
    )
    keep(ctx, row, after)


def _tighter(lot: InspectionLot, outcome: Outcome) -> bool:
    """Whether the plan of the next smaller AQL had accepted as many."""
    place = AQLS.index(standard_aql(lot.aql))
    if place == 0 or not lot.code_letter or lot.severity != "normal":
        return False
    return outcome.nonconforming <= master_plan(lot.code_letter, AQLS[place - 1], "normal")[2]


async def reverse(session: AsyncSession, ctx: Context, lot_id: UUID, reason: str) -> Nonconformance:
    """A result turned out to be wrong: it no longer counts, and the pieces it spoke for are in question.

    Raises NotFound, or Conflict unless the lot has passed.
    """
    lot = await locked_lot(session, ctx, lot_id)
    advance(ctx, lot, "reverse", reason)
    announce_completed(session, ctx, lot)
    job = await session.get(Job, lot.job_id, with_for_update=True)
    assert job is not None  # noqa: S101 - lots are opened for jobs
    return await open_nonconformance(
        session, ctx, job, source="inspection", defect=reason, qty=lot.lot_qty, hold=True, lot=lot
    )
