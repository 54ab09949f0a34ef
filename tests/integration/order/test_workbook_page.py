"""The page of the workbook without a script: what a browser sends, and what it must not be made to send."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest
from mes.testing import TestDatabases
from sqlalchemy import select

from services.order.api import workbook_pages
from services.order.models import ProductionOrder

from .floor import Floor, open_floor


@pytest.fixture
async def floor(databases: TestDatabases) -> AsyncIterator[Floor]:
    async with open_floor(databases) as opened:
        yield opened


NUT = {"no": "NUT", "stock_uom": "pcs"}
TABLES = {"materials": [NUT], "orders": [{"no": "MO-1", "material": "NUT", "qty": 10}]}


async def check(
    floor: Floor, tables: Any, name: str = "三月.json", headers: Mapping[str, str] | None = None, **fields: str
) -> httpx.Response:
    """Choose a file and send it."""
    content = tables if isinstance(tables, bytes) else json.dumps(tables).encode()
    return await floor.http.post(
        "/order/workbook?lang=en", files={"file": (name, content)}, data=fields, headers=headers or {}
    )


def confirmation(answer: httpx.Response, **changes: str) -> tuple[str, dict[str, str]]:
    """Address and hidden fields of the form that imports what was shown."""
    form = re.search(r'<form method="post" action="([^"]*/confirm[^"]*)".*?</form>', answer.text, re.S)
    assert form, answer.text
    fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form[0]))
    return unescape(form[1]), {key: unescape(value) for key, value in fields.items()} | {"worker": "PMC-1"} | changes


async def confirm(floor: Floor, answer: httpx.Response, **changes: str) -> httpx.Response:
    address, fields = confirmation(answer, **changes)
    return await floor.http.post(address, data=fields, headers={"Accept-Language": "en"})


async def quantities(floor: Floor) -> dict[str, int]:
    async with floor.order.read() as session:
        rows = await session.execute(select(ProductionOrder.no, ProductionOrder.qty))
        return {row.no: int(row.qty) for row in rows}


async def test_the_page_is_found(floor: Floor) -> None:
    for path in ("/", "/order/orders/board"):
        assert '"/order/workbook"' in (await floor.http.get(path)).text
    for language, title in (("zh-CN", "导入工作簿"), ("en", "Import workbook")):
        page = (await floor.http.get("/order/workbook", params={"lang": language})).text
        assert f"<title>{title}</title>" in page and f"template.xlsx?lang={language}" in page
        for address in re.findall(r'href="(/order/workbook/[^"]+)"', page):
            assert (await floor.http.get(unescape(address))).status_code == 200, address


async def test_what_was_shown_is_imported_once(floor: Floor) -> None:
    seen = await check(floor, TABLES)
    assert seen.status_code == 200 and await quantities(floor) == {}
    address, fields = confirmation(seen)
    done = [await floor.http.post(address, data=fields) for _ in range(2)]
    assert [each.status_code for each in done] == [303, 303]
    assert done[0].headers["location"] == done[1].headers["location"]
    receipt = await floor.http.get(done[0].headers["location"], headers={"Accept-Language": "en"})
    assert "三月.json was imported" in receipt.text and "PMC-1" in receipt.text
    assert await quantities(floor) == {"MO-1": 10}
    again = await check(floor, TABLES)
    assert "nothing to import" in again.text and "/confirm" not in again.text


async def test_a_preview_that_no_longer_holds_is_shown_anew(floor: Floor) -> None:
    seen = await check(floor, TABLES)
    await confirm(floor, await check(floor, {**TABLES, "orders": [{"no": "MO-1", "material": "NUT", "qty": 20}]}))
    late = await confirm(floor, seen)
    assert late.status_code == 412
    assert "changed since the preview" in late.text and "20 → 10" in late.text
    assert await quantities(floor) == {"MO-1": 20}
    assert (await confirm(floor, late)).status_code == 303
    assert await quantities(floor) == {"MO-1": 10}


async def test_a_large_file_is_chosen_again_and_has_to_be_the_same(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_pages, "_MOST_CARRIED", 10)
    seen = await check(floor, TABLES)
    address, fields = confirmation(seen)
    assert "content" not in fields
    other = {"file": ("三月.json", json.dumps({**TABLES, "orders": []}).encode())}
    same = {"file": ("三月.json", json.dumps(TABLES).encode())}
    assert (await floor.http.post(address, data=fields, files=other)).status_code == 412
    assert (await floor.http.post(address, data=fields, files=same)).status_code == 303
    assert await quantities(floor) == {"MO-1": 10}


async def test_a_saved_mapping_can_be_chosen(floor: Floor) -> None:
    assert "<select" not in (await check(floor, TABLES)).text
    spec = {"sheets": [{"sheet": "计划", "to": "orders", "columns": {"单": "no", "料": "material", "数": "qty"}}]}
    key = {"Idempotency-Key": str(uuid4())}
    assert (await floor.http.put("/order/workbook/mappings/plan", json=spec, headers=key)).status_code == 200
    await confirm(floor, await check(floor, {"materials": [NUT]}))
    seen = await check(floor, "单,料,数\nMO-7,NUT,7\n".encode(), "计划.csv", mapping="plan")
    assert "<option selected>plan</option>" in seen.text
    assert (await confirm(floor, seen)).status_code == 303
    assert await quantities(floor) == {"MO-7": 7}
    unknown = await check(floor, TABLES, mapping="none")
    assert unknown.status_code == 404 and 'type="file"' in unknown.text


async def test_what_is_wrong_with_a_file_is_a_page_that_says_what_to_do(floor: Floor) -> None:
    for content, name, words in (
        (b"\xd0\xcf\x11\xe0 old", "plan.xls", "save it as"), (b"", "empty.csv", "is empty"),
        (b"a,b\n1,2\n", "other.csv", "No sheet was recognised"),
    ):  # fmt: skip
        answer = await check(floor, content, name)
        assert words in answer.text and 'type="file"' in answer.text, name
        assert answer.status_code == (200 if name == "other.csv" else 422)
    nothing = await floor.http.post("/order/workbook?lang=en", data={"mapping": ""})
    assert nothing.status_code == 422 and "Choose an Excel" in nothing.text
    seen = await check(floor, {**TABLES, "materials": [{**NUT, "name_zh": "<b>x</b>", "outdated": "<i>"}]})
    assert "<i>" not in seen.text and "&lt;i&gt;" in seen.text
    unseen = await confirm(floor, await check(floor, TABLES), token="")
    assert unseen.status_code == 422 and await quantities(floor) == {}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Referer": "http://evil.example/page"}, 403), ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://HOST"}, 200), ({}, 200),
    ],
)  # fmt: skip
async def test_a_form_of_another_site_does_nothing(floor: Floor, headers: dict[str, str], status: int) -> None:
    sent = {key: value.replace("HOST", floor.http.base_url.netloc.decode()) for key, value in headers.items()}
    assert (await check(floor, TABLES, headers=sent)).status_code == status
    address, fields = confirmation(await check(floor, TABLES))
    done = await floor.http.post(address, data=fields, headers=sent)
    assert done.status_code == (303 if status == 200 else 403)
    assert bool(await quantities(floor)) == (status == 200)
