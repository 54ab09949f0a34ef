"""What could not be applied, service by service: `mes dlq`."""

from __future__ import annotations

import json
from urllib.parse import quote

import httpx
from mes.ids import new_id
from rich.markup import escape
from rich.table import Table

from services.cli.composition import load_services
from services.cli.terminal import out, say, text

_COLUMNS = ("service", "topic", "key", "events", "since", "type", "error")


async def show_keys(http: httpx.AsyncClient) -> None:
    """A row for each aggregate whose events wait."""
    table = Table(*(text(f"dlq.{name}") for name in _COLUMNS))
    for service in load_services():
        for each in await _keys(http, service.name):
            row = {**each, "service": service.name, "since": each["since"][:19], "error": each["error"][:200]}
            table.add_row(*(escape(str(row[name])) for name in _COLUMNS))
    if table.row_count:
        out.print(table)
    else:
        say("dlq.nothing")


async def show_events(http: httpx.AsyncClient, service: str, topic: str, key: str) -> None:
    """The events of one aggregate as JSON."""
    answer = (await http.get(_path(service, topic, key))).raise_for_status()
    out.print_json(json.dumps(answer.json(), ensure_ascii=False))


async def replay(http: httpx.AsyncClient, service: str, wish: tuple[str, str] | None) -> int:
    """Apply what waits of one aggregate, or of all; how many aggregates still have events that cannot be applied."""
    wishes = [wish] if wish else [(each["topic"], each["key"]) for each in await _keys(http, service)]
    stopped = 0
    for topic, key in wishes:
        headers = {"Idempotency-Key": str(new_id()), "X-Actor": "mes-cli"}
        done = (await http.post(f"{_path(service, topic, key)}/replay", headers=headers)).raise_for_status().json()
        say("dlq.stopped" if done["left"] else "dlq.replayed", key=key, **done)
        stopped += bool(done["left"])
    if not wishes:
        say("dlq.nothing")
    return stopped


async def _keys(http: httpx.AsyncClient, service: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (await http.get(f"/{service}/parked-events")).raise_for_status().json()
    return found


def _path(service: str, topic: str, key: str) -> str:
    return f"/{service}/parked-events/{quote(topic, safe='')}/{quote(key, safe='')}"
