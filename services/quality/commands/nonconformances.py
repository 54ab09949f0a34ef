"""Nonconformances: opened, decided about, carried out, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from mes import outbox
from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from mes.events.v1 import common_pb2, quality_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.commands.events import plain
from services.quality.commands.lots import accept, locked_lot, note, reinspect, repeat
from services.quality.domain.inspection import OVER
from services.quality.domain.states import NONCONFORMANCE, move
from services.quality.models import InspectionLot, Job, Nonconformance

KINDS = ("use_as_is", "rework", "scrap")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: a code of the message catalogues and its parameters."""

    code: str
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReworkOperation:
    """An operation to insert; without any, the pieces go through the same work centre again."""

    name_zh: str = ""
    name_en: str = ""
    work_centre_id: str = ""
    equipment_id: str = ""
    run_s_per_unit: str = ""
    setup_s: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of `qty` of the pieces. make_up: produce as many anew for what is scrapped."""

    kind: str
    qty: Decimal
    reason: str
    rework_operations: Sequence[ReworkOperation] = field(default=())
    make_up: bool = False
    scrap_reason: str = ""


def event_of(row: Nonconformance) -> quality_pb2.Nonconformance:
    """The nonconformance as events tell it."""
    return quality_pb2.Nonconformance(
        nonconformance_id=str(row.id), no=row.no, order_id=str(row.order_id), job_id=str(row.job_id),
        state=row.state, source=row.source, defect=row.defect, qty=plain(row.qty), hold=row.hold,
        inspection_lot_id=str(row.inspection_lot_id or ""), signal_id=str(row.signal_id or ""),
        findings=[quality_pb2.Finding(code=each["code"], params=each["params"]) for each in row.findings],
    )  # fmt: skip


_NEXT = text(
    "INSERT INTO number_series (id, site_id, series, last) VALUES (:id, :site, :series, 1) "
    "ON CONFLICT (site_id, series) DO UPDATE SET last = number_series.last + 1 RETURNING last"
)


async def open_nonconformance(
    session: AsyncSession,
    ctx: Context,
    job: Job,
    *,
    source: str,
    defect: str,
    qty: Decimal,
    hold: bool,
    lot: InspectionLot | None = None,
    signal_id: UUID | None = None,
    remark: str = "",
    findings: Sequence[Finding] = (),
) -> Nonconformance:
    """Register a nonconformance and announce it; with hold the job (or its lot) is to be held until the disposition."""
    parameters = {"id": ctx.new_id(), "site": ctx.site_id, "series": "nonconformance"}
    number = (await session.execute(_NEXT, parameters)).scalar_one()
    row = Nonconformance(
        id=ctx.new_id(), site_id=ctx.site_id, no=f"NC-{number:06d}", order_id=job.order_id, job_id=job.id,
        state="Registered", source=source, defect=defect, note=remark, qty=qty, hold=hold,
        findings=[asdict(each) for each in findings],
        inspection_lot_id=lot.id if lot else None, signal_id=signal_id,
        equipment_id=lot.equipment_id if lot else job.equipment_id, opened_at=ctx.now, opened_by=ctx.actor,
        dispositions=[], dispositioned_at=None, closed_at=None, history=[],
    )  # fmt: skip
    note(ctx, row, "open", "", defect)
    session.add(row)
    await session.flush()
    outbox.publish(session, ctx, quality_pb2.NonconformanceOpened(nonconformance=event_of(row)), key=row.order_id)
    return row


async def report(
    session: AsyncSession, ctx: Context, job_id: UUID, *, defect: str, qty: Decimal, hold: bool, remark: str
) -> Nonconformance:
    """Somebody found nonconforming pieces. Raises NotFound for an unknown job."""
    job = await session.get(Job, job_id)
    if job is None or job.site_id != ctx.site_id:
        raise NotFound("quality.job_unknown", job=str(job_id))
    return await open_nonconformance(
        session, ctx, job, source="manual", defect=defect, qty=qty, hold=hold, remark=remark
    )


async def locked(session: AsyncSession, ctx: Context, nonconformance_id: UUID) -> Nonconformance:
    """A nonconformance, locked. Raises NotFound."""
    row = await session.get(Nonconformance, nonconformance_id, with_for_update=True, populate_existing=True)
    if row is None or row.site_id != ctx.site_id:
        raise NotFound("nonconformance.unknown", nonconformance=str(nonconformance_id))
    return row


def _advance(ctx: Context, row: Nonconformance, verb: str, reason: str = "") -> None:
    before, row.state = row.state, move(NONCONFORMANCE, row.state, verb, "nonconformance.illegal")
    row.version += 1
    note(ctx, row, verb, before, reason)


async def dispose(
    session: AsyncSession, ctx: Context, nonconformance_id: UUID, decisions: Sequence[Decision]
) -> Nonconformance:
    """Decide about the whole quantity; the order service carries it out. Raises Conflict, Invalid.

    A gate's lot follows: another first article is asked for, any other lot is accepted as Partial. When everything is
    used as it is, nothing is left to be carried out, and the nonconformance closes at once.
    """
    row = await locked(session, ctx, nonconformance_id)
    move(NONCONFORMANCE, row.state, "dispose", "nonconformance.illegal")
    _check(row, decisions)
    _advance(ctx, row, "dispose", "; ".join(each.reason for each in decisions if each.reason))
    row.dispositions = [_as_json(each) for each in decisions]
    row.dispositioned_at = ctx.now
    event = quality_pb2.NonconformanceDispositioned(
        nonconformance=event_of(row), dispositions=[_event_of(ctx, each) for each in decisions]
    )
    outbox.publish(session, ctx, event, key=row.order_id)
    await _release_gate(session, ctx, row)
    if all(each.kind == "use_as_is" for each in decisions):
        for verb in ("execute", "verify", "close"):
            _advance(ctx, row, verb, "use_as_is")
        _announce_closed(session, ctx, row)
    return row


def _check(row: Nonconformance, decisions: Sequence[Decision]) -> None:
    decided = sum((each.qty for each in decisions), Decimal(0))
    if decided != row.qty:
        raise Invalid("disposition.quantity", field="dispositions", qty=plain(row.qty), decided=plain(decided))
    for place, each in enumerate(decisions):
        if each.kind != "use_as_is" and each.qty <= 0:
            raise Invalid("disposition.nothing", field=f"dispositions.{place}.qty", kind=each.kind)


async def _release_gate(session: AsyncSession, ctx: Context, row: Nonconformance) -> None:
    """Let the gate that waits for the decision go on: to another inspection, or open it where nothing is to be seen."""
    if row.inspection_lot_id is None:
        return
    lot = await locked_lot(session, ctx, row.inspection_lot_id)
    if not lot.gate or lot.state not in {"Failed", "Reversed"}:
        return
    if row.state == "Cancelled":
        await reinspect(session, ctx, lot, row.no)
    elif lot.stage == "FAI":
        if not await _has_successor(session, lot) and not await _is_over(session, lot.job_id):
            await repeat(session, ctx, lot, row.no)
    elif lot.state == "Failed":
        await accept(session, ctx, lot, row.no)


async def _is_over(session: AsyncSession, job_id: UUID) -> bool:
    job = await session.get(Job, job_id)
    return job is None or job.state in OVER


_SUCCESSOR = text("SELECT EXISTS (SELECT FROM inspection_lot WHERE job_id = :job AND stage_no = :stage AND id > :id)")


async def _has_successor(session: AsyncSession, lot: InspectionLot) -> bool:
    """Whether a later set-up has brought a first article of its own."""
    found = await session.execute(_SUCCESSOR, {"job": lot.job_id, "stage": lot.stage_no, "id": lot.id})
    return bool(found.scalar_one())


def _announce_closed(session: AsyncSession, ctx: Context, row: Nonconformance) -> None:
    row.closed_at = ctx.now
    outbox.publish(session, ctx, quality_pb2.NonconformanceClosed(nonconformance=event_of(row)), key=row.order_id)


async def advance(
    session: AsyncSession, ctx: Context, nonconformance_id: UUID, verb: str, reason: str
) -> Nonconformance:
    """contain, review, execute, verify, close or cancel. Raises Conflict with the legal verbs.

    Who verifies must be another person than the one who carried it out.
    """
    row = await locked(session, ctx, nonconformance_id)
    if verb == "verify" and row.state == "Executing" and _who(row, "execute") == ctx.actor != "anonymous":
        raise Conflict("nonconformance.same_person", state=row.state, legal=["reopen"], actor=ctx.actor)
    _advance(ctx, row, verb, reason)
    if row.state in {"Closed", "Cancelled"}:
        _announce_closed(session, ctx, row)
    if row.state == "Cancelled":
        await _release_gate(session, ctx, row)
    return row


def _who(row: Nonconformance, verb: str) -> str:
    return next((str(each["by"]) for each in reversed(row.history) if each["verb"] == verb), "")


async def reopen(
    session: AsyncSession, ctx: Context, nonconformance_id: UUID, *, qty: Decimal, hold: bool, reason: str
) -> Nonconformance:
    """Back under review, for `qty` pieces that are still in question; what was decided stays in the history."""
    row = await locked(session, ctx, nonconformance_id)
    decided = ", ".join(f"{each['kind']} {each['qty']}" for each in row.dispositions)
    _advance(ctx, row, "reopen", f"{reason} ({decided})" if decided else reason)
    row.qty, row.hold, row.dispositions, row.dispositioned_at, row.closed_at = qty, hold, [], None, None
    outbox.publish(session, ctx, quality_pb2.NonconformanceOpened(nonconformance=event_of(row)), key=row.order_id)
    return row


def _as_json(decision: Decision) -> dict[str, Any]:
    return {
        "kind": decision.kind,
        "qty": plain(decision.qty),
        "reason": decision.reason,
        "make_up": decision.make_up,
        "scrap_reason": decision.scrap_reason,
        "rework_operations": [
            {
                "name": {"zh": each.name_zh, "en": each.name_en}, "work_centre_id": each.work_centre_id or None,
                "equipment_id": each.equipment_id or None, "run_s_per_unit": each.run_s_per_unit or None,
                "setup_s": each.setup_s,
            }
            for each in decision.rework_operations
        ],
    }  # fmt: skip


def _event_of(ctx: Context, decision: Decision) -> quality_pb2.Disposition:
    return quality_pb2.Disposition(
        kind=decision.kind, qty=plain(decision.qty), reason=decision.reason, make_up=decision.make_up,
        approved_by=ctx.actor, scrap_reason=decision.scrap_reason,
        rework_operations=[
            quality_pb2.ReworkOperation(
                name=common_pb2.Name(zh=each.name_zh, en=each.name_en), work_centre_id=each.work_centre_id,
                equipment_id=each.equipment_id, run_s_per_unit=each.run_s_per_unit, setup_s=each.setup_s,
            )
            for each in decision.rework_operations
        ],
    )  # fmt: skip
