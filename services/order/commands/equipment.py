"""What machines do, as far as orders and jobs are concerned."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from mes.context import Context
from mes.events.v1 import equipment_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import EquipmentState

DOWN = "UNPLANNED_DOWN"

_PUT = text(
    """
    INSERT INTO equipment_state AS s (equipment_id, site_id, category, reason, since, expected_until, as_of)
    VALUES (:equipment_id, :site_id, :category, :reason, :since, :expected_until, :as_of)
    ON CONFLICT (equipment_id) DO UPDATE SET category = excluded.category, reason = excluded.reason,
        since = excluded.since, expected_until = excluded.expected_until, as_of = excluded.as_of
    WHERE s.as_of <= excluded.as_of
    RETURNING equipment_id
    """
)


async def put_state(
    session: AsyncSession, ctx: Context, event: equipment_pb2.EquipmentStateChanged, told_at: datetime
) -> bool:
    """Keep the state of a machine; whether it went down or came back (and what is told is not older than known)."""
    equipment_id = UUID(event.equipment_id)
    before = await session.get(EquipmentState, equipment_id, populate_existing=True)
    until = event.expected_until.ToDatetime(tzinfo=UTC) if event.HasField("expected_until") else None
    row = {
        "equipment_id": equipment_id, "site_id": ctx.site_id, "category": event.category, "reason": event.reason,
        "since": event.since.ToDatetime(tzinfo=UTC), "expected_until": until, "as_of": told_at,
    }  # fmt: skip
    was_down = before is not None and before.category == DOWN
    kept = await session.scalar(_PUT, row) is not None
    return kept and was_down != (event.category == DOWN)
