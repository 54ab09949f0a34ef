"""The pages of the floor in a real browser: they can be read, reached with a thumb, and used."""

from __future__ import annotations

import shutil

from tests.integration.order.scenes import busy_day

from .conftest import PHONE, Browser, missing, run


async def test_there_is_a_font_for_chinese() -> None:
    """Without one pages are blank while every check of their text passes."""
    if not shutil.which("fc-list"):
        missing("fontconfig")
    if not (await run("fc-list", ":lang=zh")).strip():
        missing("a font for Chinese (fonts-noto-cjk)")


async def test_pages_are_drawn_and_fit_a_phone(browser: Browser) -> None:
    jobs = await busy_day(browser.floor)
    order = f"/order/orders/{jobs['running'].order_id}"
    paths = ("/order/orders/board", "/order/dispatch/board", f"{order}/page", f"{order}/card")
    for path in (paths[1], paths[3]):
        width, height, ink = await browser.shoot(path, 640, 400)
        assert (width, height) == (640, 400)
        assert ink > 0.02, f"{path} is blank"
    for path, found in zip(paths, await browser.measure(*paths[:3]), strict=False):
        assert found["wide"] <= PHONE[0], path


async def test_the_scan_page_is_for_thumbs(browser: Browser) -> None:
    jobs = await busy_day(browser.floor)
    scenes = ("ready", "running", "paused", "setup", "sent")
    measured = await browser.measure(*(f"/order/t/{jobs[scene].code}" for scene in scenes))
    for scene, found in zip(scenes, measured, strict=True):
        assert found["small"] == [], scene
        assert found["wide"] <= PHONE[0], scene
        assert found["tallest"] >= 80, scene
        # Without scrolling, once the device knows who works at it: a row less than the first time.
        assert found["bottom"] <= PHONE[1] + 92, f"{scene}: the main action ends at {found['bottom']}"


async def test_somebody_reports_by_touch_and_takes_it_back(browser: Browser) -> None:
    job = (await busy_day(browser.floor))["running"]
    type_and_send = """function (page) {
      page.querySelector("form[action*='/report'] [name=worker]").value = "W-017";
      var pad = page.querySelectorAll("form[action*='/report'] .keypad button");
      for (var i = 0; i < pad.length; i++) {
        if (pad[i].textContent === "1" || pad[i].textContent === "2") { pad[i].click(); }
      }
      page.querySelector("form[action*='/report'] [data-step='1']").click();
      page.querySelector("form[action*='/report'] button.primary").click();
    }"""
    look = (
        """function (page) { return {text: page.body.innerText, undo: !!page.querySelector("[action*='/undo']")}; }"""
    )
    receipt = await browser.drive(f"/order/t/{job.code}?lang=en", type_and_send, look, width=800)
    assert "Reported: good 13 pcs" in receipt["text"] and receipt["undo"]
    assert (await browser.floor.job(job.id)).good_qty == 53
    undo = """function (page) { page.querySelector("[action*='/undo'] button").click(); }"""
    back = await browser.drive(f"/order/t/{job.code}?lang=en", type_and_send, undo, look, width=800)
    assert "taken back" in back["text"]
    assert (await browser.floor.job(job.id)).good_qty == 53
