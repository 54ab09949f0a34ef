"""The dispatch list: what every machine does next, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Hold, Job, ProductionOrder
from services.order.queries.shopfloor import AT_WORK, ENDED, Named, Reader, machine_states, named, plain

DOWN = "UNPLANNED_DOWN"

# Where a job is: where it was begun, else where it is planned. Of Ready and of Waiting jobs each the first so many of a
# machine, which the index gives in their order; what is at work or held always.
_OPEN = text(
    """
    WITH place AS (
        SELECT id FROM definition WHERE site_id = :site AND kind = 'equipment'
            AND (CAST(:equipment AS uuid) IS NULL OR id = :equipment)
    ), listed AS (
        SELECT queue.id, place.id AS place, 3 AS stage
        FROM place CROSS JOIN (VALUES ('Ready'), ('Waiting')) AS wanted(state) CROSS JOIN LATERAL (
            SELECT id FROM job
            WHERE site_id = :site AND planned_equipment_id = place.id AND state = wanted.state
                AND state IN ('Ready', 'Waiting') AND kind <> 'outside'
            ORDER BY plan_rank, planned_start, seq, id LIMIT :most) AS queue
        UNION ALL
        SELECT queue.id, NULL, 3
        FROM (VALUES ('Ready'), ('Waiting')) AS wanted(state) CROSS JOIN LATERAL (
            SELECT id FROM job
            WHERE site_id = :site AND planned_equipment_id IS NULL AND state = wanted.state
                AND state IN ('Ready', 'Waiting') AND kind <> 'outside'
            ORDER BY plan_rank, planned_start, seq, id LIMIT :most) AS queue
        WHERE CAST(:equipment AS uuid) IS NULL
        UNION ALL
        SELECT * FROM (
            SELECT id,
                CASE WHEN state <> 'Held' OR state_before_hold IN ('Setup', 'Running', 'Paused')
                    THEN coalesce(equipment_id, planned_equipment_id) ELSE planned_equipment_id END AS place,
                CASE state WHEN 'Running' THEN 0 WHEN 'Setup' THEN 1 WHEN 'Paused' THEN 2 ELSE 3 END AS stage
            FROM job
            WHERE site_id = :site AND state IN ('Setup', 'Running', 'Paused', 'Held') AND kind <> 'outside') AS begun
        WHERE CAST(:equipment AS uuid) IS NULL OR begun.place = :equipment
    )
    SELECT l.place, j.id, j.order_id, o.no AS order_no, j.code, j.seq, j.name_zh, j.name_en, j.kind, j.state,
        j.state_before_hold, j.material_id, j.alternatives, j.setup_family, j.qty,
        j.qty + j.over_qty - j.good_qty - j.scrap_qty - j.rework_qty - j.written_off_qty AS remaining, j.uom,
        j.pieces_per_count, j.first_article, j.fai, j.allowed_to_start, j.material_ready_at, j.predecessor_ids,
        j.component_order_ids, j.planned_start, j.planned_end, j.pinned, j.started_at, o.priority, o.due_at
    FROM listed l JOIN job j ON j.id = l.id JOIN production_order o ON o.id = j.order_id
    WHERE o.state IN ('Released', 'InProgress', 'Held')
    ORDER BY l.place, l.stage, j.plan_rank, j.planned_start, o.priority, o.due_at, o.no, j.seq, j.id
    """
)


@dataclass(frozen=True, slots=True)
class Before:
    """An operation, or the order of a component, that has to be there first. until: when the plan has it done."""

    what: str
    name: tuple[str, str]
    state: str
    until: datetime | None


@dataclass(slots=True)
class Surroundings:
    """What is needed to say why a job can or cannot start."""

    equipment: dict[UUID, Named]
    states: dict[UUID, Row[Any]]
    materials: dict[UUID, Named] = field(default_factory=dict)
    before: dict[UUID, Before] = field(default_factory=dict)
    components: dict[UUID, Before] = field(default_factory=dict)
    holds: dict[UUID, list[Hold]] = field(default_factory=dict)


async def surroundings(session: AsyncSession, site_id: UUID, jobs: Sequence[Any]) -> Surroundings:
    """The surroundings of jobs (rows with the columns of `Job`, at least those of the dispatch list)."""
    around = Surroundings(await named(session, site_id, "equipment"), await machine_states(session, site_id))
    around.materials = await named(session, site_id, "material", {each.material_id for each in jobs})
    waiting = [each for each in jobs if each.state == "Waiting"]
    around.before = await _before(session, {one for each in waiting for one in each.predecessor_ids})
    around.components = await _components(session, {one for each in waiting for one in each.component_order_ids})
    held = {each.order_id for each in jobs if each.state in ("Held", "Waiting")}
    rows = await session.scalars(select(Hold).where(Hold.order_id.in_(held), Hold.released_at.is_(None)))
    for hold in rows:
        around.holds.setdefault(hold.job_id or hold.order_id, []).append(hold)
    return around


async def _before(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Before]:
    if not ids:
        return {}
    rows = await session.execute(
        select(Job.id, Job.seq, Job.name_zh, Job.name_en, Job.state, Job.planned_end).where(
            Job.id.in_(ids), Job.state.not_in(ENDED)
        )
    )
    return {key: Before(str(seq), (zh, en), state, until) for key, seq, zh, en, state, until in rows}


async def _components(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Before]:
    if not ids:
        return {}
    rows = await session.execute(
        select(ProductionOrder.id, ProductionOrder.no, ProductionOrder.state, ProductionOrder.projected_end).where(
            ProductionOrder.id.in_(ids), ProductionOrder.state.not_in(("Completed", "Closed"))
        )
    )
    return {key: Before(no, ("", ""), state, until) for key, no, state, until in rows}


@dataclass(frozen=True, slots=True)
class Said:
    """A code for programs and a sentence for people."""

    code: str
    text: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text}


def _said(reader: Reader, code: str, **params: Any) -> Said:
    return Said(code, reader.say(f"page.why.{code}", **params))


def not_ready(job: Any, place: UUID | None, around: Surroundings, reader: Reader) -> list[Said]:
    """Everything that keeps a job from being started or from going on; empty when nothing does."""
    found = [_held(hold, reader) for key in (job.order_id, job.id) for hold in around.holds.get(key, ())]
    for each in (around.before[one] for one in job.predecessor_ids if one in around.before):
        name = f"{each.what} {reader.name(*each.name)}"
        state = reader.known("page.job", each.state)
        code = "predecessor" if each.until else "predecessor_unplanned"
        found.append(_said(reader, code, job=name, state=state, until=reader.when(each.until)))
    for each in (around.components[one] for one in job.component_order_ids if one in around.components):
        code = "component" if each.until else "component_unplanned"
        found.append(_said(reader, code, order=each.what, until=reader.when(each.until)))
    if job.material_ready_at and job.material_ready_at > reader.now and job.state in ("Waiting", "Ready"):
        found.append(_said(reader, "material", until=reader.when(job.material_ready_at)))
    machine = around.states.get(place) if place else None
    if machine is not None and machine.category == DOWN:
        no = around.equipment[place].no if place in around.equipment else ""
        found.append(_said(reader, "machine_down", machine=no, since=reader.when(machine.since)))
    if not job.allowed_to_start and job.state in ("Waiting", "Ready"):
        found.append(_said(reader, "not_allowed"))
    if job.state in ("Setup", "Ready") and job.fai in ("open", "failed"):
        found.append(_said(reader, f"first_article_{job.fai}"))
    return found


def _held(hold: Hold, reader: Reader) -> Said:
    kind = reader.known("page.hold", hold.reason_type)
    reason = reader.said(hold.reason, hold.findings)
    return _said(reader, "held", reason=f"{kind}: {reason}" if reason else kind, since=reader.when(hold.opened_at))


@dataclass(frozen=True, slots=True)
class Later:
    """What comes after a job in its machine's queue: the most urgent priority and the first due date of it."""

    priority: int | None = None
    due_at: datetime | None = None

    def with_job(self, job: Any) -> Later:
        """The same with one more job before it."""
        dues = [each for each in (self.due_at, job.due_at) if each is not None]
        priority = job.priority if self.priority is None else min(self.priority, job.priority)
        return Later(priority, min(dues, default=None))


