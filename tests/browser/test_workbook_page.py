"""Somebody imports a workbook by the page, in a real browser."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from services.order.models import Definition, ProductionOrder

from .conftest import PHONE, Browser

BAD = {
    "materials": [{"no": "NUT", "name_zh": "螺母", "name_en": "Nut", "stock_uom": "pcs"}],
    "orders": [{"no": "MO-1", "material": "NUT", "qty": 10}, {"no": "MO-2", "material": "NUT", "qty": 2.5}],
}
GOOD = {**BAD, "orders": [{"no": "MO-1", "material": "NUT", "qty": 10}]}
LOOK = """function (page, frame) { return {
  text: page.body.innerText, wide: page.documentElement.scrollWidth,
  told: [].map.call(page.querySelectorAll(".told tr"), function (row) {
    return [].map.call(row.cells, function (cell) { return cell.textContent; });
  }),
  buttons: [].map.call(page.querySelectorAll("main button"), function (each) { return each.innerText; })
}; }"""


def choose(tables: Any) -> str:
    """Choose a file and send it."""
    content = json.dumps(json.dumps(tables, ensure_ascii=False))
    return f"""function (page, frame) {{
      var view = frame.contentWindow, files = new view.DataTransfer();
      files.items.add(new view.File([{content}], "三月.json"));
      page.querySelector("input[type=file]").files = files.files;
      page.querySelector("form[action$='/workbook'] button").click();
    }}"""


CONFIRM = """function (page) {
  page.querySelector("[name=worker]").value = "PMC-1";
  page.querySelector("form[action*='/confirm'] button").click();
}"""


async def orders(browser: Browser) -> list[str]:
    async with browser.floor.order.read() as session:
        return list(await session.scalars(select(ProductionOrder.no).order_by(ProductionOrder.no)))


async def test_a_workbook_is_checked_corrected_and_imported(browser: Browser) -> None:
    wrong = await browser.drive("/order/workbook?lang=zh-CN", choose(BAD), LOOK)
    assert "三月.json：1 处错误" in wrong["text"]
    assert [row[:3] for row in wrong["told"] if "保留 0 位小数" in row[-1]] == [["orders", "2", "qty"]]
    assert wrong["wide"] <= PHONE[0]
    assert await orders(browser) == []
    right = await browser.drive("/order/workbook?lang=zh-CN", choose(GOOD), LOOK)
    assert "2 行，没有错误" in right["text"] and "按预览导入" in right["buttons"][0]
    assert await orders(browser) == []
    done = await browser.drive("/order/workbook?lang=zh-CN", choose(GOOD), CONFIRM, LOOK)
    assert "已导入 三月.json" in done["text"] and "新增 2，更改 0，删除 0" in done["text"]
    assert await orders(browser) == ["MO-1"]
    again = await browser.drive("/order/workbook?lang=en", choose(GOOD), LOOK, width=1280)
    assert "There is nothing to import" in again["text"]
    assert "PMC-1" in again["text"] and len(again["buttons"]) == 1


async def test_the_good_rows_are_imported_alone(browser: Browser) -> None:
    seen = await browser.drive("/order/workbook?lang=en", choose(BAD), CONFIRM, LOOK, width=1280)
    assert "Rows left out: 1." in seen["text"]
    assert await orders(browser) == ["MO-1"]
    async with browser.floor.order.read() as session:
        assert "NUT" in list(await session.scalars(select(Definition.no)))
