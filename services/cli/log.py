"""Reading the event log again: `mes rebuild`, `mes redeliver`."""

from __future__ import annotations

from typing import Any

import httpx
from mes.ids import new_id

from services.cli.terminal import problem_text, say

# A large log takes its time.
_PATIENCE_S = 3600.0


async def rebuild(http: httpx.AsyncClient, service: str, projection: str) -> None:
    """Make a projection of a service anew."""
    done = await _post(http, f"/{service}/projections/{projection}/rebuild", None)
    say("rebuild.done", service=service, projection=projection, events=done["events"])


async def redeliver(http: httpx.AsyncClient, service: str, wish: dict[str, Any]) -> None:
    """Let a service read events again."""
    done = await _post(http, f"/{service}/redelivery", wish)
    say("redelivery.done", service=service, read=done["read"], applied=done["applied"])


async def _post(http: httpx.AsyncClient, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    headers = {"Idempotency-Key": str(new_id()), "X-Actor": "mes-cli"}
    answer = await http.post(path, json=body, headers=headers, timeout=_PATIENCE_S)
    if answer.is_error:
        raise httpx.HTTPStatusError(problem_text(answer), request=answer.request, response=answer)
    return dict(answer.json())
