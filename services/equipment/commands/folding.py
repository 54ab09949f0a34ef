"""Fresh signals folded on top of what was folded before; late ones from the newest checkpoint that lies before them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import uuid5

from mes import outbox
from mes.context import Context
from mes.events.v1 import equipment_pb2
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.commands.current import announce_correction, stamp
from services.equipment.domain import checkpoint
from services.equipment.domain.counters import CounterStep, Turn
from services.equipment.domain.signals import Signal, SignalKind
from services.equipment.domain.states import Category
from services.equipment.domain.timeline import EMPTY, Folded, FoldState, Interval, Rules, accepts, fold, tail
from services.equipment.models import Checkpoint, CounterStepRow, Equipment, StateInterval
from services.equipment.models.layers import interval_id, rules_of

# Late data is folded in from at most about so many signals back beyond its own place.
EVERY = 200

_BEHIND = text(
    """
    SELECT s.source, s.session, s.seq, s.at, s.kind, s.name, s.value
    FROM signal_stream t
    LEFT JOIN unnest(CAST(:sources AS text[]), CAST(:sessions AS text[]), CAST(:numbered AS bool[]),
                     CAST(:seqs AS bigint[]), CAST(:ats AS timestamptz[]), CAST(:digests AS text[]))
      AS m(source, session, numbered, seq, at, digest)
      ON m.source = t.source AND m.session = t.session AND m.numbered = t.numbered
    JOIN signal s ON s.stream_id = t.id
    WHERE t.site_id = :site AND t.equipment_id = :equipment
      AND (m.source IS NULL OR (t.numbered AND s.seq > m.seq)
           OR (NOT t.numbered AND (s.at, s.digest COLLATE "C") > (m.at, m.digest COLLATE "C")))
    """
)


async def fold_in(session: AsyncSession, ctx: Context, equipment: Equipment, fresh: Sequence[Signal]) -> None:
    """Fold fresh signals, already stored, into the machine's timeline and counters."""
    rules = await rules_of(session, equipment)
    head = checkpoint.load(equipment.fold)
    if accepts(head, fresh):
        done = fold(head, fresh, rules)
        await _append(session, equipment, head, done)
        _announce_counts(session, ctx, equipment, head, done, late=False)
    else:
        base = await _rewind(session, equipment, fresh)
        done = fold(base, await _behind(session, equipment, base), rules)
        old = await _take_back(session, equipment, base)
        await _append(session, equipment, base, done)
        _announce_difference(session, ctx, equipment, _seen(old, head, ctx.now, rules), done, rules)
        _announce_counts(session, ctx, equipment, head, done, late=True)
    await _keep(session, ctx, equipment, done.state)
    equipment.fold = checkpoint.dump(done.state)


async def _rewind(session: AsyncSession, equipment: Equipment, fresh: Sequence[Signal]) -> FoldState:
    """The newest checkpoint before all fresh signals; those after it are thrown away."""
    rows = await session.scalars(
        select(Checkpoint).where(Checkpoint.equipment_id == equipment.id).order_by(Checkpoint.no.desc())
    )
    for row in rows:
        state = checkpoint.load(row.state)
        if accepts(state, fresh):
            return state
        await session.delete(row)
    return EMPTY


async def _behind(session: AsyncSession, equipment: Equipment, base: FoldState) -> list[Signal]:
    """All stored signals that the state does not hold."""
    marks = list(base.marks.items())
    rows = await session.execute(
        _BEHIND,
        {
            "site": equipment.site_id,
            "equipment": equipment.id,
            "sources": [stream[0] for stream, _ in marks],
            "sessions": [stream[1] for stream, _ in marks],
            "numbered": [stream[2] for stream, _ in marks],
            "seqs": [mark.position[0] for _, mark in marks],
            "ats": [_time(mark.position[1]) for _, mark in marks],
            "digests": [mark.position[2] for _, mark in marks],
        },
    )
    return [
        Signal(row.source, row.session, row.seq, row.at, SignalKind(row.kind), row.value, row.name, str(equipment.id))
        for row in rows
    ]


def _time(text_of: str) -> datetime | None:
    return datetime.fromisoformat(text_of) if text_of else None


