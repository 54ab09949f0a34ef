"""What planners ask and decide: explanations, inquiries and quotes, scenarios, decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from mes.context import Context
from mes.errors import Conflict, Invalid, NotFound
from mes.i18n import t
from mes.web import Ctx, Language, Paging, Running, Session, service_router
from sqlalchemy import select, text

from services.scheduling.api.questions import (
    BottleneckOut,
    Change,
    DecisionOut,
    ExplanationOut,
    HarmOut,
    InquiryIn,
    InquiryOut,
    LateOut,
    NewOrder,
    OfferOut,
    PlacementOut,
    QuoteIn,
    QuoteOut,
    RemedyOut,
    ScenarioIn,
    ScenarioOut,
    WaitOut,
)
from services.scheduling.commands import decisions, scenarios
from services.scheduling.commands.requests import request_plan
from services.scheduling.domain.changes import Why
from services.scheduling.domain.decisions import NEW_ORDER, Decision
from services.scheduling.models import Equipment, Job, Order, PlanningDecision, Scenario
from services.scheduling.queries.desk import Promised, desk_of
from services.scheduling.solver.explain import Late
from services.scheduling.solver.problem import Infeasible
from services.scheduling.solver.promise import Offer, fitting

router = service_router(tags=["desk"])

_GONE = ("Cancelled", "Superseded", "Aborted")
# Quotes one after the other: each sees what the one before reserved.
_ONE_QUOTE = text("SELECT pg_advisory_xact_lock(hashtextextended('quote ' || :site, 0))")


# ---- names -----------------------------------------------------------------------------------------------------------


async def _machines(session: Session, ctx: Context) -> dict[str, str]:
    rows = await session.execute(select(Equipment.id, Equipment.no).where(Equipment.site_id == ctx.site_id))
    return {str(row.id): row.no for row in rows}


async def _orders(session: Session, ctx: Context, ids: Sequence[str]) -> dict[str, str]:
    wanted = {UUID(one) for one in ids if one}
    rows = await session.execute(select(Order.id, Order.no).where(Order.site_id == ctx.site_id, Order.id.in_(wanted)))
    names = {str(row.id): row.no for row in rows}
    # Quotes, and rush orders that are not there yet, go by what they were called.
    order_id = PlanningDecision.body["order_id"].astext
    kept = await session.execute(
        select(order_id, PlanningDecision.note).where(
            PlanningDecision.site_id == ctx.site_id, PlanningDecision.kind == NEW_ORDER,
            PlanningDecision.note != "", order_id.in_(list(map(str, wanted))),
        )
    )  # fmt: skip
    return {row[0]: row[1] for row in kept} | names


async def _jobs(session: Session, ids: Sequence[str]) -> dict[str, str]:
    rows = await session.execute(select(Job.id, Job.code).where(Job.id.in_({UUID(one) for one in ids if one})))
    return {str(row.id): row.code for row in rows}


# ---- why -------------------------------------------------------------------------------------------------------------


@router.get("/explanations", summary="Why orders are late: the waits behind each to the second, and what would help")
async def get_explanations(
    session: Session,
    ctx: Ctx,
    running: Running,
    language: Language,
    order: Annotated[UUID | None, Query(description="only this order")] = None,
) -> ExplanationOut:
    facts, built, found = await desk_of(running).explain(order)
    machines = await _machines(session, ctx)
    waits = [wait for late in found.late for wait in late.waits]
    orders = await _orders(session, ctx, [*(one.order for one in found.late), *(one.other_order for one in waits)])
    jobs = await _jobs(session, [one.operation for one in waits])
    names = _Names(machines, orders, jobs, language, built.problem.origin)
    return ExplanationOut(
        version_id=facts.version, now=built.problem.origin, late=[names.late(each) for each in found.late],
        bottlenecks=[
            BottleneckOut(
                equipment_id=each.machine, equipment_no=machines.get(each.machine), waited_s=each.waited,
                load=round(each.load, 4),
            )
            for each in found.bottlenecks
        ],
    )  # fmt: skip


class _Names:
    """Turns ids and seconds into what people read."""

    def __init__(
        self, machines: Mapping[str, str], orders: Mapping[str, str], jobs: Mapping[str, str], language: str,
        origin: datetime,
    ) -> None:  # fmt: skip
        self.machines, self.orders, self.jobs, self.language, self.origin = machines, orders, jobs, language, origin

    def at(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(self.origin.timestamp() + seconds, UTC)

    def late(self, late: Late) -> LateOut:
        waits = []
        for each in late.waits:
            machine, other = self.machines.get(each.machine, "-"), self.orders.get(each.other_order, "-")
            waits.append(
                WaitOut(
                    kind=each.kind, text=t(f"scheduling.wait.{each.kind}", self.language, machine=machine, order=other),
                    seconds=each.seconds, job_id=each.operation, job_code=self.jobs.get(each.operation),
                    equipment_id=each.machine or None, equipment_no=self.machines.get(each.machine),
                    other_job_id=each.other or None, other_order_id=each.other_order or None,
                    other_order_no=self.orders.get(each.other_order),
                )
            )  # fmt: skip
        remedies = [
            RemedyOut(
                kind=each.kind,
                text=t(f"scheduling.remedy.{each.kind}", self.language, machine=self.machines.get(each.target, "-")),
                target=each.target or None, job_id=each.operation or None, gained_s=each.gained, others_s=each.others,
            )
            for each in late.remedies
        ]  # fmt: skip
        return LateOut(
            order_id=late.order, order_no=self.orders.get(late.order), due_at=self.at(late.due),
            projected_end=self.at(late.end), lateness_s=late.lateness, allowance_s=late.allowance, waits=waits,
            remedies=remedies,
        )  # fmt: skip


# ---- by when ---------------------------------------------------------------------------------------------------------


async def _body(session: Session, ctx: Context, asked: InquiryIn) -> dict[str, Any]:
    """An order that is not there yet, as decisions keep it."""
    operations = await _alike(session, ctx, asked) if asked.like_order_id else _steps(ctx, asked)
    return {
        "order_id": str(ctx.new_id()), "name": asked.name, "qty": asked.qty, "priority": asked.priority,
        "due_at": asked.due_at.astimezone(UTC).isoformat() if asked.due_at else None,
        "release_at": asked.release_at.astimezone(UTC).isoformat() if asked.release_at else None,
        "operations": operations,
    }  # fmt: skip


def _steps(ctx: Context, asked: InquiryIn) -> list[dict[str, Any]]:
    ids = {each.seq: str(ctx.new_id()) for each in asked.operations}
    made, last = [], None
    for each in asked.operations:
        before = each.predecessors if each.predecessors is not None else [last] if last is not None else []
        ways = [
            {**way.model_dump(exclude={"equipment_id"}), "equipment_id": str(way.equipment_id)}
            for way in each.alternatives
        ]
        kept = each.model_dump(exclude={"alternatives", "predecessors"})
        made.append(
            {**kept, "id": ids[each.seq], "alternatives": ways, "predecessors": [ids[one] for one in before if one]}
        )
        last = each.seq
    return made


async def _alike(session: Session, ctx: Context, asked: InquiryIn) -> list[dict[str, Any]]:
    rows = await session.scalars(
        select(Job)
        .where(Job.site_id == ctx.site_id, Job.order_id == asked.like_order_id, Job.state.not_in(_GONE))
        .order_by(Job.seq, Job.id)
    )
    jobs = list(rows)
    if not jobs:
        raise Invalid("scheduling.order_without_jobs", field="like_order_id", order=str(asked.like_order_id))
    ids = {job.id: str(ctx.new_id()) for job in jobs}
    return [
        {
            "id": ids[job.id], "seq": job.seq, "alternatives": job.alternatives if job.kind != "outside" else [],
            "predecessors": [ids[one] for one in job.predecessor_ids if one in ids], "family": job.family,
            "queue_s": job.queue_s, "move_s": job.move_s, "interruptible": job.interruptible,
            "lead_days": job.lead_days,
        }
        for job in jobs
    ]  # fmt: skip


async def _promised(
    running: Running, session: Session, ctx: Context, asked: InquiryIn, body: dict[str, Any]
) -> Promised:
    await scenarios.look_at_changes(session, ctx, [Decision(NEW_ORDER, body)])
    if asked.due_at is not None and asked.due_at <= ctx.now:
        raise Invalid("scheduling.due_past", field="due_at", due=asked.due_at.isoformat())
    try:
        return await desk_of(running).promise(body)
    except Infeasible as error:
        reasons = "; ".join(f"{code} {dict(params)}" for _, code, params in error.conflicts[:5])
        raise Invalid("scheduling.inquiry_infeasible", field="operations", reasons=reasons) from error


class _Offers:
    def __init__(
        self, promised: Promised, body: Mapping[str, Any], machines: Mapping[str, str], orders: Mapping[str, str]
    ) -> None:
        self.promised, self.machines, self.orders = promised, machines, orders
        self.seqs = {each["id"]: each["seq"] for each in body["operations"]}

    def of(self, offer: Offer) -> OfferOut:
        at = self.promised.at
        return OfferOut(
            end=at(offer.end),
            harmed=[
                HarmOut(
                    order_id=each.order, order_no=self.orders.get(each.order), promised=at(each.promised),
                    before=at(each.before), after=at(each.after), later_s=each.after - each.promised, hard=each.hard,
                )
                for each in offer.harmed
            ],
            operations=[
                PlacementOut(
                    seq=self.seqs[each.operation], equipment_id=each.machine or None,
                    equipment_no=self.machines.get(each.machine), start=at(each.start), end=at(each.end),
                )
                for each in offer.operations
            ],
        )  # fmt: skip


async def _offers(session: Session, ctx: Context, promised: Promised, body: Mapping[str, Any]) -> _Offers:
    harmed = [each.order for offer in promised.offers for each in offer.harmed]
    return _Offers(promised, body, await _machines(session, ctx), await _orders(session, ctx, harmed))


def _wished(promised: Promised, due_at: datetime | None) -> Offer | None:
    if due_at is None:
        return None
    return fitting(promised.offers, int((due_at - promised.origin).total_seconds()))


@router.post(
    "/inquiries", summary="When an order could be done, and who would be hurt by a sooner date; reserves nothing"
)
async def post_inquiry(body: InquiryIn, session: Session, ctx: Ctx, running: Running) -> InquiryOut:
    asked = await _body(session, ctx, body)
    promised = await _promised(running, session, ctx, body, asked)
    names, wished = await _offers(session, ctx, promised, asked), _wished(promised, body.due_at)
    return InquiryOut(
        earliest=promised.at(promised.offers[0].end), due_at=body.due_at, wished=names.of(wished) if wished else None,
        offers=[names.of(each) for each in promised.offers],
    )  # fmt: skip


@router.post("/quotes", status_code=201, summary="Promise a date and keep the place for it until the quote expires")
async def post_quote(body: QuoteIn, session: Session, ctx: Ctx, running: Running) -> QuoteOut:
    if body.expires_at <= ctx.now:
        raise Invalid("scheduling.expired", field="expires_at", expires=body.expires_at.isoformat())
    await session.execute(_ONE_QUOTE, {"site": str(ctx.site_id)})
    asked = await _body(session, ctx, body)
    promised = await _promised(running, session, ctx, body, asked)
    offer = promised.offers[0]
    if body.due_at is not None and promised.at(offer.end) > body.due_at:
        wished = _wished(promised, body.due_at)
        if wished is None or not body.accept_harm:
            raise Conflict(
                "scheduling.quote_late", due=body.due_at.isoformat(), earliest=promised.at(offer.end).isoformat(),
                harmed=len(wished.harmed) if wished else None,
            )  # fmt: skip
        offer = wished
    end = promised.at(offer.end)
    placed = [
        {
            "id": each.operation, "equipment_id": each.machine, "start": promised.at(each.start).isoformat(),
            "end": promised.at(each.end).isoformat(),
        }
        for each in offer.operations
    ]  # fmt: skip
    kept = {**asked, "due_at": end.isoformat(), "deadline_type": "Hard", "placed": placed}
    row = await decisions.decide(
        session, ctx, NEW_ORDER, kept, note=body.name, expires_at=body.expires_at.astimezone(UTC), promised_end=end
    )
    # Others make room for it.
    await request_plan(session, ctx, {Why.DECIDED})
    names = await _offers(session, ctx, promised, asked)
    return QuoteOut(quote_id=row.id, promised_end=end, expires_at=body.expires_at, offer=names.of(offer))


# ---- what if ---------------------------------------------------------------------------------------------------------


async def _decision(session: Session, ctx: Context, change: Change) -> Decision:
    if isinstance(change, NewOrder):
        return Decision(NEW_ORDER, {**await _body(session, ctx, change), "deadline_type": change.deadline_type})
    return Decision(change.kind, change.model_dump(mode="json", exclude={"kind"}))


@router.post("/scenarios", status_code=202, summary="What if: try changes on a copy; nothing is published")
async def post_scenario(body: ScenarioIn, session: Session, ctx: Ctx, running: Running) -> ScenarioOut:
    changes = [await _decision(session, ctx, each) for each in body.changes]
    await scenarios.look_at_changes(session, ctx, changes)
    row = await scenarios.ask(session, ctx, body.name, changes, body.seconds, body.seed)
    desk_of(running).wake.set()
    return ScenarioOut.of(row)


@router.get("/scenarios", summary="Scenarios and proposals, the newest first")
async def get_scenarios(session: Session, ctx: Ctx, page: Paging) -> list[ScenarioOut]:
    rows = select(Scenario).where(Scenario.site_id == ctx.site_id).order_by(Scenario.no.desc())
    return [ScenarioOut.of(row) for row in await session.scalars(rows.offset(page.offset).limit(page.limit))]


@router.get(
    "/scenarios/{scenario_id}", summary="One scenario with its comparison: who is helped, who is harmed, what moves"
)
async def get_scenario(scenario_id: UUID, session: Session, ctx: Ctx) -> ScenarioOut:
    row = await session.get(Scenario, scenario_id)
    if row is None or row.site_id != ctx.site_id:
        raise NotFound("scenario.unknown", scenario=str(scenario_id))
    return await _named(session, ctx, row)


async def _named(session: Session, ctx: Context, row: Scenario) -> ScenarioOut:
    return ScenarioOut.of(row, await _orders(session, ctx, [each["order_id"] for each in row.result.get("orders", ())]))


@router.post("/scenarios/{scenario_id}/promote", summary="Publish its plan; what was changed in it holds from now on")
async def post_promote(scenario_id: UUID, session: Session, ctx: Ctx) -> ScenarioOut:
    return await _named(session, ctx, await scenarios.promote(session, ctx, scenario_id))


@router.post("/scenarios/{scenario_id}/again", status_code=202, summary="Try the same changes on the plan of now")
async def post_again(scenario_id: UUID, session: Session, ctx: Ctx, running: Running) -> ScenarioOut:
    row = await scenarios.again(session, ctx, scenario_id)
    desk_of(running).wake.set()
    return ScenarioOut.of(row)


@router.post("/scenarios/{scenario_id}/discard", summary="Put it away: a proposal is declined by that")
async def post_discard(scenario_id: UUID, session: Session, ctx: Ctx) -> ScenarioOut:
    return await _named(session, ctx, await scenarios.discard(session, ctx, scenario_id))


# ---- decisions -------------------------------------------------------------------------------------------------------


@router.get("/decisions", summary="What planners decided for planning alone, quotes too; the newest first")
async def get_decisions(session: Session, ctx: Ctx, page: Paging, state: str | None = None) -> list[DecisionOut]:
    rows = select(PlanningDecision).where(PlanningDecision.site_id == ctx.site_id)
    if state is not None:
        rows = rows.where(PlanningDecision.state == state)
    rows = rows.order_by(PlanningDecision.at.desc(), PlanningDecision.id.desc())
    return [DecisionOut.of(row) for row in await session.scalars(rows.offset(page.offset).limit(page.limit))]


@router.delete("/decisions/{decision_id}", summary="Withdraw a decision or a quote; what it kept free is planned again")
async def delete_decision(decision_id: UUID, session: Session, ctx: Ctx) -> DecisionOut:
    return DecisionOut.of(await decisions.withdraw(session, ctx, decision_id))