def _why(job: Any, first: bool, later: Later, previous: Any, reader: Reader) -> Said:
    """Why a job has its place in the queue of its machine."""
    if job.state in AT_WORK:
        return _said(reader, job.state.lower(), since=reader.when(job.started_at))
    if job.place is None:
        return _said(reader, "unplanned")
    if job.pinned:
        return _said(reader, "pinned")
    if previous is not None and job.setup_family and previous.setup_family == job.setup_family:
        return _said(reader, "same_family", family=job.setup_family)
    if first and later.priority is None:
        return _said(reader, "only_one")
    if later.priority is not None and job.priority < later.priority:
        return _said(reader, "most_urgent", priority=job.priority)
    if later.priority is not None and job.due_at and (later.due_at is None or job.due_at <= later.due_at):
        return _said(reader, "due_first", due=reader.when(job.due_at))
    return _said(reader, "planned", start=reader.when(job.planned_start))


def _times(job: Any) -> tuple[int | None, str | None]:
    """Set-up seconds and seconds per piece on the machine where the job is."""
    place = str(job.place)
    for each in job.alternatives:
        if str(each.get("equipment_id")) == place:
            return each.get("setup_s"), each.get("run_s_per_unit")
    return None, None


def _facts(job: Any, rank: int) -> dict[str, Any]:
    """What a program needs to know of a job in the queue of its machine."""
    setup_s, run_s = _times(job)
    return {
        "job_id": str(job.id), "order_id": str(job.order_id), "order_no": job.order_no, "code": job.code,
        "seq": job.seq, "state": job.state, "kind": job.kind, "state_before_hold": job.state_before_hold,
        "qty": plain(job.qty), "remaining_qty": plain(job.remaining), "uom": job.uom,
        "equipment_id": str(job.place) if job.place else None, "rank": rank, "planned_start": _iso(job.planned_start),
        "planned_end": _iso(job.planned_end), "setup_s": setup_s, "run_s_per_unit": run_s,
        "setup_family": job.setup_family, "pieces_per_count": plain(job.pieces_per_count),
        "first_article": job.first_article, "allowed_to_start": job.allowed_to_start, "priority": job.priority,
        "due_at": _iso(job.due_at),
    }  # fmt: skip


