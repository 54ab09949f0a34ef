"""Fresh signals folded on top of what was folded before; late ones from the newest checkpoint that lies before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import uuid5

from mes import outbox
from mes.context import Context
from mes.db import insert_many
from mes.events.v1 import equipment_pb2
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.equipment.commands.current import announce_correction, stamp
from services.equipment.domain import checkpoint
from services.equipment.domain.counters import CounterStep, Turn
from services.equipment.domain.signals import Signal, SignalKind
from services.equipment.domain.states import Category
from services.equipment.domain.timeline import EMPTY, Folded, FoldState, Interval, Rules, accepts, fold, tail
from services.equipment.models import Checkpoint, CounterStepRow, Equipment, StateInterval
from services.equipment.models.layers import interval_id, rules_for

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


async def fold_in(session: AsyncSession, ctx: Context, fresh: Mapping[Equipment, Sequence[Signal]]) -> None:
    """Fold each machine's fresh signals, already stored, into its timeline and counters."""
    rules = await rules_for(session, list(fresh))
    folded: list[tuple[Equipment, FoldState, Folded]] = []
    for equipment, signals in fresh.items():
        head = base = checkpoint.load(equipment.fold)
        late = not accepts(head, signals)
        if late:
            base = await _rewind(session, equipment, signals)
            done = fold(base, await _behind(session, equipment, base), rules[equipment.id])
            old = await _take_back(session, equipment, base)
            seen = old + tail(head, ctx.now, rules[equipment.id])
            _announce_difference(session, ctx, equipment, seen, done, rules[equipment.id])
        else:
            done = fold(head, signals, rules[equipment.id])
        _announce_counts(session, ctx, equipment, head, done, late=late)
        _keep(session, ctx, equipment, base, done.state)
        equipment.fold = checkpoint.dump(done.state)
        folded.append((equipment, base, done))
    await _append(session, folded)


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


async def _append(session: AsyncSession, folded: Sequence[tuple[Equipment, FoldState, Folded]]) -> None:
    intervals = [
        {
            "id": interval_id(equipment.id, each.start), "site_id": equipment.site_id, "equipment_id": equipment.id,
            "no": number, "start_at": each.start, "end_at": each.end, "category": each.category.value,
            "native": each.native, "mapping": each.mapping, "clamped": each.clamped,
        }
        for equipment, base, done in folded
        for number, each in enumerate(done.intervals, start=base.closed + 1)
    ]  # fmt: skip
    steps = [
        _step_row(equipment, number, each)
        for equipment, base, done in folded
        for number, each in enumerate(done.steps, start=base.steps + 1)
    ]
    await insert_many(session, StateInterval, intervals)
    await insert_many(session, CounterStepRow, steps)


def _step_row(equipment: Equipment, number: int, step: CounterStep) -> dict[str, object]:
    return {
        "id": uuid5(equipment.id, f"{step.counter}/{number}"),
        "site_id": equipment.site_id,
        "equipment_id": equipment.id,
        "no": number,
        "counter": step.counter,
        "from_value": step.from_value,
        "to_value": step.to_value,
        "from_at": step.from_at,
        "to_at": step.to_at,
        "counts": step.counts,
        "turn": step.turn.value,
    }


def _keep(session: AsyncSession, ctx: Context, equipment: Equipment, base: FoldState, state: FoldState) -> None:
    """Keep a checkpoint of the state whenever so many signals more have been folded."""
    if state.signals // EVERY > base.signals // EVERY:
        row = Checkpoint(
            id=ctx.new_id(), site_id=equipment.site_id, equipment_id=equipment.id, no=state.signals,
            state=checkpoint.dump(state),
        )  # fmt: skip
        session.add(row)


# ---- what is announced -----------------------------------------------------------------------------------------------


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
