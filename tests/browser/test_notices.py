"""A notice from the composer to the approval in a real browser: by keyboard, by mouse, without scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from gateway.affairs.notices import drafts
from gateway.core.model import Member
from gateway.core.tables.notices import notice
from tests.browser.conftest import Opened
from tests.console.served import Served
from tests.console.test_notices import a_crowd, writers

pytestmark = pytest.mark.browser


def prepare(served: Served) -> None:
    served.run(lambda conn: writers(conn, served))
    served.run(lambda conn: a_crowd(conn, served))


def state(served: Served) -> str:
    return served.run(lambda conn: drafts.listing(conn)[0].state)


def presses(page: Page, *keys: str) -> int:
    for key in keys:
        page.keyboard.press(key)
    return len(keys)


def test_by_keyboard_alone(opened: Opened, served: Served, member: Member, complaints: list[str]) -> None:
    """Eight keys from the list to a notice that waits, besides the text; four to approve it."""
    prepare(served)
    page = opened("wen")
    page.goto("/bulk")
    used = presses(page, "n", "Enter")
    page.wait_for_url("**/bulk/new")
    expect(page.locator("[name=text_zh]")).to_be_focused()
    page.keyboard.type("各支部周五到村部")
    expect(page.locator("#measure")).to_contain_text("61")
    used += presses(page, "Escape")
    page.locator("button.main").focus()
    used += presses(page, "Enter")
    page.wait_for_url("**/bulk/101")
    used += presses(page, "a", "Enter")
    expect(page.locator("h1 + .state, .head .state").first).to_contain_text("待审批")
    assert used <= 8
    other = opened("pi")
    other.goto("/bulk")
    used = presses(other, "j", "Enter")
    other.wait_for_url("**/bulk/101")
    used += presses(other, "a", "Enter")
    expect(other.locator(".head .state").first).to_contain_text("已排定")
    assert used <= 8
    assert state(served) == "scheduled"
    assert complaints == []


def test_a_double_click_approves_once(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen")
    page.goto("/bulk/new")
    page.fill("[name=text_zh]", "双击测试")
    page.dblclick("button.main")
    page.wait_for_url("**/bulk/*")
    page.dblclick("button.main")
    expect(page.locator(".head .state").first).to_contain_text("待审批")
    assert served.run(lambda conn: conn.scalar(select(func.count()).select_from(notice))) == 1


def test_without_scripts(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen", script=False)
    page.goto("/bulk/new")
    page.fill("[name=text_zh]", "没有脚本也能写")
    page.click("button.main")
    expect(page.locator(".funnel")).to_contain_text("61")
    page.click("button.main")
    other = opened("pi", script=False)
    other.goto("/bulk?tab=waiting")
    other.click("a.over")
    other.click("button.main")
    expect(other.locator(".head .state").first).to_contain_text("已排定")


def test_the_progress_follows(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen")
    page.goto("/bulk/new")
    page.fill("[name=text_zh]", "看进度")
    page.click("button.main")
    page.wait_for_url("**/bulk/101")
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    page.click("button.main")
    expect(page.locator(".head .state").first).to_contain_text("待审批")
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    other = opened("pi")
    other.goto("/bulk/101")
    other.click("button.main")
    expect(other.locator(".head .state").first).to_contain_text("已排定")
    expect(page.locator("progress")).to_be_visible(timeout=15_000)


def test_it_fits_a_narrow_screen(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen", width=390)
    page.goto("/bulk/new")
    too_wide = "document.documentElement.scrollWidth > window.innerWidth"
    assert not page.evaluate(too_wide)
    page.fill("[name=text_zh]", "窄屏")
    page.click("button.main")
    page.wait_for_url("**/bulk/101")
    assert not page.evaluate(too_wide)