def _words(job: Any, why: Said, waits: Sequence[Said], around: Surroundings, reader: Reader) -> dict[str, Any]:
    """What a person wants to know of it besides."""
    material, machine = around.materials.get(job.material_id), around.equipment.get(job.place)
    return {
        "name": reader.name(job.name_zh, job.name_en), "equipment_no": machine.no if machine else None,
        "material_no": material.no if material else None,
        "material": reader.name(material.zh, material.en) if material else None,
        "startable": job.state == "Ready" and not waits, "why": (waits[0] if waits else why).as_json(),
        "place_because": why.as_json(), "not_ready": [each.as_json() for each in waits],
    }  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


async def _listed(session: AsyncSession, site_id: UUID, equipment: UUID | None, most: int) -> Sequence[Row[Any]]:
    result = await session.execute(_OPEN, {"site": site_id, "equipment": equipment, "most": most})
    return result.all()


async def dispatch_list(
    session: AsyncSession, site_id: UUID, reader: Reader, *, equipment: UUID | None = None, most: int = 20
) -> list[dict[str, Any]]:
    """Open internal jobs by machine in the order in which they should be done, with the reasons.

    most: so many Ready and so many Waiting jobs of each machine at most; jobs at work and held ones are always there.
    Jobs without a plan come last.
    """
    jobs = await _listed(session, site_id, equipment, most)
    around = await surroundings(session, site_id, jobs)
    rows: list[dict[str, Any]] = []
    for _, group in groupby(jobs, key=lambda job: job.place):
        rows += _queue(list(group), around, reader)
    return rows


async def dispatch_facts(
    session: AsyncSession, site_id: UUID, *, equipment: UUID | None = None, most: int = 20
) -> list[dict[str, Any]]:
    """The same list for programs, which look often and read no reasons."""
    jobs = await _listed(session, site_id, equipment, most)
    groups = groupby(jobs, key=lambda job: job.place)
    return [_facts(job, rank) for _, group in groups for rank, job in enumerate(group, start=1)]


def _queue(jobs: Sequence[Any], around: Surroundings, reader: Reader) -> list[dict[str, Any]]:
    """The rows of one machine."""
    queue = [each for each in jobs if each.state in ("Ready", "Waiting")]
    after: dict[UUID, Later] = {}
    later = Later()
    for job in reversed(queue):
        after[job.id], later = later, later.with_job(job)
    rows, previous = [], None
    for rank, job in enumerate(jobs, start=1):
        first = bool(queue) and job.id == queue[0].id
        why = _why(job, first, after.get(job.id, Later()), previous, reader)
        waits = not_ready(job, job.place, around, reader)
        rows.append(_facts(job, rank) | _words(job, why, waits, around, reader))
        if job.state != "Held":
            previous = job
    return rows