async def _take_back(session: AsyncSession, equipment: Equipment, base: FoldState) -> list[Interval]:
    """Remove what was folded behind the state; returns the intervals removed."""
    await session.flush()
    rows = await session.execute(
        delete(StateInterval)
        .where(StateInterval.equipment_id == equipment.id, StateInterval.no > base.closed)
        .returning(
            StateInterval.start_at, StateInterval.end_at, StateInterval.category, StateInterval.native,
            StateInterval.mapping, StateInterval.clamped,
        )
    )  # fmt: skip
    removed = [Interval(row[0], row[1], Category(row[2]), row[3], row[4], row[5]) for row in rows]
    await session.execute(
        delete(CounterStepRow).where(CounterStepRow.equipment_id == equipment.id, CounterStepRow.no > base.steps)
    )
    return sorted(removed, key=lambda each: each.start)


async def _append(session: AsyncSession, equipment: Equipment, base: FoldState, done: Folded) -> None:
    common = {"site_id": equipment.site_id, "equipment_id": equipment.id}
    if done.intervals:
        await session.execute(
            insert(StateInterval),
            [
                common
                | {
                    "id": interval_id(equipment.id, each.start), "no": number, "start_at": each.start,
                    "end_at": each.end, "category": each.category.value, "native": each.native,
                    "mapping": each.mapping, "clamped": each.clamped,
                }
                for number, each in enumerate(done.intervals, start=base.closed + 1)
            ],
        )  # fmt: skip
    if done.steps:
        await session.execute(
            insert(CounterStepRow),
            [common | _step_row(equipment, number, each) for number, each in enumerate(done.steps, base.steps + 1)],
        )


def _step_row(equipment: Equipment, number: int, step: CounterStep) -> dict[str, object]:
    return {
        "id": uuid5(equipment.id, f"{step.counter}/{number}"),
        "no": number,
        "counter": step.counter,
        "from_value": step.from_value,
        "to_value": step.to_value,
        "from_at": step.from_at,
        "to_at": step.to_at,
        "counts": step.counts,
        "turn": step.turn.value,
    }


async def _keep(session: AsyncSession, ctx: Context, equipment: Equipment, state: FoldState) -> None:
    """Keep a checkpoint whenever so many signals have come in since the last one."""
    newest = await session.scalar(
        select(Checkpoint.no).where(Checkpoint.equipment_id == equipment.id).order_by(Checkpoint.no.desc()).limit(1)
    )
    if state.signals - (newest or 0) >= EVERY:
        row = Checkpoint(
            id=ctx.new_id(), site_id=equipment.site_id, equipment_id=equipment.id, no=state.signals,
            state=checkpoint.dump(state),
        )  # fmt: skip
        session.add(row)


# ---- what is announced -----------------------------------------------------------------------------------------------


def _seen(old: list[Interval], head: FoldState, now: datetime, rules: Rules) -> list[Interval]:
    return old + tail(head, now, rules)


def _announce_difference(
    session: AsyncSession, ctx: Context, equipment: Equipment, old: list[Interval], done: Folded, rules: Rules
) -> None:
    """Tell from where to where the timeline changed, if it did."""
    new = done.intervals + tail(done.state, ctx.now, rules)
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    changed = old + new
    if changed:
        start, end = min(each.start for each in changed), max(each.end for each in changed)
        announce_correction(session, ctx, equipment, start, end, "late_signal")


def _announce_counts(
    session: AsyncSession, ctx: Context, equipment: Equipment, head: FoldState, done: Folded, *, late: bool
) -> None:
    """One event per counter with the difference of its total; a signed correction where late data changed the past."""
    for name, reading in done.state.counters.items():
        before = head.counters.get(name)
        counts = reading.total - (before.total if before else Decimal(0))
        steps = [each for each in done.steps if each.counter == name]
        if counts == 0 or not (steps or before):
            continue
        first = steps[0] if steps else None
        event = equipment_pb2.CounterAdvanced(
            equipment_id=str(equipment.id),
            counter=name,
            counts=format(counts, "f"),
            from_value=format(first.from_value if first else reading.value, "f"),
            to_value=format(reading.value, "f"),
            from_time=stamp(first.from_at if first else reading.at),
            to_time=stamp(reading.at),
            reset=any(each.turn is Turn.RESET for each in steps),
            correction=late,
        )
        outbox.publish(session, ctx, event, key=equipment.id)
