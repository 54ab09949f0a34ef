"""What people decide about the severity of sampling."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from mes.context import Context
from mes.errors import Conflict, NotFound
from sqlalchemy.ext.asyncio import AsyncSession

from services.quality.domain import switching
from services.quality.domain.switching import Switching
from services.quality.models import SamplingState


def switching_of(row: SamplingState) -> Switching:
    """The state of a row."""
    return Switching(**{**row.state, "recent": tuple(row.state["recent"])})


def keep(ctx: Context, row: SamplingState, state: Switching) -> None:
    """Store what a row's state has become."""
    if state != switching_of(row):
        row.state, row.changed_at = {**asdict(state), "recent": list(state.recent)}, ctx.now


async def _locked(session: AsyncSession, ctx: Context, state_id: UUID) -> SamplingState:
    row = await session.get(SamplingState, state_id, with_for_update=True, populate_existing=True)
    if row is None or row.site_id != ctx.site_id:
        raise NotFound("sampling_state.unknown", sampling_state=str(state_id))
    return row


async def approve(session: AsyncSession, ctx: Context, state_id: UUID, approved: bool) -> SamplingState:
    """The authority wants reduced inspection, or no longer does. Raises NotFound."""
    row = await _locked(session, ctx, state_id)
    keep(ctx, row, switching.approve_reduced(switching_of(row), approved))
    return row


async def resume(session: AsyncSession, ctx: Context, state_id: UUID) -> SamplingState:
    """A discontinued inspection goes on, tightened. Raises NotFound, Conflict."""
    row = await _locked(session, ctx, state_id)
    state = switching_of(row)
    if state.severity != switching.DISCONTINUED:
        raise Conflict("sampling_state.not_discontinued", state=state.severity, legal=[])
    keep(ctx, row, switching.resume(state))
    return row
