"""Routes of outside operations (外协)."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from fastapi import Response
from mes.web import Ctx, Language, Session, service_router
from pydantic import ConfigDict

from services.order.api.jobs import job_out
from services.order.api.reports import reported_out
from services.order.api.schemas import Code, JobOut, Moment, MoveOut, Positive, Qty, ReportedOut, Strict
from services.order.commands import outside
from services.order.domain.quantity import plain
from services.order.queries import jobs as queries

router = service_router(tags=["outside"])


class SendIn(Strict):
    """What goes out: pieces, and kg where they are weighed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"qty": "400", "kg": "54", "supplier": "恒发电镀厂"}]}
    )

    qty: Positive
    supplier: Code = ""
    kg: Positive | None = None
    occurred_at: Moment | None = None


class ReturnIn(Strict):
    """What comes back good; shortage_qty: what never will."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"qty": "395", "shortage_qty": "5"}]})

    qty: Qty = Decimal(0)
    kg: Positive | None = None
    shortage_qty: Qty = Decimal(0)
    shortage_reason: Code = ""
    occurred_at: Moment | None = None


@router.post("/jobs/{job_id}/send", summary="Send pieces to the supplier")
async def post_send(
    job_id: UUID, body: SendIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> JobOut:
    done = await outside.send(
        session, ctx, job_id, qty=body.qty, supplier=body.supplier, kg=body.kg, occurred_at=body.occurred_at
    )
    return job_out(done, response, language)


@router.post("/jobs/{job_id}/return", summary="Pieces come back from the supplier, all or a part")
async def post_return(
    job_id: UUID, body: ReturnIn, session: Session, ctx: Ctx, language: Language, response: Response
) -> ReportedOut:
    done = await outside.take_back(
        session, ctx, job_id, qty=body.qty, kg=body.kg, shortage=body.shortage_qty,
        shortage_reason=body.shortage_reason, occurred_at=body.occurred_at,
    )  # fmt: skip
    return reported_out(done, response, language)


@router.get("/jobs/{job_id}/moves", summary="What went to the supplier and came back")
async def get_moves(job_id: UUID, session: Session, ctx: Ctx) -> list[MoveOut]:
    await queries.job_by_id(session, ctx.site_id, job_id)
    return [
        MoveOut(
            direction=row.direction, supplier=row.supplier, qty=plain(row.qty), kg=plain(row.kg) or None,
            shortage_qty=plain(row.shortage_qty), occurred_at=row.occurred_at, recorded_at=row.recorded_at,
            recorded_by=row.recorded_by,
        )
        for row in await queries.moves_of_job(session, job_id)
    ]  # fmt: skip
